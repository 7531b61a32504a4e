//! What happened to a topology since it was ready: exceptions, instances that were lost, moved or started anew.
//!
//! Neither generation of the tracker tells of restarts. They are read from what each instance says of its JVM's age, and from
//! the physical plan, where the stream manager of a container that was started anew has another process or place.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ready::Ready;
use super::tracker::{Answer, ExceptionLog, Info, Place, Timeline, Tracker};
use super::{Error, Target};
use crate::report::{App, Event, EventKind};

/// What instances say of their JVM's age, in seconds.
const UPTIME: &str = "__jvm-uptime-secs";
/// The topology's manager keeps one value a minute.
const BUCKET: i64 = 60;
/// An instance that has said nothing for this long while others have is gone: exports come once a minute, and one may be late.
const SILENT: i64 = 3 * BUCKET;
/// How often a tracker that cannot say, or does not answer, is asked, and how long lies between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);

/// `app.address` of a Heron topology: where it can be asked about itself, and how it was when it was ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The tracker.
    pub tracker_url: String,
    /// Cluster, role and environment.
    pub cluster: String,
    /// The role.
    pub role: String,
    /// The environment.
    pub environment: String,
    /// The instances that were up, with their stream managers.
    #[serde(default)]
    pub instances: BTreeMap<String, String>,
    /// The stream managers by id.
    #[serde(default)]
    pub stream_managers: BTreeMap<String, Place>,
    /// How many exceptions there were, by component.
    #[serde(default)]
    pub exceptions: BTreeMap<String, u64>,
}

impl Address {
    /// The address of a topology that has just become ready.
    pub(super) fn of(target: &Target, ready: &Ready) -> Self {
        let plan = &ready.info.physical_plan;
        Self {
            tracker_url: target.tracker_url.clone(),
            cluster: target.cluster.clone(),
            role: target.role.clone(),
            environment: target.environment.clone(),
            instances: plan.instances.iter().map(|(id, instance)| (id.clone(), instance.stmgr_id.clone())).collect(),
            stream_managers: plan.stmgrs.clone(),
            exceptions: ready.exceptions.clone(),
        }
    }

    /// As the report keeps it.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }

    fn target(&self, topology: &str) -> Target {
        Target {
            tracker_url: self.tracker_url.clone(),
            cluster: self.cluster.clone(),
            role: self.role.clone(),
            environment: self.environment.clone(),
            topology: topology.to_owned(),
            ..Target::default()
        }
    }
}

/// What happened to the topology of a report in this window, in the order of time.
pub async fn events(app: &App, window: (Timestamp, Timestamp)) -> Result<Vec<Event>, Error> {
    let address: Address = serde_json::from_value(Value::Object(app.address.clone()))
        .map_err(|source| Error::ReportedAddress { topology: app.name.clone(), source })?;
    let target = address.target(&app.name);
    let tracker = Tracker::new(&target)?;
    let Some(info) = settled(&target, async || tracker.info(&target).await).await? else {
        return Ok(vec![whole(EventKind::Lost, "is no longer known to the tracker".to_owned())]);
    };
    let submitted = info.execution_state.submission_time;
    if app.submission_time.is_some_and(|ours| ours != submitted) {
        let words = format!("was replaced by one that {} submitted", info.execution_state.submission_user);
        return Ok(vec![Event { at: Some(info.execution_state.submitted_at()), ..whole(EventKind::Lost, words) }]);
    }
    let mut found = Found { ready: app.ready_at.unwrap_or(window.0), window, events: Vec::new() };
    let mut births = BTreeMap::new();
    for component in &app.components {
        let (name, end) = (component.name.as_str(), Timestamp::now());
        let ask = async || tracker.timeline(&target, name, UPTIME, found.ready, end).await;
        let ages = settled(&target, ask).await?.unwrap_or_default();
        births.extend(found.births(name, &ages));
        let logs = settled(&target, async || tracker.exceptions(&target, name).await).await?.unwrap_or_default();
        found.exceptions(name, &logs, address.exceptions.get(name).copied().unwrap_or(0));
    }
    found.plan(&address, &info, &births);
    if info.enveloped {
        let state = settled(&target, async || tracker.runtime_state(&target).await).await?.unwrap_or_default();
        let absent = |id: &str| !state.stmgrs.get(id).is_some_and(|manager| manager.is_registered);
        found.unregistered(&info, absent);
    }
    found.events.sort_by_key(|event| (event.at.is_none(), event.at));
    Ok(found.events)
}

