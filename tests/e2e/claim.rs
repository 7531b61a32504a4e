//! `claim-environment` in real PipelineRuns: whose turn it is, and what becomes of the one that is superseded.

use std::path::Path;

use serde_json::{Value, json};

use crate::catalog::ROOT;
use crate::cluster::{Namespace, succeeded};

/// A namespace with the Task and its ServiceAccount.
fn space(purpose: &str) -> Namespace {
    let space = Namespace::new(purpose);
    for file in ["tasks/claim-environment/claim-environment.yaml", "config/claimer.yaml"] {
        space.apply(&Path::new(ROOT).join(file));
    }
    space
}

/// Starts a run that claims staging and then tests its commit for so long, each commit for another time; its finally task takes some
/// seconds.
fn start(space: &Namespace, pull_request: &str, supersede: bool, seconds: u32) -> String {
    let step = |command: String| {
        json!({"taskSpec": {"steps": [{"name": "do", "image": "test.local/busybox:1", "command": ["sh", "-c", command],
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}}]}})
    };
    let mut test = step(format!("trap 'exit 0' TERM; sleep {seconds} & wait"));
    test["name"] = json!("test");
    test["runAfter"] = json!(["claim"]);
    let mut clean = step("sleep 3".to_owned());
    clean["name"] = json!("clean");
    let params = json!([
        {"name": "environment", "value": "staging"}, {"name": "run", "value": "$(context.pipelineRun.name)"},
        {"name": "run-uid", "value": "$(context.pipelineRun.uid)"}, {"name": "repository", "value": "https://git.example/ads/p"},
        {"name": "pull-request", "value": pull_request}, {"name": "commit", "value": format!("{seconds:040}")}, {"name": "supersede", "value": supersede.to_string()},
    ]);
    let run = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"generateName": "test-"},
        "spec": {
            "taskRunSpecs": [{"pipelineTaskName": "claim", "serviceAccountName": "streamgauge-claimer"}],
            "pipelineSpec": {
                "tasks": [{"name": "claim", "taskRef": {"name": "claim-environment"}, "params": params}, test],
                "finally": [clean],
            },
        },
    });
    space.create(&run.to_string())
}

fn holder(space: &Namespace) -> String {
    let lease = space.kubectl(&["get", "lease/streamgauge-staging", "-o", "json"]);
    if !lease.ok {
        return String::new();
    }
    lease.json()["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// Waits until this run has the environment.
fn until_held(space: &Namespace, run: &str) {
    let name = run.rsplit('/').next().unwrap();
    let identity = format!("{}/{name} ", space.name);
    space.until("lease/streamgauge-staging", |lease| {
        lease["spec"]["holderIdentity"].as_str().is_some_and(|holder| holder.starts_with(&identity))
    });
}

/// When a task of a run began or ended.
fn time(space: &Namespace, run: &str, task: &str, which: &str) -> String {
    let name = run.rsplit('/').next().unwrap();
    let runs = space.get("taskruns");
    let found = runs["items"].as_array().unwrap().iter().find(|one| {
        let labels = &one["metadata"]["labels"];
        labels["tekton.dev/pipelineRun"] == name && labels["tekton.dev/pipelineTask"] == task
    });
    found.unwrap_or_else(|| panic!("{run} has no {task}"))["status"][which].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_second_run_waits_until_all_of_the_first_is_done() {
    let space = space("claim");
    let first = start(&space, "12", false, 10);
    until_held(&space, &first);
    let second = start(&space, "12", false, 1);
    for run in [&first, &second] {
        let ended = space.ended(run);
        assert_eq!(succeeded(&ended)["status"], "True", "{}", space.describe(run));
    }
    let cleaned = time(&space, &first, "clean", "completionTime");
    let tested = time(&space, &second, "test", "startTime");
    assert!(cleaned <= tested, "the first was cleaned up at {cleaned}, the second tested from {tested} on");
}

#[test]
fn a_later_commit_ends_the_run_of_the_earlier_with_its_finally() {
    let space = space("supersede");
    let first = start(&space, "12", true, 3000);
    until_held(&space, &first);
    // Which of two runs of one second is the later, nobody knows.
    let made = |run: &str| space.get(run)["metadata"]["creationTimestamp"].clone();
    let mut second = start(&space, "12", true, 1);
    if made(&first) == made(&second) {
        space.kubectl(&["delete", &second]).text();
        second = start(&space, "12", true, 1);
    }
    let ended = space.ended(&first);
    assert_eq!(succeeded(&ended)["reason"], "Cancelled", "{}", space.describe(&first));
    let cleaned = time(&space, &first, "clean", "completionTime");
    let later = space.ended(&second);
    assert_eq!(succeeded(&later)["status"], "True", "{}", space.describe(&second));
    assert!(cleaned <= time(&space, &second, "test", "startTime"), "finally was over before");
}

#[test]
fn a_run_that_is_deleted_holds_nothing_and_another_pull_requests_is_waited_for() {
    let space = space("gone");
    let first = start(&space, "12", true, 3000);
    until_held(&space, &first);
    let other = start(&space, "13", true, 1);
    space.until("pods", |pods| {
        let claims =
            |pod: &Value| pod["metadata"]["labels"]["tekton.dev/pipelineRun"] == other.rsplit('/').next().unwrap();
        pods["items"]
            .as_array()
            .is_some_and(|pods| pods.iter().any(|pod| claims(pod) && pod["status"]["phase"] == "Running"))
    });
    assert!(space.get(&first)["spec"]["status"].is_null(), "another pull request's run ends nobody's");
    assert!(holder(&space).contains(first.rsplit('/').next().unwrap()));
    space.kubectl(&["delete", &first]).text();
    let ended = space.ended(&other);
    assert_eq!(succeeded(&ended)["status"], "True", "{}", space.describe(&other));
    assert!(
        holder(&space).contains(other.rsplit('/').next().unwrap()),
        "a run that is done is only forgotten by the next"
    );
}

#[test]
fn who_claims_needs_the_rights_of_the_sample() {
    let space = space("claimer");
    let who = format!("--as=system:serviceaccount:{}:streamgauge-claimer", space.name);
    let may = |verb: &str, what: &str| space.kubectl(&["auth", "can-i", verb, what, &who]).stdout.trim() == "yes";
    space.until("namespace", |_| may("update", "leases.coordination.k8s.io"));
    for (verb, what) in
        [("delete", "leases.coordination.k8s.io"), ("create", "pipelineruns.tekton.dev"), ("get", "secrets")]
    {
        assert!(!may(verb, what), "may {verb} {what}");
    }
}
