//! The data loader when its surroundings fail. Kafka here is librdkafka's mock cluster: it can be taken down at will and
//! needs nothing from the machine.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails where it stands")]

#[expect(dead_code, reason = "every test program uses its own part of it")]
mod common;
#[path = "common/loading.rs"]
mod loading;

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use common::{DEADLINE, Record, producer, write};
use loading::end;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey::{self, Fetch, InitProducerId, ListOffsets, Produce};
use rdkafka::types::RDKafkaRespErr::{self, *};
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

/// 3000 records in 12 s: long enough to be disturbed.
fn start(source: &str, target: &str, folder: &Path, patience: &str) -> Child {
    start_load(
        source,
        target,
        folder,
        &["--duration-min=0.2", "--data-count-per-second=250", "--give-up-after", patience],
    )
}

fn start_load(source: &str, target: &str, folder: &Path, more: &[&str]) -> Child {
    loading::start_load((source, "source"), (target, "target"), folder, more)
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

fn terminate(child: &Child) {
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
}

#[test]
fn sigterm_while_the_target_is_gone_writes_what_was_done() {
    let (source, target, folder) = (cluster(), cluster(), tempfile::tempdir().unwrap());
    let servers = target.bootstrap_servers();
    let child = start(&source.bootstrap_servers(), &servers, folder.path(), "60s");
    wait_for_load(&servers);
    target.broker_down(1).unwrap();
    let asked = Instant::now();
    terminate(&child);
    let (code, said) = end(child, &servers);
    assert!(asked.elapsed() < Duration::from_secs(15), "it took {:?}", asked.elapsed());
    assert_eq!(code, Some(143));
    assert!(said.starts_with("deploy-dataloader: stopped by SIGTERM"), "{said}");
    let load = load(folder.path());
    assert!(load.acked >= 50 && load.acked <= load.read && load.read < 3000, "{load:?}");
    let numbers = format!("ended early: 3000 planned, {} read, {} acknowledged", load.read, load.acked);
    assert_eq!(load.verdict.unwrap().cause, numbers);
}

#[test]
fn sigterm_stops_the_load_and_writes_what_was_done() {
    let (mock, folder) = (cluster(), tempfile::tempdir().unwrap());
    let servers = mock.bootstrap_servers();
    let child = start(&servers, &servers, folder.path(), "4s");
    wait_for_load(&servers);
    let asked = Instant::now();
    terminate(&child);
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

/// What the mock cluster answers to a request instead of doing it, once for each error.
#[derive(Debug, Clone)]
struct Fault {
    request: RDKafkaApiKey,
    errors: Vec<RDKafkaRespErr>,
}

fn faults(request: RDKafkaApiKey, errors: &[RDKafkaRespErr], times: usize) -> Vec<Fault> {
    errors.iter().map(|&error| Fault { request, errors: vec![error; times] }).collect()
}

/// How a load of 3000 records in two seconds ended.
struct Ended {
    fault: Fault,
    code: Option<i32>,
    said: String,
    /// From the fault to the end.
    took: Duration,
    load: Option<Load>,
    /// The records of the source and of the target, sorted.
    records: [Vec<Record>; 2],
}

/// Runs a load that meets the fault: at its first such request, or amid the sending.
fn meet(fault: Fault) -> Ended {
    let (mock, folder) = (cluster(), tempfile::tempdir().unwrap());
    let servers = mock.bootstrap_servers();
    let amid = matches!(fault.request, Produce);
    if !amid {
        mock.request_errors(fault.request, &fault.errors);
    }
    let short = ["--duration-min=0.033333", "--data-count-per-second=1500", "--from=beginning"];
    let mut since = Instant::now();
    let child = start_load(&servers, &servers, folder.path(), &short);
    if amid {
        wait_for_load(&servers);
        since = Instant::now();
        mock.request_errors(fault.request, &fault.errors);
    }
    let (code, said) = end(child, &servers);
    let took = since.elapsed();
    mock.clear_request_errors(fault.request);
    let load = report::read(&folder.path().join("report.json")).unwrap().and_then(|report| report.load);
    let records = ["source", "target"].map(|topic| sorted(&servers, topic));
    Ended { fault, code, said, took, load, records }
}

/// A mock broker takes batches in any order, which a real one does not: their order says nothing.
fn sorted(servers: &str, topic: &str) -> Vec<Record> {
    let mut records: Vec<Record> = common::read_all(servers, topic).into_values().flatten().collect();
    records.sort_by_key(|record| record.timestamp);
    records
}

/// A load for each fault, as many at once as do not get into each other's way.
fn meet_all(faults: Vec<Fault>) -> Vec<Ended> {
    let mut ended = Vec::new();
    for some in faults.chunks(4) {
        ended.extend(std::thread::scope(|scope| {
            let loads: Vec<_> = some.iter().map(|fault| scope.spawn(|| meet(fault.clone()))).collect();
            loads.into_iter().map(|load| load.join().unwrap()).collect::<Vec<_>>()
        }));
    }
    ended
}

fn assert_healed(ended: Ended) {
    let Ended { fault, code, said, load, records: [source, target], .. } = ended;
    assert_eq!((code, said.as_str()), (Some(0), ""), "{fault:?}");
    let load = load.unwrap();
    assert_eq!((load.read, load.acked, load.visible), (3000, 3000, 3000), "{fault:?}");
    assert!(target == source[..3000], "{fault:?}: records are lost, doubled or changed");
}

#[test]
fn errors_of_the_target_that_heal_cost_no_record_and_double_none() {
    let heal = [
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        // The mock broker hangs up.
        RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    let mut faults = faults(Produce, &heal, 7);
    faults.push(Fault {
        request: InitProducerId,
        errors: vec![RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE],
    });
    meet_all(faults).into_iter().for_each(assert_healed);
}

#[test]
fn a_batch_that_is_too_large_is_sent_in_two() {
    meet_all(faults(Produce, &[RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE], 1)).into_iter().for_each(assert_healed);
}

#[test]
fn errors_of_the_source_that_heal_cost_no_record_and_double_none() {
    let heal = [
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    meet_all([faults(Fetch, &heal, 5), faults(ListOffsets, &heal, 5)].concat()).into_iter().for_each(assert_healed);
}

#[test]
fn errors_that_do_not_heal_end_the_load_soon_and_in_kafkas_words() {
    let denied = [RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED];
    let refused = [
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
    ];
    let all = [
        faults(Produce, &refused, 1),
        // Halving ends at a single record.
        faults(Produce, &[RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE], 1000),
        faults(InitProducerId, &[RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED], 1),
        faults(Fetch, &denied, 1),
        faults(ListOffsets, &denied, 1),
    ];
    let ended = meet_all(all.concat());
    let short =
        |name: RDKafkaRespErr| format!("{name:?}").replace("RD_KAFKA_RESP_ERR_", "").replace("MSG_SIZE", "MESSAGE");
    for Ended { fault, code, said, took, load, .. } in &ended {
        assert_eq!(*code, Some(4), "{fault:?}: {said}");
        assert!(said.contains(&short(fault.errors[0])), "{fault:?}: {said}");
        assert!(*took < Duration::from_secs(10), "{fault:?}: {took:?}");
        assert!(load.as_ref().is_none_or(|load| load.acked < 3000 && load.acked <= load.read), "{fault:?}: {load:?}");
    }
}
