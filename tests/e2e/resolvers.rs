//! Runs whose Pipeline and Tasks come from elsewhere: a git repository, a bundle in a registry.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::catalog::{ROOT, documents, shell_block, words};
use crate::cluster::{Namespace, PATIENCE, host, succeeded};

/// A server on this computer that pods reach, as long as it lives.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(command: impl FnOnce(&str, u16) -> Command) -> Self {
        let port = TcpListener::bind((host(), 0)).unwrap().local_addr().unwrap().port();
        let address = format!("{}:{port}", host());
        let mut child = command(&address, port).stdin(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < deadline, "nothing listens on {address}");
            assert!(child.try_wait().unwrap().is_none(), "the server for {address} has ended");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn git(folder: &Path, args: &[&str]) {
    let who =
        ["-c", "user.name=streamgauge", "-c", "user.email=streamgauge@example.com", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").arg("-C").arg(folder).args(who).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with the catalog as it is here and now, with the tag of its version.
fn repository(folder: &Path) {
    git(folder, &["init", "--quiet"]);
    for part in ["tasks", "stepactions", "pipelines", "config"] {
        crate::catalog::copy(&Path::new(ROOT).join(part), &folder.join(part));
    }
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--message", "The catalog"]);
    git(folder, &["tag", concat!("v", env!("CARGO_PKG_VERSION"))]);
}

/// Runs a sample with its addresses replaced. Nothing answers at Heron's: the run is to fail there, and to go on to its
/// end with the Tasks that it has fetched.
fn fails_at_heron(space: &Namespace, sample: &str, replace: [&str; 2]) {
    space.kubectl(&["create", "serviceaccount", "streamgauge"]).text();
    space.kubectl(&["create", "secret", "generic", "slack", "--from-literal=token=xoxb-none"]).text();
    let text =
        std::fs::read_to_string(Path::new(ROOT).join("pipelines/performance-test/samples").join(sample)).unwrap();
    let mut run = documents(&text.replace(replace[0], replace[1])).remove(0);
    let params = run["spec"]["params"].as_array_mut().unwrap();
    params.retain(|param| param["name"] != "image");
    for (name, value) in [("service-url", "http://127.0.0.1:1"), ("slack-api-url", "http://127.0.0.1:1")] {
        params.push(serde_json::json!({"name": name, "value": value}));
    }
    for workspace in run["spec"]["workspaces"].as_array_mut().unwrap() {
        if workspace["name"] == "report" {
            *workspace = serde_json::json!({"name": "report", "emptyDir": {}});
        }
    }
    let run = space.create(&run.to_string());
    let ended = space.ended(&run);
    let children = ended["status"]["childReferences"].as_array().unwrap();
    let tasks: BTreeSet<&str> = children.iter().filter_map(|child| child["pipelineTaskName"].as_str()).collect();
    assert_eq!(succeeded(&ended)["reason"], "Failed", "{}", space.describe(&run));
    let expected = ["announce", "begin", "deploy-heron", "delete-heron", "notify"];
    assert_eq!(tasks, BTreeSet::from(expected), "{}", space.describe(&run));
    let deploy = children.iter().find(|child| child["pipelineTaskName"] == "deploy-heron").unwrap();
    let deploy = deploy["name"].as_str().unwrap();
    let deploy = space.get(&format!("taskrun/{deploy}"));
    assert_eq!(deploy["status"]["steps"][0]["terminated"]["exitCode"], 4, "{deploy}");
    assert_eq!(steps(&deploy["status"]["taskSpec"]), steps(&task("deploy-heron-app")["spec"]));
}

/// The commands of a Task's steps.
fn steps(spec: &Value) -> Vec<Value> {
    spec["steps"].as_array().unwrap().iter().map(|step| step["command"].clone()).collect()
}

fn task(name: &str) -> Value {
    let path = Path::new(ROOT).join(format!("tasks/{name}/{name}.yaml"));
    documents(&std::fs::read_to_string(path).unwrap()).remove(0)
}

#[test]
fn pipeline_and_tasks_come_from_git() {
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("streamgauge");
    std::fs::create_dir(&clone).unwrap();
    repository(&clone);
    // Not by way of `git`, which would leave the daemon behind when it is killed.
    let programs = Command::new("git").arg("--exec-path").output().unwrap();
    let program = Path::new(String::from_utf8(programs.stdout).unwrap().trim()).join("git-daemon");
    let daemon = Server::start(|_, port| {
        let mut daemon = Command::new(program);
        daemon.args(["--export-all", "--reuseaddr"]).arg(format!("--base-path={}", folder.path().display()));
        daemon.arg(format!("--listen={}", host())).arg(format!("--port={port}")).stderr(Stdio::null());
        daemon
    });
    let space = Namespace::new("git");
    let url = format!("git://{}/streamgauge", daemon.address);
    fails_at_heron(&space, "from-git.yaml", ["https://git.example/team/streamgauge", &url]);
}

#[test]
fn pipeline_and_tasks_come_from_the_bundle_that_the_readme_pushes() {
    let registry = Server::start(|address, _| {
        let mut registry = Command::new("registry");
        registry.arg(address).stderr(Stdio::null());
        registry
    });
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let push = shell_block(&readme, "tkn bundle push ").replace("registry.example", &registry.address);
    let pushed = Command::new("tkn").args(words(&push)).current_dir(ROOT).output().unwrap();
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    let space = Namespace::new("bundle");
    fails_at_heron(&space, "from-bundle.yaml", ["registry.example", &registry.address]);
}
