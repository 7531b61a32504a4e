//! `report.json`: the one file that carries a run from step to step. Its schema is `schemas/report.schema.json`.
//!
//! Each step adds its own part and leaves the others alone; parts that this version does not know are kept.

mod baseline;
pub mod begin;
pub mod collect;
pub mod ending;
mod error;
mod figures;
mod file;
mod format;
pub mod render;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use baseline::{Baseline, Comparison, Difference, Outcome};
pub use error::Error;
pub use figures::Figures;
pub use file::{part_path, read, update, write};
pub use format::{between, change, change_between, number, quantity, short, title_of};

use crate::step::Exit;

/// The version of the report's form that this program writes.
pub const SCHEMA_VERSION: u32 = 1;

/// The most characters of the result `summary`: it goes into a chat message and a commit status.
const SUMMARY: usize = 300;

/// A whole report. Every part is there once its step has written it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of the report's form.
    pub schema_version: u32,
    /// What was run, for which commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// The application as it was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    /// The load as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// What was measured over the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// What was demanded of the measurements, and whether it was met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The applications of a run that tests several, each with what was measured of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What the run was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// The judgement on the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Where it ran: runs are comparable only where this is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Why steps failed, in the order in which they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<StepError>,
    /// Parts that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            run: None,
            app: None,
            load: None,
            metrics: Vec::new(),
            checks: Vec::new(),
            parts: Vec::new(),
            baseline: None,
            verdict: None,
            environment: None,
            errors: Vec::new(),
            other: Map::new(),
        }
    }
}

impl Report {
    /// Notes the application that is about to be deployed. What was measured of an earlier one goes: it says nothing of this one.
    pub fn begin_app(&mut self, app: App) {
        let mut run = self.run.take().unwrap_or_default();
        run.started_at.get_or_insert_with(Timestamp::now);
        let (environment, other) = (self.environment.take(), std::mem::take(&mut self.other));
        *self = Self { run: Some(run), app: Some(app), environment, other, ..Self::default() };
    }

    /// Notes something about where the run takes place, by its name: `kafka`, `node`, `image.app`.
    pub fn note_environment(&mut self, name: &str, value: impl Into<String>) {
        let environment = self.environment.get_or_insert_default();
        environment.fingerprint.insert(name.to_owned(), value.into());
    }
}

/// Where a run took place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// What is known about it, by name: `heron`, `kafka`, `node`, `image.app`. Two runs with different values of one name are not
    /// comparable.
    pub fingerprint: BTreeMap<String, String>,
}

/// One application of a run that tests several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Part {
    /// Its name in the run, as `--part` gives it.
    pub name: String,
    /// The application as it was deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    /// Its load; none when all applications of the run were given the same one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// What was measured over the window.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// What was demanded of the measurements, and whether it was met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What it was compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// The judgement on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why steps failed, in the order in which they did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<StepError>,
}

impl Part {
    /// The part that is in a report of its own.
    pub fn of(name: &str, report: Report) -> Self {
        let Report { app, load, metrics, checks, baseline, verdict, errors, .. } = report;
        Self { name: name.to_owned(), app, load, metrics, checks, baseline, verdict, errors }
    }

    /// The part as a report of its own.
    pub fn report(&self) -> Report {
        let Self { app, load, metrics, checks, baseline, verdict, errors, .. } = self.clone();
        Report { app, load, metrics, checks, baseline, verdict, errors, ..Report::default() }
    }
}

/// What was run, for which commit. Empty strings mean that nobody said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Run {
    /// The PipelineRun's name.
    pub id: String,
    /// The Pipeline's name.
    pub pipeline: String,
    /// When the first step of the run began.
    pub started_at: Option<Timestamp>,
    /// When the verdict was known.
    pub finished_at: Option<Timestamp>,
    /// The repository under test.
    pub repository: String,
    /// The commit under test.
    pub commit: String,
    /// The commit's message.
    pub message: String,
    /// The commit's author.
    pub author: String,
    /// The pull request's number.
    pub pull_request: String,
    /// The branch under test.
    pub branch: String,
    /// The branch that the pull request goes into.
    pub base_branch: String,
    /// The commit of that branch from which the branch under test forked.
    pub fork_point: String,
}

