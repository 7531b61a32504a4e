//! `streamgauge demo`: a pull request's commits, each tested on this computer from its push to what Slack and the pull request show.

mod repository;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;

use crate::report::{self, Status};
use crate::sandbox::{self, Endpoints, Sandbox, kafka};
use crate::step::{Exit, Failure, KeyValue, Step, StepArgs};
use crate::trigger;
use repository::{BRANCH, Change, Repository};

/// What says that a folder is a demo's, and may be cleared by the next one.
const MARK: &str = ".streamgauge-demo";
/// The folder for the history, below the demo's.
const HISTORY: &str = "history";

/// Test the commits of a pull request on this computer: deploy, load, measure, tell Slack and GitHub's stand-ins
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The settings in a commit's message: "transformer-parallelism=30 data-count-per-second=10200". Each makes a commit; without
    /// any there are three: 28 transformers, 29, and 29 that are slower
    #[arg(value_name = "SETTINGS")]
    pub commits: Vec<String>,

    /// Records a second; 28 transformers do 9,800, 29 do 10,150
    #[arg(long, value_name = "RATE", default_value_t = 10_000)]
    pub data_count_per_second: u32,

    /// Duration of each load in minutes; may be a fraction
    #[arg(long, value_name = "MINUTES", default_value_t = 1.0)]
    pub duration_min: f64,

    /// Any further parameter of the Pipeline
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub param: Vec<KeyValue>,

    /// Folder for the repository, the reports, and what Slack and GitHub were told; what an earlier demo left there goes
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    pub out: PathBuf,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub sandbox: sandbox::Options,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub step: StepArgs,
}

/// The command that a commit's event is given to.
#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: trigger::Args,
}

/// Starts the sandbox, pushes the commits and tests each, and shows what became of it. It fails when a test could not be judged;
/// that a topology does not carry its load is a result, not a failure.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let changes = args.changes();
    let repository = Repository::create(&clear(&args.out)?).await?;
    let mut stop = step.stop();
    heading("starting the sandbox: Kafka, Prometheus, a stand-in for Heron, inboxes for Slack and GitHub");
    let began = Instant::now();
    let mut options = args.sandbox.clone();
    options.records = options.records.max(args.records(&changes));
    let sandbox = tokio::select! {
        sandbox = Sandbox::start(options) => sandbox?,
        exit = stop.wait() => return Ok(exit),
    };
    heading(&format!("the sandbox is up after {:.0} s", began.elapsed().as_secs_f64()));
    let outcome = test_all(&args, &changes, &repository, &sandbox, step).await;
    sandbox.stop().await;
    let exit = outcome?;
    heading("the sandbox is stopped");
    Ok(exit)
}

/// Tests one commit after another. The exit code is that of the first that could not be judged.
async fn test_all(
    args: &Args,
    changes: &[Change],
    repository: &Repository,
    sandbox: &Sandbox,
    step: &Step,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    for (number, change) in changes.iter().enumerate() {
        heading(&format!("a commit is pushed: {}", change.subject));
        let out = args.out.join(format!("run-{}", number + 1));
        let payload = repository.push(change).await?;
        let event = out.join("event.json");
        write(&event, &format!("{payload:#}\n"))?;
        let words = args.command_line(&event, &out, repository, sandbox.endpoints());
        say(&format!("{}\n\n", shown(&words)));
        let command = Command::try_parse_from(&words).map_err(|error| Failure::new(Exit::Usage, error))?;
        let ran = trigger::run(command.args, step).await?;
        let judged = show(&out, ran)?;
        exit = if exit == Exit::Done { judged } else { exit };
        if step.stop().requested() {
            return Ok(exit);
        }
    }
    tell(&args.out, sandbox)?;
    Ok(exit)
}

