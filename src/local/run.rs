//! `streamgauge run`: a Pipeline, Task or PipelineRun on this computer.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::engine::{Cancel, execute};
use super::outcome::{RunReport, RunStatus};
use super::plan::Request;
use super::process::{Line, Sink};
use crate::step::{Exit, Failure, KeyValue, Step, StepArgs, Stop};

/// How long a cancelled run may take to end: its tasks' 30 s after SIGTERM, then `finally`.
pub const GRACE: Duration = Duration::from_secs(900);

/// Run a Pipeline, a Task or a PipelineRun on this computer, without a cluster
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("timeout", |arg| arg.default_value("24h")))]
pub struct Args {
    /// The YAML file, as it would be applied to a cluster
    pub file: PathBuf,

    /// A folder of Tasks; may be repeated [default: tasks/ beside the pipeline's folder, then ./tasks]
    #[arg(long, value_name = "DIR")]
    pub tasks: Vec<PathBuf>,

    /// A parameter; repeat it for an array, or give JSON for an array or an object
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub param: Vec<KeyValue>,

    /// A workspace: a folder, emptyDir for a new one for each task, or volumeClaimTemplate for a new one for all tasks
    #[arg(long, short, value_name = "NAME=DIR")]
    pub workspace: Vec<KeyValue>,

    /// An annotation of the run, for text that Tekton must not read, as streamgauge.dev/commit-message
    #[arg(long, value_name = "NAME=TEXT")]
    pub annotation: Vec<KeyValue>,

    /// Keep the run's folder, with results and new workspaces
    #[arg(long)]
    pub keep: bool,

    /// What all programs have
    #[command(flatten)]
    pub step: StepArgs,
}

/// Runs to the end; a signal cancels the run gracefully, a second one at once.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let request = Request {
        file: args.file,
        tasks: args.tasks,
        params: args.param,
        workspaces: args.workspace,
        annotations: args.annotation,
        keep: args.keep,
        programs: None,
    };
    let report = execute(&request, printer(), cancelled_by(step.stop())?).await?;
    say(&format!("\n{}", super::describe(&report)));
    Ok(exit(&report))
}

/// The program's exit code: that of the first step that failed, when it is one of ours.
pub fn exit(report: &RunReport) -> Exit {
    match report.status {
        RunStatus::Succeeded | RunStatus::Completed => Exit::Done,
        RunStatus::Cancelled => Exit::Terminated,
        RunStatus::Failed if report.reason == "PipelineRunTimeout" => Exit::Deadline,
        RunStatus::Failed => {
            let failed = report.tasks.iter().filter(|task| !task.ignored);
            match failed.filter_map(|task| task.exit_code).next() {
                Some(1) if is_verdict(report) => Exit::VerdictFail,
                Some(2) => Exit::Usage,
                Some(3) => Exit::Inconclusive,
                Some(5) => Exit::Deadline,
                _ => Exit::Refused,
            }
        }
    }
}

/// Whether a task judged, and its judgement was fail: other programs have other reasons to exit with 1.
fn is_verdict(report: &RunReport) -> bool {
    report.tasks.iter().filter_map(|task| task.results.get("verdict")).any(|verdict| verdict.to_string() == "fail")
}

/// A wish to cancel that follows the program's own wish to stop, and a second signal.
pub fn cancelled_by(mut stop: Stop) -> Result<watch::Receiver<Cancel>, Failure> {
    let refused = |error| Failure::new(Exit::Refused, error);
    let mut term = signal(SignalKind::terminate()).map_err(refused)?;
    let mut int = signal(SignalKind::interrupt()).map_err(refused)?;
    let (sender, receiver) = watch::channel(Cancel::No);
    tokio::spawn(async move {
        let mut signals = 0;
        loop {
            tokio::select! {
                _ = term.recv() => signals += 1,
                _ = int.recv() => signals += 1,
                _ = stop.wait(), if *sender.borrow() == Cancel::No => {}
                () = sender.closed() => return,
            }
            let now = if signals > 1 { Cancel::AtOnce } else { Cancel::Gracefully };
            if sender.send_replace(now) == Cancel::No {
                tracing::warn!(
                    "cancelling: running steps get SIGTERM, then finally runs; a second signal kills at once"
                );
            }
        }
    });
    Ok(receiver)
}

/// Prints lines as `tkn pipelinerun logs` does, each task in a colour of its own on a terminal.
pub fn printer() -> Sink {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    Arc::new(move |line: &Line| say(&format!("{}{}\n", prefix(line, colour), line.text)))
}

fn prefix(line: &Line, colour: bool) -> String {
    let name = format!("[{} : {}] ", line.task, line.step);
    if !colour {
        return name;
    }
    let number = 31 + line.task.bytes().map(u32::from).sum::<u32>() % 6;
    format!("\u{1b}[{number}m{name}\u{1b}[0m")
}

/// Writes to stdout; one that nobody reads any more is no reason to end a run without its `finally`.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
