//! A real Prometheus with samples of the past.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A Prometheus on a free port, with its own folder. It ends with this value.
pub struct Server {
    process: Child,
    pub endpoint: String,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts a Prometheus that holds these samples (OpenMetrics text with timestamps, in order of time).
    pub fn with(samples: &str) -> Self {
        Self::start(samples, "scrape_configs: []\n")
    }

    /// Starts a Prometheus that scrapes this address twice a second.
    pub fn scraping(target: std::net::SocketAddr) -> Self {
        let job = "job_name: sink, scrape_interval: 500ms, scrape_timeout: 500ms, fallback_scrape_protocol: PrometheusText0.0.4";
        let job = if is_version_2() { job.split(", fallback").next().unwrap() } else { job };
        Self::start("", &format!("scrape_configs: [{{{job}, static_configs: [{{targets: ['{target}']}}]}}]\n"))
    }

    fn start(samples: &str, configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("prometheus.yml"), configuration).unwrap();
        if !samples.is_empty() {
            std::fs::write(path("samples"), format!("{samples}# EOF\n")).unwrap();
            let output = tool("promtool")
                .args(["tsdb", "create-blocks-from", "openmetrics"])
                .args([path("samples"), path("data")])
                .output()
                .unwrap_or_else(|error| missing("promtool", &error));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "promtool could not take the samples: {said}");
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let process = tool("prometheus")
            .arg(flag("config.file", &path("prometheus.yml")))
            .arg(flag("storage.tsdb.path", &path("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| missing("prometheus", &error));
        let server = Self { process, endpoint, _folder: folder };
        server.wait();
        server
    }

    fn wait(&self) {
        let address = self.endpoint.trim_start_matches("http://").to_owned();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_ready(&address) {
            assert!(Instant::now() < deadline, "Prometheus was not ready within 60 s");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn tool(name: &str) -> Command {
    Command::new(name)
}

/// Prometheus 2 knows no fallback protocol, and needs none for a sink that says no Content-Type.
fn is_version_2() -> bool {
    let output = tool("prometheus").arg("--version").output().unwrap_or_else(|error| missing("prometheus", &error));
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).contains("version 2.")
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

fn missing(name: &str, error: &std::io::Error) -> ! {
    panic!("this test needs {name} on the PATH (Debian and Ubuntu: apt-get install prometheus): {error}")
}

/// Whether `/-/ready` answers 200.
fn is_ready(address: &str) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let asked = stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    asked.is_ok() && read.is_ok() && answer.split(' ').nth(1) == Some("200")
}
