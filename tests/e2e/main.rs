//! What streamgauge does in a real Kubernetes with a real Tekton. `hack/e2e` runs these tests: they need `kubectl` and `tkn`
//! on the PATH, KUBECONFIG, the images of `hack/image` in the cluster, and STREAMGAUGE_TEST_HOST.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where something is not as it should be, and tells what came before"
)]

mod bench;
mod catalog;
mod claim;
mod cluster;
mod compare;
mod failures;
mod manifest;
mod performance_test;
mod resolvers;
mod samples;
mod semantics;
mod triggers;
mod webhook;

use cluster::{Namespace, succeeded};

#[test]
fn a_namespace_of_the_tests_refuses_what_is_not_restricted() {
    let space = Namespace::new("restricted");
    let answer = space.kubectl(&["run", "root", "--image=test.local/busybox:1", "--", "id"]);
    assert!(answer.stderr.contains("violates PodSecurity \"restricted:latest\""), "{answer:?}");
    let run = space.create(
        r#"{"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": {"generateName": "hello-"}, "spec": {"taskSpec": {
            "results": [{"name": "said"}],
            "steps": [{"name": "say", "image": "test.local/busybox:1", "command": ["sh", "-c", "printf hello >$(results.said.path)"],
              "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}}]}}}"#,
    );
    let ended = space.ended(&run);
    assert_eq!(succeeded(&ended)["status"], "True", "{}", space.describe(&run));
    assert_eq!(ended["status"]["results"][0]["value"], "hello");
}
