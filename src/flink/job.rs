//! What Flink tells about jobs.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::report::Component;

/// How a job is doing, in Flink's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// It is being prepared.
    Initializing,
    /// It waits for its tasks to be scheduled.
    Created,
    /// It was started; its tasks may still wait for slots.
    Running,
    /// It failed and is about to begin again.
    Restarting,
    /// It is failing.
    Failing,
    /// It failed for good.
    Failed,
    /// It is being cancelled.
    Cancelling,
    /// It was cancelled.
    Canceled,
    /// It ended by itself, or with a savepoint.
    Finished,
    /// Another JobManager has it.
    Suspended,
    /// A new JobManager is taking it over.
    Reconciling,
    /// A state of a later version of Flink.
    #[serde(other)]
    Unknown,
}

impl State {
    /// Whether a job of this state has ended for good.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled | Self::Finished)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_uppercase())
    }
}

/// A job in the overview of all jobs (`/jobs/overview`), up to web.refresh-interval (3 s) old.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// Its id, 32 hex digits.
    #[serde(rename = "jid")]
    pub id: String,
    /// Its name; several jobs may have the same.
    pub name: String,
    /// How it is doing.
    pub state: State,
    /// When it was submitted, in Unix milliseconds.
    pub start_time: i64,
}

/// A job (`/jobs/:id`), up to web.refresh-interval (3 s) old.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Job {
    /// Its name, as its main gives it.
    pub name: String,
    /// How it is doing. `RUNNING` even when its tasks have no slots.
    pub state: State,
    /// When it was submitted, in Unix milliseconds.
    pub start_time: i64,
    /// When it last came into each state, in Unix milliseconds; 0 for a state that it has not been in.
    #[serde(default)]
    pub timestamps: BTreeMap<String, i64>,
    /// The chains of operators that run together, in the order of the data; none before it is scheduled.
    #[serde(default)]
    pub vertices: Vec<Vertex>,
}

/// A chain of operators that run together in as many subtasks as its parallelism says.
#[derive(Debug, Clone, Deserialize)]
pub struct Vertex {
    /// Its id, 32 hex digits.
    pub id: String,
    /// The names of its operators, as `Source: source -> transformer -> (sink: Writer -> sink: Committer, log)`.
    pub name: String,
    /// How many subtasks it has.
    pub parallelism: u32,
    /// How many subtasks are in each state: `RUNNING`, `SCHEDULED`, `FINISHED`…
    #[serde(default)]
    pub tasks: BTreeMap<String, u32>,
}

impl Vertex {
    /// How many subtasks are in this state.
    pub fn in_state(&self, state: &str) -> u32 {
        self.tasks.get(state).copied().unwrap_or_default()
    }

    /// Its operators as components of an application: by the names that main gave them, as Flink's metrics show them, without
    /// those that only complete the one before.
    fn components(&self) -> impl Iterator<Item = Component> {
        operators(&self.name).into_iter().filter_map(|name| component(name, self.parallelism))
    }
}

