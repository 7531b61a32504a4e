//! When an object is ready: what it was made for has come about, as its kind tells.
//!
//! | kind | ready when |
//! |---|---|
//! | Deployment, StatefulSet, DaemonSet, ReplicaSet | all replicas of this version are there and ready |
//! | Job | it has ended well |
//! | Pod | it is ready, or has ended well |
//! | Namespace, CustomResourceDefinition, APIService | it can be used |
//! | FlinkDeployment, FlinkSessionJob | the operator calls it stable and its job runs |
//! | others of Kubernetes | it is there |
//! | any other | its condition `Ready`, `Available` or `Succeeded` is true |
//!
//! Each only once its controller has seen the version that was applied.

mod conditions;
mod flink;
mod pods;
mod wait;
mod workload;

use serde_json::Value;

pub use wait::{Limits, wait};

use super::Kind;
use super::object::text;

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is ready.
    Ready,
    /// It is on its way; these words say how far.
    Waiting(String),
    /// Nobody has said anything about it yet, and it may be that nobody will.
    Silent,
    /// Something is wrong that may still get better.
    Failing(String),
    /// It will not become ready.
    Failed(String),
}

impl State {
    /// The state of an object.
    pub fn of(kind: &Kind, object: &Value) -> Self {
        if let Some(deleted) = object.pointer("/metadata/deletionTimestamp").and_then(Value::as_str) {
            return Self::Failed(format!("it is being deleted since {deleted}"));
        }
        match (kind.resource.group.as_str(), kind.resource.kind.as_str()) {
            ("apps", "Deployment") => workload::deployment(object),
            ("apps", "StatefulSet") => workload::stateful_set(object),
            ("apps", "DaemonSet") => workload::daemon_set(object),
            ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set(object),
            ("batch", "Job") => workload::job(object),
            ("", "Pod") => pods::state(object),
            ("", "Namespace") => phase(object, "Active"),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => conditions::required(object, "Established"),
            ("apiregistration.k8s.io", "APIService") => conditions::required(object, "Available"),
            ("flink.apache.org", "FlinkDeployment" | "FlinkSessionJob") => flink::state(object),
            _ if kind.built_in() || !kind.has_status => Self::Ready,
            _ => conditions::any(object),
        }
    }
}

fn phase(object: &Value, wanted: &str) -> State {
    match text(object, "/status/phase") {
        phase if phase == wanted => State::Ready,
        phase => State::Waiting(format!("its phase is {phase:?}")),
    }
}

/// What the controller has not seen yet, if there is such: it says nothing about this version before.
fn unseen(object: &Value) -> Option<State> {
    let number = |pointer| object.pointer(pointer).and_then(Value::as_i64);
    let (seen, is) = (number("/status/observedGeneration"), number("/metadata/generation")?);
    (seen.unwrap_or(0) < is).then(|| State::Waiting("its controller has not seen this version yet".to_owned()))
}

fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// The reason and the words of a condition, whichever there are.
fn words(condition: &Value) -> String {
    let (reason, message) = (text(condition, "/reason"), text(condition, "/message"));
    match (reason, message) {
        ("", words) | (words, "") => words.to_owned(),
        _ => format!("{reason}: {message}"),
    }
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|condition| text(condition, "/type") == kind)
}
