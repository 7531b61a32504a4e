//! What a run is compared with: which earlier runs, and why these.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use super::key::{Key, segment, stamp};
use super::store::same_application;
use super::usable::unusable;
use super::{Error, History, Place, circumstances, settings};
use crate::report::{Baseline, Report, Run, short};
use crate::verdict::{self, How, Test};

/// How many runs are looked at for a baseline, the newest first.
pub(super) const LOOKED_AT: usize = 50;

/// With what, and how, a run is compared.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "History")]
pub struct BaselineArgs {
    /// Where earlier reports are.
    #[command(flatten)]
    place: Place,

    /// What to compare with: fork-point, the newest runs of the commit that the branch forked from; branch:NAME, those of its
    /// newest commit; commit:SHA; run:ID; none. Without it fork-point, where the report names a fork point or a base
    /// branch
    #[arg(long, value_name = "WHICH", default_value = "", hide_default_value = true)]
    baseline: Asked,

    /// When a difference counts.
    #[command(flatten)]
    how: HowArgs,
}

/// When a difference counts.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "History")]
pub struct HowArgs {
    /// How sure a difference has to be, in percent
    #[arg(long, value_name = "PERCENT", default_value = "95", value_parser = confidence)]
    confidence: f64,

    /// What change matters, in percent of the baseline
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = min_change)]
    min_change: f64,

    /// How repetitions are compared: welch, for values that scatter evenly, or mann-whitney, for any
    #[arg(long, value_name = "TEST", default_value = "welch", value_parser = test)]
    test: Test,
}

impl HowArgs {
    /// The same for the comparison.
    pub(super) fn how(&self) -> How {
        How { test: self.test, confidence: self.confidence, min_change: self.min_change }
    }
}

fn confidence(text: &str) -> Result<f64, String> {
    let given = if text.is_empty() { Ok(How::default().confidence) } else { text.parse() };
    let given = given.ok().filter(|percent| (50.0..100.0).contains(percent));
    given.ok_or_else(|| format!("{text:?} is no confidence from 50 to less than 100 percent"))
}

fn min_change(text: &str) -> Result<f64, String> {
    let given = if text.is_empty() { Ok(How::default().min_change) } else { text.parse() };
    given
        .ok()
        .filter(|percent| percent.is_finite() && *percent >= 0.0)
        .ok_or_else(|| format!("{text:?} is no change in percent"))
}

fn test(text: &str) -> Result<Test, String> {
    match text {
        "" => Ok(How::default().test),
        "welch" => Ok(Test::Welch),
        "mann-whitney" => Ok(Test::MannWhitney),
        _ => Err(format!("{text:?} is neither welch nor mann-whitney")),
    }
}

/// Which earlier runs are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Asked {
    /// Those of the fork point, where there is one.
    #[default]
    AsItIs,
    /// None.
    Nothing,
    /// Those of the commit that the branch forked from.
    ForkPoint,
    /// Those of a branch's newest commit.
    Branch(String),
    /// Those of a commit.
    Commit(String),
    /// This one.
    Run(String),
}

impl Asked {
    /// Whether a report's place is of the runs that are named here.
    pub fn means(&self, key: &Key) -> bool {
        match self {
            Self::AsItIs | Self::Nothing | Self::ForkPoint => false,
            Self::Branch(name) => key.branch == segment(name),
            Self::Commit(sha) => key.commit.starts_with(&segment(sha)),
            Self::Run(id) => key.is_of(id),
        }
    }
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.split_once(':')) {
            ("", _) => Ok(Self::AsItIs),
            ("none", _) => Ok(Self::Nothing),
            ("fork-point", _) => Ok(Self::ForkPoint),
            (_, Some(("branch", name))) if !name.is_empty() => Ok(Self::Branch(name.to_owned())),
            (_, Some(("commit", sha))) if !sha.is_empty() => Ok(Self::Commit(sha.to_owned())),
            (_, Some(("run", id))) if !id.is_empty() => Ok(Self::Run(id.to_owned())),
            _ => Err(format!("{text:?} is none of fork-point, branch:NAME, commit:SHA, run:ID and none")),
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AsItIs | Self::ForkPoint => f.write_str("fork-point"),
            Self::Nothing => f.write_str("none"),
            Self::Branch(name) => write!(f, "branch:{name}"),
            Self::Commit(sha) => write!(f, "commit:{sha}"),
            Self::Run(id) => write!(f, "run:{id}"),
        }
    }
}

