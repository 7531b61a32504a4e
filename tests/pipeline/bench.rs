//! A sandbox, and runs of the Pipeline in it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use streamgauge::local::{self, Cancel, Line, Request, RunReport};
use streamgauge::report::{self, Report};
use streamgauge::sandbox::{Options, Sandbox, kafka};
use streamgauge::step::KeyValue;
use tokio::sync::watch;

pub const PIPELINE: &str = "pipelines/performance-test/performance-test.yaml";

/// Runs of the Pipeline take the whole computer: one at a time.
static COMPUTER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A sandbox in a folder of its own.
pub struct Bench {
    pub sandbox: Sandbox,
    pub folder: tempfile::TempDir,
    export_interval: Duration,
    _computer: tokio::sync::MutexGuard<'static, ()>,
}

/// A run that has ended: what the runner says, what the report says, and every line.
pub struct Ended {
    pub run: RunReport,
    pub report: Report,
    pub lines: Vec<Line>,
}

impl Ended {
    /// All that a task wrote.
    pub fn log(&self, task: &str) -> String {
        let lines = self.lines.iter().filter(|line| line.task == task);
        lines.map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

impl Bench {
    pub async fn start(records: u64, export_interval: Duration) -> Self {
        Self::start_with(Options { records, export_interval, ..Options::default() }).await
    }

    pub async fn start_with(options: Options) -> Self {
        let computer = COMPUTER.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let export_interval = options.export_interval;
        let options = Options { dir: folder.path().join("sandbox"), ..options };
        let sandbox = Sandbox::start(options).await.unwrap();
        Self { sandbox, folder, export_interval, _computer: computer }
    }

    /// The parameters of a run in this sandbox; what comes later in a run's own list wins.
    fn params(&self) -> Vec<(&'static str, String)> {
        let endpoints = self.sandbox.endpoints();
        let servers = &endpoints.kafka_bootstrap_servers;
        vec![
            ("cluster", "sandbox".into()),
            ("role", "ads".into()),
            ("service-url", endpoints.heron_service_url.clone()),
            ("tracker-url", endpoints.heron_tracker_url.clone()),
            ("source-bootstrap-servers", servers.clone()),
            ("source-topic", kafka::SOURCE_TOPIC.into()),
            ("target-bootstrap-servers", servers.clone()),
            ("target-topic", kafka::TARGET_TOPIC.into()),
            (
                "properties",
                format!(
                    r#"["kafka.output.bootstrap.servers={servers}", "kafka.output.topic={}"]"#,
                    kafka::OUTPUT_TOPIC
                ),
            ),
            ("prometheus-endpoint", endpoints.prometheus_url.clone()),
            (
                "metric-params",
                format!(r#"["export_interval={}", "scrape_interval=1"]"#, self.export_interval.as_secs()),
            ),
            ("slack-api-url", endpoints.slack_api_url.clone()),
            ("slack-channel", "#perf-tests".into()),
            ("spout-parallelism", "1".into()),
            ("transformer-parallelism", "4".into()),
            ("publisher-parallelism", "1".into()),
            ("commit", "c0ffee1234567890".into()),
            ("commit-message", "Try another \"parallelism\"".into()),
        ]
    }

    /// Runs the Pipeline with these parameters; every line goes to `watch` too.
    pub async fn run(&self, pipeline: &Path, own: &[(&'static str, &str)], watch: fn(&Line, &Sandbox)) -> Ended {
        let mut params = self.params();
        params.retain(|(name, _)| own.iter().all(|(other, _)| other != name));
        params.extend(own.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let params = params.into_iter().map(|(key, value)| KeyValue { key: key.to_owned(), value }).collect();
        let out = tempfile::tempdir_in(self.folder.path()).unwrap();
        let workspaces = [
            ("report", out.path().to_owned()),
            ("app", PathBuf::from("examples/heron-preprocessor/target")),
            ("slack", self.sandbox.endpoints().slack_token_dir.clone()),
        ];
        let workspaces =
            workspaces.map(|(key, dir)| KeyValue { key: key.to_owned(), value: dir.display().to_string() }).into();
        let programs = Path::new(env!("CARGO_BIN_EXE_streamgauge")).parent().map(Path::to_owned);
        let request = Request {
            file: pipeline.to_owned(),
            tasks: vec![PathBuf::from("tasks")],
            params,
            workspaces,
            programs,
            ..Request::default()
        };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let sink = {
            let lines = Arc::clone(&lines);
            Arc::new(move |line: &Line| {
                println!("[{} : {}] {}", line.task, line.step, line.text);
                lines.lock().unwrap().push(line.clone());
                let _ = sender.send(line.clone());
            })
        };
        let (_keep, cancel) = watch::channel(Cancel::No);
        let run = {
            let mut execute = std::pin::pin!(local::execute(&request, sink, cancel));
            loop {
                tokio::select! {
                    run = &mut execute => break run.unwrap(),
                    Some(line) = receiver.recv() => watch(&line, &self.sandbox),
                }
            }
        };
        println!("{}", local::describe(&run));
        let report = report::read(&out.path().join("report.json")).unwrap().unwrap_or_default();
        let lines = std::mem::take(&mut *lines.lock().unwrap());
        Ended { run, report, lines }
    }

    /// Stops the sandbox and makes sure that no process is left that names its folder.
    pub async fn stop(self) {
        let folder = self.folder.path().display().to_string();
        self.sandbox.stop().await;
        let left: Vec<String> = command_lines().filter(|line| line.contains(&folder)).collect();
        assert!(left.is_empty(), "still running: {left:#?}");
    }
}

fn command_lines() -> impl Iterator<Item = String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|process| {
        let line = std::fs::read(process.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    })
}

/// For runs whose lines need no watching.
pub fn unwatched(_: &Line, _: &Sandbox) {}
