//! A real Kafka broker (KRaft, one node) with the sandbox's topics, filled with ad events.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{Timestamp, Unit};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::child::{Child, free_port};
use super::seed::{Events, partition};
use super::{Error, Options};

/// The production stand-in, filled with ad events.
pub const SOURCE_TOPIC: &str = "ads-events";
/// The topic that the application under test reads.
pub const TARGET_TOPIC: &str = "ads-events-test";
/// The topic that the application under test writes.
pub const OUTPUT_TOPIC: &str = "ads-events-out";
/// Partitions of each topic.
pub const PARTITIONS: i32 = 4;

/// How long the broker may take to answer: a busy machine starts two Java processes one after the other.
const READY: Duration = Duration::from_secs(120);
/// How often a broker is started anew when somebody else took its port.
const PORT_TRIES: u32 = 3;

const SERVER_PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
num.network.threads=2
num.io.threads=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
log.segment.bytes=268435456
log.cleaner.backoff.ms=1000
auto.create.topics.enable=false
";

const LOG4J: &str = "\
Configuration:
  status: ERROR
  Appenders:
    Console:
      name: STDOUT
      PatternLayout: { pattern: \"[%d] %p %m (%c)%n\" }
  Loggers:
    Root:
      level: INFO
      AppenderRef: { ref: STDOUT }
";

/// A running broker.
#[derive(Debug)]
pub struct Kafka {
    child: Child,
    bootstrap: String,
}

impl Kafka {
    /// Starts a broker, makes its topics and fills the source topic.
    pub async fn start(options: &Options, dir: &Path) -> Result<Self, Error> {
        if !options.kafka_lib.is_dir() {
            return Err(Error::KafkaMissing { lib: options.kafka_lib.clone() });
        }
        let dir = dir.join("kafka");
        let marker = dir.join("seeded");
        let wanted = format!("{} records, form 2\n", options.records);
        let reuse = std::fs::read_to_string(&marker).is_ok_and(|text| text == wanted);
        if reuse {
            let kafka = Self::broker(options, &dir).await?;
            if kafka.renew(options.records).await.is_ok() {
                return Ok(kafka);
            }
            tracing::info!("the broker's old data is not whole, making it anew");
        }
        remove_dir(&dir)?;
        let kafka = Self::broker(options, &dir).await?;
        kafka.create(&[SOURCE_TOPIC, TARGET_TOPIC, OUTPUT_TOPIC]).await?;
        kafka.seed(options.records).await?;
        write(&marker, &wanted)?;
        Ok(kafka)
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The broker's process id.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends the broker; its data stays for the next one.
    pub async fn stop(mut self) {
        self.child.stop().await;
    }

    async fn broker(options: &Options, dir: &Path) -> Result<Self, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = Self::broker_once(options, dir).await;
            let log = std::fs::read_to_string(dir.join("broker.log")).unwrap_or_default();
            match outcome {
                Err(Error::Ended { .. }) if tries < PORT_TRIES && log.contains("Address already in use") => {}
                outcome => return outcome,
            }
        }
    }

    async fn broker_once(options: &Options, dir: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
        let (broker, controller) = (free_port(options.listen)?, free_port(options.listen)?);
        let data = dir.join("data");
        let properties = dir.join("server.properties");
        let listeners = format!("PLAINTEXT://{broker},CONTROLLER://{controller}");
        let own = format!(
            "listeners={listeners}\nadvertised.listeners={listeners}\n\
             controller.quorum.voters=1@{controller}\nlog.dirs={}\n",
            data.display()
        );
        write(&properties, &format!("{SERVER_PROPERTIES}{own}"))?;
        let log4j = dir.join("log4j2.yaml");
        write(&log4j, LOG4J)?;
        let java = |heap: &str, class: &str, args: &[&str]| {
            let mut command = vec![
                options.java.clone(),
                format!("-Xmx{heap}"),
                "-XX:+UseSerialGC".to_owned(),
                "-XX:TieredStopAtLevel=1".to_owned(),
                "-Djava.awt.headless=true".to_owned(),
                format!("-Dlog4j2.configurationFile={}", log4j.display()),
                "-cp".to_owned(),
                format!("{}/*", options.kafka_lib.display()),
                class.to_owned(),
            ];
            command.extend(args.iter().map(|arg| (*arg).to_owned()));
            command
        };
        let properties = properties.display().to_string();
        if !data.join("meta.properties").exists() {
            let log = dir.join("format.log");
            let format = ["format", "-t", CLUSTER_ID, "-c", &properties];
            let mut child =
                Child::start("Kafka's storage tool", &java("128m", "kafka.tools.StorageTool", &format), &log, false)?;
            let status = child.wait().await;
            if !data.join("meta.properties").exists() {
                return Err(Error::Ended { what: "Kafka's storage tool", status, log });
            }
        }
        let log = dir.join("broker.log");
        // The second compiler pays for itself only in a process that carries the load.
        let mut command = java("512m", "kafka.Kafka", &[&properties]);
        command.retain(|arg| arg != "-XX:TieredStopAtLevel=1" && arg != "-XX:+UseSerialGC");
        command.insert(1, "-XX:MaxGCPauseMillis=20".to_owned());
        let mut child = Child::start("the Kafka broker", &command, &log, false)?;
        let bootstrap = broker.to_string();
        let deadline = Instant::now() + READY;
        while !answers(&bootstrap).await {
            child.check(&log)?;
            if Instant::now() > deadline {
                return Err(Error::NotReady { what: "the Kafka broker", seconds: READY.as_secs(), log });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(Self { child, bootstrap })
    }

    /// Takes a reused broker back to its first state: the source topic whole, the other topics empty.
    async fn renew(&self, records: u64) -> Result<(), Error> {
        let found = self.count(SOURCE_TOPIC).await?;
        if found != records {
            return Err(Error::Seed { wanted: records, found });
        }
        let admin = self.admin()?;
        let topics = [TARGET_TOPIC, OUTPUT_TOPIC];
        admin.delete_topics(&topics, &AdminOptions::new()).await.map_err(Error::Kafka)?;
        self.create(&topics).await
    }

    async fn create(&self, names: &[&str]) -> Result<(), Error> {
        let admin = self.admin()?;
        let topics: Vec<_> =
            names.iter().map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))).collect();
        let deadline = Instant::now() + READY;
        loop {
            let outcomes = admin.create_topics(&topics, &AdminOptions::new()).await.map_err(Error::Kafka)?;
            let failed = outcomes.into_iter().find_map(|outcome| outcome.err().filter(|(_, code)| !is_there(*code)));
            match failed {
                None => return Ok(()),
                Some((_, code)) if Instant::now() > deadline => {
                    return Err(Error::Kafka(KafkaError::AdminOp(code)));
                }
                Some(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, Error> {
        client(&self.bootstrap).create().map_err(Error::Kafka)
    }

    /// How many records a topic holds, by its offsets.
    async fn count(&self, topic: &'static str) -> Result<u64, Error> {
        let bootstrap = self.bootstrap.clone();
        blocking(move || {
            let producer: BaseProducer = client(&bootstrap).create()?;
            let mut records = 0;
            for partition in 0..PARTITIONS {
                let (low, high) = producer.client().fetch_watermarks(topic, partition, Duration::from_secs(30))?;
                records += (high - low) as u64;
            }
            Ok(records)
        })
        .await
    }

    async fn seed(&self, records: u64) -> Result<(), Error> {
        let bootstrap = self.bootstrap.clone();
        blocking(move || send(&bootstrap, records)).await?;
        let found = self.count(SOURCE_TOPIC).await?;
        if found == records { Ok(()) } else { Err(Error::Seed { wanted: records, found }) }
    }
}

/// The id of every sandbox's Kafka cluster.
const CLUSTER_ID: &str = "c3RyZWFtZ2F1Z2Utc2FuZA";

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("log_level", "2");
    config
}

/// Whether the broker tells about itself. A refused connection is seen here first: the client would try for long.
async fn answers(bootstrap: &str) -> bool {
    if tokio::net::TcpStream::connect(bootstrap).await.is_err() {
        return false;
    }
    let bootstrap = bootstrap.to_owned();
    let brokers = blocking(move || {
        let producer: BaseProducer = client(&bootstrap).create()?;
        Ok(producer.client().fetch_metadata(None, Duration::from_secs(5))?.brokers().len())
    });
    brokers.await.is_ok_and(|brokers| brokers > 0)
}

fn is_there(code: RDKafkaErrorCode) -> bool {
    // Right after a topic was deleted its name may still be taken: asking again is all it needs.
    code == RDKafkaErrorCode::NoError
}

/// Runs calls of the Kafka client that block, off the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(Error::Kafka),
        Err(_) => Err(Error::Kafka(KafkaError::Canceled)),
    }
}

