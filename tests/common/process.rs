//! Real Kafka brokers as processes of a test's own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const LOG4J: &str = "Configuration:
  Appenders: { Console: { name: OUT, PatternLayout: { pattern: \"%d %p %m%n\" } } }
  Loggers: { Root: { level: WARN, AppenderRef: { ref: OUT } } }
";

/// So many ports that nobody uses.
pub fn free_ports(count: usize) -> Vec<u16> {
    // All are held until all are known, so that none comes twice.
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// A broker whose files are in a directory of its own; the process ends with this.
pub struct Node {
    dir: PathBuf,
    heap: &'static str,
    process: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nothing of it is needed any more, so there is no time to be polite.
        self.kill();
    }
}

impl Node {
    /// Starts a broker with these server properties; `format` are the storage tool's further arguments. It answers a
    /// while later.
    pub fn start(dir: &Path, heap: &'static str, properties: &str, format: &[&str]) -> Self {
        let settings = format!("{properties}\nlog.dirs={}\n", dir.join("data").display());
        std::fs::write(dir.join("server.properties"), settings).unwrap();
        std::fs::write(dir.join("log4j2.yaml"), LOG4J).unwrap();
        let formatted = java(dir, heap, "kafka.tools.StorageTool")
            .args(["format", "-t", "c3RyZWFtZ2F1Z2Utc2FuZA", "-c"])
            .arg(dir.join("server.properties"))
            .args(format)
            .output()
            .unwrap();
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        Self { dir: dir.to_owned(), heap, process: run(dir, heap) }
    }

    /// What it has logged since it was started last.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("broker.log")).unwrap_or_default()
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again, with what is on its disk, after [`Node::kill`].
    pub fn restart(&mut self) {
        self.process = run(&self.dir, self.heap);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.process.id() as i32);
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

fn run(dir: &Path, heap: &str) -> Child {
    let log = std::fs::File::create(dir.join("broker.log")).unwrap();
    java(dir, heap, "kafka.Kafka")
        .arg(dir.join("server.properties"))
        .stdin(Stdio::null())
        .stderr(log.try_clone().unwrap())
        .stdout(log)
        .spawn()
        .unwrap()
}

fn java(dir: &Path, heap: &str, class: &str) -> Command {
    let libraries = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("out/kafka/lib");
    assert!(libraries.is_dir(), "no Kafka in {}: run hack/setup", libraries.display());
    let mut java = Command::new("java");
    java.args([&format!("-Xmx{heap}"), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg(format!("-Dlog4j2.configurationFile={}", dir.join("log4j2.yaml").display()))
        .arg("-cp")
        .arg(format!("{}/*", libraries.display()))
        .arg(class);
    java
}
