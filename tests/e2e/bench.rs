//! A sandbox on this computer that pods reach, a namespace with the catalog, and runs of the Pipeline between the two.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::{Value, json};
use streamgauge::local::{self, Cancel, Line, Request, RunReport};
use streamgauge::report::Report;
use streamgauge::sandbox::github;
use streamgauge::sandbox::slack::{self, Inbox};
use streamgauge::sandbox::{Endpoints, Options, Sandbox, kafka};
use streamgauge::step::KeyValue;
use tokio::sync::{oneshot, watch};

use crate::cluster::{Namespace, PATIENCE, host, succeeded};

const PIPELINE: &str = "pipelines/performance-test/performance-test.yaml";
const SAMPLE: &str = "pipelines/performance-test/samples/performance-test.yaml";
const JARS: &str = "examples/heron-preprocessor/target";

/// What must never be seen outside of its Secret.
pub const SECRETS: [&str; 4] = [slack::TOKEN, github::TOKEN, "prometheus-token-5e1f0d", "kafka-password-9c2b7a"];

/// How often the sandbox's topologies export their metrics, and Prometheus scrapes them.
const EVERY_SECOND: Duration = Duration::from_secs(1);

/// Sandboxes take the whole computer: one at a time.
static COMPUTER: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Parameters of a run.
pub type Params = Vec<(&'static str, Value)>;

/// A namespace with the catalog, Secrets and volumes, and a sandbox that its pods reach.
pub struct Bench {
    pub space: Namespace,
    pub endpoints: Endpoints,
    /// What GitHub was told.
    pub github: github::Inbox,
    slack: Inbox,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
    _computer: std::sync::MutexGuard<'static, ()>,
}

/// A run that has ended: the PipelineRun, its TaskRuns by their names in the Pipeline, its report and what Slack was told.
pub struct Ended {
    pub run: Value,
    pub tasks: Vec<(String, Value)>,
    pub report: Option<Report>,
    pub told: String,
}

impl Ended {
    /// `Completed`, `Failed` …: what `tkn pipelinerun list` shows.
    pub fn reason(&self) -> &str {
        self.run["status"]["conditions"][0]["reason"].as_str().unwrap()
    }

    /// The TaskRun of a task, when there is one.
    pub fn task(&self, name: &str) -> Option<&Value> {
        self.tasks.iter().find(|(task, _)| task == name).map(|(_, run)| run)
    }

    /// The reason and message of a task's end.
    pub fn end(&self, task: &str) -> String {
        let run = self.task(task).unwrap_or_else(|| panic!("{task} did not run: {:#}", self.run["status"]));
        let end = succeeded(run);
        format!("{}: {}", end["reason"].as_str().unwrap(), end["message"].as_str().unwrap())
    }
}

impl Bench {
    pub fn start(purpose: &str) -> Self {
        Self::start_with(purpose, false)
    }

    /// With a Flink beside the Heron.
    pub fn start_with_flink(purpose: &str) -> Self {
        Self::start_with(purpose, true)
    }

    fn start_with(purpose: &str, flink: bool) -> Self {
        // Another test's failure is its own.
        let computer = COMPUTER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            dir: folder.path().join("sandbox"),
            listen: host().parse().unwrap(),
            records: 50_000,
            export_interval: EVERY_SECOND,
            flink,
            ..Options::default()
        };
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            block_on(async {
                let sandbox = Sandbox::start(options).await.unwrap();
                ready.send((sandbox.endpoints().clone(), sandbox.slack().clone(), sandbox.github().clone())).unwrap();
                // A test that ends early drops the sender.
                let _ = stopped.await;
                sandbox.stop().await;
            });
        });
        let space = Namespace::new(purpose);
        space.install_catalog();
        let (endpoints, slack, github) = started.recv().expect("the sandbox starts: see above for why not");
        let bench = Self {
            space,
            endpoints,
            github,
            slack,
            stop: Some(stop),
            thread: Some(thread),
            _folder: folder,
            _computer: computer,
        };
        bench.furnish();
        bench
    }

    /// Secrets, and a volume with the topology's jar and a folder for reports.
    fn furnish(&self) {
        let [slack, github, prometheus, kafka] = SECRETS;
        let properties = format!("sasl.username=streamgauge\nsasl.password={kafka}\n");
        let secret = |name: &str, data: Value| {
            self.space.create(
                &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
                    .to_string(),
            );
        };
        secret("slack", json!({"token": slack}));
        secret("github", json!({"token": github}));
        secret("prometheus", json!({"token": prometheus}));
        secret("kafka", json!({"source.properties": properties, "target.properties": properties}));
        self.space.create(
            &json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "files"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}}})
            .to_string(),
        );
        // A pod through which files come and go.
        let pod = self.space.create(
            &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "files"}, "spec": {
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "fsGroup": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"}},
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "sleep", "image": "test.local/busybox:1", "command": ["sleep", "3600"],
                    "volumeMounts": [{"name": "files", "mountPath": "/files"}],
                    "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                        "capabilities": {"drop": ["ALL"]}}}],
                "volumes": [{"name": "files", "persistentVolumeClaim": {"claimName": "files"}}]}})
            .to_string(),
        );
        self.space.until(&pod, |pod| pod["status"]["phase"] == "Running");
        self.space.kubectl(&["exec", "files", "--", "mkdir", "/files/app", "/files/reports"]).text();
        for engine in ["heron", "flink"] {
            let jar = format!("{engine}-preprocessor.jar");
            let built = format!("examples/{engine}-preprocessor/target/{jar}");
            self.space.kubectl(&["cp", &built, &format!("files:/files/app/{jar}")]).text();
        }
    }

    /// The files of a run's report; none that is not there.
    pub fn report_files(&self, run: &str) -> Vec<(String, String)> {
        let read = |name: &str| {
            let path = format!("/files/reports/{run}/{name}");
            let answer = self.space.kubectl(&["exec", "files", "--", "cat", &path]);
            answer.ok.then(|| (name.to_owned(), answer.stdout))
        };
        ["report.json", "report.md", "report.html"].into_iter().filter_map(read).collect()
    }

    /// The parameters of a run in this sandbox, here and in the cluster; what comes in a run's own list wins.
    fn params(&self, own: &Params) -> Params {
        let Endpoints { kafka_bootstrap_servers: servers, .. } = &self.endpoints;
        let mut params: Params = vec![
            ("cluster", "sandbox".into()),
            ("role", "ads".into()),
            ("service-url", self.endpoints.heron_service_url.as_str().into()),
            ("tracker-url", self.endpoints.heron_tracker_url.as_str().into()),
            ("source-bootstrap-servers", servers.as_str().into()),
            ("source-topic", kafka::SOURCE_TOPIC.into()),
            ("target-bootstrap-servers", servers.as_str().into()),
            ("target-topic", kafka::TARGET_TOPIC.into()),
            (
                "properties",
                json!([
                    format!("kafka.output.bootstrap.servers={servers}"),
                    format!("kafka.output.topic={}", kafka::OUTPUT_TOPIC)
                ]),
            ),
            ("prometheus-endpoint", self.endpoints.prometheus_url.as_str().into()),
            (
                "metric-params",
                json!([
                    format!("export_interval={}", EVERY_SECOND.as_secs()),
                    format!("scrape_interval={}", EVERY_SECOND.as_secs())
                ]),
            ),
            ("slack-api-url", self.endpoints.slack_api_url.as_str().into()),
            ("slack-channel", "#perf-tests".into()),
            ("github-api-url", self.endpoints.github_api_url.as_str().into()),
            ("spout-parallelism", "1".into()),
            ("transformer-parallelism", "4".into()),
            ("publisher-parallelism", "1".into()),
            ("commit", "c0ffee1234567890".into()),
        ];
        params.retain(|(name, _)| own.iter().all(|(other, _)| other != name));
        params.extend(own.iter().cloned());
        params
    }

    /// Creates a PipelineRun of the sample, with these parameters and changes; its name.
    pub fn create(&self, name: &str, own: &Params, change: impl FnOnce(&mut Value)) -> String {
        let text = std::fs::read_to_string(SAMPLE).unwrap();
        let mut run: Value = serde_saphyr::from_str(&text).unwrap();
        run["metadata"] = json!({"name": name});
        let params = self.params(own);
        let given = run["spec"]["params"].as_array_mut().unwrap();
        given.retain(|param| params.iter().all(|(name, _)| param["name"] != *name));
        given.extend(params.into_iter().map(|(name, value)| json!({"name": name, "value": value})));
        let workspaces = run["spec"]["workspaces"].as_array_mut().unwrap();
        for name in ["prometheus", "kafka"] {
            workspaces.push(json!({"name": name, "secret": {"secretName": name}}));
        }
        bind(
            &mut run,
            "report",
            json!({"persistentVolumeClaim": {"claimName": "files"}, "subPath": format!("reports/{name}")}),
        );
        // A node of two CPUs has to do for several runs side by side.
        let told = ["announce", "pending", "notify", "status", "comment"];
        let tasks = ["begin", "deploy-heron", "load", "measure", "delete-heron"].into_iter().chain(told);
        run["spec"]["taskRunSpecs"] = tasks
            .map(|task| json!({"pipelineTaskName": task, "computeResources": {"requests": {"cpu": "20m", "memory": "64Mi"}}}))
            .collect();
        change(&mut run);
        self.space.create(&run.to_string())
    }

    /// Puts the jar onto the volume of a run's report, and returns the change that takes it from there with a plain Java image:
    /// by default Tekton lets a task use one volume claim only.
    pub fn jar_beside_report(&self, name: &str) -> impl FnOnce(&mut Value) {
        let copy =
            format!("mkdir /files/reports/{name} && ln /files/app/heron-preprocessor.jar /files/reports/{name}/");
        self.space.kubectl(&["exec", "files", "--", "sh", "-c", &copy]).text();
        |run| {
            let params = run["spec"]["params"].as_array_mut().unwrap();
            params.retain(|param| param["name"] != "jar" && param["name"] != "java-image");
            params.push(json!({"name": "jar", "value": "/workspace/report/heron-preprocessor.jar"}));
        }
    }

    /// Waits for a run's end.
    pub fn ended(&self, run: &str) -> Ended {
        let object = self.space.ended(run);
        let name = run.rsplit('/').next().unwrap();
        let label = format!("tekton.dev/pipelineRun={name}");
        let tasks = self.space.kubectl(&["get", "taskruns", "-l", &label, "-o", "json"]).json();
        let name_of = |task: &Value| task["metadata"]["labels"]["tekton.dev/pipelineTask"].as_str().unwrap().to_owned();
        let tasks = tasks["items"].as_array().unwrap().iter().map(|task| (name_of(task), task.clone())).collect();
        let files = self.report_files(name);
        let report = files.first().map(|(_, text)| serde_json::from_str(text).unwrap());
        let texts = self.slack.messages().into_iter().map(|message| message.body["text"].as_str().unwrap().to_owned());
        // With a link, Slack's way of writing it.
        let linked = format!("|{name}>");
        let names = |line: &str| {
            line.split(" · ").next().is_some_and(|run| run == name || (run.starts_with('<') && run.ends_with(&linked)))
        };
        let told = texts.filter(|text| text.lines().any(names)).collect::<Vec<_>>();
        Ended { run: object, tasks, report, told: told.join("\n---\n") }
    }

    /// The same on this computer, without the cluster.
    pub fn run_here(&self, own: &Params, annotations: &[(&str, &str)]) -> (RunReport, Value) {
        let out = tempfile::tempdir().unwrap();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let pair = |key: &str, value: String| KeyValue { key: key.to_owned(), value };
        let secret = |name: &str, folder: &Path| pair(name, folder.display().to_string());
        let request = Request {
            file: PathBuf::from(PIPELINE),
            params: self.params(own).iter().map(|(key, value)| pair(key, text(value))).collect(),
            workspaces: vec![
                pair("report", out.path().display().to_string()),
                pair("app", JARS.to_owned()),
                secret("slack", &self.endpoints.slack_token_dir),
                secret("github", &self.endpoints.github_token_dir),
            ],
            annotations: annotations.iter().map(|(key, value)| pair(key, (*value).to_owned())).collect(),
            programs: Path::new(env!("CARGO_BIN_EXE_streamgauge")).parent().map(Path::to_owned),
            ..Request::default()
        };
        let (_keep, cancel) = watch::channel(Cancel::No);
        let print = |line: &Line| println!("[{} : {}] {}", line.task, line.step, line.text);
        let run = block_on(local::execute(&request, Arc::new(print), cancel)).unwrap();
        let report = std::fs::read(out.path().join("report.json")).unwrap();
        (run, serde_json::from_slice(&report).unwrap())
    }

    /// Makes a topic of a run's own.
    pub fn topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let new = NewTopic::new(name, 4, TopicReplication::Fixed(1)).set("retention.ms", "-1");
        for made in block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap() {
            made.unwrap();
        }
    }

    /// Waits until a load is on its way.
    pub fn loaded(&self, topic: &str) {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let records = || -> i64 {
            let held = |partition| consumer.fetch_watermarks(topic, partition, Duration::from_secs(10));
            (0..4).map(|partition| held(partition).map_or(0, |(_, high)| high)).sum()
        };
        while records() == 0 {
            assert!(Instant::now() < deadline, "no load in {topic}: {}", self.space.describe("pipelineruns"));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.endpoints.kafka_bootstrap_servers);
        client
    }

    /// What the tracker says of all topologies.
    pub fn topologies(&self) -> String {
        let url = format!("{}/topologies", self.endpoints.heron_tracker_url);
        block_on(async { reqwest::get(url).await.unwrap().text().await.unwrap() })
    }

    /// All that anyone may read of what has run here: objects, events, logs, reports. Secrets themselves are left out.
    pub fn everything(&self) -> String {
        let objects = self.space.kubectl(&["get", "events,pods,taskruns,pipelineruns,configmaps", "-o", "json"]).text();
        let pods = "app.kubernetes.io/managed-by=tekton-pipelines";
        let logs = self.space.kubectl(&[
            "logs",
            "-l",
            pods,
            "--all-containers",
            "--tail=-1",
            "--ignore-errors",
            "--max-log-requests=100",
        ]);
        let reports = self.space.kubectl(&[
            "exec",
            "files",
            "--",
            "find",
            "/files/reports",
            "-type",
            "f",
            "-exec",
            "cat",
            "{}",
            "+",
        ]);
        let told: Vec<String> = self.slack.messages().iter().map(|message| message.body.to_string()).collect();
        [objects, logs.text(), reports.text(), told.join("\n")].join("\n")
    }

    /// No secret is seen anywhere.
    pub fn assert_no_secret(&self) {
        let everything = self.everything();
        for seen in ["\"kind\": \"TaskRun\"", "told Slack", "\"schemaVersion\"", "\"reason\": \"Scheduled\""] {
            assert!(everything.contains(seen), "{seen} is missing in what is searched");
        }
        for secret in SECRETS {
            let found = everything.find(secret);
            assert!(
                found.is_none(),
                "…{}…",
                found.map(|at| &everything[at.saturating_sub(200)..at + 50]).unwrap_or_default()
            );
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Binds a workspace in another way than the sample does.
pub fn bind(run: &mut Value, workspace: &str, to: Value) {
    let workspaces = run["spec"]["workspaces"].as_array_mut().unwrap();
    workspaces.retain(|bound| bound["name"] != workspace);
    let mut bound = to;
    bound["name"] = workspace.into();
    workspaces.push(bound);
}

/// Runs a future to its end, on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