impl BaselineArgs {
    /// Compares a run with its baseline; nothing when that is not asked for. Whatever becomes of the history, there is an answer
    /// within the limit, for the run has been measured.
    pub async fn compare(&self, this: &Report, limit: Duration) -> Option<Baseline> {
        let run = this.run.clone().unwrap_or_default();
        let forked = !run.fork_point.is_empty() || !run.base_branch.is_empty();
        let wanted = match self.baseline {
            Asked::Nothing => false,
            Asked::AsItIs => forked && self.place.is_given(),
            _ => true,
        };
        if !wanted {
            return None;
        }
        let found = tokio::time::timeout(limit, async {
            let history = self.place.open()?.ok_or(Error::WhichHistory)?;
            choose(&history, &self.baseline, this).await
        });
        let choice = match found.await {
            Ok(Ok(choice)) => choice,
            Ok(Err(error)) => Choice::none(error.to_string()),
            Err(_) => Choice::none(format!("the history did not answer within {} s", limit.as_secs())),
        };
        if choice.baseline.is_empty() {
            tracing::warn!("there is no baseline: {}", choice.note);
        }
        Some(choice.compare(&self.baseline, this, &self.how.how()))
    }
}

/// The runs that are compared.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Those of the baseline, the newest first.
    pub baseline: Vec<Report>,
    /// Further runs of this run's commit, the newest first.
    pub own: Vec<Report>,
    /// What is to be known about the choice.
    pub note: String,
}

impl Choice {
    fn none(note: String) -> Self {
        Self { note, ..Self::default() }
    }

    /// The comparison of this run and its repetitions with the baseline.
    pub fn compare(self, asked: &Asked, this: &Report, how: &How) -> Baseline {
        let id = |report: &Report| of(report).id;
        let own: Vec<&Report> = std::iter::once(this).chain(&self.own).collect();
        let own_runs = own.iter().map(|report| id(report)).collect();
        let Some(first) = self.baseline.first() else {
            return Baseline { asked: asked.to_string(), own_runs, note: self.note, ..Baseline::default() };
        };
        let differences = circumstances(first, this);
        let baseline: Vec<&Report> = self.baseline.iter().collect();
        let Run { branch, commit, .. } = of(first);
        Baseline {
            asked: asked.to_string(),
            branch,
            commit,
            runs: self.baseline.iter().map(id).collect(),
            own_runs,
            comparable: differences.is_empty(),
            differences,
            settings: settings(first, this),
            comparisons: verdict::compare(&own, &baseline, how),
            note: self.note,
        }
    }
}

/// Finds the runs to compare with this one, and those that repeat it.
pub(super) async fn choose(history: &History, asked: &Asked, this: &Report) -> Result<Choice, Error> {
    let app = this.app.as_ref().map_or("", |app| &app.name);
    let mut search = Search { history, this, keys: history.keys(app).await?, skipped: Vec::new() };
    let (baseline, note) = search.baseline(asked).await?;
    let skipped = search.skipped();
    let own = if baseline.is_empty() { Vec::new() } else { search.repetitions(&baseline).await? };
    let note = [note, skipped].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    Ok(Choice { baseline, own, note })
}

struct Search<'a> {
    history: &'a History,
    this: &'a Report,
    /// The application's reports, the newest first.
    keys: Vec<Key>,
    /// Why runs did not count, and how many.
    skipped: Vec<(&'static str, usize)>,
}

