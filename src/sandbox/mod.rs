//! What a run needs, on this computer: real Kafka, Prometheus and Flink, a stand-in for Heron, inboxes for Slack and GitHub.
//!
//! No other module knows this one. Everything listens on free ports of one address and ends with the [`Sandbox`].

mod child;
mod error;
mod flink;
pub mod github;
pub mod heron;
pub mod kafka;
mod prometheus;
pub mod seed;
pub mod slack;

use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

pub use error::Error;
pub use heron::SinkRules;

use crate::step::{Exit, Failure, Seconds, Step, StepArgs};
use flink::Flink;
use heron::Heron;
use kafka::Kafka;
use prometheus::Prometheus;
use slack::Inbox;

/// How many sandboxes may run beside each other in one directory's name.
const NEIGHBOURS: u32 = 9;

/// How a sandbox is made.
#[derive(Debug, Clone, Parser)]
pub struct Options {
    /// Where data and logs are kept; a second sandbox beside the first takes the name with -2 behind it
    #[arg(long, value_name = "DIR", default_value = "out/sandbox")]
    pub dir: PathBuf,

    /// The address of this computer to listen on; nothing there asks for a password, so let only test machines reach it
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub listen: IpAddr,

    /// How many ad events the topic ads-events holds
    #[arg(long, value_name = "N", default_value_t = 700_000)]
    pub records: u64,

    /// The jars of a Kafka broker
    #[arg(long, value_name = "DIR", default_value = "out/kafka/lib")]
    pub kafka_lib: PathBuf,

    /// The jar that runs topologies
    #[arg(long, value_name = "FILE", default_value = "jvm/heron-runner/target/heron-runner.jar")]
    pub runner_jar: PathBuf,

    /// Start a Flink too: a session cluster of one JobManager and one TaskManager
    #[arg(long)]
    pub flink: bool,

    /// How many slots the Flink has
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub flink_slots: u32,

    /// The jars of a Flink
    #[arg(long, value_name = "DIR", default_value = "out/flink/lib")]
    pub flink_lib: PathBuf,

    /// The jar that keeps Flink's reporters to the address to listen on
    #[arg(long, value_name = "FILE", default_value = "jvm/flink/target/flink.jar")]
    pub flink_jar: PathBuf,

    /// The java that runs Kafka, Flink and topologies
    #[arg(long, value_name = "PROGRAM", default_value = "java")]
    pub java: String,

    /// How often Prometheus scrapes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub scrape_interval: Duration,

    /// How often topologies export their metrics; 60 s in a real Heron
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub export_interval: Duration,

    /// How long a topology takes from the API server's answer to its physical plan; 12 s in a real Heron
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub heron_start_delay: Duration,

    /// How Heron's Prometheus sink names metrics
    #[arg(long, value_enum, default_value_t)]
    pub heron_sink_rules: SinkRules,

    /// The name of Heron's cluster
    #[arg(long, value_name = "NAME", default_value = "sandbox")]
    pub heron_cluster: String,

    /// What runs a topology, in place of java with the runner's jar
    #[arg(skip)]
    pub runner_command: Option<Vec<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self::parse_from(["sandbox"])
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<Seconds>().map(|time| time.0)
}

/// Where everything of a sandbox listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// Kafka's `host:port`.
    pub kafka_bootstrap_servers: String,
    /// Prometheus.
    pub prometheus_url: String,
    /// Heron's API server.
    pub heron_service_url: String,
    /// Heron's tracker as in 0.20.5.
    pub heron_tracker_url: String,
    /// Heron's tracker as in 0.20.4 and before.
    pub heron_tracker_legacy_url: String,
    /// Heron's Prometheus sinks, one path a container.
    pub heron_sink_url: String,
    /// Flink's REST API, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flink_rest_url: Option<String>,
    /// Slack's Web API.
    pub slack_api_url: String,
    /// Slack's incoming webhook.
    pub slack_webhook_url: String,
    /// What Slack was sent.
    pub slack_messages_url: String,
    /// A folder with the token that this Slack takes, as a Secret mounts it: the file `token`.
    pub slack_token_dir: PathBuf,
    /// A folder with the webhook's address: the file `webhook-url`.
    pub slack_webhook_dir: PathBuf,
    /// GitHub's API, as on an Enterprise Server.
    pub github_api_url: String,
    /// What GitHub was told, as Markdown.
    pub github_markdown_url: String,
    /// A folder with the token that this GitHub takes, as a Secret mounts it: the file `token`.
    pub github_token_dir: PathBuf,
    /// The directory of this sandbox: data, logs.
    pub dir: PathBuf,
}

