//! `streamgauge history`: what the history has, as people read it.

use clap::Subcommand;
use serde_json::{Value, json};

use super::baseline::{Asked, HowArgs, LOOKED_AT, choose};
use super::usable::unusable;
use super::{Error, Filter, History, Place, settings};
use crate::report::{
    self, Baseline, Comparison, Difference, Metric, Outcome, Report, Run, quantity, render, short, title_of,
};
use crate::step::{Exit, Failure, Step, StepArgs};

/// What stands where there is nothing.
const NONE: &str = "–";
/// The longest text of others that a column of the list holds, in characters.
const COLUMN: usize = 40;

/// List, show and compare the reports of earlier runs.
#[derive(Debug, clap::Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,

    /// Where they are.
    #[command(flatten)]
    place: Place,

    /// The application; all of them when it is not given
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, global = true)]
    app: String,

    /// How it is written
    #[arg(long, value_enum, default_value_t, global = true)]
    output: Output,

    /// What all programs have.
    #[command(flatten)]
    pub step: StepArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the runs, the newest first, each with the settings that changed since the run before
    List {
        /// The branch that was tested
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        branch: String,

        /// The commit that was tested, or how it begins
        #[arg(long, value_name = "SHA", default_value = "", hide_default_value = true)]
        commit: String,

        /// How many runs
        #[arg(long, value_name = "N", default_value = "20")]
        last: usize,
    },
    /// Show the report of a run, or that of a commit's or branch's newest run
    Show {
        /// A run's id, a commit or how it begins, or a branch
        #[arg(value_name = "RUN|COMMIT|BRANCH")]
        which: String,
    },
    /// Compare two runs, commits or branches: all usable runs of the one with those of the other
    Compare {
        /// What to compare with: a run's id, a commit or how it begins, or a branch
        #[arg(value_name = "BASELINE")]
        baseline: String,

        /// What is compared
        #[arg(value_name = "THIS")]
        this: String,

        /// When a difference counts.
        #[command(flatten)]
        how: HowArgs,
    },
}

/// How it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    #[default]
    Text,
    /// As JSON
    Json,
}

/// Lists, shows or compares.
#[expect(clippy::print_stdout, reason = "the history is what such a program is for")]
pub async fn run(args: Args, _: &Step) -> Result<Exit, Failure> {
    let history = args.place.open()?.ok_or(Error::WhichHistory)?;
    let (text, value) = match &args.action {
        Action::List { branch, commit, last } => list(&history, &args.app, branch, commit, *last).await?,
        Action::Show { which } => {
            let report = found(&history, &args.app, which).await?.swap_remove(0);
            (render::text(&report), serde_json::to_value(report).unwrap_or_default())
        }
        Action::Compare { baseline, this, how } => {
            let mut reports = found(&history, &args.app, this).await?;
            let counts = reports.iter().position(|report| unusable(report).is_none()).unwrap_or(0);
            let this = reports.swap_remove(counts);
            let app = this.app.as_ref().map_or("", |app| &app.name);
            let asked = asked(&history, app, baseline).await?;
            let compared: Baseline = choose(&history, &asked, &this).await?.compare(&asked, &this, &how.how());
            (comparison(&this, &compared), serde_json::to_value(compared).unwrap_or_default())
        }
    };
    match args.output {
        Output::Text => print!("{text}"),
        Output::Json => println!("{value:#}"),
    }
    Ok(Exit::Done)
}

/// The runs in a table, and as JSON.
async fn list(history: &History, app: &str, branch: &str, commit: &str, last: usize) -> Result<(String, Value), Error> {
    let keys = history.keys(app).await?;
    let filter = Filter { branch: branch.to_owned(), commit: commit.to_owned(), last: Some(last) };
    let mut rows = Vec::new();
    for report in history.reports_among(&keys, &filter).await? {
        let before = history.previous_among(&report, &keys).await?;
        rows.push(Row::of(&report, before.as_ref()));
    }
    let head = [
        "time",
        "run",
        "application",
        "branch",
        "commit",
        "message",
        "settings changed",
        "load",
        "TPS",
        "latency",
        "lag",
        "verdict",
    ];
    let values = rows.iter().map(Row::to_json).collect();
    Ok((render::table(&head, 7, rows.into_iter().map(Row::cells).collect()), Value::Array(values)))
}

