//! Tekton Triggers in the cluster: GitHub's payloads, and what others send, to the listener of triggers/tekton-triggers.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::catalog::{ROOT, documents};
use crate::cluster::Namespace;

const SECRET: &str = "only-for-this-test";
const FIRST: &str = "c0ffee0123456789c0ffee0123456789c0ffee01";
const SECOND: &str = "c0ffee0223456789c0ffee0123456789c0ffee02";

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

/// A payload as GitHub sends it when a pull request's branch was pushed, without what is not read.
fn payload(commit: &str) -> Value {
    let repo = json!({"full_name": "ads/preprocessor", "html_url": "https://git.example/ads/preprocessor"});
    json!({
        "action": "synchronize", "number": 12,
        "pull_request": {
            "number": 12, "title": "Use 29 transformers", "user": {"login": "mona"}, "labels": [],
            "head": {"ref": "more-transformers", "sha": commit, "repo": repo},
            "base": {"ref": "staging/ads", "sha": "ba5e000000000000000000000000000000000001", "repo": repo},
        },
        "repository": repo,
    })
}

/// The same with another value somewhere.
fn with(path: &str, value: Value) -> Value {
    let mut payload = payload("bad0000000000000000000000000000000000bad");
    *payload.pointer_mut(path).unwrap() = value;
    payload
}

/// Sends a payload to the event listener as GitHub does.
async fn send(listener: &Forward, event: &str, signature: Option<String>, body: String) {
    let mut request = reqwest::Client::new()
        .post(&listener.url)
        .header("Content-Type", "application/json")
        .header("X-GitHub-Event", event);
    if let Some(signature) = signature {
        request = request.header("X-Hub-Signature-256", signature);
    }
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), 202, "the event listener answers 202 to anything that is JSON");
}

async fn send_signed(listener: &Forward, payload: &Value) {
    let body = payload.to_string();
    send(listener, "pull_request", Some(sign(SECRET, &body)), body).await;
}

fn sign(secret: &str, body: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret, "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
    format!("sha256={}", output.split_whitespace().next().unwrap())
}

