//! The sandbox's real servers: they start on free ports, hold what they should, and leave nothing behind.
//!
//! Needs the broker's jars (`mvn -f jvm/kafka/pom.xml dependency:copy-dependencies`), java and prometheus.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;
use streamgauge::sandbox::kafka::{OUTPUT_TOPIC, PARTITIONS, SOURCE_TOPIC, TARGET_TOPIC};
use streamgauge::sandbox::{Options, Sandbox};

const RECORDS: u64 = 20_000;

fn options(dir: &Path) -> Options {
    Options { dir: dir.join("sandbox"), records: RECORDS, ..Options::default() }
}

fn runs(id: u32) -> bool {
    // A process that has ended but was not waited for yet has an empty command line.
    std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn consumer(servers: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("group.id", "test").set("enable.auto.commit", "false");
    config.create().unwrap()
}

fn count(servers: &str, topic: &str) -> i64 {
    let consumer = consumer(servers);
    let watermarks = |partition| consumer.fetch_watermarks(topic, partition, Duration::from_secs(30)).unwrap();
    (0..PARTITIONS).map(watermarks).map(|(low, high)| high - low).sum()
}

/// All records as text, by partition and offset.
fn read(servers: &str) -> BTreeMap<(i32, i64), String> {
    let consumer = consumer(servers);
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(SOURCE_TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let mut records = BTreeMap::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while records.len() < RECORDS as usize && Instant::now() < deadline {
        let Some(record) = consumer.poll(Duration::from_secs(1)) else { continue };
        let record = record.unwrap();
        let headers: Vec<String> =
            record.headers().unwrap().iter().map(|header| format!("{}={:?}", header.key, header.value)).collect();
        let text = format!(
            "{:?} {:?} {:?} {headers:?}",
            record.key(),
            String::from_utf8_lossy(record.payload().unwrap()),
            record.timestamp()
        );
        records.insert((record.partition(), record.offset()), text);
    }
    records
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn a_sandbox_starts_is_filled_exactly_and_leaves_nothing_running() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(options(dir.path())).await.unwrap();
    let servers = sandbox.endpoints().kafka_bootstrap_servers.clone();
    let ids = sandbox.process_ids();
    assert!(ids.len() == 2 && ids.iter().all(|id| runs(*id)));

    let (first, counts) = blocking(move || {
        (read(&servers), [SOURCE_TOPIC, TARGET_TOPIC, OUTPUT_TOPIC].map(|topic| count(&servers, topic)))
    })
    .await;
    assert_eq!(counts, [RECORDS as i64, 0, 0]);
    assert_eq!(first.len(), RECORDS as usize);

    // Prometheus finds no topology yet and says so.
    let url = format!("{}/api/v1/targets", sandbox.endpoints().prometheus_url);
    let targets: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(targets["data"]["activeTargets"], serde_json::json!([]));
    sandbox.stop().await;
    assert!(!ids.iter().any(|id| runs(*id)), "left running");

    // A second start takes the data over, records and all.
    let sandbox = Sandbox::start(options(dir.path())).await.unwrap();
    let servers = sandbox.endpoints().kafka_bootstrap_servers.clone();
    assert_eq!(blocking(move || read(&servers)).await, first);
    let ids = sandbox.process_ids();
    drop(sandbox);
    let deadline = Instant::now() + Duration::from_secs(30);
    while ids.iter().any(|id| runs(*id)) {
        assert!(Instant::now() < deadline, "left running after a drop");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_second_sandbox_works_beside_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (options(dir.path()), options(dir.path()));
    let (first, second) = tokio::join!(Sandbox::start(first), Sandbox::start(second));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(first.endpoints().dir, second.endpoints().dir);
    let servers = second.endpoints().kafka_bootstrap_servers.clone();
    first.stop().await;
    assert_eq!(blocking(move || count(&servers, SOURCE_TOPIC)).await, RECORDS as i64);
    second.stop().await;
}

#[tokio::test]
async fn missing_jars_are_an_error_that_says_how_to_bring_them() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { kafka_lib: dir.path().join("none"), ..options(dir.path()) };
    let error = Sandbox::start(options).await.unwrap_err();
    assert!(error.to_string().contains("mvn -f jvm/kafka/pom.xml dependency:copy-dependencies"), "{error}");
}