impl Search<'_> {
    /// The baseline's runs, the newest first, and what is to be known about them.
    async fn baseline(&mut self, asked: &Asked) -> Result<(Vec<Report>, String), Error> {
        let found = match asked {
            Asked::Nothing => Vec::new(),
            Asked::AsItIs | Asked::ForkPoint => return self.fork_point().await,
            Asked::Run(id) => self.usable(|key| asked.means(key), |run| run.id == *id).await?,
            Asked::Commit(sha) => self.of_commit(sha).await?,
            Asked::Branch(name) => {
                let is_other = other_commit(self.this);
                self.newest(|key| asked.means(key) && is_other(key), |run| run.branch == *name).await?
            }
        };
        let found = if matches!(asked, Asked::Run(_)) { found.into_iter().take(1).collect() } else { found };
        let note = if found.is_empty() {
            format!("the history has no run of {} for {asked}", self.app())
        } else {
            String::new()
        };
        Ok((found, note))
    }

    /// The runs of the fork point's commit; where it was not measured, those of the target branch's newest commit before this
    /// run.
    async fn fork_point(&mut self) -> Result<(Vec<Report>, String), Error> {
        let Run { base_branch, fork_point, commit: own, started_at, .. } = of(self.this);
        let fork = short(&fork_point, 12);
        if !fork_point.is_empty() && fork_point != own {
            let found = self.of_commit(&fork_point).await?;
            if !found.is_empty() {
                return Ok((found, String::new()));
            }
        }
        let why = match (fork_point.as_str(), base_branch.as_str()) {
            ("", "") => {
                let note =
                    "the report names neither fork point nor base branch: give begin-report one of them".to_owned();
                return Ok((Vec::new(), note));
            }
            ("", _) => "the report does not name the fork point".to_owned(),
            (point, _) if point == own => "this commit is the fork point itself".to_owned(),
            _ => format!("the fork point {fork} was not measured"),
        };
        if base_branch.is_empty() {
            return Ok((Vec::new(), why));
        }
        let before = started_at.map_or(String::new(), stamp);
        let is_before = |key: &Key| before.is_empty() || key.begin() < before.as_str();
        let is_other = other_commit(self.this);
        let wanted = |key: &Key| key.branch == segment(&base_branch) && is_before(key) && is_other(key);
        let found = self.newest(wanted, |run| run.branch == base_branch).await?;
        let note = match found.first() {
            Some(first) => {
                let Run { id, commit, .. } = of(first);
                let taken = if commit.is_empty() {
                    format!("run {id}, the newest")
                } else {
                    format!("{}, the newest commit", short(&commit, 12))
                };
                format!("{why}: taken is {taken} of {base_branch} that was measured before")
            }
            None => format!("{why}, and no earlier commit of {base_branch} either"),
        };
        Ok((found, note))
    }

    async fn of_commit(&mut self, sha: &str) -> Result<Vec<Report>, Error> {
        self.newest(|key| key.commit.starts_with(&segment(sha)), |run| run.commit.starts_with(sha)).await
    }

    /// The usable runs of the newest commit among the wanted ones, all with the same settings under the same circumstances.
    /// Where some are comparable with this run, only they are looked at.
    async fn newest(
        &mut self,
        wanted: impl Fn(&Key) -> bool,
        accepted: impl Fn(&Run) -> bool,
    ) -> Result<Vec<Report>, Error> {
        let mut found = self.usable(wanted, accepted).await?;
        let comparable = |report: &Report| circumstances(report, self.this).is_empty();
        if found.iter().any(comparable) {
            found.retain(comparable);
        }
        let Some(first) = found.first().cloned() else { return Ok(found) };
        // Nobody knows whether two runs that name no commit were of one.
        if of(&first).commit.is_empty() {
            found.truncate(1);
        }
        found.retain(|report| of(report).commit == of(&first).commit && alike(report, &first));
        Ok(found)
    }

    /// The further runs of this run's commit that only repeat it.
    async fn repetitions(&mut self, baseline: &[Report]) -> Result<Vec<Report>, Error> {
        let Run { commit, .. } = of(self.this);
        if commit.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.usable(|key| key.commit == segment(&commit), |run| run.commit == commit).await?;
        found.retain(|report| alike(report, self.this) && !baseline.contains(report));
        Ok(found)
    }

    /// The runs of this application that count, the newest first; this one is none of them.
    async fn usable(
        &mut self,
        wanted: impl Fn(&Key) -> bool,
        accepted: impl Fn(&Run) -> bool,
    ) -> Result<Vec<Report>, Error> {
        let this = of(self.this);
        let mut found = Vec::new();
        for key in self.keys.iter().filter(|key| wanted(key)).take(LOOKED_AT) {
            let Some(report) = self.history.read(key).await? else { continue };
            let run = of(&report);
            let itself = run.id == this.id && run.started_at == this.started_at;
            if itself || !accepted(&run) || !same_application(&report, self.this) || other_pack(&report, self.this) {
                continue;
            }
            match unusable(&report) {
                None => found.push(report),
                Some(why) => match self.skipped.iter_mut().find(|(known, _)| *known == why) {
                    Some((_, count)) => *count += 1,
                    None => self.skipped.push((why, 1)),
                },
            }
        }
        Ok(found)
    }

    fn skipped(&mut self) -> String {
        let mut said = String::new();
        for (why, count) in std::mem::take(&mut self.skipped) {
            let (start, runs) =
                (if said.is_empty() { "left out: " } else { ", " }, if count == 1 { "run" } else { "runs" });
            _ = write!(said, "{start}{count} {runs} {why}");
        }
        said
    }

    fn app(&self) -> &str {
        self.this.app.as_ref().map_or("", |app| &app.name)
    }
}