impl Args {
    fn changes(&self) -> Vec<Change> {
        if !self.commits.is_empty() {
            return self.commits.iter().map(|settings| Change::new(&format!("Use {settings}"), settings)).collect();
        }
        // A look-up of 3.2 ms is 312 records/s an instance: 29 do 9,060/s.
        let slower = "transformer-parallelism=29 properties=transformer.lookup.micros=3200";
        vec![
            Change::new("Use 28 transformers", "transformer-parallelism=28"),
            Change::new("Use 29 transformers", "transformer-parallelism=29"),
            Change::new("Look up the advertiser too", slower),
        ]
    }

    /// The records that the largest load takes, and a tenth more: those of a topic are never spread evenly over its partitions.
    fn records(&self, changes: &[Change]) -> u64 {
        let (minutes, rate) = (self.duration_min, f64::from(self.data_count_per_second));
        let load = |change: &Change| {
            60.0 * change.number("duration-min").unwrap_or(minutes)
                * change.number("data-count-per-second").unwrap_or(rate)
        };
        (changes.iter().map(load).fold(0.0, f64::max) * 1.1).ceil() as u64
    }

    /// The command that tests a commit, for its event. As long as the sandbox runs it does the same by hand.
    fn command_line(&self, event: &Path, out: &Path, repository: &Repository, endpoints: &Endpoints) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let mut words = ["trigger", "--local", "--event-type", "pull_request"].map(String::from).to_vec();
        words.extend(["--event".into(), path(event), "--clone".into(), path(&repository.remote)]);
        words.extend(["--tasks".into(), "tasks".into()]);
        for (name, value) in self.params(endpoints) {
            words.extend(["--param".into(), format!("{name}={value}")]);
        }
        for pair in &self.param {
            words.extend(["--param".into(), format!("{}={}", pair.key, pair.value)]);
        }
        for (name, folder) in [
            ("report", out),
            ("app", Path::new("examples/heron-preprocessor/target")),
            ("slack", &endpoints.slack_token_dir),
            ("github", &endpoints.github_token_dir),
            ("history", &self.out.join(HISTORY)),
        ] {
            words.extend(["--workspace".into(), format!("{name}={}", folder.display())]);
        }
        words.push(path(&repository.checkout));
        words
    }

    /// The parameters that no commit changes, and those that it changes from.
    fn params(&self, endpoints: &Endpoints) -> Vec<(&'static str, String)> {
        let kafka = &endpoints.kafka_bootstrap_servers;
        let interval = |time: std::time::Duration| time.as_secs_f64().to_string();
        vec![
            ("app-name", "preprocessor".into()),
            ("cluster", self.sandbox.heron_cluster.clone()),
            ("role", "ads".into()),
            ("environment", "staging".into()),
            ("service-url", endpoints.heron_service_url.clone()),
            ("tracker-url", endpoints.heron_tracker_url.clone()),
            ("source-bootstrap-servers", kafka.clone()),
            ("source-topic", kafka::SOURCE_TOPIC.into()),
            ("target-bootstrap-servers", kafka.clone()),
            ("target-topic", kafka::TARGET_TOPIC.into()),
            ("properties", format!("kafka.output.bootstrap.servers={kafka}")),
            ("properties", format!("kafka.output.topic={}", kafka::OUTPUT_TOPIC)),
            ("prometheus-endpoint", endpoints.prometheus_url.clone()),
            ("metric-params", format!("export_interval={}", interval(self.sandbox.export_interval))),
            ("metric-params", format!("scrape_interval={}", interval(self.sandbox.scrape_interval))),
            // The quarter in which queues fill and compilers warm up.
            ("warm-up", format!("{:.0}s", self.duration_min * 60.0 / 4.0)),
            // What the commit before came to.
            ("baseline", format!("branch:{BRANCH}")),
            ("slack-api-url", endpoints.slack_api_url.clone()),
            ("slack-channel", "#perf-tests".into()),
            ("github-api-url", endpoints.github_api_url.clone()),
            ("spout-parallelism", "1".into()),
            ("transformer-parallelism", "28".into()),
            ("publisher-parallelism", "3".into()),
            ("duration-min", self.duration_min.to_string()),
            ("data-count-per-second", self.data_count_per_second.to_string()),
        ]
    }
}

