//! A real Flink: a session cluster of one JobManager and one TaskManager, with Prometheus reporters.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::child::{Child, free_port};
use super::kafka::remove_dir;
use super::{Error, Options};
use crate::step;

/// Two JVMs on a busy computer.
const READY: Duration = Duration::from_secs(120);
const PORT_TRIES: u32 = 3;

/// What the JVM must open to Flink, as the configuration of Flink's own distribution says.
const OPENED: [&str; 12] = [
    "java.lang",
    "java.lang.reflect",
    "java.net",
    "java.io",
    "java.nio",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
    "sun.nio.ch",
];

const LOG4J: &str = "\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %-5p %c - %m%n
";

/// A running session cluster.
#[derive(Debug)]
pub struct Flink {
    jobs: Child,
    tasks: Child,
    rest_url: String,
}

/// Where the cluster listens beside the ports that Flink chooses by itself.
#[derive(Debug)]
struct Ports {
    rest: SocketAddr,
    rpc: SocketAddr,
    jobs_metrics: SocketAddr,
    tasks_metrics: SocketAddr,
}

/// Where Prometheus finds the reporters, from the moment they are there.
pub fn targets_file(dir: &Path) -> PathBuf {
    dir.join("flink-targets.json")
}

/// Makes Prometheus forget the reporters of a Flink that ran in this directory before.
pub fn no_targets(dir: &Path) -> Result<(), Error> {
    write(&targets_file(dir), "[]")
}