/// Installs triggers/tekton-triggers as its README says, in this namespace and beside other tests: what is cluster-wide goes with the
/// namespace, and runs are made but not run.
fn install(space: &Namespace) {
    let overlay = tempfile::Builder::new().prefix("overlay").tempdir_in(Path::new(ROOT).join("triggers")).unwrap();
    let text = format!("namespace: {}\nresources: [../tekton-triggers]\n", space.name);
    std::fs::write(overlay.path().join("kustomization.yaml"), text).unwrap();
    let rendered = space.kubectl(&["kustomize", &overlay.path().display().to_string()]).text();
    let owner = space.get(&format!("namespace/{}", space.name));
    for mut object in documents(&rendered) {
        if object["kind"].as_str().unwrap().starts_with("ClusterRole") {
            object["metadata"]["name"] = json!(space.name);
            object["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "v1", "kind": "Namespace", "name": space.name, "uid": owner["metadata"]["uid"]}]);
        }
        if object["kind"] == "ClusterRoleBinding" {
            object["roleRef"]["name"] = json!(space.name);
            assert_eq!(object["subjects"][0]["namespace"], space.name.as_str(), "kustomize sets it");
        }
        if object["kind"] == "TriggerTemplate" {
            object["spec"]["resourcetemplates"][0]["spec"]["status"] = json!("PipelineRunPending");
        }
        space.create(&object.to_string());
    }
    space
        .kubectl(&["create", "secret", "generic", "github-webhook", &format!("--from-literal=secret={SECRET}")])
        .text();
}

fn names(runs: &Value) -> Vec<String> {
    let items = runs["items"].as_array().into_iter().flatten();
    let mut names: Vec<String> =
        items.map(|run| run["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

/// Payloads that GitHub would sign and that start nothing.
fn refused() -> Vec<Value> {
    let fork = json!({"full_name": "mallory/preprocessor", "html_url": "https://git.example/mallory/preprocessor"});
    vec![
        with("/action", json!("opened")),
        with("/action", json!("closed")),
        with("/pull_request/base/ref", json!("main")),
        with("/pull_request/base/ref", json!("not-staging/ads")),
        with("/pull_request/base/ref", json!("staging/\"}, \"x\": {\"y\": \"")),
        with("/pull_request/head/repo", fork),
        with("/pull_request/head/repo", Value::Null),
        with("/pull_request/head/ref", json!("a\"b")),
        with("/pull_request/head/ref", json!("$(params.jar)")),
        with("/pull_request/head/ref", json!("a\nb")),
        with("/pull_request/head/sha", json!("bad")),
        with("/pull_request/head/sha", json!("bad0000000000000000000000000000000000bad\n")),
        with("/pull_request/number", json!("12; x")),
        with("/repository/html_url", json!("https://git.example/ads/preprocessor\", \"x\": \"")),
        json!({"action": "synchronize"}),
    ]
}

#[tokio::test]
async fn a_signed_commit_to_a_staging_branch_starts_one_run_and_nothing_else_does() {
    let space = Namespace::new("triggers");
    install(&space);
    space.until("deployment/el-performance-test", |listener| listener["status"]["availableReplicas"] == 1);
    let listener = Forward::to(&space, "service/el-performance-test", 8080);

    let body = payload("bad0000000000000000000000000000000000bad").to_string();
    send(&listener, "pull_request", None, body.clone()).await;
    send(&listener, "pull_request", Some(sign("wrong", &body)), body.clone()).await;
    send(&listener, "pull_request", Some(sign(SECRET, "another body")), body.clone()).await;
    send(&listener, "push", Some(sign(SECRET, &body)), body).await;
    // Much more than GitHub sends for a pull request, of nobody that knows the secret.
    let huge = with("/pull_request/title", json!("x".repeat(8 << 20))).to_string();
    send(&listener, "pull_request", Some(sign("wrong", &huge)), huge).await;
    for payload in refused() {
        send_signed(&listener, &payload).await;
    }

    let mut hostile = payload(FIRST);
    hostile["pull_request"]["title"] = json!("\"}}], \"serviceAccountName\": \"$(params.jar)\n  - name: x");
    hostile["pull_request"]["user"]["login"] = json!("$(context.pipelineRun.uid)");
    send_signed(&listener, &hostile).await;
    space.until("pipelineruns", |runs| !names(runs).is_empty());
    // GitHub delivers again, or somebody who has seen the payload does.
    send_signed(&listener, &payload(FIRST)).await;
    // An event is worked off after its answer: by the end of one more, what the others would have made is there.
    send_signed(&listener, &payload(SECOND)).await;
    let runs = space.until("pipelineruns", |runs| names(runs).len() > 1);
    assert_eq!(names(&runs), ["performance-test-12-c0ffee012345", "performance-test-12-c0ffee022345"]);

    let run = space.get("pipelinerun/performance-test-12-c0ffee012345");
    let param = |name: &str| {
        let params = run["spec"]["params"].as_array().unwrap();
        params.iter().find(|param| param["name"] == name).unwrap()["value"].as_str().unwrap().to_owned()
    };
    let given = ["repository", "commit", "pull-request", "branch", "base-branch", "fork-point"].map(param);
    let base = "ba5e000000000000000000000000000000000001";
    assert_eq!(given, ["https://git.example/ads/preprocessor", FIRST, "12", "more-transformers", "staging/ads", base]);
    assert!(!run.to_string().contains("serviceAccountName\\\""), "a title is nowhere in it: {run:#}");
}

#[test]
fn the_listener_may_make_runs_and_read_no_secrets() {
    let space = Namespace::new("listener");
    install(&space);
    let who = format!("--as=system:serviceaccount:{}:streamgauge-listener", space.name);
    let may = |verb: &str, what: &str| space.kubectl(&["auth", "can-i", verb, what, &who]).stdout.trim() == "yes";
    space.until("namespace", |_| may("create", "pipelineruns.tekton.dev"));
    for (verb, what) in
        [("get", "secrets"), ("list", "secrets"), ("impersonate", "serviceaccounts"), ("create", "pods")]
    {
        assert!(!may(verb, what), "may {verb} {what}");
    }
}

#[test]
fn the_command_starts_one_run_for_a_commit_however_often_it_is_told_of_it() {
    let space = Namespace::new("trigger");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let event = write("event.json", &payload(FIRST).to_string());
    let template = std::fs::read_to_string(Path::new(ROOT).join("triggers/pipe/run.yaml")).unwrap();
    // Made, and not run.
    let template = write("run.yaml", &template.replace("\nspec:\n", "\nspec:\n  status: PipelineRunPending\n"));
    let pipelines = Path::new(ROOT).join("pipelines").display().to_string();
    let message = "--message=Try 29 $(params.jar)\n\nstreamgauge: transformer-parallelism=29 duration-min=1";
    let trigger = || {
        let output = Command::new(env!("CARGO_BIN_EXE_streamgauge"))
            .args([
                "trigger",
                &pipelines,
                "--event",
                &event,
                "--run",
                "--namespace",
                &space.name,
                "--template",
                &template,
                message,
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let name = "performance-test-12-c0ffee012345";
    let told = trigger();
    assert!(
        told.contains("skip  compare-applications") && told.contains(&format!("{}/{name} started", space.name)),
        "{told}"
    );
    let told = trigger();
    assert!(told.contains(&format!("{}/{name} is there already", space.name)), "{told}");
    let runs = space.get("pipelineruns");
    assert_eq!(names(&runs), [name]);
    let run = &runs["items"][0];
    let params = run["spec"]["params"].as_array().unwrap();
    let param = |name: &str| params.iter().find(|param| param["name"] == name).map(|param| param["value"].clone());
    let given = ["commit", "pull-request", "transformer-parallelism", "duration-min", "source-topic"].map(param);
    assert_eq!(given, [FIRST, "12", "29", "1", "ads-events"].map(|value| Some(json!(value))));
    let annotations = &run["metadata"]["annotations"];
    assert!(
        annotations["streamgauge.dev/commit-message"].as_str().unwrap().starts_with("Try 29 $(params.jar)"),
        "{annotations}"
    );
    assert_eq!(annotations["streamgauge.dev/author"], "mona");
}

#[test]
fn the_run_of_pipelines_as_code_is_one_when_its_variables_are_replaced() {
    let space = Namespace::new("pac");
    let text =
        std::fs::read_to_string(Path::new(ROOT).join("triggers/pipelines-as-code/.tekton/performance-test.yaml"))
            .unwrap();
    let values = [
        ("repo_url", "https://git.example/ads/preprocessor"),
        ("revision", FIRST),
        ("pull_request_number", "12"),
        ("source_branch", "a\"b'c#{d"),
        ("target_branch", "staging/ads"),
    ];
    let text = values.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{{ {name} }}}}"), value));
    assert!(!text.contains("{{"), "{text}");
    let answer = space.try_create_dry(&text);
    assert!(answer.ok, "{answer:?}");
    let run = documents(&text).remove(0);
    let branch = run["spec"]["params"].as_array().unwrap().iter().find(|param| param["name"] == "branch").unwrap();
    assert_eq!(branch["value"], "a\"b'c#{d");
}
