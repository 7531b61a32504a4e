//! Putting a topology in the place of another one of its name.

use std::time::Instant;

use super::build::Built;
use super::deploy::Args;
use super::tracker::{ExecutionState, Info, Tracker};
use super::wait::{Wait, known};
use super::way::Way;
use super::{Error, Target, delete};

/// Kills a topology of the same name where that is wanted; returns the one that was killed. `first` is who was there when this
/// deployment began: whoever came since belongs to another deployment and is left alone.
pub(super) async fn make_room(
    args: &Args,
    way: &Way,
    tracker: &Tracker,
    first: Option<&Info>,
    wait: &mut Wait,
) -> Result<Option<ExecutionState>, Error> {
    let target = &args.target;
    let Some(old) = known(tracker, target, wait).await?.map(|info| info.execution_state) else {
        return Ok(None);
    };
    if !args.replace {
        return Err(Error::Exists {
            topology: target.topology.clone(),
            environment: target.environment.clone(),
            at: old.submitted_at(),
            by: old.submission_user,
        });
    }
    if first.is_none_or(|first| first.execution_state.submission_time != old.submission_time) {
        return Err(Error::another(target, &old));
    }
    tracing::info!("killing topology {} of {}", target.topology, old.submitted_at());
    let began = Instant::now();
    delete::remove(way, tracker, target, wait).await?;
    tracing::info!("topology {} is gone after {:.1} s", target.topology, began.elapsed().as_secs_f64());
    Ok(Some(old))
}

/// Submits the topology. That it "already exists" is repeated only right after a kill of our own, and only as long as nobody
/// else's is there: Heron may know of the old one's end a moment later than the tracker.
pub(super) async fn submit(
    args: &Args,
    built: &Built,
    tracker: &Tracker,
    old: Option<&ExecutionState>,
    wait: &mut Wait,
) -> Result<(), Error> {
    let target = &args.target;
    let began = Instant::now();
    loop {
        match (built.submit(args, wait.request_limit()).await, old) {
            (Err(error), Some(old)) if error.says("already exists") => {
                let there = known(tracker, target, wait).await?.map(|info| info.execution_state);
                if let Some(other) = there.filter(|there| there.submission_time != old.submission_time) {
                    return Err(Error::another(target, &other));
                }
                let waiting = || format!("waiting to submit topology {}: {error}", target.topology);
                if !wait.pause(waiting).await {
                    return Err(error);
                }
            }
            (outcome, _) => {
                outcome?;
                let place = format!("{}/{}/{}", target.cluster, target.role, target.environment);
                let seconds = began.elapsed().as_secs_f64();
                tracing::info!("submitted topology {} to {place} in {seconds:.1} s", target.topology);
                return Ok(());
            }
        }
    }
}

/// The error of a submission with the state that it leaves behind.
pub(super) fn left(target: &Target, old: Option<&ExecutionState>, error: Error) -> Error {
    match (old, &error) {
        // Another deployment's runs; who answered nothing may have taken it all the same.
        (None, _) | (_, Error::Another { .. } | Error::Unreachable { .. }) => error,
        (Some(old), _) => {
            Error::NotReplaced { topology: target.topology.clone(), at: old.submitted_at(), source: Box::new(error) }
        }
    }
}
