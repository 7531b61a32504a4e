//! What a cluster says about itself and its topics.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use super::{Connection, Error, Words, describe};

/// The offsets of a partition that a read_committed consumer can reach: `low` is the first, `high` the one behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The partition.
    pub partition: i32,
    /// The log's first offset.
    pub low: i64,
    /// The last stable offset: behind the last record that is committed.
    pub high: i64,
}

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
                Err(Error::UnknownTopic { side, servers, topic: topic.to_owned() })
            }
            (_, Some(code)) => Err(Error::Refused { side, servers, asked: asked(), words: code.to_string() }),
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
                return Err(Error::Refused { side, servers, asked: asked(), words: describe(&error) });
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
