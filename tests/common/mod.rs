//! What tests against a real Kafka broker share.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long anything may take before a test gives up: machines are slow and busy.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The real broker that `hack/test` has started.
pub fn broker() -> String {
    std::env::var("STREAMGAUGE_TEST_KAFKA").unwrap_or_else(|_| {
        panic!("STREAMGAUGE_TEST_KAFKA is not set: name a real Kafka broker as host:port, or run hack/test, which starts one")
    })
}

/// Records of tests are years old by their timestamps, or of years to come: brokers would delete or refuse them.
pub const OLD_RECORDS: [(&str, &str); 2] =
    [("retention.ms", "-1"), ("message.timestamp.after.max.ms", "9223372036854775807")];

/// A topic name that no other test uses.
pub fn unique(name: &str) -> String {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("{name}-{}-{nanos}", std::process::id())
}

pub async fn create_topic(servers: &str, name: &str, partitions: i32) -> String {
    create_topic_with(servers, name, partitions, &[]).await
}

/// Creates a topic that has these settings too.
pub async fn create_topic_with(servers: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
    let topic = unique(name);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
    let new = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1));
    let new =
        [OLD_RECORDS.as_slice(), settings].concat().into_iter().fold(new, |new, (key, value)| new.set(key, value));
    for result in admin.create_topics([&new], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    // The broker answers before it has made the partitions.
    let consumer = consumer(servers);
    let deadline = Instant::now() + DEADLINE;
    while (0..partitions).any(|partition| consumer.fetch_watermarks(&topic, partition, Duration::from_secs(1)).is_err())
    {
        assert!(Instant::now() < deadline, "{topic} is not ready");
    }
    topic
}

/// A record as a test writes and compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp: Option<i64>,
}

impl Record {
    pub fn new(partition: i32, number: usize) -> Self {
        Self {
            partition,
            key: Some(format!("key-{number}").into_bytes()),
            value: Some(format!("value-{number}-of-{partition}").into_bytes()),
            headers: vec![("number".to_owned(), Some(number.to_string().into_bytes()))],
            timestamp: Some(1_700_000_000_000 + number as i64),
        }
    }

    fn read(message: &OwnedMessage) -> Self {
        let headers = message.headers().map(|headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        Self {
            partition: message.partition(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            timestamp: message.timestamp().to_millis(),
        }
    }
}

pub fn producer(servers: &str, settings: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("linger.ms", "1").set("enable.idempotence", "true");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

/// Hands records to a producer and waits until all are acknowledged.
pub fn write(producer: &BaseProducer, topic: &str, records: &[Record]) {
    for record in records {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: value.as_deref() });
        }
        let mut new = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition).headers(headers);
        new.key = record.key.as_deref();
        new.payload = record.value.as_deref();
        new.timestamp = record.timestamp;
        while let Err((error, back)) = producer.send(new) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            producer.poll(Duration::from_millis(10));
            new = back;
        }
    }
    producer.flush(DEADLINE).unwrap();
}

fn consumer(servers: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        // The end of a partition is told with an empty answer, which this much is waited for.
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap()
}

/// Waits until a partition 0 holds so many records.
pub async fn wait_for_records(servers: &str, topic: &str, count: i64) {
    let consumer = consumer(servers);
    let deadline = Instant::now() + DEADLINE;
    while consumer.fetch_watermarks(topic, 0, DEADLINE).unwrap().1 < count {
        assert!(Instant::now() < deadline, "{topic} does not get {count} records");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The numbers of a topic's partitions.
pub fn partitions(servers: &str, topic: &str) -> Vec<i32> {
    let metadata = consumer(servers).fetch_metadata(Some(topic), DEADLINE).unwrap();
    metadata.topics()[0].partitions().iter().map(|partition| partition.id()).collect()
}

/// All that a read_committed consumer sees in a topic, by partition.
pub fn read_all(servers: &str, topic: &str) -> BTreeMap<i32, Vec<Record>> {
    let consumer = consumer(servers);
    let partitions = partitions(servers, topic);
    let mut assignment = TopicPartitionList::new();
    for partition in &partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut read: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
    let mut open = partitions.len();
    let deadline = Instant::now() + DEADLINE;
    while open > 0 {
        assert!(Instant::now() < deadline, "{topic} was not read to its end");
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => read.entry(message.partition()).or_default().push(Record::read(&message.detach())),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            // Another broker of the cluster is gone.
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure))) => {}
            Some(Err(error)) => panic!("{topic}: {error}"),
        }
    }
    read
}
