//! The kinds of Kubernetes that run pods. What is compared is what `kubectl rollout status` compares.

use serde_json::Value;

use super::{State, condition, count, unseen, words};
use crate::kubernetes::object::text;

pub(super) fn deployment(object: &Value) -> State {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    let is = |kind: &str, status: &str| condition(object, kind).filter(|found| text(found, "/status") == status);
    if let Some(found) = is("Progressing", "False").filter(|found| text(found, "/reason") == "ProgressDeadlineExceeded")
    {
        return State::Failed(words(found));
    }
    if let Some(found) = is("ReplicaFailure", "True") {
        return State::Failing(words(found));
    }
    let wanted = replicas(object);
    let status = |field| count(object, field);
    let (all, updated) = (status("/status/replicas"), status("/status/updatedReplicas"));
    let available = status("/status/availableReplicas");
    match () {
        () if updated < wanted => waiting(updated, wanted, "of this version"),
        () if all > updated => State::Waiting(format!("{} of an older version still run", all - updated)),
        () if available < wanted => waiting(available, wanted, "available"),
        () => State::Ready,
    }
}

pub(super) fn stateful_set(object: &Value) -> State {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    let wanted = replicas(object);
    let ready = count(object, "/status/readyReplicas");
    let available = object.pointer("/status/availableReplicas").and_then(Value::as_i64).unwrap_or(ready);
    // Pods below the partition stay at the old version, and with OnDelete all do until somebody deletes them.
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition");
    let to_update = match text(object, "/spec/updateStrategy/type") {
        "OnDelete" => 0,
        _ => (wanted - partition).max(0),
    };
    let updated = match text(object, "/status/updateRevision") == text(object, "/status/currentRevision") {
        true => to_update,
        false => count(object, "/status/updatedReplicas"),
    };
    match () {
        () if ready < wanted => waiting(ready, wanted, "ready"),
        () if updated < to_update => waiting(updated, to_update, "of this version"),
        () if available < wanted => waiting(available, wanted, "available"),
        () => State::Ready,
    }
}

pub(super) fn daemon_set(object: &Value) -> State {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    let wanted = count(object, "/status/desiredNumberScheduled");
    let on_delete = text(object, "/spec/updateStrategy/type") == "OnDelete";
    let updated = if on_delete { wanted } else { count(object, "/status/updatedNumberScheduled") };
    let available = count(object, "/status/numberAvailable");
    match () {
        () if updated < wanted => waiting(updated, wanted, "of this version"),
        () if available < wanted => waiting(available, wanted, "available"),
        () => State::Ready,
    }
}

pub(super) fn replica_set(object: &Value) -> State {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    if let Some(found) = condition(object, "ReplicaFailure").filter(|found| text(found, "/status") == "True") {
        return State::Failing(words(found));
    }
    let (wanted, available) = (replicas(object), count(object, "/status/availableReplicas"));
    if available < wanted { waiting(available, wanted, "available") } else { State::Ready }
}

pub(super) fn job(object: &Value) -> State {
    let is = |kind| condition(object, kind).filter(|found| text(found, "/status") == "True");
    if is("Complete").is_some() || object.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return State::Ready;
    }
    // FailureTarget comes first: the pods that are left are being ended.
    if let Some(found) = is("Failed").or_else(|| is("FailureTarget")) {
        return State::Failed(words(found));
    }
    let status = |field| count(object, field);
    let ended = status("/status/succeeded");
    State::Waiting(format!(
        "{ended} pods ended well, {} run, {} failed",
        status("/status/active"),
        status("/status/failed")
    ))
}

fn replicas(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

fn waiting(is: i64, wanted: i64, what: &str) -> State {
    State::Waiting(format!("{is} of {wanted} replicas are {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(words: &str) -> State {
        State::Waiting(words.to_owned())
    }

    fn rollout(seen: u32, all: u32, updated: u32, available: u32) -> State {
        deployment(
            &json!({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {"observedGeneration": seen,
            "replicas": all, "updatedReplicas": updated, "availableReplicas": available}}),
        )
    }

    #[test]
    fn a_deployment_is_ready_when_only_new_replicas_run_and_are_available() {
        assert_eq!(rollout(2, 2, 2, 2), State::Ready);
        assert_eq!(rollout(1, 2, 2, 2), said("its controller has not seen this version yet"));
        assert_eq!(rollout(2, 2, 1, 2), said("1 of 2 replicas are of this version"));
        assert_eq!(rollout(2, 3, 2, 2), said("1 of an older version still run"));
        assert_eq!(rollout(2, 2, 2, 1), said("1 of 2 replicas are available"));
    }

    #[test]
    fn a_deployment_that_makes_no_progress_has_failed_and_one_without_pods_is_failing() {
        let with = |kind: &str, status: &str, reason: &str| {
            deployment(&json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "conditions": [
                {"type": kind, "status": status, "reason": reason, "message": "words"}]}}))
        };
        let failed = with("Progressing", "False", "ProgressDeadlineExceeded");
        assert_eq!(failed, State::Failed("ProgressDeadlineExceeded: words".to_owned()));
        let failing = with("ReplicaFailure", "True", "FailedCreate");
        assert_eq!(failing, State::Failing("FailedCreate: words".to_owned()));
    }

    #[test]
    fn a_deployment_of_no_replicas_is_ready_once_it_is_seen() {
        let none = json!({"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": {"observedGeneration": 1}});
        assert_eq!(deployment(&none), State::Ready);
    }

    #[test]
    fn a_stateful_set_is_ready_when_all_that_are_to_be_updated_are() {
        let set = |strategy: Value, ready: u32, updated: u32| {
            stateful_set(&json!({"metadata": {"generation": 1}, "spec": {"replicas": 3, "updateStrategy": strategy},
                "status": {"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": updated,
                    "currentRevision": "a", "updateRevision": "b"}}))
        };
        let rolling = |partition: u32| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}});
        assert_eq!(set(rolling(0), 3, 3), State::Ready);
        assert_eq!(set(rolling(0), 3, 2), said("2 of 3 replicas are of this version"));
        assert_eq!(set(rolling(0), 2, 3), said("2 of 3 replicas are ready"));
        assert_eq!(set(rolling(2), 3, 1), State::Ready);
        assert_eq!(set(json!({"type": "OnDelete"}), 3, 0), State::Ready);
    }

    #[test]
    fn a_daemon_set_is_ready_when_it_is_available_on_every_node() {
        let set = |updated: u32, available: u32| {
            daemon_set(&json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1,
                "desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": available}}))
        };
        assert_eq!(set(2, 2), State::Ready);
        assert_eq!(set(1, 2), said("1 of 2 replicas are of this version"));
        assert_eq!(set(2, 1), said("1 of 2 replicas are available"));
    }

    #[test]
    fn a_job_is_ready_when_it_has_ended_well() {
        let with = |kind: &str| {
            job(&json!({"status": {"active": 1, "conditions": [
                {"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "limit"}]}}))
        };
        assert_eq!(with("Complete"), State::Ready);
        assert_eq!(with("Failed"), State::Failed("BackoffLimitExceeded: limit".to_owned()));
        assert_eq!(with("FailureTarget"), State::Failed("BackoffLimitExceeded: limit".to_owned()));
        assert_eq!(with("SuccessCriteriaMet"), said("0 pods ended well, 1 run, 0 failed"));
        assert_eq!(job(&json!({"spec": {"suspend": true}})), State::Ready);
    }
}