/// A run in the list.
struct Row {
    run: Run,
    app: String,
    engine: String,
    changed: Vec<Difference>,
    load: Option<(f64, f64)>,
    /// TPS, latency and lag, each with its unit.
    numbers: [Option<(f64, String)>; 3],
    verdict: Option<(&'static str, String)>,
}

impl Row {
    fn of(report: &Report, before: Option<&Report>) -> Self {
        let app = report.app.clone().unwrap_or_default();
        let number = |wanted: fn(&str) -> bool| {
            let whole = |metric: &&Metric| metric.component.is_empty() && wanted(&metric.name);
            let found = report.metrics.iter().find(whole);
            found.and_then(|metric| Some((metric.value?, metric.unit.clone())))
        };
        Self {
            run: report.run.clone().unwrap_or_default(),
            app: app.name,
            engine: app.engine,
            changed: before.map(|before| settings(before, report)).unwrap_or_default(),
            load: report.load.as_ref().map(|load| (load.rate, load.planned as f64 / load.rate.max(f64::MIN_POSITIVE))),
            numbers: [
                number(|name| name == "tps" || name.ends_with("_tps")),
                number(|name| name.contains("latency")),
                number(|name| name == "lag"),
            ],
            verdict: report.verdict.as_ref().map(|verdict| (verdict.status.as_str(), verdict.cause.clone())),
        }
    }

    fn cells(self) -> Vec<String> {
        let or_none = |text: String| if text.is_empty() { NONE.to_owned() } else { text };
        let time = self.run.started_at.or(self.run.finished_at);
        let load =
            self.load.map(|(rate, seconds)| format!("{} for {}", quantity(rate, "records/s"), quantity(seconds, "s")));
        let mut cells = vec![
            time.map_or(NONE.to_owned(), |time| format!("{time:.0}")),
            or_none(self.run.id),
            or_none(self.app),
            or_none(clipped(&self.run.branch)),
            or_none(short(&self.run.commit, 12).to_owned()),
            clipped(self.run.message.lines().next().unwrap_or_default()),
            self.changed.iter().map(change).collect::<Vec<_>>().join(", "),
            load.unwrap_or(NONE.to_owned()),
        ];
        let shown =
            |number: Option<(f64, String)>| number.map_or(NONE.to_owned(), |(value, unit)| quantity(value, &unit));
        cells.extend(self.numbers.map(shown));
        cells.push(self.verdict.map_or("none", |(status, _)| status).to_owned());
        cells
    }

