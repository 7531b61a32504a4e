//! The client over librdkafka that the loader moves away from; goes with its last user.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, ClientContext};

use super::{Bounds, Connection, Error};

/// A cluster that can be asked about its topics. It never creates a topic by asking about it, and joins no group.
pub struct Cluster {
    connection: Connection,
    consumer: BaseConsumer<Words>,
    timeout: Duration,
}

impl Cluster {
    /// A cluster that gives up on a question after `timeout`.
    pub fn new(connection: &Connection, timeout: Duration) -> Result<Self, Error> {
        let mut config = connection.config();
        config.set("isolation.level", "read_committed").set("allow.auto.create.topics", "false");
        config.remove("group.id");
        let consumer = config.create_with_context(Words::default()).map_err(|error| connection.client_error(&error))?;
        Ok(Self { connection: connection.clone(), consumer, timeout })
    }

    /// The cluster's own id, when it has one and tells in time.
    pub fn id(&self) -> Option<String> {
        self.consumer.client().fetch_cluster_id(self.timeout)
    }

    /// The numbers of a topic's partitions, in order.
    pub fn partitions(&self, topic: &str) -> Result<Vec<i32>, Error> {
        let asked = || format!("asking for topic {topic:?}");
        let metadata = self.ask(asked, |left| self.consumer.fetch_metadata(Some(topic), left))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let error = found.and_then(|found| found.error()).map(RDKafkaErrorCode::from);
        let (side, servers) = (self.connection.side(), self.connection.servers().to_owned());
        match (found, error) {
            (None, _) | (_, Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)) => {
                Err(Error::UnknownTopic { side, servers, topic: topic.to_owned(), near: Vec::new() })
            }
            (_, Some(code)) => {
                Err(Error::Refused { side, servers, asked: asked(), words: code.to_string(), heals: false })
            }
            (Some(found), None) => {
                let mut numbers: Vec<i32> = found.partitions().iter().map(|partition| partition.id()).collect();
                numbers.sort_unstable();
                Ok(numbers)
            }
        }
    }

    /// What a read_committed consumer can reach in these partitions of a topic.
    pub fn bounds(&self, topic: &str, partitions: &[i32]) -> Result<Vec<Bounds>, Error> {
        let of = |&partition| {
            let asked = || format!("asking for the offsets of {topic}, partition {partition}");
            let (low, high) = self.ask(asked, |left| self.consumer.fetch_watermarks(topic, partition, left))?;
            Ok(Bounds { partition, low, high })
        };
        partitions.iter().map(of).collect()
    }

    /// Asks until there is an answer or the time is up: while a cluster starts or elects leaders, it fails questions
    /// that it answers a moment later.
    fn ask<T>(&self, asked: impl Fn() -> String, question: impl Fn(Duration) -> KafkaResult<T>) -> Result<T, Error> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match question(left.max(Duration::from_millis(1))) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // Serves the events that tell why, and is the pause before the next try.
            let _ = self.consumer.poll(Duration::from_millis(100));
            let (side, servers) = (self.connection.side(), self.connection.servers().to_owned());
            if refusal(&error) {
                return Err(Error::Refused { side, servers, asked: asked(), words: describe(&error), heals: false });
            }
            if Instant::now() >= deadline {
                let words = self.consumer.client().context().explain(&error);
                return Err(Error::Unreachable { side, servers, asked: asked(), words });
            }
        }
    }
}

/// Whether asking again would give the same answer.
fn refusal(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed | Code::Authentication)
    )
}

impl Connection {
    /// The settings every client of this cluster starts from.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        // OpenSSL is built in, and looks for the computer's authorities where this computer does not have them.
        if ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().all(|name| std::env::var_os(name).is_none()) {
            config.set("ssl.ca.location", "probe");
        }
        for property in self.properties() {
            config.set(&property.key, property.value.trim());
        }
        config.set("bootstrap.servers", self.servers()).set("client.id", "streamgauge");
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// What went wrong when a client was made.
    pub fn client_error(&self, error: &KafkaError) -> Error {
        Error::Client { side: self.side(), servers: self.servers().to_owned(), words: describe(error) }
    }
}

/// The context of a Kafka client: sends librdkafka's logs to ours and keeps the last reason it gave for trouble, because
/// the error codes that calls return ("Local: Timed out") hide it ("Connect to … failed: Connection refused").
#[derive(Debug, Clone, Default)]
pub struct Words(Arc<Mutex<Option<String>>>);

impl Words {
    /// The reason last given for trouble, if there was any; otherwise the error itself.
    pub fn explain(&self, error: &KafkaError) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone().unwrap_or_else(|| describe(error))
    }
}

/// An error without rdkafka's own wrapping: the broker's or librdkafka's sentence alone.
pub fn describe(error: &KafkaError) -> String {
    match (error, error.rdkafka_error_code()) {
        (KafkaError::ClientCreation(reason), _) => reason.clone(),
        (_, Some(code)) => code.to_string(),
        _ => error.to_string(),
    }
}

impl ClientContext for Words {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if (level as i32) <= (RDKafkaLogLevel::Warning as i32) {
            tracing::warn!("librdkafka {facility}: {message}");
        } else {
            tracing::debug!("librdkafka {facility}: {message}");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("librdkafka: {error}: {reason}");
        // "1/1 brokers are down" follows the reason why and must not hide it; the end of a partition is no trouble.
        let code = error.rdkafka_error_code();
        if !matches!(code, Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::PartitionEOF)) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Words {}
