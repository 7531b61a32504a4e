//! A namespace of the cluster, by way of `kubectl`: what a user would type.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a run may take on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_secs(600);

static NAMESPACES: AtomicU32 = AtomicU32::new(0);

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    /// Whether it exited with 0.
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// What it printed; the test ends here when it failed.
    #[track_caller]
    pub fn text(self) -> String {
        assert!(self.ok, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }
}

/// The address of this computer as pods reach it.
pub fn host() -> String {
    std::env::var("STREAMGAUGE_TEST_HOST").expect("STREAMGAUGE_TEST_HOST is set by hack/e2e")
}

/// A namespace that enforces the restricted Pod Security profile, deleted with all that is in it.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    /// Makes one whose name tells what it is for.
    pub fn new(purpose: &str) -> Self {
        let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
        let name = format!("streamgauge-{purpose}-{}-{number}", std::process::id());
        let space = Self { name };
        space.kubectl(&["create", "namespace", &space.name]).text();
        let profile = "pod-security.kubernetes.io/enforce=restricted";
        space.kubectl(&["label", "namespace", &space.name, profile]).text();
        space
    }

    /// Installs the catalog: `kubectl apply -k .`
    pub fn install_catalog(&self) {
        self.kubectl(&["apply", "-k", env!("CARGO_MANIFEST_DIR")]).text();
    }

    /// Runs `kubectl` in this namespace.
    pub fn kubectl(&self, args: &[&str]) -> Answer {
        self.run("kubectl", args, "")
    }

    /// Runs `tkn` in this namespace.
    pub fn tkn(&self, args: &[&str]) -> Answer {
        self.run("tkn", args, "")
    }

    /// Creates what this YAML describes, and returns its kind and name, as `kind/name`.
    #[track_caller]
    pub fn create(&self, yaml: &str) -> String {
        let name = self.try_create(yaml).text().trim().to_owned();
        name.replace(".tekton.dev", "")
    }

    /// The same, when the API server may refuse it.
    pub fn try_create(&self, yaml: &str) -> Answer {
        self.run("kubectl", &["create", "--validate=strict", "-o", "name", "-f", "-"], yaml)
    }

    /// What the API server and its webhooks say to it; nothing is made.
    pub fn try_create_dry(&self, yaml: &str) -> Answer {
        self.run("kubectl", &["create", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-"], yaml)
    }

    /// Applies a file of this repository.
    #[track_caller]
    pub fn apply(&self, file: &Path) {
        self.kubectl(&["apply", "-f", &file.display().to_string()]).text();
    }

    /// An object as the API server has it.
    #[track_caller]
    pub fn get(&self, object: &str) -> Value {
        self.kubectl(&["get", object, "-o", "json"]).json()
    }

    /// Waits for the end of a TaskRun or PipelineRun.
    #[track_caller]
    pub fn ended(&self, run: &str) -> Value {
        self.until(run, |object| matches!(succeeded(object)["status"].as_str(), Some("True" | "False")))
    }

    /// Waits until an object is as wanted.
    #[track_caller]
    pub fn until(&self, object: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // One that is not there yet is waited for too.
            let answer = self.kubectl(&["get", object, "-o", "json"]);
            let now = if answer.ok { answer.json() } else { Value::Null };
            if !now.is_null() && wanted(&now) {
                return now;
            }
            assert!(Instant::now() < deadline, "{object} is not as wanted: {}", self.describe(object));
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// All that the steps of a run's pods wrote, each line with its pod and container before it.
    pub fn logs(&self, label: &str, run: &str) -> String {
        let selector = format!("tekton.dev/{label}={run}");
        self.kubectl(&["logs", "-l", &selector, "--all-containers", "--prefix", "--tail=-1", "--ignore-errors"]).stdout
    }

    /// What there is to see of an object that is not as it should be.
    pub fn describe(&self, object: &str) -> String {
        let pods = self.kubectl(&["get", "pods,taskruns,pipelineruns"]).stdout;
        format!("{}\n{pods}", self.kubectl(&["describe", object]).stdout)
    }

    fn run(&self, program: &str, args: &[&str], input: &str) -> Answer {
        let mut child = Command::new(program)
            .args(["--namespace", &self.name])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; hack/e2e puts it on the PATH"));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Answer { ok: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

/// The condition Succeeded of a run: status, reason, message.
pub fn succeeded(run: &Value) -> Value {
    let conditions = run["status"]["conditions"].as_array();
    let found = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == "Succeeded"));
    found.cloned().unwrap_or_default()
}
