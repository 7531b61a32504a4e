//! Heron's tracker: the side that knows. Two incompatible generations are about: up to 0.20.4 every answer comes in an
//! envelope `{"status", "message", "result"}`, in 0.20.5 it is bare.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::words;
use super::target::{base, join};
use super::{Error, Target};
use crate::step;

const FLAG: &str = "--tracker-url";
const SERVER: &str = "tracker";
/// The tracker answers from memory, or after one question to a topology's manager.
const LIMIT: Duration = Duration::from_secs(20);

/// A client of Heron's tracker.
#[derive(Debug, Clone)]
pub struct Tracker {
    base: Url,
    http: Client,
}

/// What the tracker answers about a topology.
#[derive(Debug)]
pub enum Answer<T> {
    /// It knows.
    Known(T),
    /// It does not know the topology.
    Unknown,
    /// It cannot say, in these words; while a topology starts or ends that is usual.
    Unclear(String),
}

/// What the tracker knows about a topology (`/topologies/info`).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Info {
    /// Who submitted it when, and its state. An answer without it is not about a topology.
    pub execution_state: ExecutionState,
    /// The instances as they are to be; from the moment of the submission.
    #[serde(default, deserialize_with = "or_default")]
    pub packing_plan: PackingPlan,
    /// The instances as they have come up; none before all have come up once.
    #[serde(default, deserialize_with = "or_default")]
    pub physical_plan: PhysicalPlan,
    /// Whether the answer came in the old generation's envelope.
    #[serde(skip)]
    pub enveloped: bool,
}

/// Who submitted a topology when, and its state.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ExecutionState {
    /// The role it runs as.
    #[serde(deserialize_with = "or_default")]
    pub role: String,
    /// When it was submitted, in Unix seconds. It tells a topology from an older one of the same name.
    #[serde(deserialize_with = "or_default")]
    pub submission_time: i64,
    /// Who submitted it.
    #[serde(deserialize_with = "or_default")]
    pub submission_user: String,
    /// `Running`, `Paused`, `Killed` or `Unknown`. 0.20.5 says `Running` before anything runs.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
}

impl ExecutionState {
    /// When it was submitted.
    pub fn submitted_at(&self) -> Timestamp {
        Timestamp::from_second(self.submission_time).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// The instances as they are to be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PackingPlan {
    /// Container by container.
    #[serde(deserialize_with = "or_default")]
    pub container_plans: Vec<ContainerPlan>,
}

/// What is to run in a container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ContainerPlan {
    /// Its instances.
    pub instances: Vec<PackedInstance>,
}

/// An instance as it is to be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PackedInstance {
    /// Its component.
    pub component_name: String,
    /// What it is given.
    pub instance_resources: Resources,
}

/// What an instance is given.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Cores.
    pub cpu: f64,
    /// Bytes.
    pub ram: u64,
    /// Bytes.
    pub disk: u64,
}

impl PackingPlan {
    /// How many instances each component is to have.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for instance in self.container_plans.iter().flat_map(|container| &container.instances) {
            *counts.entry(instance.component_name.as_str()).or_default() += 1;
        }
        counts
    }

    /// All instances of a component.
    pub fn of<'a>(&'a self, component: &'a str) -> impl Iterator<Item = &'a PackedInstance> {
        let all = self.container_plans.iter().flat_map(|container| &container.instances);
        all.filter(move |instance| instance.component_name == component)
    }
}

/// The instances as they have come up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PhysicalPlan {
    /// By id.
    #[serde(deserialize_with = "or_default")]
    pub instances: BTreeMap<String, Instance>,
    /// The stream managers they are connected to, by id.
    #[serde(deserialize_with = "or_default")]
    pub stmgrs: BTreeMap<String, Place>,
    /// The instances of each spout.
    #[serde(deserialize_with = "or_default")]
    pub spouts: BTreeMap<String, Value>,
}

/// Where a stream manager runs, and as which process: a container that was started anew has another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The host or, on Kubernetes, the pod.
    pub host: String,
    /// The port it listens on.
    pub port: u64,
    /// Its process.
    pub pid: u64,
}

/// An instance that has come up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Instance {
    /// Its component.
    pub name: String,
    /// Its stream manager.
    #[serde(alias = "stmgrId")]
    pub stmgr_id: String,
}

/// How it goes right now (`/topologies/runtimestate`); 0.20.5 cannot tell.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeState {
    /// The stream managers by id.
    #[serde(deserialize_with = "or_default")]
    pub stmgrs: BTreeMap<String, StreamManager>,
}

/// A stream manager as the topology's manager sees it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct StreamManager {
    /// Whether it is connected to the topology's manager, with all of its instances connected to it.
    pub is_registered: bool,
}