    fn to_json(&self) -> Value {
        let [tps, latency, lag] = self.numbers.each_ref().map(|number| number.as_ref().map(|(value, _)| *value));
        json!({
            "run": self.run.id,
            "startedAt": self.run.started_at,
            "app": self.app,
            "engine": self.engine,
            "branch": self.run.branch,
            "commit": self.run.commit,
            "message": self.run.message,
            "settingsChanged": self.changed,
            "rate": self.load.map(|(rate, _)| rate),
            "seconds": self.load.map(|(_, seconds)| seconds),
            "tps": tps,
            "latency": latency,
            "lag": lag,
            "verdict": self.verdict.as_ref().map(|(status, _)| status),
            "cause": self.verdict.as_ref().map(|(_, cause)| cause),
        })
    }
}

/// Which runs a word means: those of a run's id, of a commit, or of a branch, whichever there is.
async fn asked(history: &History, app: &str, word: &str) -> Result<Asked, Error> {
    if let Ok(asked @ (Asked::Run(_) | Asked::Commit(_) | Asked::Branch(_))) = word.parse() {
        return Ok(asked);
    }
    let (word, keys) = (word.to_owned(), history.keys(app).await?);
    let forms = [Asked::Run(word.clone()), Asked::Commit(word.clone()), Asked::Branch(word.clone())];
    let found = forms.into_iter().find(|asked| keys.iter().any(|key| asked.means(key)));
    found.ok_or_else(|| {
        let of = if app.is_empty() { String::new() } else { format!(" of application {app}") };
        Error::NoSuchRun { history: history.address().to_owned(), wanted: word, of }
    })
}

/// The reports that a word means, the newest first; at least one.
async fn found(history: &History, app: &str, word: &str) -> Result<Vec<Report>, Error> {
    let asked = asked(history, app, word).await?;
    let mut keys = history.keys(app).await?;
    keys.retain(|key| asked.means(key));
    let mut apps: Vec<String> = keys.iter().map(|key| key.app.clone()).collect();
    apps.sort();
    apps.dedup();
    if apps.len() > 1 {
        return Err(Error::Several { wanted: word.to_owned(), apps });
    }
    let reports = history.reports_among(&keys, &Filter { last: Some(LOOKED_AT), ..Filter::default() }).await?;
    if reports.is_empty() {
        let (history, wanted) = (history.address().to_owned(), word.to_owned());
        return Err(Error::NoSuchRun { history, wanted, of: " that can be read".to_owned() });
    }
    Ok(reports)
}

/// A comparison as text: what is compared, in what it differs, and the numbers.
fn comparison(this: &Report, found: &Baseline) -> String {
    let run = this.run.clone().unwrap_or_default();
    let side = |runs: &[String], commit: &str, branch: &str| {
        let named = [(" of commit ", short(commit, 12)), (" on ", branch)];
        let named = named.into_iter().filter(|(_, name)| !name.is_empty());
        runs.join(", ") + &named.map(|(word, name)| format!("{word}{name}")).collect::<String>()
    };
    let said = |differences: &[Difference]| differences.iter().map(change).collect::<Vec<_>>().join(", ");
    let facts = [
        ("baseline", side(&found.runs, &found.commit, &found.branch)),
        ("this", side(&found.own_runs, &run.commit, &run.branch)),
        ("settings", said(&found.settings)),
        ("not comparable", said(&found.differences)),
        ("note", found.note.clone()),
    ];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let facts = facts.map(|(name, value)| vec![name.to_owned(), value]).collect();
    let mut text = render::table(&["", ""], 2, facts).trim_start().to_owned();
    if !found.comparisons.is_empty() {
        let rows = found.comparisons.iter().map(|comparison| compared(this, comparison)).collect();
        let head = ["metric", "baseline", "this", "change", "interval", "outcome"];
        text = format!("{text}\n{}", render::table(&head, 1, rows));
    }
    text
}

fn compared(this: &Report, comparison: &Comparison) -> Vec<String> {
    let Comparison { metric, component, baseline, value, change, interval, outcome, .. } = comparison;
    let measured = this.metrics.iter().find(|known| known.name == *metric && known.component == *component);
    let unit = measured.map_or("", |metric| metric.unit.as_str());
    let shown = |value: &Option<f64>| value.map_or(NONE.to_owned(), |value| quantity(value, unit));
    let of = if component.is_empty() { String::new() } else { format!(" of {component}") };
    let outcome = match outcome {
        Outcome::Better => "better",
        Outcome::Worse => "worse",
        Outcome::Changed => "changed",
        Outcome::Same => "same",
        Outcome::Unknown => "unknown",
    };
    vec![
        title_of(metric) + &of,
        shown(baseline),
        shown(value),
        change.map_or(NONE.to_owned(), report::change),
        interval.map_or(NONE.to_owned(), report::change_between),
        outcome.to_owned(),
    ]
}

fn change(Difference { name, baseline, this }: &Difference) -> String {
    let shown = |value: &str| if value.is_empty() { NONE.to_owned() } else { clipped(value) };
    format!("{name} {} → {}", shown(baseline), shown(this))
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(COLUMN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
