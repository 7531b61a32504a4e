//! A real Prometheus that scrapes the stand-in's Prometheus sinks and Flink's reporters.

use std::path::Path;
use std::time::{Duration, Instant};

use super::child::{Child, free_port, on_path};
use super::flink::targets_file;
use super::kafka::remove_dir;
use super::{Error, Options};
use crate::step;

const READY: Duration = Duration::from_secs(60);
const PORT_TRIES: u32 = 3;

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    /// Starts Prometheus on an empty database. `discovery` is where it asks for its targets.
    pub async fn start(options: &Options, dir: &Path, discovery: &str) -> Result<Self, Error> {
        if !on_path("prometheus") {
            return Err(Error::PrometheusMissing);
        }
        let flink = targets_file(dir);
        let dir = dir.join("prometheus");
        remove_dir(&dir)?;
        let written = |path: &Path, source| Error::Write { path: path.to_owned(), source };
        std::fs::create_dir_all(&dir).map_err(|source| written(&dir, source))?;
        let config = dir.join("prometheus.yml");
        let text = configuration(options.scrape_interval, discovery, &flink, version().await >= 3);
        std::fs::write(&config, text).map_err(|source| written(&config, source))?;
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::start_once(options, &dir, &config).await {
                Err(Error::Ended { log, .. }) if tries < PORT_TRIES && port_was_taken(&log) => {}
                outcome => return outcome,
            }
        }
    }

    async fn start_once(options: &Options, dir: &Path, config: &Path) -> Result<Self, Error> {
        let address = free_port(options.listen)?;
        let url = format!("http://{address}");
        let command = [
            "prometheus".to_owned(),
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", dir.join("data").display()),
            format!("--web.listen-address={address}"),
            "--log.level=warn".to_owned(),
        ];
        let log = dir.join("prometheus.log");
        let mut child = Child::start("Prometheus", &command, &log, false)?;
        let client = step::client(Duration::from_secs(5)).map_err(Error::Http)?;
        let deadline = Instant::now() + READY;
        loop {
            let answer = client.get(format!("{url}/-/ready")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(Self { child, url });
            }
            child.check(&log)?;
            if Instant::now() > deadline {
                return Err(Error::NotReady { what: "Prometheus", seconds: READY.as_secs(), log });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it.
    pub async fn stop(mut self) {
        self.child.stop().await;
    }
}

fn port_was_taken(log: &Path) -> bool {
    std::fs::read_to_string(log).is_ok_and(|text| text.contains("address already in use"))
}

/// The major version of the installed Prometheus; 2 when it does not say.
async fn version() -> u32 {
    let output = tokio::process::Command::new("prometheus").arg("--version").output().await;
    let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let digits = text.split_once("version ").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect());
    digits.and_then(|digits: String| digits.parse().ok()).unwrap_or(2)
}

/// Heron's sink sends no Content-Type, which Prometheus 3 takes only when told what to make of it; Prometheus 2 does not
/// know that setting.
fn configuration(interval: Duration, discovery: &str, flink: &Path, third: bool) -> String {
    let fallback = if third { "    fallback_scrape_protocol: PrometheusText0.0.4\n" } else { "" };
    let (interval, flink) = (interval.as_millis(), flink.display());
    format!(
        "global:\n  scrape_interval: {interval}ms\n  scrape_timeout: {interval}ms\nscrape_configs:\n  - job_name: heron\n\
         {fallback}    http_sd_configs:\n      - url: {discovery}\n        refresh_interval: 1s\n\
         \x20 - job_name: flink\n    file_sd_configs:\n      - files: ['{flink}']\n        refresh_interval: 1s\n"
    )
}