/// A running sandbox. Stop it with [`Sandbox::stop`]; when it is dropped all its processes are killed.
#[derive(Debug)]
pub struct Sandbox {
    endpoints: Endpoints,
    kafka: Kafka,
    prometheus: Prometheus,
    heron: Heron,
    flink: Option<Flink>,
    inbox: Inbox,
    _slack: Server,
    github: github::Inbox,
    _github: Server,
    _lock: File,
}

impl Sandbox {
    /// Starts everything, side by side. The thread that calls this must live as long as the sandbox.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let (dir, lock) = claim(&options.dir)?;
        let heron = Heron::start(&options, &dir).await?;
        let inbox = Inbox::default();
        let slack = Server::start(options.listen, inbox.router()).await?;
        let github_inbox = github::Inbox::default();
        let github = Server::start(options.listen, github_inbox.router()).await?;
        let targets = format!("{}/targets", heron.sink_url());
        flink::no_targets(&dir)?;
        let flink = async || match options.flink {
            true => Flink::start(&options, &dir).await.map(Some),
            false => Ok(None),
        };
        let (kafka, prometheus, flink) =
            tokio::try_join!(Kafka::start(&options, &dir), Prometheus::start(&options, &dir, &targets), flink())?;
        let (token, webhook, github_token) =
            (dir.join("slack-token"), dir.join("slack-webhook"), dir.join("github-token"));
        let webhook_url = format!("{}{}", slack.url(), slack::WEBHOOK_PATH);
        for (secret, key, text) in [
            (&token, "token", slack::TOKEN),
            (&webhook, "webhook-url", &webhook_url),
            (&github_token, "token", github::TOKEN),
        ] {
            let path = secret.join(key);
            let written = std::fs::create_dir_all(secret).and_then(|()| std::fs::write(&path, text));
            written.map_err(|source| Error::Write { path, source })?;
        }
        let endpoints = Endpoints {
            kafka_bootstrap_servers: kafka.bootstrap().to_owned(),
            prometheus_url: prometheus.url().to_owned(),
            heron_service_url: heron.service_url().to_owned(),
            heron_tracker_url: heron.tracker_url().to_owned(),
            heron_tracker_legacy_url: heron.tracker_legacy_url().to_owned(),
            heron_sink_url: heron.sink_url().to_owned(),
            flink_rest_url: flink.as_ref().map(|flink| flink.rest_url().to_owned()),
            slack_api_url: format!("{}/api", slack.url()),
            slack_webhook_url: webhook_url,
            slack_messages_url: format!("{}/messages", slack.url()),
            slack_token_dir: token,
            slack_webhook_dir: webhook,
            github_api_url: format!("{}{}", github.url(), github::API_PATH),
            github_markdown_url: format!("{}/markdown", github.url()),
            github_token_dir: github_token,
            dir,
        };
        Ok(Self {
            endpoints,
            kafka,
            prometheus,
            heron,
            flink,
            inbox,
            _slack: slack,
            github: github_inbox,
            _github: github,
            _lock: lock,
        })
    }

    /// Where everything listens.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// What Slack was sent, and how its next calls are to fail.
    pub fn slack(&self) -> &Inbox {
        &self.inbox
    }

    /// What GitHub was told, and how its next calls are to fail.
    pub fn github(&self) -> &github::Inbox {
        &self.github
    }

    /// The stand-in for Heron.
    pub fn heron(&self) -> &Heron {
        &self.heron
    }

    /// The process ids of the broker, of Prometheus and of Flink.
    pub fn process_ids(&self) -> Vec<u32> {
        let flink = self.flink.iter().flat_map(Flink::ids);
        self.kafka.id().into_iter().chain(self.prometheus.id()).chain(flink).collect()
    }

    /// Ends topologies and jobs first, then all servers; waits until they are gone.
    pub async fn stop(self) {
        self.heron.stop().await;
        if let Some(flink) = self.flink {
            flink.stop().await;
        }
        tokio::join!(self.kafka.stop(), self.prometheus.stop());
    }
}

