//! The data loader when its surroundings fail. Kafka here is librdkafka's mock cluster: it can be taken down at will and
//! needs nothing from the machine.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails where it stands")]

#[expect(dead_code, reason = "every test program uses its own part of it")]
mod common;

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{DEADLINE, Record, producer, write};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use streamgauge::report::{self, Load};

type Mock = MockCluster<'static, DefaultProducerContext>;

/// A cluster whose topic `source` holds 5000 records, and whose topic `target` is empty.
fn cluster() -> Mock {
    let mock = MockCluster::new(1).unwrap();
    for topic in ["source", "target"] {
        mock.create_topic(topic, 2, 1).unwrap();
    }
    let records: Vec<Record> = (0..5000).map(|number| Record::new(number as i32 % 2, number)).collect();
    write(&producer(&mock.bootstrap_servers(), &[]), "source", &records);
    mock
}

fn start(source: &str, target: &str, folder: &Path, patience: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_deploy-dataloader"))
        .args(["--source-bootstrap-servers", source, "--source-topic", "source"])
        .args(["--target-bootstrap-servers", target, "--target-topic", "target"])
        .args(["--duration-min", "0.5", "--data-count-per-second", "100", "--late-after", "30s"])
        .arg(format!("--report={}", folder.join("report.json").display()))
        .arg(format!("--result=records={}", folder.join("records").display()))
        .args(["--give-up-after", patience])
        .env("RUST_LOG", "off")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The exit code and stderr of a program that must end by itself.
fn end(mut child: Child, servers: &str) -> (Option<i32>, String) {
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

fn wait_for_load(servers: &str) {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
    let deadline = Instant::now() + DEADLINE;
    while consumer.fetch_watermarks("target", 0, DEADLINE).unwrap().1 < 50 {
        assert!(Instant::now() < deadline, "the load does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn load(folder: &Path) -> Load {
    report::read(&folder.join("report.json")).unwrap().unwrap().load.unwrap()
}

#[test]
fn a_broker_that_is_lost_for_good_ends_the_load_with_the_counts_so_far() {
    let (mock, folder) = (cluster(), tempfile::tempdir().unwrap());
    let servers = mock.bootstrap_servers();
    let child = start(&servers, &servers, folder.path(), "4s");
    wait_for_load(&servers);
    mock.broker_down(1).unwrap();
    let (code, said) = end(child, &servers);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.starts_with("deploy-dataloader: target did not take every record: "), "{said}");
    let load = load(folder.path());
    assert!(said.contains(&format!("3000 planned, {} read, {} acknowledged", load.read, load.acked)), "{said}");
    assert!(load.acked >= 50 && load.acked <= load.read && load.read < 3000, "{load:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("records")).unwrap(), load.acked.to_string());
}

#[test]
fn a_broker_that_comes_back_costs_no_record() {
    let (mock, folder) = (cluster(), tempfile::tempdir().unwrap());
    let servers = mock.bootstrap_servers();
    let child = start(&servers, &servers, folder.path(), "30s");
    wait_for_load(&servers);
    mock.broker_down(1).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    mock.broker_up(1).unwrap();
    let (code, said) = end(child, &servers);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let load = load(folder.path());
    assert_eq!((load.read, load.acked, load.visible), (3000, 3000, 3000));
    assert!(load.ack_latency.unwrap().max > 1000.0, "the outage must be seen: {load:?}");
}

#[test]
fn sigterm_stops_the_load_and_writes_what_was_done() {
    let (mock, folder) = (cluster(), tempfile::tempdir().unwrap());
    let servers = mock.bootstrap_servers();
    let child = start(&servers, &servers, folder.path(), "4s");
    wait_for_load(&servers);
    let asked = Instant::now();
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let (code, said) = end(child, &servers);
    assert!(asked.elapsed() < Duration::from_secs(15), "it took {:?}", asked.elapsed());
    assert_eq!(code, Some(143));
    assert!(said.starts_with("deploy-dataloader: stopped by SIGTERM"), "{said}");
    let load = load(folder.path());
    assert!(load.acked >= 50 && load.acked == load.read && load.read < 3000, "{load:?}");
    assert_eq!(load.verdict.unwrap().status, report::Status::Inconclusive);
}

#[test]
fn no_broker_is_said_soon_and_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let servers = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (code, said) = end(start(&servers, &servers, folder.path(), "4s"), &servers);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no answer from the source BROKER (describe topic source): "), "{said}");
    assert!(said.contains("Connection refused"), "{said}");
}