/// The tracker's answer, none when it does not know the topology. One that cannot say is asked again a few times.
async fn settled<T>(target: &Target, ask: impl AsyncFn() -> Result<Answer<T>, Error>) -> Result<Option<T>, Error> {
    let mut last = Error::Unclear { topology: target.topology.clone(), words: String::new() };
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        last = match ask().await {
            Ok(Answer::Known(known)) => return Ok(Some(known)),
            Ok(Answer::Unknown) => return Ok(None),
            Ok(Answer::Unclear(words)) => Error::Unclear { topology: target.topology.clone(), words },
            Err(error @ Error::Unreachable { .. }) => error,
            Err(error) => return Err(error),
        };
    }
    Err(last)
}

fn whole(kind: EventKind, text: String) -> Event {
    Event { at: None, kind, component: String::new(), text }
}

/// When an instance's JVM was started, as closely as it is known; none when it is not known to be a second one.
type Births = BTreeMap<String, Option<Timestamp>>;

#[derive(Debug)]
struct Found {
    ready: Timestamp,
    window: (Timestamp, Timestamp),
    events: Vec<Event>,
}

impl Found {
    fn in_window(&self, at: Timestamp) -> bool {
        // Heron's times are whole seconds.
        at + Duration::from_secs(1) > self.window.0 && at <= self.window.1
    }

    fn add(&mut self, at: Option<Timestamp>, kind: EventKind, component: &str, text: String) {
        let known =
            self.events.iter().any(|event| event.kind == kind && event.text == text && event.component == component);
        if !known && at.is_none_or(|at| self.in_window(at)) {
            self.events.push(Event { at, kind, component: component.to_owned(), text });
        }
    }

    /// The instances that were started anew since the topology was ready, and when; those that fell silent are lost.
    fn births(&mut self, component: &str, ages: &Timeline) -> Births {
        let instances = ages.of(UPTIME);
        let newest = instances.values().filter_map(|ages| ages.last()).map(|(time, _)| *time).max().unwrap_or(0);
        let mut births = Births::new();
        for (instance, ages) in instances {
            if let Some(birth) = birth(&ages, self.ready.as_second()) {
                let at = Timestamp::from_second(birth).ok();
                self.add(at, EventKind::Restart, component, format!("{instance} restarted"));
                births.insert(instance.clone(), at);
            }
            if let Some((last, _)) = ages.last().filter(|(last, _)| newest - last >= SILENT) {
                let at = Timestamp::from_second(last + BUCKET).ok();
                self.add(at, EventKind::Lost, component, format!("{instance} fell silent"));
            }
        }
        births
    }

    /// The exceptions of the window. Where their times cannot be read their number tells.
    fn exceptions(&mut self, component: &str, logs: &[ExceptionLog], before: u64) {
        let mut unreadable = 0;
        for log in logs {
            let text = format!("{} threw {}", log.instance_id, log.first_line());
            match (date(&log.firsttime), date(&log.lasttime)) {
                (Some(first), Some(last)) => {
                    let at = [first, last].into_iter().find(|at| self.in_window(*at));
                    let between = first < self.window.0 && last > self.window.1 && log.count() > 2;
                    if at.is_some() || between {
                        self.add(at, EventKind::Exception, component, text);
                    }
                }
                _ => unreadable += log.count(),
            }
        }
        if unreadable > before {
            let last = logs.last().map(ExceptionLog::first_line).unwrap_or_default();
            let text = format!("threw {} more exceptions, the last is {last}", unreadable - before);
            self.add(None, EventKind::Exception, component, text);
        }
    }

    /// What the physical plan shows: instances that left their container, and containers that were started anew.
    fn plan(&mut self, address: &Address, info: &Info, births: &Births) {
        let now = &info.physical_plan.instances;
        for (id, stmgr) in &address.instances {
            let (container, component, task) = parts(id);
            if now.contains_key(id) {
                let (before, after) = (address.stream_managers.get(stmgr), info.physical_plan.stmgrs.get(stmgr));
                self.container(id, component, before.zip(after), births);
                continue;
            }
            // Its id names its container: elsewhere it is another one, of the same task.
            let same = |other: &&String| parts(other).1 == component && parts(other).2 == task;
            match now.keys().find(same) {
                Some(other) => {
                    let text = format!("{id} moved from container {container} to {}", parts(other).0);
                    self.add(None, EventKind::Moved, component, text);
                }
                None => self.add(None, EventKind::Lost, component, format!("{id} was lost")),
            }
        }
        let same_task = |id: &str, other: &str| parts(id).1 == parts(other).1 && parts(id).2 == parts(other).2;
        for id in now.keys().filter(|id| !address.instances.keys().any(|known| same_task(known, id))) {
            self.add(None, EventKind::Restart, parts(id).1, format!("{id} was added"));
        }
    }