/// Makes the directory this sandbox's own, or the first free neighbour of it.
fn claim(dir: &Path) -> Result<(PathBuf, File), Error> {
    for number in 1..=NEIGHBOURS {
        let mut name = dir.as_os_str().to_owned();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        let dir = PathBuf::from(name);
        let failed = |source| Error::Write { path: dir.clone(), source };
        std::fs::create_dir_all(&dir).map_err(failed)?;
        // Java and Prometheus are started in this directory's name: an absolute one holds wherever they look from.
        let dir = dir.canonicalize().map_err(failed)?;
        let lock = File::create(dir.join("lock")).map_err(failed)?;
        if lock.try_lock().is_ok() {
            return Ok((dir, lock));
        }
    }
    Err(Error::Busy { dir: dir.to_owned() })
}

/// An HTTP server on a free port that ends when it is dropped.
#[derive(Debug)]
struct Server {
    url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(address: IpAddr, router: axum::Router) -> Result<Self, Error> {
        let failed = |source| Error::Port { address, source };
        let listener = tokio::net::TcpListener::bind((address, 0)).await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!("a server of the sandbox ended: {error}");
            }
        });
        Ok(Self { url, task })
    }

    fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Start what a run needs on this computer: real Kafka, Prometheus and Flink, a stand-in for Heron, inboxes for Slack and GitHub
#[derive(Debug, Parser)]
#[command(name = "sandbox", mut_arg("timeout", |arg| arg.default_value("24h")))]
pub struct Args {
    #[command(flatten)]
    options: Options,

    /// Write the endpoints to FILE too, as JSON
    #[arg(long, value_name = "FILE")]
    endpoints_file: Option<PathBuf>,

    /// What all programs have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// Runs a sandbox until Ctrl-C or SIGTERM.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let mut stop = step.stop();
    let sandbox = tokio::select! {
        started = Sandbox::start(args.options) => started?,
        exit = stop.wait() => return Ok(exit),
    };
    if let Some(path) = &args.endpoints_file {
        let text =
            serde_json::to_string_pretty(sandbox.endpoints()).map_err(|error| Failure::new(Exit::Usage, error))?;
        std::fs::write(path, text + "\n").map_err(|source| Error::Write { path: path.clone(), source })?;
    }
    say(sandbox.endpoints());
    let exit = stop.wait().await;
    sandbox.stop().await;
    Ok(exit)
}

#[expect(clippy::print_stdout, reason = "the endpoints are what this program is asked for")]
fn say(endpoints: &Endpoints) {
    println!("The sandbox runs; Ctrl-C ends it.\n");
    for (what, endpoint) in [
        ("Kafka 4.3.1", endpoints.kafka_bootstrap_servers.as_str()),
        ("Prometheus", &endpoints.prometheus_url),
        ("Heron API server", &endpoints.heron_service_url),
        ("Heron tracker", &endpoints.heron_tracker_url),
        ("Heron tracker, 0.20.4", &endpoints.heron_tracker_legacy_url),
        ("Flink", endpoints.flink_rest_url.as_deref().unwrap_or("not started: --flink")),
        ("Slack API", &endpoints.slack_api_url),
        ("Slack webhook", &endpoints.slack_webhook_url),
        ("Slack messages", &endpoints.slack_messages_url),
        ("Slack token in", &endpoints.slack_token_dir.display().to_string()),
        ("GitHub API", &endpoints.github_api_url),
        ("GitHub, what arrived", &endpoints.github_markdown_url),
        ("GitHub token in", &endpoints.github_token_dir.display().to_string()),
        ("Data and logs in", &endpoints.dir.display().to_string()),
    ] {
        println!("  {what:<22} {endpoint}");
    }
}