/// Whether a report's place is of another commit than this run; any may be where this one names none.
fn other_commit(this: &Report) -> impl Fn(&Key) -> bool + use<> {
    let own = of(this).commit;
    move |key| own.is_empty() || key.commit != segment(&own)
}

/// Whether two runs have the same settings, and were made under the same circumstances.
fn alike(one: &Report, other: &Report) -> bool {
    settings(one, other).is_empty() && circumstances(one, other).is_empty()
}

/// The name under which the environment has the metric pack.
pub const PACK: &str = "metric-pack";

/// Whether the one was measured in another way than the other, as far as that is known.
fn other_pack(one: &Report, other: &Report) -> bool {
    let pack = |report: &Report| report.environment.as_ref()?.fingerprint.get(PACK).cloned();
    matches!((pack(one), pack(other)), (Some(one), Some(other)) if one != other)
}

fn of(report: &Report) -> Run {
    report.run.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::history::open;
    use crate::report::{App, Component, Load, Metric, Status, Verdict};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        baseline: BaselineArgs,
    }

    /// A history in a folder of its own, of one application.
    struct Bench {
        folder: tempfile::TempDir,
        history: History,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let history = open(&folder.path().display().to_string(), None).unwrap();
            Self { folder, history }
        }

        async fn keep(&self, reports: &[Report]) {
            for report in reports {
                self.history.keep(report, "").await.unwrap();
            }
        }

        /// The baseline as a person would tell of it: runs, own runs, note.
        async fn say(&self, asked: &str, this: &Report) -> String {
            let flags = [format!("--history={}", self.folder.path().display()), format!("--baseline={asked}")];
            let args = Program::parse_from(["program".to_owned()].into_iter().chain(flags)).baseline;
            let Some(found) = args.compare(this, Duration::from_secs(60)).await else { return "none".to_owned() };
            let also = if found.own_runs.len() > 1 {
                format!(" | with {}", found.own_runs[1..].join(" "))
            } else {
                String::new()
            };
            let note = if found.note.is_empty() { String::new() } else { format!(" | {}", found.note) };
            format!("{}: {}{also}{note}", found.asked, found.runs.join(" "))
        }
    }

    /// A run that was measured, in this minute of a day.
    fn run(minute: u32, id: &str, branch: &str, commit: &str) -> Report {
        let verdict = |cause: &str| Some(Verdict { status: Status::Pass, cause: cause.to_owned() });
        Report {
            run: Some(Run {
                id: id.into(),
                branch: branch.into(),
                commit: commit.into(),
                started_at: Some(format!("2026-01-05T10:{minute:02}:00Z").parse().unwrap()),
                ..Run::default()
            }),
            app: Some(App {
                engine: "heron".into(),
                name: "preprocessor".into(),
                components: vec![Component { name: "transformer".into(), parallelism: 28, ..Component::default() }],
                ..App::default()
            }),
            load: Some(Load { rate: 10_000.0, planned: 600_000, verdict: verdict("as planned"), ..Load::default() }),
            metrics: vec![Metric { name: "tps".into(), value: Some(9_800.0), ..Metric::default() }],
            verdict: verdict("carried"),
            ..Report::default()
        }
    }

    /// The run that is compared: of a branch that forked from main at b.
    fn this() -> Report {
        let mut this = run(50, "this", "feature/x", "f");
        let own = this.run.as_mut().unwrap();
        (own.base_branch, own.fork_point) = ("main".into(), "b".into());
        this.app.as_mut().unwrap().components[0].parallelism = 29;
        this
    }

    fn with(mut report: Report, change: impl FnOnce(&mut Report)) -> Report {
        change(&mut report);
        report
    }

    fn judged(report: Report, status: Status) -> Report {
        with(report, |report| report.verdict = Some(Verdict { status, cause: "so".into() }))
    }

    #[tokio::test]
    async fn the_baseline_is_what_was_asked_for() {
        let bench = Bench::new();
        bench
            .keep(&[
                run(1, "a-1", "main", "a"),
                run(2, "b-1", "main", "b"),
                run(3, "b-2", "main", "b"),
                run(4, "c-1", "main", "c"),
                run(5, "d-1", "release/1", "d"),
            ])
            .await;
        let mut said = Vec::new();
        for asked in [
            "",
            "fork-point",
            "branch:main",
            "branch:release/1",
            "commit:a",
            "run:b-1",
            "none",
            "branch:gone",
            "run:gone",
        ] {
            said.push(format!("{asked} → {}", bench.say(asked, &this()).await));
        }
        insta::assert_snapshot!(said.join("\n"), @r"
         → fork-point: b-2 b-1
        fork-point → fork-point: b-2 b-1
        branch:main → branch:main: c-1
        branch:release/1 → branch:release/1: d-1
        commit:a → commit:a: a-1
        run:b-1 → run:b-1: b-1
        none → none
        branch:gone → branch:gone:  | the history has no run of preprocessor for branch:gone
        run:gone → run:gone:  | the history has no run of preprocessor for run:gone
        ");
        let lone = with(this(), |report| *report.run.as_mut().unwrap() = of(&run(50, "this", "", "")));
        assert_eq!(bench.say("", &lone).await, "none");
        insta::assert_snapshot!(bench.say("fork-point", &lone).await, @"fork-point:  | the report names neither fork point nor base branch: give begin-report one of them");
    }

    #[tokio::test]
    async fn without_a_run_of_the_fork_point_the_newest_of_its_branch_before_this_run_is_taken_and_told() {
        let bench = Bench::new();
        assert_eq!(
            bench.say("", &this()).await,
            "fork-point:  | the fork point b was not measured, and no earlier commit of main either"
        );
        bench.keep(&[run(1, "a-1", "main", "a"), run(2, "a-2", "main", "a"), run(55, "later", "main", "c")]).await;
        insta::assert_snapshot!(bench.say("", &this()).await, @"fork-point: a-2 a-1 | the fork point b was not measured: taken is a, the newest commit of main that was measured before");
        let only_branch = with(this(), |report| report.run.as_mut().unwrap().fork_point.clear());
        insta::assert_snapshot!(bench.say("", &only_branch).await, @"fork-point: a-2 a-1 | the report does not name the fork point: taken is a, the newest commit of main that was measured before");
        // After the merge the run's own commit is the fork point.
        let merged = with(this(), |report| report.run.as_mut().unwrap().commit = "b".into());
        insta::assert_snapshot!(bench.say("", &merged).await, @"fork-point: a-2 a-1 | this commit is the fork point itself: taken is a, the newest commit of main that was measured before");
    }

    #[tokio::test]
    async fn the_runs_of_this_commit_hide_no_other_and_a_run_without_a_commit_has_a_baseline_too() {
        let bench = Bench::new();
        let own: Vec<Report> =
            (2..LOOKED_AT as u32 + 4).map(|minute| run(minute, &format!("own-{minute}"), "main", "f")).collect();
        bench.keep(&own).await;
        bench.keep(&[run(1, "m-1", "main", "m")]).await;
        assert!(bench.say("branch:main", &this()).await.starts_with("branch:main: m-1"));
        bench.keep(&[run(57, "also-by-hand", "main", ""), run(58, "by-hand", "main", "")]).await;
        let by_hand = with(this(), |report| report.run.as_mut().unwrap().commit.clear());
        assert_eq!(bench.say("branch:main", &by_hand).await, "branch:main: by-hand");
        bench.keep(&[run(0, "first", "release/1", "")]).await;
        let forked = with(this(), |report| report.run.as_mut().unwrap().base_branch = "release/1".into());
        insta::assert_snapshot!(bench.say("", &forked).await, @"fork-point: first | the fork point b was not measured: taken is run first, the newest of release/1 that was measured before");
    }

    #[tokio::test]
    async fn only_runs_that_were_measured_in_the_same_way_count() {
        let bench = Bench::new();
        bench
            .keep(&[
                run(1, "b-1", "main", "b"),
                judged(run(2, "b-2", "main", "b"), Status::Fail),
                judged(run(3, "b-3", "main", "b"), Status::Inconclusive),
                with(run(4, "b-4", "main", "b"), |report| report.verdict = None),
                with(run(5, "b-5", "main", "b"), |report| report.load = None),
                with(run(6, "b-6", "main", "b"), |report| report.app.as_mut().unwrap().engine = "flink".into()),
                with(run(7, "b-7", "main", "b"), |report| report.app.as_mut().unwrap().name = "other".into()),
                with(run(8, "b-8", "main", "b"), |report| report.load.as_mut().unwrap().rate = 20_000.0),
                with(run(9, "b-9", "main", "b"), |report| report.app.as_mut().unwrap().components[0].parallelism = 14),
                with(run(10, "b-10", "main", "b"), |report| report.note_environment(PACK, "mine.yaml")),
            ])
            .await;
        std::fs::write(bench.folder.path().join("preprocessor/main/b/20260105T101100.000Z-half.json"), "{ half a rep")
            .unwrap();
        let this = with(this(), |report| report.note_environment(PACK, "heron"));
        insta::assert_snapshot!(bench.say("", &this).await, @"fork-point: b-9 | left out: 1 run without the load that was asked for, 1 run without a verdict, 1 run inconclusive");
        bench.keep(&[with(run(12, "b-12", "main", "b"), |report| report.note_environment(PACK, "heron"))]).await;
        insta::assert_snapshot!(bench.say("", &this).await, @"fork-point: b-12 | left out: 1 run without the load that was asked for, 1 run without a verdict, 1 run inconclusive");
    }

    #[tokio::test]
    async fn earlier_runs_of_the_same_commit_and_settings_are_repetitions() {
        let bench = Bench::new();
        let again = |minute, id: &str| with(this(), |report| report.run = run(minute, id, "feature/x", "f").run);
        bench
            .keep(&[
                run(1, "b-1", "main", "b"),
                again(10, "f-1"),
                again(11, "f-2"),
                with(again(12, "f-3"), |report| report.app.as_mut().unwrap().components[0].parallelism = 30),
                judged(again(13, "f-4"), Status::Inconclusive),
                with(again(14, "f-5"), |report| report.load.as_mut().unwrap().rate = 5_000.0),
                this(),
            ])
            .await;
        assert_eq!(bench.say("", &this()).await, "fork-point: b-1 | with f-2 f-1");
        // A run that is pinned is the baseline, and no repetition too.
        assert_eq!(bench.say("run:f-2", &this()).await, "run:f-2: f-2 | with f-1");
    }

    #[tokio::test]
    async fn the_report_says_in_what_the_two_differ() {
        let bench = Bench::new();
        bench
            .keep(&[with(run(1, "b-1", "main", "b"), |report| report.note_environment("kafka", "metadata.version 25"))])
            .await;
        let this = with(this(), |report| report.note_environment("kafka", "metadata.version 29"));
        let asked = Asked::ForkPoint;
        let found = choose(&bench.history, &asked, &this).await.unwrap().compare(&asked, &this, &How::default());
        assert_eq!([found.branch.as_str(), found.commit.as_str()], ["main", "b"]);
        assert!(!found.comparable);
        assert_eq!(found.differences.iter().map(|known| known.name.as_str()).collect::<Vec<_>>(), ["kafka"]);
        assert_eq!(found.settings[0].name, "transformer.parallelism");
        assert_eq!(found.comparisons[0].metric, "tps");
    }

    #[tokio::test]
    async fn a_history_that_fails_costs_a_note_and_no_measurement() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in [
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")),
            ("AWS_ACCESS_KEY_ID", "me".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "hunter2".to_owned()),
        ] {
            std::fs::write(folder.path().join(name), value).unwrap();
        }
        let credentials = format!("--history-credentials={}", folder.path().display());
        let args = Program::parse_from(["program", "--history=s3://bucket/perf", &credentials]).baseline;
        let found = args.compare(&this(), Duration::from_secs(20)).await.unwrap();
        assert!(found.note.starts_with("cannot list the reports in the history s3://bucket/perf: "), "{}", found.note);
        assert!(found.note.contains("error sending request") && !found.note.contains("hunter2"), "{}", found.note);
        let args = Program::parse_from(["program", "--history=ftp://host", "--baseline=branch:main"]).baseline;
        let found = args.compare(&this(), Duration::from_secs(20)).await.unwrap();
        assert!(found.note.starts_with("--history \"ftp://host\" is not usable"), "{}", found.note);
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        for wrong in ["main", "branch:", "run", "sha:c0ffee"] {
            assert!(wrong.parse::<Asked>().is_err(), "{wrong:?} was taken");
        }
        for wrong in [
            "--confidence=100",
            "--confidence=0.95",
            "--min-change=-1",
            "--test=t",
            "--min-change=many",
            "--min-change=inf",
        ] {
            assert!(Program::try_parse_from(["program", wrong]).is_err(), "{wrong} was taken");
        }
        let given = ["program", "--confidence=", "--min-change=", "--test=", "--baseline=", "--history="];
        assert_eq!(Program::parse_from(given).baseline.how.how(), How::default());
    }
}