/// Sends all events, in order, each to the partition of its key.
fn send(bootstrap: &str, records: u64) -> Result<(), KafkaError> {
    let producer: BaseProducer = client(bootstrap)
        // One batch under way at a time keeps the order; that none came twice the offsets tell afterwards. Idempotence would
        // first wait for the transaction coordinator of a broker that has just started.
        .set("acks", "1")
        .set("max.in.flight", "1")
        .set("linger.ms", "20")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "200000")
        .create()?;
    // Whole hours: sandboxes that are started within one hour hold the same bytes.
    let end = Timestamp::now().round(Unit::Hour).unwrap_or_else(|_| Timestamp::now());
    let mut events = Events::new(records, end);
    let mut index = 0;
    while let Some(event) = events.advance() {
        let headers = OwnedHeaders::new_with_capacity(2)
            .insert(Header { key: "source", value: Some(event.source) })
            .insert(Header { key: "schema", value: event.schema });
        let mut record = BaseRecord::<str, str>::to(SOURCE_TOPIC)
            .partition(partition(event, index, PARTITIONS as u64))
            .payload(&event.value)
            .timestamp(event.timestamp)
            .headers(headers);
        record.key = event.key.as_deref();
        while let Err((error, unsent)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            producer.poll(Duration::from_millis(20));
            record = unsent;
        }
        index += 1;
        if index % 10_000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(60))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Removes a directory with all that is in it, when there is one.
pub fn remove_dir(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Write { path: PathBuf::from(path), source })
        }
        _ => Ok(()),
    }
}
