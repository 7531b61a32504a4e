//! The data loader as a process of a test's own.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::DEADLINE;

/// Starts a load from one topic to another; each is named with its bootstrap servers. However late it is, it goes on.
pub fn start_load(source: (&str, &str), target: (&str, &str), folder: &Path, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_deploy-dataloader"))
        .args(["--source-bootstrap-servers", source.0, "--source-topic", source.1])
        .args(["--target-bootstrap-servers", target.0, "--target-topic", target.1])
        .args(["--late-after", "30s"])
        .arg(format!("--report={}", folder.join("report.json").display()))
        .arg(format!("--result=records={}", folder.join("records").display()))
        .args(more)
        .env("RUST_LOG", "off")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The exit code and stderr of a program that must end by itself.
pub fn end(mut child: Child, servers: &str) -> (Option<i32>, String) {
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("the loader does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status.code(), said.replace(servers, "BROKER"))
}
