//! A sandbox with a real Flink, and programs that run against it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use streamgauge::flink::Rest;
use streamgauge::flink::rest::Named;
use streamgauge::report::{self, App, Report};
use streamgauge::sandbox::{Options, Sandbox, kafka};
use tokio::process::{Child, Command};

/// How long anything may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(120);
pub const JAR: &str = "examples/flink-preprocessor/target/flink-preprocessor.jar";
pub const SLOTS: u32 = 6;

/// A sandbox with a real Flink, in a folder of its own.
pub struct Bench {
    pub sandbox: Sandbox,
    pub folder: tempfile::TempDir,
    pub rest: Rest,
}

/// A program that has ended: its exit code, and its last words.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub log: String,
    pub error: String,
}

impl Bench {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("sandbox");
        let options = Options { dir, records: 60_000, flink: true, flink_slots: SLOTS, ..Options::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let rest = Rest::new(sandbox.endpoints().flink_rest_url.as_deref().unwrap()).unwrap();
        Self { sandbox, folder, rest }
    }

    pub fn servers(&self) -> &str {
        &self.sandbox.endpoints().kafka_bootstrap_servers
    }

    pub fn path(&self, run: &str, file: &str) -> PathBuf {
        self.folder.path().join(run).join(file)
    }

    pub fn report(&self, run: &str) -> Report {
        report::read(&self.path(run, "report.json")).unwrap().unwrap()
    }

    pub fn app(&self, run: &str) -> App {
        self.report(run).app.unwrap()
    }

    pub fn result(&self, run: &str, name: &str) -> String {
        std::fs::read_to_string(self.path(run, name)).unwrap()
    }

    /// The id under which a run has deployed its job.
    pub fn job_id(&self, run: &str) -> String {
        self.result(run, "job-id")
    }

    pub async fn alive(&self, name: &str) -> Vec<Named> {
        self.rest.alive(name).await.unwrap()
    }

    /// Where the job reads and writes.
    pub fn kafka_args(&self) -> Vec<String> {
        let servers = self.servers();
        vec![
            format!("--kafka.input.bootstrap.servers={servers}"),
            format!("--kafka.input.topic={}", kafka::TARGET_TOPIC),
            format!("--kafka.output.bootstrap.servers={servers}"),
            format!("--kafka.output.topic={}", kafka::OUTPUT_TOPIC),
        ]
    }

    /// `deploy-flink-app` of a run, with options and then arguments of main.
    pub fn start_deploy(&self, run: &str, options: &[&str], main_args: &[&str]) -> Child {
        let mut words = vec![format!("--jar={JAR}"), "--name=preprocessor".to_owned()];
        words.extend(["job-id", "savepoint", "submitted-at", "ready-at"].map(|name| self.result_flag(run, name)));
        words.extend(["--ready-hold=2s".to_owned(), "--timeout=100s".to_owned()]);
        words.retain(|word| !options.iter().any(|option| option.split('=').next() == word.split('=').next()));
        words.extend(options.iter().map(|&option| option.to_owned()));
        words.push("--".to_owned());
        words.extend(self.kafka_args());
        words.extend(main_args.iter().map(|&arg| arg.to_owned()));
        self.flink_program(run, env!("CARGO_BIN_EXE_deploy-flink-app"), &words)
    }

    pub async fn deploy(&self, run: &str, options: &[&str], main_args: &[&str]) -> Done {
        self.end(self.start_deploy(run, options, main_args)).await
    }

    /// `delete-flink-app` with the report of a run.
    pub async fn delete(&self, run: &str, more: &[&str]) -> Done {
        let mut words = vec!["--name=preprocessor".to_owned(), self.result_flag(run, "savepoint")];
        words.extend(more.iter().map(|&option| option.to_owned()));
        self.end(self.flink_program(run, env!("CARGO_BIN_EXE_delete-flink-app"), &words)).await
    }

    fn result_flag(&self, run: &str, name: &str) -> String {
        format!("--result={name}={}", self.path(run, name).display())
    }

    fn flink_program(&self, run: &str, program: &str, words: &[String]) -> Child {
        let url = self.rest.url().trim_end_matches('/').to_owned();
        self.spawn(run, program, &[&["--rest-url".to_owned(), url], words].concat())
    }

    pub fn spawn(&self, run: &str, program: &str, words: &[String]) -> Child {
        std::fs::create_dir_all(self.folder.path().join(run)).unwrap();
        Command::new(program)
            .arg(format!("--report={}", self.path(run, "report.json").display()))
            .args(words)
            .env_remove("RUST_LOG")
            .stderr(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    pub async fn end(&self, child: Child) -> Done {
        let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).replace(self.servers(), "KAFKA");
        println!("{log}");
        let of_programs = |line: &&str| line.contains("-app: ") || line.contains("-dataloader: ");
        let error = log.lines().rfind(of_programs).unwrap_or_default().to_owned();
        Done { code: output.status.code(), log, error }
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_so().await {
            assert!(Instant::now() < deadline, "{what} does not come");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn stop(self) {
        let ids = self.sandbox.process_ids();
        self.sandbox.stop().await;
        for id in ids {
            assert!(!Path::new(&format!("/proc/{id}")).exists(), "process {id} is left");
        }
    }
}
