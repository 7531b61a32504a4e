//! Tekton Triggers in the cluster: a payload of GitHub's makes a run.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::cluster::Namespace;

const LISTENER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cluster/event-listener.yaml");

/// A way from this computer to a Service, as long as it lives.
struct Forward {
    kubectl: Child,
    /// Kept open: kubectl ends when nobody reads what it says.
    _said: BufReader<ChildStdout>,
    url: String,
}

impl Forward {
    fn to(space: &Namespace, service: &str, port: u16) -> Self {
        let mut kubectl = Command::new("kubectl")
            .args(["--namespace", &space.name, "port-forward", service, &format!(":{port}")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(kubectl.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.split_whitespace().nth(2).unwrap_or_else(|| panic!("kubectl port-forward said {line:?}"));
        Self { url: format!("http://{address}/"), kubectl, _said: said }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// Sends a payload to the event listener as GitHub does, signed with this secret.
async fn send(listener: &Forward, secret: &str, action: &str, commit: &str) {
    let body = format!(r#"{{"action":"{action}","pull_request":{{"head":{{"sha":"{commit}"}}}}}}"#);
    let request = reqwest::Client::new()
        .post(&listener.url)
        .header("Content-Type", "application/json")
        .header("X-GitHub-Event", "pull_request")
        .header("X-Hub-Signature-256", format!("sha256={}", hmac(secret, &body)));
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), 202, "the event listener answers 202 to anything");
}

fn hmac(secret: &str, body: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret, "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
    output.split_whitespace().next().unwrap().to_owned()
}

/// Lets the listener read what Triggers keeps for all namespaces; goes with the namespace.
fn let_read_cluster_wide(space: &Namespace) {
    let owner = space.get(&format!("namespace/{}", space.name));
    space.create(
        &serde_json::json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": space.name, "ownerReferences": [{"apiVersion": "v1", "kind": "Namespace",
                "name": space.name, "uid": owner["metadata"]["uid"]}]},
            "subjects": [{"kind": "ServiceAccount", "name": "listener", "namespace": space.name}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "tekton-triggers-eventlistener-clusterroles"}})
        .to_string(),
    );
}

#[tokio::test]
async fn a_signed_payload_of_the_wanted_action_starts_one_run_and_no_other_does() {
    let space = Namespace::new("triggers");
    let_read_cluster_wide(&space);
    space.apply(Path::new(LISTENER));
    space.until("deployment/el-github", |listener| listener["status"]["availableReplicas"] == 1);
    let listener = Forward::to(&space, "service/el-github", 8080);
    send(&listener, "wrong", "synchronize", "bad1").await;
    send(&listener, "only-for-this-test", "closed", "bad2").await;
    send(&listener, "only-for-this-test", "synchronize", "c0ffee1").await;
    let count = |runs: &serde_json::Value| runs["items"].as_array().map_or(0, Vec::len);
    space.until("pipelineruns", |runs| count(runs) > 0);
    // An event is worked off after its answer: by the end of one more, what the refused ones would have made is there.
    send(&listener, "only-for-this-test", "synchronize", "c0ffee2").await;
    let runs = space.until("pipelineruns", |runs| count(runs) > 1);
    let commit = |run: &serde_json::Value| run["spec"]["params"][0]["value"].as_str().map(str::to_owned);
    let mut commits: Vec<_> = runs["items"].as_array().unwrap().iter().filter_map(commit).collect();
    commits.sort();
    assert_eq!(commits, ["c0ffee1", "c0ffee2"]);
}
