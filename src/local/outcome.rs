//! How a run and its tasks ended, in Tekton's words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::engine::Cancel;
use super::given::Limits;
use super::task::{TIMED_OUT, go_duration};
use super::value::Value;

/// How a TaskRun ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TaskState {
    /// All steps did their job.
    Succeeded,
    /// A step did not, or the task's time was over.
    Failed,
    /// It was ended from outside.
    Cancelled,
}

/// A TaskRun that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct TaskReport {
    /// The task in the pipeline.
    pub name: String,
    /// The Task.
    pub task: String,
    /// The TaskRun's name.
    pub run: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// How it ended.
    pub state: TaskState,
    /// The same in Tekton's word: Succeeded, StepFailed, FailureIgnored, TaskRunTimeout, TaskRunCancelled …
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// The step that failed.
    pub step: Option<String>,
    /// Its exit code: 255 when a signal ended it, 1 when its own timeout did.
    pub exit_code: Option<i32>,
    /// The last line it wrote.
    pub last_line: Option<String>,
    /// The results it wrote.
    pub results: BTreeMap<String, Value>,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether it belongs to `finally`.
    pub finally: bool,
    /// Whether the pipeline passes over its failure (`onError: continue`).
    pub ignored: bool,
}

/// A task that did not run.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// The task in the pipeline.
    pub name: String,
    /// Why, in Tekton's words.
    pub reason: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RunStatus {
    /// All tasks did their job.
    Succeeded,
    /// So did all that ran; some were skipped.
    Completed,
    /// A task failed.
    Failed,
    /// It was ended from outside.
    Cancelled,
}

/// A run that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// The run's name.
    pub name: String,
    /// PipelineRun or TaskRun.
    pub kind: String,
    /// The Pipeline's or Task's name.
    pub pipeline: String,
    /// How it ended.
    pub status: RunStatus,
    /// The same in Tekton's word.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Its parameters, with defaults.
    pub params: BTreeMap<String, Value>,
    /// Its results, as far as their tasks wrote them.
    pub results: BTreeMap<String, Value>,
    /// Its tasks in the order in which they ended.
    pub tasks: Vec<TaskReport>,
    /// The tasks that did not run.
    pub skipped: Vec<Skipped>,
    /// The tasks that could not run: they need a result that nobody wrote.
    pub invalid: Vec<Skipped>,
    /// The run's folder, when it was to be kept.
    pub folder: Option<PathBuf>,
}

impl TaskReport {
    /// Whether the run's user ended it, not the run's timeout.
    fn cancelled_by_user(&self) -> bool {
        self.state == TaskState::Cancelled && !self.message.ends_with(TIMED_OUT)
    }
}

impl RunReport {
    /// The report of a task, when it ran.
    pub fn task(&self, name: &str) -> Option<&TaskReport> {
        self.tasks.iter().find(|task| task.name == name)
    }
}

/// Which of the run's timeouts is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Over {
    /// None.
    None,
    /// That of the tasks but `finally`.
    Tasks,
    /// That of all of it.
    Run,
}

/// How many of a run's tasks came to which end.
pub struct Count {
    completed: usize,
    failed: usize,
    ignored: usize,
    cancelled: usize,
    skipped: usize,
    /// Why tasks could not run, in the order of their names.
    invalid: Vec<String>,
}

/// The longest that the reasons of tasks that could not run become in the run's message, in bytes.
const INVALID_WIDTH: usize = 1024;

impl Count {
    /// Counts them.
    pub fn of(tasks: &[TaskReport], skipped: usize, invalid: &[Skipped]) -> Self {
        let count = |is: fn(&TaskReport) -> bool| tasks.iter().filter(|task| is(task)).count();
        let mut reasons: Vec<&Skipped> = invalid.iter().collect();
        reasons.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            completed: tasks.len(),
            failed: count(|task| task.state != TaskState::Succeeded && !task.cancelled_by_user()),
            ignored: count(|task| task.ignored),
            cancelled: count(TaskReport::cancelled_by_user),
            skipped,
            invalid: reasons.into_iter().map(|task| task.reason.clone()).collect(),
        }
    }

    /// The run's end in Tekton's words.
    pub fn verdict(&self, run: &str, limits: &Limits, over: Over, cancelled: Cancel) -> (RunStatus, String, String) {
        let limit = |limit: Option<Duration>| go_duration(limit.unwrap_or_default());
        let (status, reason, message) = match over {
            _ if cancelled == Cancel::AtOnce => (RunStatus::Cancelled, "Cancelled", was_cancelled(run)),
            Over::Run => (
                RunStatus::Failed,
                "PipelineRunTimeout",
                format!("PipelineRun {run:?} failed to finish within {:?}", limit(limits.pipeline)),
            ),
            Over::Tasks => (
                RunStatus::Failed,
                "PipelineRunTimeout",
                format!("PipelineRun {run:?} failed due to tasks failed to finish within {:?}", limit(limits.tasks)),
            ),
            Over::None if !self.invalid.is_empty() => (RunStatus::Failed, "PipelineValidationFailed", self.message()),
            Over::None if self.failed > self.ignored => (RunStatus::Failed, "Failed", self.message()),
            Over::None if cancelled != Cancel::No => (RunStatus::Cancelled, "Cancelled", was_cancelled(run)),
            Over::None if self.skipped > 0 => (RunStatus::Completed, "Completed", self.message()),
            Over::None => (RunStatus::Succeeded, "Succeeded", self.message()),
        };
        (status, reason.to_owned(), message)
    }

    fn message(&self) -> String {
        let Self { completed, failed, ignored, cancelled, skipped, invalid } = self;
        let passed_over = if *ignored > 0 { format!(" (Ignored: {ignored})") } else { String::new() };
        let mut message = format!(
            "Tasks Completed: {completed} (Failed: {failed}{passed_over}, Cancelled {cancelled}), Skipped: {skipped}"
        );
        if !invalid.is_empty() {
            let mut reasons = invalid.join("; ");
            if reasons.len() > INVALID_WIDTH {
                reasons.truncate(reasons.floor_char_boundary(INVALID_WIDTH));
                reasons.push_str("...");
            }
            message.push_str(&format!(", Failed Validation: {} ({reasons})", invalid.len()));
        }
        message
    }
}

fn was_cancelled(run: &str) -> String {
    format!("PipelineRun {run:?} was cancelled")
}
