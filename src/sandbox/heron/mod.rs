//! A stand-in for Heron: API server, trackers and Prometheus sinks with the answers of the real ones, over topologies whose
//! own code runs in a Java process.
//!
//! | module | job |
//! |---|---|
//! | `api` | the API server |
//! | `tracker`, `envelope`, `metrics` | the tracker, in both generations |
//! | `sink` | the Prometheus sinks |
//! | `packing` | which instance goes where |
//! | `runner` | the process that runs a topology's code |
//! | `job` | a topology as all of them see it |

mod api;
mod envelope;
mod job;
mod metrics;
mod packing;
mod runner;
mod sink;
mod tracker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::ValueEnum;

use super::{Error, Options, Server};
use job::Job;

/// How Heron's Prometheus sink names metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SinkRules {
    /// As Heron's configuration for Kubernetes does: the stream is a label
    #[default]
    Kubernetes,
    /// As without any rules: the stream is in the name
    None,
}

/// The servers of the stand-in.
#[derive(Debug)]
pub struct Heron {
    cluster: Cluster,
    api: Server,
    tracker: Server,
    legacy: Server,
    sink: Server,
}

impl Heron {
    /// Starts the servers. The thread that calls this runs the topologies' processes: it must live as long as they do.
    pub async fn start(options: &Options, dir: &Path) -> Result<Self, Error> {
        let dir = dir.join("heron");
        super::kafka::remove_dir(&dir)?;
        std::fs::create_dir_all(&dir).map_err(|source| Error::Write { path: dir.clone(), source })?;
        let listen = options.listen;
        let settings = Settings {
            cluster: options.heron_cluster.clone(),
            dir,
            start_delay: options.heron_start_delay,
            export_interval: options.export_interval,
            rules: options.heron_sink_rules,
            runner: options.runner_command.clone(),
            java: options.java.clone(),
            runner_jar: options.runner_jar.clone(),
        };
        let cluster = Cluster(Arc::new(Shared { settings, jobs: Mutex::default() }));
        Ok(Self {
            api: Server::start(listen, api::router(cluster.clone())).await?,
            tracker: Server::start(listen, tracker::router(cluster.clone(), tracker::Generation::V0205)).await?,
            legacy: Server::start(listen, tracker::router(cluster.clone(), tracker::Generation::V0204)).await?,
            sink: Server::start(listen, sink::router(cluster.clone())).await?,
            cluster,
        })
    }

    /// The API server's address.
    pub fn service_url(&self) -> &str {
        self.api.url()
    }

    /// The address of the tracker as in 0.20.5.
    pub fn tracker_url(&self) -> &str {
        self.tracker.url()
    }

    /// The address of the tracker as in 0.20.4.
    pub fn tracker_legacy_url(&self) -> &str {
        self.legacy.url()
    }

    /// The address of the sinks; `/targets` there lists them for Prometheus.
    pub fn sink_url(&self) -> &str {
        self.sink.url()
    }

    /// The files in which running topologies' processes count what their instances truly did, one JSON object a line.
    pub fn counters(&self, topology: &str) -> Option<PathBuf> {
        self.cluster.jobs().get(topology).map(|job| job.dir.join("counters.jsonl"))
    }

    /// Ends all topologies and waits for their processes.
    pub async fn stop(&self) {
        let runners: Vec<_> = self.cluster.jobs().values_mut().filter_map(|job| job.runner.take()).collect();
        for runner in runners {
            runner.stop().await;
        }
    }
}

impl Drop for Heron {
    fn drop(&mut self) {
        // The jobs' runners hold the cluster and the cluster holds them: without this neither would end.
        self.cluster.jobs().clear();
    }
}

/// What the servers share; clones are the same cluster.
#[derive(Debug, Clone)]
struct Cluster(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    jobs: Mutex<BTreeMap<String, Job>>,
}

#[derive(Debug)]
struct Settings {
    cluster: String,
    dir: PathBuf,
    start_delay: Duration,
    export_interval: Duration,
    rules: SinkRules,
    runner: Option<Vec<String>>,
    java: String,
    runner_jar: PathBuf,
}

impl Settings {
    /// How late the tracker learns of changes: it polls, every 5 s where a start takes 12 s.
    fn poll(&self) -> Duration {
        self.start_delay.mul_f64(5.0 / 12.0)
    }
}

impl Cluster {
    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        // A panic of another handler leaves no half-made state behind.
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pairs of a URL-encoded form.
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    let Ok(mut url) = reqwest::Url::parse("http://form/") else { return Vec::new() };
    url.set_query(Some(&String::from_utf8_lossy(body)));
    url.query_pairs().into_owned().collect()
}