/// An empty folder for what comes: an old report would be taken for this run's. What is no demo's stays.
fn clear(out: &Path) -> Result<PathBuf, Failure> {
    let failed = |source| {
        Failure::new(Exit::Usage, anyhow::Error::new(source).context(format!("cannot make {}", out.display())))
    };
    let there = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if there && !out.join(MARK).exists() {
        let why = format!("{} has files that are no demo's: name another folder by --out, or empty it", out.display());
        return Err(Failure::msg(Exit::Usage, why));
    }
    if there {
        std::fs::remove_dir_all(out).map_err(failed)?;
    }
    std::fs::create_dir_all(out.join(HISTORY)).and_then(|()| std::fs::write(out.join(MARK), "")).map_err(failed)?;
    Ok(out.to_owned())
}

/// A command line for a shell, an option a line.
fn shown(words: &[String]) -> String {
    let mut line = "  streamgauge trigger".to_owned();
    for word in &words[1..] {
        let start = if word.starts_with("--") { " \\\n    " } else { " " };
        // A parameter's own value may be a setting: properties=sasl.jaas.config=…
        let hidden = word.parse().map(|pair: KeyValue| match pair.value.parse() {
            Ok(inner) => KeyValue { value: KeyValue::to_shown(&inner), ..pair }.to_shown(),
            Err(_) => pair.to_shown(),
        });
        line.push_str(start);
        line.push_str(&hidden.unwrap_or_else(|_| word.clone()));
    }
    line
}

/// Shows a run's report, and says whether it was judged.
fn show(out: &Path, ran: Exit) -> Result<Exit, Failure> {
    heading("the report");
    let Some(report) = report::read(&out.join("report.json"))? else {
        say("there is none: see above what failed\n");
        return Ok(ran);
    };
    say(&report::render::text(&report));
    Ok(match report.verdict.map(|verdict| verdict.status) {
        Some(Status::Pass | Status::Warn | Status::Fail) => Exit::Done,
        Some(Status::Inconclusive) => Exit::Inconclusive,
        None => ran,
    })
}

/// Shows what Slack and GitHub were told, and leaves it in files.
fn tell(out: &Path, sandbox: &Sandbox) -> Result<(), Failure> {
    let (slack, github) = (sandbox.slack().transcript(), sandbox.github().markdown());
    heading("what Slack shows");
    say(&slack);
    heading("what the pull request shows, below the newest result");
    // Its rows are the comment's only table that names commits.
    let table = github.lines().skip_while(|line| !line.starts_with("| commit | settings"));
    say(&table.take_while(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect::<String>());
    write(&out.join("slack.txt"), &slack)?;
    write(&out.join("github.md"), &github)?;
    for (number, file) in sandbox.slack().files().iter().enumerate() {
        let path = out.join(format!("slack-{}.png", number + 1));
        std::fs::write(&path, &file.bytes).map_err(|source| cannot_write(&path, source))?;
    }
    heading(&format!(
        "all of it: {0}/slack.txt, {0}/github.md, the charts {0}/slack-*.png, the reports {0}/run-*/report.html",
        out.display()
    ));
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path);
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, text));
    written.map_err(|source| cannot_write(path, source))
}

fn cannot_write(path: &Path, source: std::io::Error) -> Failure {
    Failure::new(Exit::Usage, anyhow::Error::new(source).context(format!("cannot write {}", path.display())))
}

fn heading(text: &str) {
    say(&format!("\n==> {text}\n"));
}

#[expect(clippy::print_stdout, reason = "what the demo shows is what it is for")]
fn say(text: &str) {
    print!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        clear(&out).unwrap();
        std::fs::write(out.join("report.json"), "{}").unwrap();
        clear(&out).unwrap();
        assert!(!out.join("report.json").exists());
        std::fs::write(folder.path().join("precious"), "").unwrap();
        let error = clear(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no demo's"), "{error}");
        assert!(folder.path().join("precious").exists());
    }
}
