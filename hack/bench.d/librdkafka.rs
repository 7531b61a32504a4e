//! `hack/bench`'s own client: what librdkafka itself reads and writes at full speed, the reference that the data loader
//! is measured against, and what a benchmark needs besides: topics made and removed, a topic watched, its records judged.
//!
//! Prints one JSON object (`watch`: one a line) on stdout.
#![allow(clippy::print_stdout, reason = "stdout is where the numbers go")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Parser;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::json;

/// The longest that Kafka may say nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// Different values: so many that no batch holds one twice, so few that they stay in the processor's cache.
const VALUES: usize = 1024;
/// The header that names the data loader's run: the one thing a load may add.
const RUN_HEADER: &str = "streamgauge-run";

#[derive(Debug, Parser)]
struct Args {
    /// Bootstrap servers
    #[arg(long, value_name = "HOST:PORT,…")]
    servers: String,
    /// A setting of librdkafka
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Print librdkafka's version
    Version,
    /// Make a topic
    Create {
        topic: String,
        partitions: i32,
        /// Settings of the topic, name=value
        settings: Vec<String>,
    },
    /// Remove all topics but these, and Kafka's own
    Clean { keep: Vec<String> },
    /// Write records as fast as librdkafka does
    Produce {
        topic: String,
        records: u64,
        /// Bytes of a value
        size: usize,
        /// No key and no header: a value is all there is
        #[arg(long)]
        plain: bool,
    },
    /// Read records as fast as librdkafka does
    Consume { topic: String, records: u64 },
    /// Tell when the topic has its first records, and when it has all of them
    Watch { topic: String, records: u64 },
    /// Read all records of a topic: how many, what they say, how many of them share a millisecond
    Judge { topic: String },
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.servers);
    for setting in &args.settings {
        let (name, value) = setting.split_once('=').with_context(|| format!("--set {setting:?} is not NAME=VALUE"))?;
        config.set(name, value);
    }
    match args.task {
        Task::Version => println!("{}", json!(rdkafka::util::get_rdkafka_version().1)),
        Task::Create { topic, partitions, settings } => create(&config, &topic, partitions, &settings)?,
        Task::Clean { keep } => clean(&config, &keep)?,
        Task::Produce { topic, records, size, plain } => produce(&config, &topic, records, size, plain)?,
        Task::Consume { topic, records } => consume(&config, &topic, records)?,
        Task::Watch { topic, records } => watch(&config, &topic, records)?,
        Task::Judge { topic } => judge(&config, &topic)?,
    }
    Ok(())
}

/// Runs a call of the admin client, which is the only part of rdkafka here that is async.
fn wait<T>(call: impl Future<Output = Result<T, KafkaError>>) -> Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(call)?)
}

