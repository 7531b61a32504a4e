//! The Java process that runs a topology's own code: commands go to its stdin, events come from its stdout, each one JSON
//! object a line.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::job::Job;
use super::{Cluster, Settings};
use crate::sandbox::child::Child;

/// How long a topology may take to close its spouts and bolts.
const CLOSING: Duration = Duration::from_secs(5);
/// How many tuples an instance's queue holds when back-pressure begins and when it ends. Real stream managers count bytes,
/// 100 and 50 MB of them, which take a saturated topology many minutes to fill: a run on one computer has one. The two are close
/// so that no other instance runs dry while one that was held up catches up.
const QUEUE: (u64, u64) = (150, 120);
/// How many of a dead process's last bytes of stderr are told.
const LAST_WORDS: usize = 2000;

/// What the process tells.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// An instance came up or went away.
    Instance {
        /// Its id.
        instance: String,
        /// `up` or something else.
        state: String,
    },
    /// All instances are up.
    Running,
    /// The topology was activated or deactivated.
    State {},
    /// User code threw or reported an error.
    Exception {
        /// Where.
        instance: String,
        /// Its component.
        component: String,
        /// The stack.
        stacktrace: String,
        /// What was being done.
        #[serde(default)]
        logging: String,
    },
    /// What was measured since the last time.
    Metrics {
        /// By instance.
        #[serde(default)]
        instances: BTreeMap<String, InstanceMetrics>,
        /// By stream manager.
        #[serde(default)]
        stmgrs: BTreeMap<String, BTreeMap<String, f64>>,
    },
}

/// The metrics of an instance, by Heron's names.
#[derive(Debug, Deserialize)]
pub struct InstanceMetrics {
    /// Its component.
    pub component: String,
    /// `spout` or `bolt`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Counts since the last export, latencies as means.
    pub values: BTreeMap<String, f64>,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Runner {
    commands: mpsc::UnboundedSender<&'static str>,
    task: JoinHandle<()>,
}

impl Runner {
    /// Starts a job's process for the plan it has now.
    pub fn start(cluster: &Cluster, job: &mut Job) -> Result<(), String> {
        job.generation += 1;
        job.registered = false;
        job.up.clear();
        let (settings, generation) = (cluster.settings(), job.generation);
        let plan = job.dir.join("plan.json");
        std::fs::write(&plan, plan_json(settings, job).to_string())
            .map_err(|error| format!("{}: {error}", plan.display()))?;
        let log = job.dir.join(format!("topology-{generation}.log"));
        let command = command(settings, job, &plan)?;
        let mut child = Child::start("the topology", &command, &log, true).map_err(|error| {
            use std::error::Error;
            format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())
        })?;
        let (stdin, stdout) = child.pipes().ok_or("the process has no stdin")?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let (cluster, name) = (cluster.clone(), job.name.clone());
        let hear = move |heard: Result<Event, (String, String)>| {
            let mut jobs = cluster.jobs();
            let Some(job) = jobs.get_mut(&name).filter(|job| job.generation == generation) else { return };
            match heard {
                Ok(event) => job.hear(event),
                Err((status, last_words)) => job.lose(&status, &last_words),
            }
        };
        let task = tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            let asked = follow(&mut lines, stdin, receiver, &hear).await;
            if asked && tokio::time::timeout(CLOSING, child.wait()).await.is_ok() {
                return;
            }
            if asked {
                return child.stop().await;
            }
            let status = child.wait().await;
            hear(Err((status, last_words(&log))));
        });
        job.runner = Some(Self { commands, task });
        Ok(())
    }

    /// Sends `activate` or `deactivate`.
    pub fn command(&self, command: &'static str) {
        // A process that has just ended is told of by its own way.
        let _ = self.commands.send(command);
    }

    /// Ends the process and waits until it is gone.
    pub async fn stop(mut self) {
        self.command("kill");
        // An aborted or panicked task has dropped its process, which kills it.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes commands in and events out until the process is to end (true) or has ended (false).
async fn follow(
    lines: &mut tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    mut stdin: ChildStdin,
    mut commands: mpsc::UnboundedReceiver<&'static str>,
    hear: &impl Fn(Result<Event, (String, String)>),
) -> bool {
    loop {
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => match serde_json::from_str(&line) {
                    Ok(event) => hear(Ok(event)),
                    Err(error) => tracing::debug!("a topology said {line:?}: {error}"),
                },
                Ok(None) | Err(_) => return false,
            },
            command = commands.recv() => {
                let command = command.unwrap_or("kill");
                let line = format!("{}\n", json!({"command": command}));
                if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
                    return command == "kill";
                }
                if command == "kill" {
                    return true;
                }
            }
        }
    }
}

fn command(settings: &Settings, job: &Job, plan: &Path) -> Result<Vec<String>, String> {
    let mut command = match &settings.runner {
        Some(command) => command.clone(),
        None => {
            let jar = settings.runner_jar.canonicalize().map_err(|error| {
                format!(
                    "{}: {error}: build it with mvn -f jvm/heron-runner/pom.xml package",
                    settings.runner_jar.display()
                )
            })?;
            let class_path = format!("{}:{}", jar.display(), job.package.display());
            // The quick compiler and the plain collector: a run is over before better ones have paid for their threads.
            let main = [
                "-Xmx512m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                &class_path,
                "streamgauge.runner.Main",
            ];
            std::iter::once(settings.java.as_str()).chain(main).map(ToOwned::to_owned).collect()
        }
    };
    let counters = job.dir.join("counters.jsonl");
    command.extend(["--plan".to_owned(), plan.display().to_string()]);
    command.extend(["--counters".to_owned(), counters.display().to_string()]);
    Ok(command)
}

fn plan_json(settings: &Settings, job: &Job) -> Value {
    let containers: Vec<Value> = job
        .plan
        .container_plans
        .iter()
        .map(|container| {
            let instances: Vec<Value> = container
                .instances
                .iter()
                .map(|instance| {
                    json!({"component": instance.component_name, "taskId": instance.task_id, "index": instance.component_index})
                })
                .collect();
            json!({"id": container.id, "instances": instances})
        })
        .collect();
    json!({
        "topology": job.name,
        "definition": job.defn,
        "exportIntervalMs": settings.export_interval.as_millis() as u64,
        "initialState": if job.paused { "PAUSED" } else { "RUNNING" },
        "containers": containers,
        "queue": {"highWatermark": QUEUE.0, "lowWatermark": QUEUE.1},
    })
}

/// The end of a process's stderr.
fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(LAST_WORDS)..]).into_owned()
}