/// Exceptions of one kind in one instance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ExceptionLog {
    /// The instance.
    pub instance_id: String,
    /// Its stack, the exception itself on the first line.
    #[serde(alias = "stack_trace")]
    pub stacktrace: String,
    /// How often it happened, as a number in a string.
    pub count: String,
    /// When it happened first, as `Mon Nov 23 09:16:23 UTC 2026`.
    pub firsttime: String,
    /// When it happened last, in the same form.
    pub lasttime: String,
}

impl ExceptionLog {
    /// How often it happened.
    pub fn count(&self) -> u64 {
        self.count.parse().unwrap_or(1)
    }

    /// The exception itself.
    pub fn first_line(&self) -> &str {
        self.stacktrace.lines().next().unwrap_or_default()
    }
}

/// Values of metrics over time (`/topologies/metricstimeline`), numbers that 0.20.4 writes as strings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Timeline {
    /// By metric, instance and the second at which a minute begins.
    #[serde(deserialize_with = "or_default")]
    timeline: BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>,
}

impl Timeline {
    /// What each instance said of a metric: (Unix seconds, value), in the order of time.
    pub fn of(&self, metric: &str) -> BTreeMap<String, Vec<(i64, f64)>> {
        let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let pair = |(time, value): (&String, &Value)| Some((time.parse().ok()?, number(value)?));
        let instances = self.timeline.get(metric).into_iter().flatten();
        instances
            .map(|(instance, values)| {
                let mut values: Vec<(i64, f64)> = values.iter().filter_map(pair).collect();
                values.sort_by_key(|(time, _)| *time);
                (instance.clone(), values)
            })
            .collect()
    }
}

impl Tracker {
    /// A client of the tracker of this target.
    pub fn new(target: &Target) -> Result<Self, Error> {
        Ok(Self { base: base(FLAG, &target.tracker_url)?, http: step::client(LIMIT).map_err(Error::Client)? })
    }

    /// What the tracker knows about the topology. The role is left out on purpose: a topology of this name under another
    /// role is in the way too.
    pub async fn info(&self, target: &Target) -> Result<Answer<Info>, Error> {
        let (answer, enveloped) = self.get::<Info>("info", target, &[]).await?;
        Ok(match answer {
            Answer::Known(info) => Answer::Known(Info { enveloped, ..info }),
            other => other,
        })
    }

    /// The stream managers. Only a tracker that envelops its answers can tell.
    pub async fn runtime_state(&self, target: &Target) -> Result<Answer<RuntimeState>, Error> {
        Ok(self.get("runtimestate", target, &[]).await?.0)
    }

    /// The exceptions in a component's instances.
    pub async fn exceptions(&self, target: &Target, component: &str) -> Result<Answer<Vec<ExceptionLog>>, Error> {
        Ok(self.get("exceptions", target, &[("component", component)]).await?.0)
    }

    /// The values of a metric of a component's instances over time. The path is 0.20.4's, which 0.20.5 knows too.
    pub async fn timeline(
        &self,
        target: &Target,
        component: &str,
        metric: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Answer<Timeline>, Error> {
        let (from, to) = (from.as_second().to_string(), to.as_second().to_string());
        let more = [("component", component), ("metricname", metric), ("starttime", &from), ("endtime", &to)];
        Ok(self.get("metricstimeline", target, &more).await?.0)
    }

    /// Asks, and tells whether the answer came in an envelope.
    async fn get<T: DeserializeOwned>(
        &self,
        what: &str,
        target: &Target,
        more: &[(&str, &str)],
    ) -> Result<(Answer<T>, bool), Error> {
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            operation: format!("ask for topology {:?}", target.topology),
            server: SERVER,
            url: self.base.to_string(),
            words: step::describe_http_error(&error),
            flag: FLAG,
        };
        let mut url = join(&self.base, &["topologies", what]);
        url.query_pairs_mut()
            .append_pair("cluster", &target.cluster)
            .append_pair("environ", &target.environment)
            .append_pair("topology", &target.topology)
            .extend_pairs(more);
        let answer = self.http.get(url).send().await.map_err(unreachable)?;
        let status = answer.status();
        // A server that is starting or ending breaks off: that it has begun to answer tells that the address is right.
        match answer.text().await {
            Ok(body) => Ok(understand(status, &body)),
            Err(error) => {
                let words = format!("its answer broke off: {}", step::describe_http_error(&error));
                Ok((Answer::Unclear(words), false))
            }
        }
    }
}

/// Both generations' answers. Whatever is neither knowledge nor a clear "not found" is unclear.
fn understand<T: DeserializeOwned>(status: StatusCode, body: &str) -> (Answer<T>, bool) {
    let words = || words(status, body);
    if is_not_found(status, &words()) {
        return (Answer::Unknown, false);
    }
    let unclear = |words: String| Answer::Unclear(format!("{words} ({})", status.as_u16()));
    let Ok(mut json) = serde_json::from_str::<Value>(body) else {
        return (unclear(words()), false);
    };
    let envelope = json.as_object_mut().filter(|object| object.contains_key("status")).and_then(|o| o.remove("result"));
    let enveloped = envelope.is_some();
    if !status.is_success() {
        return (unclear(words()), enveloped);
    }
    match serde_json::from_value(envelope.unwrap_or(json)) {
        Ok(known) => (Answer::Known(known), enveloped),
        Err(_) => (unclear(words()), enveloped),
    }
}

