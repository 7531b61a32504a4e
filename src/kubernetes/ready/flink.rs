//! What the Flink Kubernetes operator says of its FlinkDeployments and FlinkSessionJobs.
//!
//! The names of states are those of the operator's API (flink.apache.org/v1beta1): `lifecycleState`, `jobStatus.state`,
//! `jobManagerDeploymentStatus`, and `error`, which is JSON in a string.

use serde_json::Value;

use super::{State, unseen};
use crate::kubernetes::object::text;

pub(super) fn state(object: &Value) -> State {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    let lifecycle = text(object, "/status/lifecycleState");
    let job = text(object, "/status/jobStatus/state");
    let error = message(text(object, "/status/error"));
    match lifecycle {
        "FAILED" | "ROLLING_BACK" | "ROLLED_BACK" => return State::Failed(told(lifecycle, job, &error)),
        _ if !error.is_empty() => return State::Failing(error),
        "SUSPENDED" if text(object, "/spec/job/state") == "suspended" => return State::Ready,
        _ => {}
    }
    let manager = text(object, "/status/jobManagerDeploymentStatus");
    if manager == "ERROR" || job == "FAILED" {
        return State::Failing(told(lifecycle, job, "the JobManager or the job has failed"));
    }
    // A session cluster has no job of its own.
    let runs = match object.pointer("/spec/job") {
        Some(_) => matches!(job, "RUNNING" | "FINISHED"),
        None => manager == "READY",
    };
    match (lifecycle, job) {
        ("STABLE", _) | (_, "FINISHED") if runs => State::Ready,
        _ => State::Waiting(told(lifecycle, job, manager)),
    }
}

fn told(lifecycle: &str, job: &str, more: &str) -> String {
    let said = |what: &str, state: &str| if state.is_empty() { String::new() } else { format!("{what}{state}") };
    let words = [said("", lifecycle), said("job ", job), said("", more)];
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|words| !words.is_empty()).collect();
    if words.is_empty() { "the operator has not looked at it yet".to_owned() } else { words.join(", ") }
}

/// The operator's words: the innermost cause says what to do about it.
fn message(error: &str) -> String {
    let Ok(parsed) = serde_json::from_str::<Value>(error) else { return error.trim().to_owned() };
    let outer = text(&parsed, "/message");
    let causes = parsed.get("throwableList").and_then(Value::as_array);
    let inner = causes.and_then(|causes| causes.last()).map(|cause| text(cause, "/message")).unwrap_or_default();
    match (outer, inner) {
        ("", "") => error.trim().to_owned(),
        ("", words) | (words, "") => words.to_owned(),
        (outer, inner) if outer.contains(inner) => outer.to_owned(),
        _ => format!("{outer}: {inner}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(seen: u32, lifecycle: &str, job: &str, error: &str) -> State {
        state(&json!({"metadata": {"generation": 2}, "spec": {"job": {"state": "running"}}, "status": {
            "observedGeneration": seen, "lifecycleState": lifecycle, "error": error,
            "jobStatus": {"state": job}, "jobManagerDeploymentStatus": "READY"}}))
    }

    #[test]
    fn a_job_is_ready_when_it_is_stable_and_runs_in_this_version() {
        assert_eq!(deployment(2, "STABLE", "RUNNING", ""), State::Ready);
        assert_eq!(deployment(2, "STABLE", "FINISHED", ""), State::Ready);
        assert!(matches!(deployment(1, "STABLE", "RUNNING", ""), State::Waiting(_)));
        assert_eq!(
            deployment(2, "DEPLOYED", "RECONCILING", ""),
            State::Waiting("DEPLOYED, job RECONCILING, READY".to_owned())
        );
        assert!(matches!(deployment(2, "STABLE", "RESTARTING", ""), State::Waiting(_)));
    }

    #[test]
    fn the_operators_error_is_told_in_its_own_words() {
        let error = r#"{"type": "o.a.f.Error", "message": "Deployment failed", "additionalMetadata": {},
            "throwableList": [{"type": "x", "message": "quota exceeded"}]}"#;
        let words = "Deployment failed: quota exceeded".to_owned();
        assert_eq!(deployment(2, "UPGRADING", "", error), State::Failing(words.clone()));
        assert_eq!(deployment(2, "FAILED", "FAILED", error), State::Failed(format!("FAILED, job FAILED, {words}")));
        assert_eq!(deployment(2, "UPGRADING", "", "not JSON"), State::Failing("not JSON".to_owned()));
    }

    #[test]
    fn a_session_cluster_is_ready_with_its_job_manager_and_a_suspended_job_when_it_is_suspended() {
        let session = |manager: &str| {
            state(&json!({"metadata": {"generation": 1}, "spec": {}, "status": {"observedGeneration": 1,
                "lifecycleState": "STABLE", "jobManagerDeploymentStatus": manager}}))
        };
        assert_eq!(session("READY"), State::Ready);
        assert!(matches!(session("DEPLOYING"), State::Waiting(_)));
        let suspended = json!({"metadata": {"generation": 1}, "spec": {"job": {"state": "suspended"}},
            "status": {"observedGeneration": 1, "lifecycleState": "SUSPENDED"}});
        assert_eq!(state(&suspended), State::Ready);
    }
}
