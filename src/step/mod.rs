//! What every program shares: how it starts, ends, is stopped, and tells what happened.
//!
//! A program is an `Args` struct (clap) and an async `run(args, step) -> Result<Exit, Failure>`; its file in `src/bin/`
//! only calls [`main`]. So every program has the same log format, deadline, signals, results and exit codes.

mod args;
mod exit;
mod hex;
mod http;
mod near;
mod process;
mod progress;
mod results;
mod secret;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use tokio::sync::watch;

pub use args::{KeyValue, LogFormat, Optional, Seconds, StepArgs, flag, mounted, part_name};
pub use exit::{Exit, ExitClass, Failure};
pub use hex::hex;
pub use http::{client, client_builder, describe as describe_http_error};
pub use near::near;
pub use process::{ProcessGroup, terminate};
pub use progress::Progress;
pub use results::{RESULTS_LIMIT, Results};
pub use secret::{Secret, SecretError};

use crate::report::{self, Report};

/// How long a program that cleans up after a signal or its deadline may take, below the 20 s that Tekton's pods are given.
pub const GRACE: Duration = Duration::from_secs(15);

/// What a running program has from its surroundings: its results, its report and the wish to stop.
#[derive(Debug)]
pub struct Step {
    results: Results,
    args: StepArgs,
    report: Option<PathBuf>,
    stop: watch::Receiver<Option<Exit>>,
}

impl Step {
    /// A step for in-process use (tests, the local runner) that is never asked to stop.
    pub fn new(args: StepArgs) -> Self {
        let (sender, stop) = watch::channel(None);
        // A closed channel means "never": stopped() waits for ever on it.
        drop(sender);
        Self::with_stop(args, stop)
    }

    fn with_stop(args: StepArgs, stop: watch::Receiver<Option<Exit>>) -> Self {
        Self { results: Results::new(&args.result), report: args.report_path(), args, stop }
    }

    /// Where this step's Tekton results go.
    pub fn results(&self) -> &Results {
        &self.results
    }

    /// Changes this step's part of `report.json`; does nothing when the program runs without `--report`.
    pub fn update_report(&self, change: impl FnOnce(&mut Report)) -> Result<(), report::Error> {
        match &self.report {
            Some(path) => report::update(path, change),
            None => Ok(()),
        }
    }

    /// The report as the steps before have left it; empty without `--report` or when there is none yet. That of a run with several
    /// applications has their parts; that of one of them has what is the same for all: the run, the environment, and the load where they share it.
    pub fn read_report(&self) -> Result<Report, report::Error> {
        let (Some(path), Some(whole)) = (&self.report, &self.args.report) else {
            return Ok(Report::default());
        };
        let mut report = report::read(path)?.unwrap_or_default();
        if path != whole {
            let whole = report::read(whole)?.unwrap_or_default();
            report.run = whole.run.or(report.run);
            report.load = report.load.or(whole.load);
            for (name, value) in whole.environment.unwrap_or_default().fingerprint {
                report.environment.get_or_insert_default().fingerprint.entry(name).or_insert(value);
            }
        }
        for part in &mut report.parts {
            if let Some(own) = report::read(&report::part_path(whole, &part.name))? {
                *part = report::Part::of(&part.name, own);
            }
        }
        Ok(report)
    }

    /// The path of the report that this step reads and writes, when the program was given one.
    pub fn report_path(&self) -> Option<&Path> {
        self.report.as_deref()
    }

    /// The longest that the program may take, as `--timeout` says.
    pub fn timeout(&self) -> Duration {
        self.args.timeout.0
    }

    /// A handle on the wish to stop. A program that holds one is asked, and has [`GRACE`] to clean up and return;
    /// one that holds none is simply dropped where it waits.
    pub fn stop(&self) -> Stop {
        Stop(self.stop.clone())
    }
}

/// Tells when the program is asked to stop, by a signal or by its deadline.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Option<Exit>>);

