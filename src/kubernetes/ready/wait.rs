//! Waits until objects are ready, or says why they are not.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{State, pods};
use crate::kubernetes::object::text;
use crate::kubernetes::{Cluster, Error, Kind, Object, Wait};

/// How long something that nobody speaks of may be about to be spoken of.
const SILENCE: Duration = Duration::from_secs(10);

/// How long what is given up on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long an object may be failing: an image that cannot be pulled, a container that crashes again and again.
    pub patience: Duration,
}

/// Waits until all these objects are ready.
pub async fn wait(cluster: &Cluster, objects: &[Object], limits: Limits, wait: &mut Wait) -> Result<(), Error> {
    let mut watched: Vec<Watched<'_>> = objects.iter().map(Watched::new).collect();
    loop {
        let mut words = Vec::new();
        let mut left = Vec::new();
        for mut one in watched {
            if let Some(why) = one.look(cluster, limits, wait).await? {
                words.push(format!("{}: {why}", one.object));
                left.push(one);
            }
        }
        let Some(first) = left.first() else { return Ok(()) };
        if !wait.pause(|| format!("waiting for {}", words.join("; "))).await {
            let told = last_warning(cluster, first).await;
            return Err(Error::NotReady { waited: wait.elapsed(), left: format!("{}{told}", words.join("; ")) });
        }
        watched = left;
    }
}

/// An object that is not ready yet.
struct Watched<'a> {
    object: &'a Object,
    uid: String,
    began: Instant,
    failing_since: Option<Instant>,
}

impl<'a> Watched<'a> {
    fn new(object: &'a Object) -> Self {
        Self { object, uid: String::new(), began: Instant::now(), failing_since: None }
    }

    /// Why it is not ready; none when it is.
    async fn look(&mut self, cluster: &Cluster, limits: Limits, wait: &mut Wait) -> Result<Option<String>, Error> {
        let found = match wait.forgive(cluster.get(self.object).await)? {
            Ok(Some(found)) => found,
            Ok(None) => return Err(self.failed("somebody has deleted it".to_owned())),
            Err(words) => return Ok(Some(words)),
        };
        text(&found, "/metadata/uid").clone_into(&mut self.uid);
        match self.state(cluster, &found).await {
            State::Ready => Ok(None),
            State::Silent if self.began.elapsed() < SILENCE => Ok(Some("nobody has written its status yet".to_owned())),
            State::Silent => {
                tracing::info!("{} has no condition to wait for: it counts as ready", self.object);
                Ok(None)
            }
            State::Failed(words) => Err(self.failed(words)),
            State::Failing(words) => match self.failing_since.get_or_insert_with(Instant::now).elapsed() {
                elapsed if elapsed >= limits.patience => {
                    Err(self.failed(format!("{words} (for {} s, --patience)", elapsed.as_secs())))
                }
                _ => Ok(Some(words)),
            },
            State::Waiting(words) => {
                self.failing_since = None;
                Ok(Some(words))
            }
        }
    }

    /// Its own state, and what its pods add when it is not ready.
    async fn state(&self, cluster: &Cluster, found: &Value) -> State {
        let own = State::of(&self.object.kind, found);
        let (State::Waiting(words), Some(labels)) = (&own, pods_of(self.object, found)) else { return own };
        let namespace = self.object.namespace.as_deref().unwrap_or_default();
        // Who may not look at pods hears less, but waits all the same.
        let Ok(pods) = cluster.list(&Kind::pod(), namespace, &labels, "").await else { return own };
        match pods::trouble_of(&pods) {
            Some(State::Failing(more)) => State::Failing(format!("{words}; {more}")),
            Some(State::Failed(more)) => State::Failed(format!("{words}; {more}")),
            Some(State::Waiting(more)) => State::Waiting(format!("{words}; {more}")),
            _ => own,
        }
    }

    fn failed(&self, words: String) -> Error {
        Error::Failed { object: self.object.to_string(), words }
    }
}

/// The labels of the pods that belong to an object, if pods do.
fn pods_of(object: &Object, found: &Value) -> Option<String> {
    match object.kind_name() {
        "Job" => Some(format!("batch.kubernetes.io/job-name={}", object.name)),
        "FlinkDeployment" => Some(format!("app={}", object.name)),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
            let labels = found.pointer("/spec/selector/matchLabels")?.as_object()?;
            let pair = |(key, value): (&String, &Value)| Some(format!("{key}={}", value.as_str()?));
            Some(labels.iter().filter_map(pair).collect::<Vec<_>>().join(",")).filter(|labels| !labels.is_empty())
        }
        _ => None,
    }
}

/// What went wrong with an object in the words of the last event about it: a StatefulSet says it nowhere else.
async fn last_warning(cluster: &Cluster, watched: &Watched<'_>) -> String {
    let fields = format!("involvedObject.uid={},type=Warning", watched.uid);
    let namespace = watched.object.namespace.as_deref().unwrap_or("default");
    // Events are a help, not a right that is needed.
    let events = cluster.list(&Kind::event(), namespace, "", &fields).await.unwrap_or_default();
    let last = events.iter().max_by_key(|event| text(event, "/lastTimestamp").to_owned());
    last.map(|event| format!(". Its last event: {}", super::words(event))).unwrap_or_default()
}