/// 0.20.5: 500 and `Topology not found for …`; up to 0.20.4: 404 and `No topology found`.
fn is_not_found(status: StatusCode, words: &str) -> bool {
    (status == StatusCode::INTERNAL_SERVER_ERROR && words.contains("Topology not found for"))
        || (status == StatusCode::NOT_FOUND && words == "No topology found")
}

/// A part that is `null` or of another form, as plans are before there are any, is an empty one.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: DeserializeOwned>(recorded: &str) -> (Answer<T>, bool) {
        let (head, body) = recorded.split_once("\n\n").unwrap();
        let status = head.split_once("HTTP/1.1 ").unwrap().1;
        understand(StatusCode::from_bytes(&status.as_bytes()[..3]).unwrap(), body.trim())
    }

    macro_rules! recorded {
        ($name:literal) => {
            read(include_str!(concat!("../../tests/data/heron/tracker-", $name, ".txt")))
        };
    }

    fn known<T>((answer, _): (Answer<T>, bool)) -> T {
        match answer {
            Answer::Known(known) => known,
            Answer::Unknown => panic!("unknown"),
            Answer::Unclear(words) => panic!("{words}"),
        }
    }

    #[test]
    fn both_generations_tell_the_same_about_a_running_topology() {
        for (answer, enveloped) in [recorded!("0.20.4/info"), recorded!("0.20.5/info")] {
            let info: Info = known((answer, enveloped));
            let ids: Vec<_> = info.physical_plan.instances.values().map(|instance| &instance.stmgr_id).collect();
            assert_eq!(ids, ["stmgr-1", "stmgr-1", "stmgr-1", "stmgr-2", "stmgr-2"]);
            assert_eq!(info.packing_plan.of("split").count(), 2);
            assert_eq!(info.packing_plan.of("split").map(|i| i.instance_resources.cpu).fold(9.0, f64::min), 1.0);
            assert_eq!(info.execution_state.submitted_at().to_string(), "2026-11-23T09:15:29Z");
            assert_eq!(info.execution_state.submission_user, "alice");
        }
        assert!(read::<Info>(include_str!("../../tests/data/heron/tracker-0.20.4/info.txt")).1);
    }

    #[test]
    fn both_generations_tell_that_a_topology_is_missing() {
        for (answer, _) in [
            recorded!("0.20.4/info-missing"),
            recorded!("0.20.5/info-missing"),
            recorded!("0.20.4/runtimestate-missing"),
            recorded!("0.20.5/info-badrole"),
            recorded!("0.20.5/info-badcluster"),
        ] {
            let _: &Answer<Info> = &answer;
            assert!(matches!(answer, Answer::Unknown), "{answer:?}");
        }
    }

    #[test]
    fn other_errors_are_not_taken_for_absence() {
        let told = |answer: (Answer<Info>, bool)| match answer.0 {
            Answer::Unclear(words) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(told(recorded!("0.20.4/info-missing-param")), "Missing argument environ (404)");
        assert_eq!(told(recorded!("0.20.5/info-missing-param")), "environ: field required (422)");
        assert_eq!(told(recorded!("0.20.5/notfound")), "Not Found (404)");
        let runtime = "request failed: unhashable type: 'RepeatedScalarFieldContainer' (500)";
        assert_eq!(told(recorded!("0.20.5/runtimestate")), runtime);
        assert_eq!(told((understand(StatusCode::OK, "<html><title>Sign in</title>").0, false)), "Sign in (200)");
        assert_eq!(told(understand(StatusCode::BAD_GATEWAY, "<html>…")), "<html>… (502)");
    }

    #[test]
    fn plans_that_are_not_there_yet_are_empty() {
        let (answer, _) =
            understand(StatusCode::OK, r#"{"execution_state":{"status":"Running"},"physical_plan":null}"#);
        let info: Info = known((answer, false));
        assert!(info.physical_plan.instances.is_empty() && info.packing_plan.container_plans.is_empty());
    }

    #[test]
    fn both_generations_tell_exceptions() {
        for answer in [recorded!("0.20.4/exceptions"), recorded!("0.20.5/exceptions")] {
            let logs: Vec<ExceptionLog> = known(answer);
            assert!(logs[0].stacktrace.starts_with("java.lang.RuntimeException: deliberate error number 5000\n"));
            assert_eq!((logs[0].count.as_str(), logs[0].instance_id.as_str()), ("1", "container_1_count_5"));
        }
    }

    #[test]
    fn the_old_generation_tells_registered_stream_managers() {
        let state: RuntimeState = known(recorded!("0.20.4/runtimestate"));
        assert_eq!(state.stmgrs.values().filter(|manager| manager.is_registered).count(), 2);
    }
}
