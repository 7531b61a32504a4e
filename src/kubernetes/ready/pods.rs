//! Pods: whether they are ready, and what keeps those of a workload from it.

use serde_json::Value;

use super::{State, condition, words};
use crate::kubernetes::object::text;

/// Why a container does not run and never will.
const HOPELESS: [&str; 2] = ["InvalidImageName", "ErrImageNeverPull"];
/// Why a container does not run, which may pass.
const TROUBLE: [&str; 9] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "RegistryUnavailable",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "StartError",
];

/// How far a pod of its own is.
pub(super) fn state(pod: &Value) -> State {
    let ready = condition(pod, "Ready").filter(|found| text(found, "/status") == "True");
    match text(pod, "/status/phase") {
        "Succeeded" => State::Ready,
        "Running" if ready.is_some() => State::Ready,
        "Failed" => State::Failed(ended(pod)),
        phase => trouble(pod).unwrap_or_else(|| State::Waiting(format!("its phase is {phase:?}{}", unready(pod)))),
    }
}

/// What is wrong with the first of these pods that has something wrong with it.
pub(super) fn trouble_of(pods: &[Value]) -> Option<State> {
    let newest = pods.iter().max_by_key(|pod| text(pod, "/metadata/creationTimestamp"))?;
    // A new version is waited for; what is wrong with the pods that it replaces does not matter.
    let version = |pod: &Value| text(pod, "/metadata/labels/pod-template-hash").to_owned();
    let current = pods.iter().filter(|pod| version(pod) == version(newest));
    let mut waiting = None;
    for pod in current.filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none()) {
        let named = |words: String| format!("Pod/{}: {words}", text(pod, "/metadata/name"));
        match trouble(pod) {
            Some(State::Failed(words)) => return Some(State::Failed(named(words))),
            Some(State::Failing(words)) => return Some(State::Failing(named(words))),
            _ => {
                let words = unready(pod);
                if !words.is_empty() {
                    waiting.get_or_insert(State::Waiting(named(words.trim_start_matches(", ").to_owned())));
                }
            }
        }
    }
    waiting
}

fn trouble(pod: &Value) -> Option<State> {
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses = containers.iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
    for container in statuses {
        let Some(waiting) = container.pointer("/state/waiting") else {
            // A busy kubelet shows a crash loop as the last end, not as CrashLoopBackOff.
            let bad = container.pointer("/state/terminated/exitCode").and_then(Value::as_i64).filter(|code| *code != 0);
            let again = container.get("restartCount").and_then(Value::as_i64).filter(|count| *count > 0);
            match bad.zip(again).filter(|_| text(pod, "/spec/restartPolicy") == "Always") {
                Some((code, count)) => {
                    let name = text(container, "/name");
                    let words = format!("container {name}: it ended with exit code {code}, after {count} restarts");
                    return Some(State::Failing(words));
                }
                None => continue,
            }
        };
        let said = || format!("container {}: {}{}", text(container, "/name"), words(waiting), last_end(container));
        let reason = text(waiting, "/reason");
        if HOPELESS.contains(&reason) {
            return Some(State::Failed(said()));
        }
        if TROUBLE.contains(&reason) {
            return Some(State::Failing(said()));
        }
    }
    None
}

/// How a container that is started again and again ended last.
fn last_end(container: &Value) -> String {
    let Some(end) = container.pointer("/lastState/terminated") else { return String::new() };
    let code = end.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
    format!("; it ended with exit code {code} ({})", words(end).trim())
}

/// How a pod that has failed did so.
fn ended(pod: &Value) -> String {
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    let bad = statuses.into_iter().flatten().find_map(|container| {
        let end = container.pointer("/state/terminated")?;
        let code = end.get("exitCode").and_then(Value::as_i64).filter(|code| *code != 0)?;
        Some(format!("container {} ended with exit code {code} ({})", text(container, "/name"), words(end)))
    });
    let status = pod.get("status").map(words).unwrap_or_default();
    match (status.is_empty(), bad) {
        (false, _) => status,
        (true, Some(bad)) => bad,
        (true, None) => "it has failed".to_owned(),
    }
}

/// Why a pod has no place yet, or is not ready.
fn unready(pod: &Value) -> String {
    let not = ["PodScheduled", "ContainersReady", "Ready"].iter().find_map(|kind| {
        let found = condition(pod, kind)?;
        (text(found, "/status") == "False").then(|| words(found))
    });
    not.map(|words| format!(", {words}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(hash: &str, at: &str, waiting: &str) -> Value {
        json!({"metadata": {"name": format!("web-{hash}"), "creationTimestamp": at, "labels": {"pod-template-hash": hash}},
            "status": {"phase": "Pending", "containerStatuses": [{"name": "app",
                "state": {"waiting": {"reason": waiting, "message": "words"}},
                "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}}]}})
    }

    #[test]
    fn a_pod_is_ready_or_has_ended_or_says_why_not() {
        let with = |phase: &str, ready: &str| {
            state(&json!({"status": {"phase": phase, "reason": "", "conditions": [
                {"type": "Ready", "status": ready, "reason": "ContainersNotReady", "message": "unready: [app]"}]}}))
        };
        assert_eq!(with("Running", "True"), State::Ready);
        assert_eq!(with("Succeeded", "False"), State::Ready);
        let words = "its phase is \"Running\", ContainersNotReady: unready: [app]".to_owned();
        assert_eq!(with("Running", "False"), State::Waiting(words));
        let failed = state(&json!({"status": {"phase": "Failed", "containerStatuses": [
            {"name": "app", "state": {"terminated": {"exitCode": 7, "reason": "Error"}}}]}}));
        assert_eq!(failed, State::Failed("container app ended with exit code 7 (Error)".to_owned()));
    }

    #[test]
    fn images_and_crashes_are_told_with_pod_container_and_last_end() {
        let crash = trouble_of(&[pod("a", "1", "CrashLoopBackOff")]);
        let words = "Pod/web-a: container app: CrashLoopBackOff: words; it ended with exit code 3 (Error)".to_owned();
        assert_eq!(crash, Some(State::Failing(words)));
        assert!(matches!(trouble_of(&[pod("a", "1", "ErrImageNeverPull")]), Some(State::Failed(_))));
        assert_eq!(trouble_of(&[pod("a", "1", "ContainerCreating")]), None);
    }

    #[test]
    fn the_pods_that_a_new_version_replaces_do_not_matter() {
        let pods = [
            pod("old", "2026-01-01T00:00:00Z", "CrashLoopBackOff"),
            pod("new", "2026-01-02T00:00:00Z", "PodInitializing"),
        ];
        assert_eq!(trouble_of(&pods), None);
    }

    #[test]
    fn a_pod_without_a_place_says_what_is_missing() {
        let pending = json!({"metadata": {"name": "web"}, "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient cpu"}]}});
        assert_eq!(trouble_of(&[pending]), Some(State::Waiting("Pod/web: Unschedulable: Insufficient cpu".to_owned())));
    }
}