impl Stop {
    /// Whether the program has been asked to stop.
    pub fn requested(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits until the program is asked to stop, and says with which exit code it will end.
    pub async fn wait(&mut self) -> Exit {
        // The borrowed value must not live across the next await: it would tie the future to one thread.
        let heard = self.0.wait_for(Option::is_some).await.map(|exit| *exit);
        match heard {
            Ok(exit) => exit.unwrap_or(Exit::Terminated),
            Err(_) => std::future::pending().await,
        }
    }
}

/// Runs a program from its command line to its exit code. `shared` finds the arguments that all programs have.
pub fn main<A, F>(shared: fn(&A) -> &StepArgs, run: F) -> ExitCode
where
    A: CommandFactory + FromArgMatches,
    F: AsyncFnOnce(A, &Step) -> Result<Exit, Failure>,
{
    main_with_grace(shared, GRACE, run)
}

/// [`main`] for a program that Kubernetes does not wait for, and that may take longer than [`GRACE`] to clean up.
pub fn main_with_grace<A, F>(shared: fn(&A) -> &StepArgs, grace: Duration, run: F) -> ExitCode
where
    A: CommandFactory + FromArgMatches,
    F: AsyncFnOnce(A, &Step) -> Result<Exit, Failure>,
{
    let name = A::command().get_name().to_owned();
    let parsed = A::command().version(env!("CARGO_PKG_VERSION")).try_get_matches();
    let args = match parsed.and_then(|matches| A::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => return refuse(&name, &error),
    };
    let step_args = shared(&args).clone().mounted();
    init_logs(step_args.log_format);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return finish(&name, None, Err(Failure::new(Exit::Refused, error))),
    };
    let report = step_args.report_path();
    let outcome = runtime.block_on(supervise(step_args, grace, async |step| run(args, step).await));
    // Blocking work that did not hear of the end must not hold the process up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    finish(&name, report.as_deref(), outcome)
}

/// Ends a program whose arguments cannot be read. In a Task the results are emptied and the report is told all the same: people
/// hear of the run's end from it. On a terminal clap's own text, with usage and hints, helps more.
fn refuse(name: &str, error: &clap::Error) -> ExitCode {
    let given = StepArgs::among(std::env::args());
    if !error.use_stderr() || given.report.is_none() {
        // Nobody reads any more what cannot be written.
        let _ = error.print();
        return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
    }
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let message = first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let cleared = Results::new(&given.result).clear().map_err(Failure::from);
    finish(name, given.report_path().as_deref(), cleared.and(Err(Failure::msg(Exit::Usage, message))))
}

/// Runs the work until it ends, its deadline passes or a signal comes.
async fn supervise<F>(args: StepArgs, grace: Duration, work: F) -> Result<Exit, Failure>
where
    F: AsyncFnOnce(&Step) -> Result<Exit, Failure>,
{
    let (ask, stop) = watch::channel(None);
    let timeout = args.timeout.0;
    let step = Step::with_stop(args, stop);
    step.results.clear()?;
    let mut work = std::pin::pin!(work(&step));
    let exit = tokio::select! {
        outcome = &mut work => return outcome,
        () = tokio::time::sleep(timeout) => Exit::Deadline,
        exit = signal() => exit?,
    };
    // The step itself holds one receiver; any further one belongs to work that wants to clean up.
    if ask.receiver_count() > 1 {
        ask.send_replace(Some(exit));
        let _ = tokio::time::timeout(grace, work).await;
    }
    Err(match exit {
        Exit::Deadline => Failure::msg(exit, format!("not done within --timeout {}s", timeout.as_secs())),
        Exit::Terminated => Failure::msg(
            exit,
            "stopped by SIGTERM, as when the run is cancelled, its time is over or its pod is deleted",
        ),
        _ => Failure::msg(exit, "stopped by a signal"),
    })
}

/// Waits for the signal that ends the program: SIGTERM from Kubernetes or Tekton, SIGINT from a terminal.
async fn signal() -> Result<Exit, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let refused = |error| Failure::new(Exit::Refused, error);
    let mut term = signal(SignalKind::terminate()).map_err(refused)?;
    let mut int = signal(SignalKind::interrupt()).map_err(refused)?;
    Ok(tokio::select! {
        _ = term.recv() => Exit::Terminated,
        _ = int.recv() => Exit::Interrupted,
    })
}

/// Says what went wrong, on stderr and in the report, and turns the outcome into the process's exit code.
#[expect(clippy::print_stderr, reason = "the last word goes to the terminal in plain text whatever the log format")]
fn finish(name: &str, report: Option<&Path>, outcome: Result<Exit, Failure>) -> ExitCode {
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("{name}: {failure}");
            if let Some(path) = report {
                let note = report::StepError::now(name, failure.exit().code(), failure.to_string());
                if let Err(error) = report::update(path, |report| report.errors.push(note)) {
                    eprintln!("{name}: could not note the error in the report: {error}");
                }
            }
            failure.exit().into()
        }
    }
}

fn init_logs(format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A second subscriber can only exist when tests run programs in one process: keeping the first is right.
    let _ = match format {
        LogFormat::Plain => builder.with_ansi(colour).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