fn create(config: &ClientConfig, topic: &str, partitions: i32, settings: &[String]) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for setting in settings {
        let (name, value) = setting.split_once('=').with_context(|| format!("{setting:?} is not NAME=VALUE"))?;
        new = new.set(name, value);
    }
    for outcome in wait(admin.create_topics([&new], &AdminOptions::new()))? {
        outcome.map_err(|(name, code)| anyhow::anyhow!("cannot create {name}: {code}"))?;
    }
    // The controller has made it; the broker learns of it a moment later.
    let deadline = Instant::now() + PATIENCE;
    while self::partitions(admin.inner(), topic)?.len() < partitions as usize {
        if Instant::now() > deadline {
            bail!("{topic} has no leaders after {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn clean(config: &ClientConfig, keep: &[String]) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let metadata = admin.inner().fetch_metadata(None, PATIENCE)?;
    let kept = |name: &str| name.starts_with("__") || keep.iter().any(|keep| keep == name);
    let names: Vec<_> = metadata.topics().iter().map(|topic| topic.name()).filter(|name| !kept(name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    for outcome in wait(admin.delete_topics(&names, &AdminOptions::new()))? {
        outcome.map_err(|(name, code)| anyhow::anyhow!("cannot delete {name}: {code}"))?;
    }
    Ok(())
}

/// The partitions that have a leader.
fn partitions<C: ClientContext>(client: &Client<C>, topic: &str) -> Result<Vec<i32>> {
    let metadata = client.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    Ok(partitions.filter(|partition| partition.leader() >= 0).map(|partition| partition.id()).collect())
}

/// Counts acknowledgements.
#[derive(Default)]
struct Acks {
    acked: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() { &self.acked } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Values that no two of a batch share and that compress as text does; no line ends in them, which kcat would split.
fn values(size: usize) -> Vec<Vec<u8>> {
    let mut random = 0x5EED_u64;
    let mut digit = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"0123456789abcdef"[(random >> 60) as usize]
    };
    (0..VALUES).map(|_| (0..size).map(|_| digit()).collect()).collect()
}

/// Record k goes to partition k modulo partitions, has k as its key, one header, and a timestamp of its own 10 µs.
fn produce(config: &ClientConfig, topic: &str, records: u64, size: usize, plain: bool) -> Result<()> {
    let producer: BaseProducer<Acks> = config.create_with_context(Acks::default())?;
    let partitions = partitions(producer.client(), topic)?;
    let values = values(size);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as i64;
    let first = now - records as i64 / 100;
    let mut key = String::new();
    let mut start = Instant::now();
    // A record to each partition opens the connections, which is not what is measured.
    let opening = records.min(partitions.len() as u64);
    for index in 0..records {
        if index == opening {
            producer.flush(PATIENCE)?;
            start = Instant::now();
        }
        let mut record = BaseRecord::<str, [u8]>::to(topic)
            .partition(partitions[index as usize % partitions.len()])
            .payload(&values[index as usize % VALUES])
            .timestamp(first + index as i64 / 100);
        if !plain {
            key.clear();
            std::fmt::write(&mut key, format_args!("u{index:09}"))?;
            let header = Header { key: "schema", value: Some("ad-event/1") };
            record = record.key(&key).headers(OwnedHeaders::new_with_capacity(1).insert(header));
        }
        while let Err((error, unsent)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(10));
            record = unsent;
        }
        if index % 10_000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(PATIENCE)?;
    let seconds = start.elapsed().as_secs_f64();
    let acks = producer.context();
    let (acked, failed) = (acks.acked.load(Ordering::Relaxed), acks.failed.load(Ordering::Relaxed));
    if acked != records {
        bail!("{acked} of {records} records were acknowledged, {failed} failed");
    }
    println!("{}", json!({ "rate": (records - opening) as f64 / seconds }));
    Ok(())
}

/// A consumer at the beginning of all partitions, which no group knows of.
fn consumer(config: &ClientConfig, topic: &str) -> Result<(BaseConsumer, usize)> {
    let mut config = config.clone();
    // An assignment needs no group, but librdkafka needs its name.
    config.set("group.id", "bench").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create()?;
    let partitions = partitions(consumer.client(), topic)?;
    let mut list = TopicPartitionList::new();
    for &partition in &partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    Ok((consumer, partitions.len()))
}

/// Reads on until every partition has ended.
fn read(config: &ClientConfig, topic: &str, mut each: impl FnMut(&BorrowedMessage<'_>)) -> Result<()> {
    let (consumer, mut open) = consumer(config, topic)?;
    while open > 0 {
        match consumer.poll(PATIENCE) {
            Some(Ok(message)) => each(&message),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => bail!("{topic} gave nothing for {} s", PATIENCE.as_secs()),
        }
    }
    Ok(())
}

fn consume(config: &ClientConfig, topic: &str, records: u64) -> Result<()> {
    let (mut count, mut bytes, mut start, mut last) = (0_u64, 0, None, Instant::now());
    read(config, topic, |message| {
        start.get_or_insert_with(Instant::now);
        bytes += message.payload().map_or(0, <[u8]>::len);
        count += 1;
        if count == records {
            last = Instant::now();
        }
    })?;
    if count != records {
        bail!("{topic} holds {count} records, not {records}");
    }
    let seconds = last.duration_since(start.unwrap_or(last)).as_secs_f64();
    println!("{}", json!({ "records": count, "bytes": bytes, "rate": count as f64 / seconds }));
    Ok(())
}

/// Prints how many records there are: while there are none, as soon as there are some, and when all are there.
fn watch(config: &ClientConfig, topic: &str, records: u64) -> Result<()> {
    let mut config = config.clone();
    // Asking for a topic that is not made yet is what this is for.
    config.set("topic.metadata.refresh.interval.ms", "500").set("log_level", "2");
    let client: BaseConsumer = config.create()?;
    let (mut seen, mut found) = (0, Vec::new());
    while seen < records {
        std::thread::sleep(Duration::from_millis(20));
        if found.is_empty() {
            found = partitions(client.client(), topic).unwrap_or_default();
        }
        let mut ends = found.iter().map(|&partition| client.fetch_watermarks(topic, partition, PATIENCE));
        let now: i64 = ends.try_fold(0, |sum, bounds| bounds.map(|(low, high)| sum + high - low)).unwrap_or(0);
        if seen == 0 || now as u64 >= records {
            println!("{}", json!({ "records": now }));
        }
        seen = now as u64;
    }
    Ok(())
}

/// `whole` is a digest of all that a record is, `values` of values alone, whatever their order and partition. `burst` is
/// how many records have the same millisecond: in a topic with the broker's timestamps, those that came at once.
fn judge(config: &ClientConfig, topic: &str) -> Result<()> {
    let mut partitions = std::collections::BTreeMap::new();
    let mut milliseconds = std::collections::HashMap::new();
    let (mut count, mut values) = (0_u64, 0_u64);
    read(config, topic, |message| {
        let time = message.timestamp().to_millis();
        let hasher = partitions.entry(message.partition()).or_insert_with(DefaultHasher::new);
        (message.key(), message.payload(), time).hash(hasher);
        for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
            if header.key != RUN_HEADER {
                (header.key, header.value).hash(hasher);
            }
        }
        let mut value = DefaultHasher::new();
        message.payload().hash(&mut value);
        values = values.wrapping_add(value.finish());
        *milliseconds.entry(time).or_insert(0_u64) += 1;
        count += 1;
    })?;
    let whole: Vec<_> = partitions.into_iter().map(|(partition, hash)| (partition, hash.finish())).collect();
    let mut hasher = DefaultHasher::new();
    whole.hash(&mut hasher);
    let burst = milliseconds.values().max().copied().unwrap_or(0);
    let digest = |hash: u64| format!("{hash:016x}");
    println!(
        "{}",
        json!({ "records": count, "whole": digest(hasher.finish()), "values": digest(values), "burst": burst })
    );
    Ok(())
}