/// The application as it was deployed: what really runs, not what was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct App {
    /// `heron` or `flink`.
    pub engine: String,
    /// The topology's or job's name.
    pub name: String,
    /// The properties this commit set, in the order given.
    pub properties: Map<String, Value>,
    /// The components as the engine planned them.
    pub components: Vec<Component>,
    /// When it was submitted as the engine says, in Unix seconds: it tells the application from another of the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission_time: Option<i64>,
    /// When the engine took the application.
    pub deployed_at: Option<Timestamp>,
    /// When it was truly running.
    pub ready_at: Option<Timestamp>,
    /// What a dry run showed; then nothing was deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<DryRun>,
    /// Where the application can be asked about itself, and what it said when it was ready; by the engine's own names.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub address: Map<String, Value>,
    /// What happened to it inside the window that does not happen to an application that just runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// What could not be known about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What a dry run showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DryRun {
    /// Which instance would run where, in the engine's own words.
    pub packing_plan: String,
    /// The application that would be replaced; empty when there is none.
    pub replaces: String,
}

/// Something that happened to the application inside the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When; none when it is only known to have been since the application was ready.
    pub at: Option<Timestamp>,
    /// What sort of thing.
    pub kind: EventKind,
    /// The component it happened to; empty for the whole application.
    #[serde(default)]
    pub component: String,
    /// What happened, in a few words that follow the component's name.
    pub text: String,
}

impl Event {
    /// The event in words, with its time as seconds into the window that begins then.
    pub fn told(&self, window: Timestamp) -> String {
        let subject = if self.component.is_empty() { "the application" } else { &self.component };
        match self.at.map(|at| at.duration_since(window).as_secs()) {
            Some(seconds) if seconds >= 0 => format!("{subject} {} {seconds} s into the window", self.text),
            Some(_) => format!("{subject} {} as the window began", self.text),
            None => format!("{subject} {} since it was ready", self.text),
        }
    }
}

/// What sort of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// User code threw or reported an error.
    Exception,
    /// An instance was started anew.
    Restart,
    /// An instance is gone.
    Lost,
    /// An instance runs elsewhere now.
    Moved,
}

/// A component of the application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Component {
    /// Its name in the topology.
    pub name: String,
    /// `spout`, `bolt`, `source`, `operator` or `sink`.
    pub kind: String,
    /// How many instances it has.
    pub parallelism: u32,
    /// CPU cores of one instance.
    pub cpu: Option<f64>,
    /// Memory of one instance.
    pub ram_bytes: Option<u64>,
    /// Disk of one instance.
    pub disk_bytes: Option<u64>,
}

/// The load as it was given: counts in records, rate in records a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Load {
    /// Which loader: `builtin`, or `flink` for a Flink job.
    pub engine: String,
    /// The topic that was replayed.
    pub source: String,
    /// The topic it was replayed to.
    pub target: String,
    /// The form of the load over time in words: `constant`.
    pub profile: String,
    /// How long records were sent before the window, in seconds; they count nowhere.
    pub warm_up: f64,
    /// Duration × rate.
    pub planned: u64,
    /// Read from the source.
    pub read: u64,
    /// Acknowledged by the target's broker.
    pub acked: u64,
    /// Visible in the target to a read_committed consumer.
    pub visible: u64,
    /// Of the records read, those that were sent too late.
    pub late: u64,
    /// How many bytes of record batches the target's broker acknowledged, those of the warm-up included.
    pub bytes: u64,
    /// How often the range was begun again, because it held too few records.
    pub repeated: u64,
    /// How batches were compressed: `keep`, or the codec's name.
    pub compression: String,
    /// What the records' header `streamgauge-run` says; empty when they have none.
    pub run_header: String,
    /// How many loaders shared the load; with Flink, subtasks.
    pub shards: u32,
    /// The rate that was asked for, the mean over the window.
    pub rate: f64,
    /// The rate that was reached over the window.
    pub achieved_rate: f64,
    /// From when the first record was due to when the last was acknowledged.
    pub window: Option<Window>,
    /// From when a record was due to when it was handed to the producer.
    pub send_delay: Option<Latency>,
    /// From when a record was handed to the producer to its acknowledgement.
    pub ack_latency: Option<Latency>,
    /// From when a record was due to its acknowledgement: what a user of the target would have waited.
    pub latency: Option<Latency>,
    /// The rate as it was reached, as (seconds after the window's start, records acknowledged in the second that begins
    /// then).
    pub per_second: Vec<(u64, u64)>,
    /// Whether this load was the one asked for: `pass`, `fail` or `inconclusive`, with its cause.
    pub verdict: Option<Verdict>,
}

