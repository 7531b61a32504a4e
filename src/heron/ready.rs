//! When a topology is truly running. Its status alone does not tell: Heron 0.20.5 says `Running` before any instance is up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::tracker::{Answer, ExceptionLog, Info, Tracker};
use super::wait::Wait;
use super::{Error, Target};
use crate::report::Component;

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The components as main made them.
    pub components: &'a [Component],
    /// When an older topology of the same name was submitted, in Unix seconds: that one does not count.
    pub not_from: Option<i64>,
    /// The status it is to have: `Running` or `Paused`.
    pub status: &'static str,
    /// How long all must be well without a break.
    pub hold: Duration,
}

/// A topology that is truly running.
#[derive(Debug)]
pub(super) struct Ready {
    /// What the tracker knows about it.
    pub info: Info,
    /// How many exceptions there were until then, by component.
    pub exceptions: BTreeMap<String, u64>,
}

/// What one look at the topology shows.
#[derive(Debug, Default)]
struct Look {
    /// What is missing; nothing when all is well.
    missing: Vec<String>,
    /// The exceptions since the topology was submitted; none when nobody could tell.
    exceptions: Option<Exceptions>,
    info: Info,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Exceptions {
    by_component: BTreeMap<String, u64>,
    last: String,
}

/// Waits until the topology is truly running, and stays so for the hold; returns how it is then.
pub(super) async fn wait(
    tracker: &Tracker,
    target: &Target,
    wanted: Wanted<'_>,
    wait: &mut Wait,
) -> Result<Ready, Error> {
    let mut well_since: Option<Instant> = None;
    let mut exceptions_before = None;
    let mut ours = None;
    loop {
        let look = wait.forgive(look(tracker, target, wanted).await)?.unwrap_or_else(Look::nothing);
        look.check_owner(target, &mut ours)?;
        let count = look.exceptions.as_ref().map(Exceptions::count);
        let growing = exceptions_before.is_some_and(|before| count.is_some_and(|now| now > before));
        exceptions_before = count.or(exceptions_before);
        well_since = match look.missing.is_empty() && !growing {
            true => well_since.or_else(|| Some(Instant::now())),
            false => None,
        };
        let held = well_since.map(|since| since.elapsed());
        if held.is_some_and(|held| held >= wanted.hold) {
            let exceptions = look.exceptions.unwrap_or_default().by_component;
            return Ok(Ready { info: look.info, exceptions });
        }
        let told = look.tell(held, wanted.hold);
        if !wait.pause(|| format!("waiting for topology {}: {told}", target.topology)).await {
            return Err(Error::NotReady { topology: target.topology.clone(), waited: wait.elapsed(), missing: told });
        }
    }
}

impl Look {
    fn nothing(words: String) -> Self {
        Self { missing: vec![words], ..Self::default() }
    }

    /// The first submission that is seen is ours: a later one is somebody else's.
    fn check_owner(&self, target: &Target, ours: &mut Option<i64>) -> Result<(), Error> {
        let state = &self.info.execution_state;
        match state.submission_time {
            0 => Ok(()),
            time if *ours.get_or_insert(time) == time => Ok(()),
            _ => Err(Error::another(target, state)),
        }
    }