impl Flink {
    /// Starts a cluster without jobs.
    pub async fn start(options: &Options, dir: &Path) -> Result<Self, Error> {
        if !options.flink_lib.is_dir() || !options.flink_jar.is_file() {
            return Err(Error::FlinkMissing { lib: options.flink_lib.clone(), jar: options.flink_jar.clone() });
        }
        let targets = targets_file(dir);
        let dir = dir.join("flink");
        remove_dir(&dir)?;
        std::fs::create_dir_all(&dir).map_err(|source| Error::Write { path: dir.clone(), source })?;
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::start_once(options, &dir, &targets).await {
                Err(Error::Ended { log, .. }) if tries < PORT_TRIES && port_was_taken(&log) => {}
                outcome => return outcome,
            }
        }
    }

    async fn start_once(options: &Options, dir: &Path, targets: &Path) -> Result<Self, Error> {
        let ports = Ports::free(options.listen)?;
        write(&dir.join("config.yaml"), &configuration(options, dir, &ports))?;
        write(&dir.join("log4j2.properties"), LOG4J)?;
        let (jobs_log, tasks_log) = (dir.join("jobmanager.log"), dir.join("taskmanager.log"));
        let entry = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint";
        let command = java(options, dir, &["-Xmx384m"], entry, ports.jobs_metrics);
        let mut jobs = Child::start("Flink's JobManager", &command, &jobs_log, false)?;
        let entry = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner";
        let command = java(options, dir, &["-Xmx640m", "-XX:MaxDirectMemorySize=320m"], entry, ports.tasks_metrics);
        let mut tasks = Child::start("Flink's TaskManager", &command, &tasks_log, false)?;
        let rest_url = format!("http://{}", ports.rest);
        let deadline = Instant::now() + READY;
        while !ports.ready(&rest_url).await? {
            jobs.check(&jobs_log)?;
            tasks.check(&tasks_log)?;
            if Instant::now() > deadline {
                return Err(Error::NotReady { what: "Flink", seconds: READY.as_secs(), log: tasks_log });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let reporters = [ports.jobs_metrics.to_string(), ports.tasks_metrics.to_string()];
        write(targets, &json!([{ "targets": reporters }]).to_string())?;
        Ok(Self { jobs, tasks, rest_url })
    }

    /// The address of its REST API.
    pub fn rest_url(&self) -> &str {
        &self.rest_url
    }

    /// The process ids of JobManager and TaskManager.
    pub fn ids(&self) -> Vec<u32> {
        self.jobs.id().into_iter().chain(self.tasks.id()).collect()
    }

    /// Ends both. A TaskManager whose JobManager goes first would look for it until its time is over.
    pub async fn stop(mut self) {
        self.tasks.stop().await;
        self.jobs.stop().await;
    }
}

impl Ports {
    fn free(address: IpAddr) -> Result<Self, Error> {
        let port = || free_port(address);
        Ok(Self { rest: port()?, rpc: port()?, jobs_metrics: port()?, tasks_metrics: port()? })
    }

    /// Whether the TaskManager has registered and both reporters export. A reporter whose port was taken is only a line in
    /// Flink's log.
    async fn ready(&self, rest_url: &str) -> Result<bool, Error> {
        let client = step::client(Duration::from_secs(5)).map_err(Error::Http)?;
        let registered = async || {
            let answer = client.get(format!("{rest_url}/overview")).send().await.ok()?;
            answer.json::<serde_json::Value>().await.ok()?.get("taskmanagers")?.as_u64()
        };
        if registered().await.is_none_or(|count| count == 0) {
            return Ok(false);
        }
        for (reporter, metric) in [(self.jobs_metrics, "flink_jobmanager_"), (self.tasks_metrics, "flink_taskmanager_")]
        {
            let exported =
                async || client.get(format!("http://{reporter}/metrics")).send().await.ok()?.text().await.ok();
            if exported().await.is_none_or(|text| !text.contains(metric)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn java(options: &Options, dir: &Path, memory: &[&str], entry: &str, metrics: SocketAddr) -> Vec<String> {
    let mut command = vec![options.java.clone()];
    command.extend(memory.iter().map(|&flag| flag.to_owned()));
    command.extend(OPENED.iter().map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")));
    command.extend([
        "--add-exports=jdk.httpserver/sun.net.httpserver=ALL-UNNAMED".to_owned(),
        "-Dcom.sun.net.httpserver.HttpServerProvider=streamgauge.flink.ListenAddress".to_owned(),
        format!("-Dstreamgauge.listen={}", options.listen),
        format!("-Dlog4j2.configurationFile={}", dir.join("log4j2.properties").display()),
        "-Djava.awt.headless=true".to_owned(),
        "-cp".to_owned(),
        format!("{}/*:{}", options.flink_lib.display(), options.flink_jar.display()),
        entry.to_owned(),
        "--configDir".to_owned(),
        dir.display().to_string(),
        "-D".to_owned(),
        format!("metrics.reporter.prom.port={}", metrics.port()),
    ]);
    command
}

/// What Flink's start scripts would work out of the whole process's memory is said part by part: the TaskManager's own class
/// takes nothing else.
fn configuration(options: &Options, dir: &Path, ports: &Ports) -> String {
    let (listen, slots, dir) = (options.listen, options.flink_slots, dir.display());
    let (rest, rpc) = (ports.rest.port(), ports.rpc.port());
    format!(
        "\
jobmanager.rpc.address: '{listen}'
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: '{listen}'
rest.address: '{listen}'
rest.bind-address: '{listen}'
rest.port: {rest}
rest.bind-port: '{rest}'
taskmanager.host: '{listen}'
taskmanager.bind-host: '{listen}'
taskmanager.numberOfTaskSlots: {slots}
taskmanager.cpu.cores: {slots}
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 512m
taskmanager.memory.task.off-heap.size: 64m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
taskmanager.memory.managed.size: 32m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 128m
taskmanager.memory.jvm-overhead.max: 128m
execution.checkpointing.dir: 'file://{dir}/checkpoints'
execution.checkpointing.savepoint-dir: 'file://{dir}/savepoints'
io.tmp.dirs: '{dir}/tmp'
web.upload.dir: '{dir}/upload'
web.refresh-interval: 1000
metrics.fetcher.update-interval: 1000
metrics.reporters: prom
metrics.reporter.prom.factory.class: org.apache.flink.metrics.prometheus.PrometheusReporterFactory
"
    )
}

fn port_was_taken(log: &Path) -> bool {
    std::fs::read_to_string(log).is_ok_and(|text| text.contains("Address already in use"))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::Write { path: path.to_owned(), source })
}
