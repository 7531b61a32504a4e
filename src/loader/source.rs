//! Reads stretches of a topic's partitions, each from its own queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::offsets::Offsets;
use super::plan::Stretch;
use super::{Cancel, Error};
use crate::kafka::{Connection, Words, describe};

/// The most memory for records read ahead, over all partitions; librdkafka may go over it by a fetch each.
const READ_AHEAD_KIB: usize = 64 * 1024;

/// Reads stretches of a topic, as a read_committed consumer that neither joins nor commits a group.
pub struct Reader {
    topic: String,
    // Dropped before the consumer, which they keep alive.
    queues: Vec<PartitionQueue<Words>>,
    stretches: Vec<Stretch>,
    consumer: Arc<BaseConsumer<Words>>,
    patience: Duration,
    cancel: Cancel,
}

/// What came next in a stretch.
pub enum Next<'a> {
    /// A record.
    Record(BorrowedMessage<'a>),
    /// Nothing within the time given.
    Nothing,
    /// The stretch is over.
    End,
}

impl Reader {
    /// Begins to read ahead in these stretches.
    pub fn open(
        connection: &Connection,
        topic: &str,
        stretches: Vec<Stretch>,
        patience: Duration,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let ahead = (READ_AHEAD_KIB / stretches.len().max(1)).max(1024);
        let mut config = connection.config();
        if config.get("group.id").is_none() {
            // librdkafka wants a name, though nobody joins.
            config.set("group.id", "streamgauge-dataloader");
        }
        config
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            // An offset that is gone must be an error: starting elsewhere would replay other records.
            .set("auto.offset.reset", "error")
            .set("queued.max.messages.kbytes", ahead.to_string())
            .set("fetch.queue.backoff.ms", "100")
            .set("fetch.wait.max.ms", "100");
        let failed = |error: KafkaError| Error::from(connection.client_error(&error));
        let consumer: BaseConsumer<Words> = config.create_with_context(Words::default()).map_err(failed)?;
        let consumer = Arc::new(consumer);
        // Split before the assignment: records that arrive in between would land in the consumer's common queue.
        let queues = stretches
            .iter()
            .map(|stretch| consumer.split_partition_queue(topic, stretch.partition))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| failed(KafkaError::ClientCreation(format!("no queue for topic {topic}"))))?;
        let mut assignment = TopicPartitionList::new();
        for stretch in &stretches {
            let offset = Offset::Offset(stretch.start);
            assignment.add_partition_offset(topic, stretch.partition, offset).map_err(failed)?;
        }
        consumer.assign(&assignment).map_err(failed)?;
        Ok(Self { topic: topic.to_owned(), queues, stretches, consumer, patience, cancel: cancel.clone() })
    }

    /// What comes next in stretch `index`. It ends at the first offset behind it or at the end of the partition: markers
    /// and gaps at its end yield no record, so a count alone could wait for ever.
    pub fn next(&self, index: usize, wait: Duration) -> Result<Next<'_>, Error> {
        match self.queues[index].poll(wait) {
            None => Ok(Next::Nothing),
            Some(Ok(record)) if record.offset() >= self.stretches[index].stop => Ok(Next::End),
            Some(Ok(record)) => Ok(Next::Record(record)),
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(Next::End),
            Some(Err(error)) => self.trouble(&error, Some(index)).map(|()| Next::Nothing),
        }
    }

    /// Like [`Reader::next`], but waits as long as the source may take.
    pub fn wait(&self, index: usize) -> Result<Next<'_>, Error> {
        let deadline = Instant::now() + self.patience;
        loop {
            match self.next(index, Duration::from_millis(10))? {
                Next::Nothing if self.cancel.requested() => return Err(Error::Stopped),
                Next::Nothing if Instant::now() >= deadline => {
                    let silent = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
                    return Err(self.error(index, self.consumer.client().context().explain(&silent)));
                }
                Next::Nothing => self.serve()?,
                next => return Ok(next),
            }
        }
    }

    /// Serves the consumer's own events, errors and logs; to be called now and then.
    pub fn serve(&self) -> Result<(), Error> {
        match self.consumer.poll(Duration::ZERO) {
            Some(Err(error)) => self.trouble(&error, None),
            _ => Ok(()),
        }
    }

    /// Which offsets of the stretches hold records. Reads them all.
    pub fn scan(&self) -> Result<Vec<Offsets>, Error> {
        let mut found = vec![Offsets::default(); self.stretches.len()];
        for (index, offsets) in found.iter_mut().enumerate() {
            let mut read: u64 = 0;
            while let Next::Record(record) = self.wait(index)? {
                offsets.push(record.offset());
                read += 1;
                if read.is_multiple_of(1000) && self.cancel.requested() {
                    return Err(Error::Stopped);
                }
            }
        }
        Ok(found)
    }

    /// The stretch ended before all planned records came: the log changed after it was planned.
    pub fn ended_early(&self, index: usize) -> Error {
        self.error(index, "records that were there are gone; does its retention end within the load?".to_owned())
    }

    /// librdkafka heals lost connections itself, so most errors only mean waiting; these do not heal.
    fn trouble(&self, error: &KafkaError, index: Option<usize>) -> Result<(), Error> {
        use RDKafkaErrorCode as Code;
        let lasting = matches!(error, KafkaError::MessageConsumptionFatal(_))
            || matches!(
                error.rdkafka_error_code(),
                Some(
                    Code::AutoOffsetReset
                        | Code::OffsetOutOfRange
                        | Code::TopicAuthorizationFailed
                        | Code::UnknownTopicOrPartition
                        | Code::UnknownTopic
                        | Code::UnknownPartition
                        | Code::Authentication
                )
            );
        match index {
            Some(index) if lasting => Err(self.error(index, describe(error))),
            None if lasting => Err(Error::SourceTopic { topic: self.topic.clone(), words: describe(error) }),
            _ => {
                tracing::debug!("source: {error}");
                Ok(())
            }
        }
    }

    fn error(&self, index: usize, words: String) -> Error {
        Error::Source { topic: self.topic.clone(), partition: self.stretches[index].partition, words }
    }
}