    fn container(&mut self, id: &str, component: &str, places: Option<(&Place, &Place)>, births: &Births) {
        let Some((before, after)) = places.filter(|(before, after)| before != after) else { return };
        let at = births.get(id).copied().flatten();
        match before.host == after.host {
            // What the JVM's age has told already, in or out of the window, is not told again.
            true if births.contains_key(id) => {}
            true => self.add(at, EventKind::Restart, component, format!("{id} restarted")),
            false => {
                let text = format!("{id} moved from {} to {}", before.host, after.host);
                self.add(at, EventKind::Moved, component, text);
            }
        }
    }

    fn unregistered(&mut self, info: &Info, absent: impl Fn(&str) -> bool) {
        for (id, instance) in &info.physical_plan.instances {
            if absent(&instance.stmgr_id) {
                let text = format!("{id} is lost, its stream manager {} is not registered", instance.stmgr_id);
                self.add(None, EventKind::Lost, &instance.name, text);
            }
        }
    }
}

/// Container, component and task of an instance's id `container_3_transformer_7`; a component's name may hold `_`.
fn parts(id: &str) -> (&str, &str, &str) {
    let split = || {
        let (container, rest) = id.strip_prefix("container_")?.split_once('_')?;
        let (component, task) = rest.rsplit_once('_')?;
        Some((container, component, task))
    };
    split().unwrap_or(("", id, ""))
}

/// When the JVM of these ages was started anew after `ready`, in Unix seconds; none when nothing shows that it was.
///
/// A value of bucket `t` was said between `t` and a minute later, so the JVM was started between `t` − age and a minute after
/// that. The middle is told, but no earlier than the last word of the JVM before.
fn birth(ages: &[(i64, f64)], ready: i64) -> Option<i64> {
    let estimate =
        |time: i64, age: f64, earliest: i64| (time - age as i64 + BUCKET / 2).max(earliest).min(time + BUCKET);
    let later = ages.windows(2).find_map(|pair| match pair {
        [(before, old), (time, age)] if age < old => Some(estimate(*time, *age, *before)),
        _ => None,
    });
    later.or_else(|| {
        let (time, age) = ages.first()?;
        (time - *age as i64 > ready).then(|| estimate(*time, *age, ready))
    })
}

/// A time as the topology's manager writes it: `Mon Nov 23 09:16:23 UTC 2026`. A name of another zone says too little.
fn date(text: &str) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, month, day, time, "UTC" | "GMT", year] = words.as_slice() else { return None };
    let civil = DateTime::strptime("%b %d %H:%M:%S %Y", format!("{month} {day} {time} {year}")).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instances_id_is_taken_apart() {
        assert_eq!(parts("container_3_transformer_7"), ("3", "transformer", "7"));
        assert_eq!(parts("container_3_my_bolt_17"), ("3", "my_bolt", "17"));
        assert_eq!(parts("odd"), ("", "odd", ""));
    }

    #[test]
    fn herons_times_are_read_where_their_zone_is_clear() {
        assert_eq!(date("Mon Nov 23 09:16:23 UTC 2026").unwrap().to_string(), "2026-11-23T09:16:23Z");
        assert_eq!(date("Mon Nov 23 09:16:23 KST 2026"), None);
        assert_eq!(date(""), None);
    }

    #[test]
    fn a_jvm_that_was_started_anew_is_told_by_its_age() {
        // Ready at 1000, every minute one value.
        assert_eq!(birth(&[(1010, 90.0), (1070, 150.0), (1130, 210.0)], 1000), None);
        assert_eq!(birth(&[(1010, 90.0), (1070, 150.0), (1130, 20.0)], 1000), Some(1140));
        // It says its first word only after its restart.
        assert_eq!(birth(&[(1130, 20.0)], 1000), Some(1140));
        // Young, but it may have been there when the topology was ready.
        assert_eq!(birth(&[(1010, 15.0)], 1000), None);
        assert_eq!(birth(&[], 1000), None);
    }
}
