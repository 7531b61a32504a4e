//! The Kafka client against a real broker; `hack/test` starts it.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use streamgauge::kafka::{Cluster, Connection, Error};

const TIMEOUT: Duration = Duration::from_secs(30);

/// The real broker that `hack/test` has started.
fn broker() -> String {
    std::env::var("STREAMGAUGE_TEST_KAFKA").expect("hack/test sets STREAMGAUGE_TEST_KAFKA to a real broker's host:port")
}

fn cluster() -> Cluster {
    Cluster::new(&Connection::new("source", &broker(), None).unwrap(), TIMEOUT).unwrap()
}

/// A topic name that no other test uses.
fn unique(name: &str) -> String {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("{name}-{}-{nanos}", std::process::id())
}

async fn create_topic(cluster: &Cluster, name: &str, partitions: i32) -> String {
    let topic = unique(name);
    cluster.create_topic(&topic, partitions, 1).await.unwrap();
    topic
}

fn write(topic: &str, partition: i32, timestamps: &[i64]) {
    let producer: BaseProducer = rdkafka::ClientConfig::new().set("bootstrap.servers", broker()).create().unwrap();
    for &timestamp in timestamps {
        let record = BaseRecord::<str, str>::to(topic).partition(partition).payload("value").timestamp(timestamp);
        producer.send(record).unwrap();
        // Each in a batch of its own.
        producer.flush(TIMEOUT).unwrap();
    }
}

#[tokio::test]
async fn a_cluster_tells_of_its_topics() {
    let cluster = cluster();
    let topic = create_topic(&cluster, "kafka", 3).await;
    let now = jiff::Timestamp::now().as_millisecond();
    write(&topic, 1, &[now, now + 1000, now + 2000]);
    assert!(cluster.id().await.unwrap().is_some());
    let version = cluster.version().await.unwrap();
    let level = version.strip_prefix("metadata.version ").and_then(|level| level.parse::<i16>().ok());
    // 25 is that of Kafka 4.0.
    assert!(level.is_some_and(|level| level >= 25), "{version}");
    let described = cluster.topic(&topic).await.unwrap();
    let numbers: Vec<_> = described.partitions.iter().map(|partition| partition.number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    let bounds = cluster.bounds(&described).await.unwrap();
    let bounds: Vec<_> = bounds.iter().map(|bounds| (bounds.partition, bounds.low, bounds.high)).collect();
    assert_eq!(bounds, [(0, 0, 0), (1, 0, 3), (2, 0, 0)]);
    let at = async |time| cluster.offsets_at(&described, time).await.unwrap();
    assert_eq!(at(now + 500).await, [(0, None), (1, Some(1)), (2, None)]);
    assert_eq!(at(now + 2001).await, [(0, None), (1, None), (2, None)]);
}

#[tokio::test]
async fn a_topic_is_created_once_and_never_by_asking_about_it() {
    let cluster = cluster();
    let topic = unique("kafka-created");
    let error = cluster.topic(&topic).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownTopic { .. }), "{error}");
    cluster.create_topic(&topic, 2, 1).await.unwrap();
    assert_eq!(cluster.topic(&topic).await.unwrap().partitions.len(), 2);
    let error = cluster.create_topic(&topic, 2, 1).await.unwrap_err().to_string();
    assert!(error.contains("TOPIC_ALREADY_EXISTS"), "{error}");
    let error = cluster.create_topic(&unique("kafka-created"), 2, 99).await.unwrap_err().to_string();
    assert!(error.contains("INVALID_REPLICATION_FACTOR"), "{error}");
}

#[tokio::test]
async fn calls_of_one_link_are_under_way_together() {
    let cluster = cluster();
    let topic = create_topic(&cluster, "kafka-fetch", 1).await;
    write(&topic, 0, &[1000, 2000]);
    let leader = cluster.topic(&topic).await.unwrap().partitions[0].leader;
    let broker = cluster.broker(leader).await.unwrap();
    let answers: Vec<_> = (0..3).map(|offset| broker.call(fetch(&topic, offset))).collect();
    let mut lengths = Vec::new();
    for answer in answers {
        let partition = answer.await.unwrap().responses[0].partitions[0].clone();
        assert_eq!((partition.error_code, partition.last_stable_offset), (0, 2));
        lengths.push(partition.records.unwrap_or_else(Bytes::new).len());
    }
    assert!(lengths[0] > lengths[1] && lengths[1] > 0 && lengths[2] == 0, "{lengths:?}");
    broker.give_up("the test ends it");
    let error = broker.call(fetch(&topic, 0)).await.unwrap_err();
    assert!(error.heals() && error.to_string().contains("the test ends it"), "{error}");
    assert!(!cluster.broker(leader).await.unwrap().is_broken());
}

fn fetch(topic: &str, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(100)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_isolation_level(1)
        .with_topics(vec![topic])
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named_with_the_systems_words() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let connection = Connection::new("target", &format!("127.0.0.1:{port}"), None).unwrap();
    let cluster = Cluster::new(&connection, Duration::from_millis(300)).unwrap();
    let error = cluster.topic("ads").await.unwrap_err();
    let expected = format!(
        "no answer from the target 127.0.0.1:{port} (describe topic ads): Connection refused (os error 111); \
         is the address right and the broker up?"
    );
    assert_eq!(error.to_string(), expected);
}