    /// What is missing, in a line.
    fn tell(&self, held: Option<Duration>, hold: Duration) -> String {
        let mut parts = self.missing.clone();
        parts.extend(held.map(|held| format!("all is up since {} of {} s", held.as_secs(), hold.as_secs_f64())));
        parts.extend(self.exceptions.as_ref().filter(|exceptions| exceptions.count() > 0).map(Exceptions::tell));
        parts.join(", ")
    }
}

async fn look(tracker: &Tracker, target: &Target, wanted: Wanted<'_>) -> Result<Look, Error> {
    let info = match tracker.info(target).await? {
        Answer::Known(info) if Some(info.execution_state.submission_time) == wanted.not_from => {
            return Ok(Look::nothing("the tracker still shows the topology that was killed".to_owned()));
        }
        Answer::Known(info) => info,
        Answer::Unknown => return Ok(Look::nothing("the tracker does not know it".to_owned())),
        Answer::Unclear(words) => return Ok(Look::nothing(format!("the tracker says: {words}"))),
    };
    let mut missing = missing(&info, wanted);
    if info.enveloped {
        missing.extend(unregistered(tracker, target, &info).await?);
    }
    let mut names: Vec<&str> = info.packing_plan.counts().into_keys().collect();
    names.extend(wanted.components.iter().map(|component| component.name.as_str()));
    names.sort_unstable();
    names.dedup();
    let exceptions = exceptions(tracker, target, &names).await?;
    // While instances are missing, exceptions are only a help to tell why.
    match exceptions {
        Err(words) if missing.is_empty() => Ok(Look::nothing(format!("exceptions cannot be told: {words}"))),
        exceptions => Ok(Look { missing, exceptions: exceptions.ok(), info }),
    }
}

/// What the plans lack against what main made or, where nobody told that, against the packing plan.
fn missing(info: &Info, wanted: Wanted<'_>) -> Vec<String> {
    let mut missing = Vec::new();
    if info.execution_state.status != wanted.status {
        missing.push(format!("status is {:?}", info.execution_state.status));
    }
    let mut planned = info.packing_plan.counts();
    if planned.is_empty() {
        missing.push("no packing plan".to_owned());
    }
    for Component { name, parallelism, .. } in wanted.components {
        planned.insert(name, *parallelism as usize);
    }
    let order = |name: &str| wanted.components.iter().position(|component| component.name == name);
    let mut planned: Vec<_> = planned.into_iter().collect();
    planned.sort_by_key(|(name, _)| order(name));
    for (name, wanted) in planned {
        let packed = info.packing_plan.of(name).count();
        let up = info.physical_plan.instances.values().filter(|instance| instance.name == name).count();
        if up != wanted {
            missing.push(format!("{name}: {up} of {wanted} instances"));
        } else if packed != wanted {
            missing.push(format!("{name}: {packed} of {wanted} instances in the packing plan"));
        }
    }
    missing
}

/// The stream managers of the physical plan that the topology's manager has not got.
async fn unregistered(tracker: &Tracker, target: &Target, info: &Info) -> Result<Option<String>, Error> {
    let state = match tracker.runtime_state(target).await? {
        Answer::Known(state) => state,
        Answer::Unknown => return Ok(Some("stream managers: not known yet".to_owned())),
        Answer::Unclear(words) => return Ok(Some(format!("stream managers: {words}"))),
    };
    let registered = |id: &str| state.stmgrs.get(id).is_some_and(|manager| manager.is_registered);
    let absent: Vec<&str> = info.physical_plan.stmgrs.keys().map(String::as_str).filter(|id| !registered(id)).collect();
    Ok((!absent.is_empty()).then(|| format!("{} not registered", absent.join(", "))))
}

/// The exceptions in all components, or why they cannot be told.
async fn exceptions(
    tracker: &Tracker,
    target: &Target,
    components: &[&str],
) -> Result<Result<Exceptions, String>, Error> {
    let mut all = Exceptions::default();
    for component in components {
        match tracker.exceptions(target, component).await? {
            Answer::Known(logs) => all.add(component, &logs),
            Answer::Unknown => return Ok(Err("the tracker does not know the topology".to_owned())),
            Answer::Unclear(words) => return Ok(Err(words)),
        }
    }
    Ok(Ok(all))
}

impl Exceptions {
    fn add(&mut self, component: &str, logs: &[ExceptionLog]) {
        self.by_component.insert(component.to_owned(), logs.iter().map(ExceptionLog::count).sum());
        if let Some(last) = logs.last() {
            last.first_line().clone_into(&mut self.last);
        }
    }

    fn count(&self) -> u64 {
        self.by_component.values().sum()
    }

    fn tell(&self) -> String {
        let count = self.count();
        format!("{count} new exception{}: {}", if count == 1 { "" } else { "s" }, self.last)
    }
}
