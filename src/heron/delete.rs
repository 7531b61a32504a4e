//! `delete-heron-app`: kills a topology and waits until it is gone.

use std::time::{Duration, Instant};

use super::tracker::{Answer, Tracker};
use super::wait::Wait;
use super::way::Way;
use super::{Error, Target};
use crate::report::App;
use crate::step::{Exit, Failure, Step, StepArgs};

/// What a kill is answered with where a scheduler service runs and the topology is missing, is only just coming up or is
/// already going.
const NO_SCHEDULER: &str = "Failed to get scheduler location";
/// How often a kill that was not taken is repeated: a topology that is only just coming up can be killed a moment later.
const KILL_EVERY: Duration = Duration::from_secs(2);
/// How long the tracker may not know of a topology that was just submitted: it reads the state every 5 s.
const TRACKER_LAG: Duration = Duration::from_secs(6);

/// Kills a Heron topology and waits until it is gone. A topology that is not there is no error.
///
/// With the report of a run it deletes only what that run has deployed: a run that was refused because somebody else's topology
/// is running must not end that one.
#[derive(Debug, clap::Parser)]
#[command(name = "delete-heron-app")]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// Whether there was anything to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removed {
    /// There was, and it is gone.
    Killed,
    /// There was nothing.
    WasMissing,
}

/// Kills the topology and waits until it is gone.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let target = &args.target;
    target.check()?;
    let tracker = Tracker::new(target)?;
    if step.report_path().is_some() {
        let app = step.read_report()?.app.unwrap_or_default();
        if let Some(reason) = not_ours(&app, &tracker, target).await {
            tracing::info!("nothing to delete: {reason}");
            return Ok(Exit::Done);
        }
    }
    let mut wait = Wait::within(step.timeout());
    tracing::info!("killing topology {} in {}/{}/{}", target.topology, target.cluster, target.role, target.environment);
    match remove(&Way::of(target, step.stop())?, &tracker, target, &mut wait).await? {
        Removed::Killed => {
            tracing::info!("topology {} is gone after {:.1} s", target.topology, wait.elapsed().as_secs_f64())
        }
        Removed::WasMissing => tracing::info!("topology {} was not running: nothing to delete", target.topology),
    }
    Ok(Exit::Done)
}

/// Why the topology of this name is not the one that the report's run has deployed.
async fn not_ours(app: &App, tracker: &Tracker, target: &Target) -> Option<String> {
    if app.deployed_at.is_none() {
        return Some(format!("this run has not deployed topology {}", target.topology));
    }
    let ours = app.submission_time?;
    match tracker.info(target).await {
        Ok(Answer::Known(info)) if info.execution_state.submission_time != ours => Some(format!(
            "topology {} is another one by now, submitted {} by {}",
            target.topology,
            info.execution_state.submitted_at(),
            info.execution_state.submission_user
        )),
        // A tracker that cannot say now is asked again while the topology is killed.
        _ => None,
    }
}

/// Kills the topology, and waits until the tracker does not know it in two answers in a row.
pub(super) async fn remove(way: &Way, tracker: &Tracker, target: &Target, wait: &mut Wait) -> Result<Removed, Error> {
    let mut kill = Kill::default();
    let mut known = None;
    if let Ok(Answer::Known(info)) = tracker.info(target).await {
        known = Some(info.execution_state.submission_time);
    }
    let mut unknown: Option<Instant> = None;
    loop {
        kill.again(way, target, wait.request_limit()).await?;
        let words = match wait.forgive(tracker.info(target).await)? {
            Ok(Answer::Unknown) => {
                let enough = if kill.taken { Duration::ZERO } else { TRACKER_LAG };
                if unknown.is_some_and(|since| since.elapsed() >= enough) {
                    return Ok(if known.is_some() { Removed::Killed } else { Removed::WasMissing });
                }
                unknown.get_or_insert_with(Instant::now);
                "the tracker no longer knows it".to_owned()
            }
            // The one that was killed is gone when another one has its name.
            Ok(Answer::Known(info)) if known.is_some_and(|known| known != info.execution_state.submission_time) => {
                return if kill.taken {
                    Ok(Removed::Killed)
                } else {
                    Err(Error::another(target, &info.execution_state))
                };
            }
            Ok(Answer::Known(info)) => {
                (known, unknown) = (Some(info.execution_state.submission_time), None);
                format!("the tracker still shows it as {:?}{}", info.execution_state.status, kill.tell())
            }
            Ok(Answer::Unclear(words)) | Err(words) => {
                unknown = None;
                format!("the tracker cannot tell: {words}{}", kill.tell())
            }
        };
        if !wait.pause(|| format!("waiting for the end of topology {}: {words}", target.topology)).await {
            return Err(Error::NotGone { topology: target.topology.clone(), waited: wait.elapsed(), words });
        }
    }
}

/// A kill that is repeated until the API server takes it.
#[derive(Debug, Default)]
struct Kill {
    taken: bool,
    tried: Option<Instant>,
    refused: Option<Error>,
}

impl Kill {
    async fn again(&mut self, way: &Way, target: &Target, limit: Duration) -> Result<(), Error> {
        if self.taken || self.tried.is_some_and(|tried| tried.elapsed() < KILL_EVERY) {
            return Ok(());
        }
        self.tried = Some(Instant::now());
        match way.kill(target, limit).await {
            Ok(()) => {
                self.taken = true;
                tracing::info!("Heron says that topology {} is killed", target.topology);
            }
            Err(error) if error.says(NO_SCHEDULER) || error.says("does not exist") => self.refused = Some(error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn tell(&self) -> String {
        match &self.refused {
            Some(error) if !self.taken => format!("; {error}"),
            _ => String::new(),
        }
    }
}