/// The names of the operators in a vertex's name.
fn operators(vertex: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for link in vertex.split(" -> ") {
        // A chain forks as (a -> b, c): only inside a fork is a comma the end of a name.
        let link = match link.strip_prefix('(') {
            Some(inner) => {
                depth += 1;
                inner
            }
            None => link,
        };
        let parts = if depth > 0 { link.split(", ").collect() } else { vec![link] };
        for part in parts {
            let inner = part.trim_end_matches(')');
            let closed = (part.len() - inner.len()).min(depth);
            depth -= closed;
            names.push(part[..part.len() - closed].trim());
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

impl Job {
    /// Its operators as components of an application.
    pub fn components(&self) -> Vec<Component> {
        self.vertices.iter().flat_map(Vertex::components).collect()
    }

    /// When it last came into this state; none when it has not been in it.
    pub fn since(&self, state: State) -> Option<Timestamp> {
        self.timestamps.get(&state.to_string()).filter(|at| **at > 0).map(|at| time(*at))
    }

    /// How many subtasks it has.
    pub fn subtasks(&self) -> u32 {
        self.vertices.iter().map(|vertex| vertex.parallelism).sum()
    }

    /// When it was submitted.
    pub fn started_at(&self) -> Timestamp {
        time(self.start_time)
    }
}

/// Flink makes `Source: name` of a source, `name: Writer` and `name: Committer` of a sink.
fn component(operator: &str, parallelism: u32) -> Option<Component> {
    if operator.ends_with(": Committer") {
        return None;
    }
    let (name, kind) = match (operator.strip_prefix("Source: "), operator.strip_suffix(": Writer")) {
        (Some(name), _) => (name, "source"),
        (None, Some(name)) => (name, "sink"),
        (None, None) => match operator.strip_prefix("Sink: ") {
            Some(name) => (name, "sink"),
            None => (operator, "operator"),
        },
    };
    let shown = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' };
    Some(Component {
        name: name.chars().map(shown).collect(),
        kind: kind.to_owned(),
        parallelism,
        ..Component::default()
    })
}

/// Flink's times are Unix milliseconds.
pub(super) fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// An exception of a job (`/jobs/:id/exceptions`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// When, in Unix milliseconds.
    pub timestamp: i64,
    /// Its stack trace with all causes.
    #[serde(default)]
    pub stacktrace: String,
    /// The subtask it happened in, as `sink: Writer (2/4) - execution #0`; none when the whole job failed.
    #[serde(default)]
    pub task_name: Option<String>,
}

impl Exception {
    /// When.
    pub fn at(&self) -> Timestamp {
        time(self.timestamp)
    }

    /// The component it happened in, or the components of a chain; empty when the whole job failed.
    pub fn component(&self) -> String {
        let task = self.task_name.as_deref().unwrap_or_default();
        let vertex = task.rsplit_once(" (").map_or(task, |(vertex, _)| vertex);
        let names: Vec<_> = operators(vertex).into_iter().filter_map(|name| Some(component(name, 0)?.name)).collect();
        names.join(" -> ")
    }

    /// Why, in a line.
    pub fn cause(&self) -> String {
        super::stack::root_cause(&self.stacktrace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chains_operators_are_told_apart() {
        assert_eq!(operators("Source: a, b"), ["Source: a, b"]);
        assert_eq!(
            operators("Source: a -> map (x) -> b: Writer -> b: Committer"),
            ["Source: a", "map (x)", "b: Writer", "b: Committer"]
        );
        assert_eq!(
            operators("a -> (b -> (c, d), e: Writer -> e: Committer)"),
            ["a", "b", "c", "d", "e: Writer", "e: Committer"]
        );
    }

    #[test]
    fn a_running_jobs_components_have_the_names_of_its_main() {
        let job: Job = serde_json::from_str(include_str!("../../tests/data/flink/job-running.json")).unwrap();
        let told: Vec<_> =
            job.components().into_iter().map(|c| format!("{} {} {}", c.kind, c.name, c.parallelism)).collect();
        assert_eq!(told, ["source copy_src 4", "operator map 4", "sink copy_dst 4"]);
        assert_eq!((job.subtasks(), job.vertices[0].in_state("RUNNING")), (12, 4));
        assert_eq!(job.started_at().to_string(), "2026-11-23T09:09:16.976Z");
    }

    #[test]
    fn an_exceptions_component_has_the_name_of_its_main() {
        let of = |task: Option<&str>| {
            Exception { timestamp: 0, stacktrace: String::new(), task_name: task.map(str::to_owned) }.component()
        };
        assert_eq!(of(Some("transformer (2/4) - execution #0")), "transformer");
        assert_eq!(
            of(Some("Source: in -> map (x) -> out: Writer -> out: Committer (1/1) - execution #1")),
            "in -> map__x_ -> out"
        );
        assert_eq!(of(None), "");
    }

    #[test]
    fn states_are_read_as_flink_writes_them_and_later_ones_are_no_error() {
        let read = |text: &str| serde_json::from_str::<State>(text).unwrap();
        assert_eq!(read(r#""CANCELED""#), State::Canceled);
        assert_eq!(read(r#""DREAMING""#), State::Unknown);
        assert_eq!(State::Initializing.to_string(), "INITIALIZING");
        assert!(State::Finished.is_terminal() && !State::Suspended.is_terminal() && !State::Restarting.is_terminal());
    }
}