/// A stretch of time, start and end included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
}

/// A distribution of latencies, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// The largest.
    pub max: f64,
}

/// One measured metric: a number over the window, and how it went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metric {
    /// Its name in the metric pack.
    pub name: String,
    /// The component it was measured on; empty for the whole application.
    pub component: String,
    /// Its unit: `records/s`, `ms`, `%`, `records`, `instances`.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// Its value over the window; none when it could not be measured, and never 0 in its place.
    pub value: Option<f64>,
    /// Between which values the true one lies with 95 % confidence; only of a metric that is a slope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// How it went, as (Unix seconds, value).
    pub series: Vec<(f64, f64)>,
    /// How many samples the value stands on.
    pub samples: u64,
    /// The query as it was sent.
    pub query: String,
    /// What makes it doubtful.
    pub warnings: Vec<String>,
}

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Higher is better.
    Higher,
    /// Lower is better.
    Lower,
    /// Neither: it is there to be known.
    #[default]
    None,
}

/// What was demanded of a metric, and whether it was met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The metric's name.
    pub metric: String,
    /// The component; empty for the whole application.
    #[serde(default)]
    pub component: String,
    /// The demand as it was written: `>= 0.98 * load`.
    pub criterion: String,
    /// The measured value; none when there was none.
    pub value: Option<f64>,
    /// The demand as a number, in the metric's unit.
    pub limit: Option<f64>,
    /// What the baseline had, where the demand is relative to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Between which values the true one lies, in the metric's unit, where the demand was judged by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// What the check counts for among the others.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// Whether it was met.
    pub status: Status,
    /// Why, in one line.
    pub cause: String,
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

/// A judgement and its cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The judgement.
    pub status: Status,
    /// Its cause in one line that a person understands.
    pub cause: String,
}

impl Verdict {
    /// The verdict in one short line, for a Tekton result.
    pub fn summary(&self) -> String {
        let word = match self.status {
            Status::Pass => "passed",
            Status::Warn => "passed with a warning",
            Status::Fail => "failed",
            Status::Inconclusive => "inconclusive",
        };
        let line = format!("{word}: {}", self.cause);
        match line.char_indices().nth(SUMMARY - 1) {
            Some((at, _)) if line.chars().count() > SUMMARY => format!("{}…", &line[..at]),
            _ => line,
        }
    }
}

/// The four judgements. `Inconclusive` is not green: there was not enough to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every demand was met.
    Pass,
    /// Met, with something to look at.
    Warn,
    /// A demand was not met.
    Fail,
    /// It could not be judged.
    Inconclusive,
}

impl Status {
    /// The word in reports and results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The exit code of a program that ends with this judgement.
    pub fn exit(self) -> Exit {
        match self {
            Self::Pass | Self::Warn => Exit::Done,
            Self::Fail => Exit::VerdictFail,
            Self::Inconclusive => Exit::Inconclusive,
        }
    }
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepError {
    /// The program.
    pub program: String,
    /// Its exit code.
    pub exit_code: u8,
    /// What it said, a cause a line.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

impl StepError {
    /// An error that happens now.
    pub fn now(program: &str, exit_code: u8, message: String) -> Self {
        Self { program: program.to_owned(), exit_code, message, at: Timestamp::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_deployment_voids_what_was_measured_of_the_old_one() {
        let verdict = Verdict { status: Status::Pass, cause: "ok".into() };
        let run = Run { id: "run-1".into(), ..Run::default() };
        let mut report = Report { run: Some(run), verdict: Some(verdict), ..Report::default() };
        report.other.insert("tomorrow".into(), Value::from(1));
        report.begin_app(App { name: "wc".into(), ..App::default() });
        assert_eq!((report.verdict, report.other["tomorrow"].as_i64()), (None, Some(1)));
        assert_eq!((report.run.unwrap().id.as_str(), report.app.unwrap().name.as_str()), ("run-1", "wc"));
    }
}
