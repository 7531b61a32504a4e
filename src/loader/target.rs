//! Hands records to the target and counts what its broker acknowledges.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Message, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::offsets::Offsets;
use super::{Cancel, Error, histogram, micros};
use crate::kafka::{Connection, Words, describe};

/// The most memory for records that are handed over and not yet acknowledged.
const QUEUE_KIB: usize = 64 * 1024;

/// How long to wait before a full queue is tried again.
const RETRY: Duration = Duration::from_millis(1);

/// What the target's broker has acknowledged.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Records acknowledged.
    pub acked: u64,
    /// Records that failed for good.
    pub failed: u64,
    /// Why the first of them did.
    pub failure: Option<String>,
    /// From handing over to the acknowledgement, in microseconds.
    pub latency: Histogram<u64>,
    /// When the last acknowledgement came, in nanoseconds after the start.
    pub last_ack: u64,
    /// By partition.
    pub partitions: BTreeMap<i32, Delivered>,
}

/// What was acknowledged in one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Records acknowledged.
    pub acked: u64,
    /// Their offsets. There can be fewer: when the broker answers a repeated batch with "I have that already", it does
    /// not say where.
    pub offsets: Offsets,
}

/// The producer's context: its delivery reports and its words.
#[derive(Clone)]
struct Deliveries {
    words: Words,
    start: Instant,
    tally: Arc<Mutex<Tally>>,
    acked: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
}

impl Deliveries {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.words.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.words.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    /// When the record was handed over: nanoseconds after the start.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, handed: usize) {
        let now = self.start.elapsed().as_nanos() as u64;
        let mut tally = self.tally();
        match result {
            Ok(record) => {
                tally.acked += 1;
                tally.last_ack = now;
                tally.latency.saturating_record(micros(now.saturating_sub(handed as u64)));
                let delivered = tally.partitions.entry(record.partition()).or_default();
                delivered.acked += 1;
                if record.offset() >= 0 {
                    delivered.offsets.push(record.offset());
                }
                self.acked.store(tally.acked, Ordering::Relaxed);
            }
            Err((error, _)) => {
                tally.failed += 1;
                // What was purged by us at the end says nothing.
                if !matches!(
                    error.rdkafka_error_code(),
                    Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
                ) && tally.failure.is_none()
                {
                    tally.failure = Some(match error.rdkafka_error_code() {
                        Some(RDKafkaErrorCode::MessageTimedOut) => {
                            format!("{}; {}", describe(error), self.words.explain(error))
                        }
                        _ => describe(error),
                    });
                }
                self.broken.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// The target topic, ready to be written to.
pub struct Writer {
    producer: BaseProducer<Deliveries>,
    topic: String,
    keep_partition: bool,
    patience: Duration,
}

/// How handing over a record went.
pub enum Handover {
    /// It was, after so long a wait for room in the queue.
    Done(Duration),
    /// A record before it failed for good, or Kafka took none for too long.
    Broken,
}

impl Writer {
    /// A producer that keeps order and writes each record once. `start` is when the clock of the delivery reports began.
    /// With `keep_partition` records keep their partition number, otherwise it follows from the key as Java clients
    /// compute it.
    pub fn open(
        connection: &Connection,
        topic: &str,
        keep_partition: bool,
        rate: f64,
        patience: Duration,
        acked: Arc<AtomicU64>,
    ) -> Result<Self, Error> {
        // A second's worth: what the broker does not take by then is lateness, and must be seen as such.
        let queue = rate.clamp(10_000.0, 1e6) as u64;
        let mut config = connection.config();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "10")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", patience.as_millis().max(1).to_string())
            // The broker judges what is too large.
            .set("message.max.bytes", "100000000")
            .set("queue.buffering.max.messages", queue.to_string())
            .set("queue.buffering.max.kbytes", QUEUE_KIB.to_string());
        let tally = Tally {
            acked: 0,
            failed: 0,
            failure: None,
            latency: histogram(),
            last_ack: 0,
            partitions: BTreeMap::new(),
        };
        let deliveries = Deliveries {
            words: Words::default(),
            start: Instant::now(),
            tally: Arc::new(Mutex::new(tally)),
            acked,
            broken: Arc::default(),
        };
        let producer = config.create_with_context(deliveries).map_err(|error| connection.client_error(&error))?;
        Ok(Self { producer, topic: topic.to_owned(), keep_partition, patience })
    }

    /// The start of the clock that delivery reports are measured on.
    pub fn clock(&self) -> Instant {
        self.deliveries().start
    }

    /// Hands over a record as it is. A full queue is waited for: serving the delivery reports is another thread's job.
    pub fn hand_over(&self, record: &BorrowedMessage<'_>, cancel: &Cancel) -> Result<Handover, Error> {
        let mut copy = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&self.topic, 0);
        copy.payload = record.payload();
        copy.key = record.key();
        copy.headers = record.headers().map(BorrowedHeaders::detach);
        copy.timestamp = carried(record.timestamp());
        copy.partition = self.keep_partition.then(|| record.partition());
        let begun = Instant::now();
        loop {
            copy.delivery_opaque = self.clock().elapsed().as_nanos() as usize;
            match self.producer.send(copy) {
                Ok(()) => return Ok(Handover::Done(begun.elapsed())),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => copy = back,
                Err((error, _)) => {
                    return Err(Error::HandOver {
                        topic: self.topic.clone(),
                        partition: record.partition(),
                        offset: record.offset(),
                        words: describe(&error),
                    });
                }
            }
            if self.broken() || begun.elapsed() > self.patience + Duration::from_secs(1) {
                return Ok(Handover::Broken);
            }
            if cancel.requested() {
                return Err(Error::Stopped);
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Whether a record failed for good: going on would only add to the damage.
    pub fn broken(&self) -> bool {
        self.deliveries().broken.load(Ordering::Relaxed)
    }

    /// Serves delivery reports until `done`; the body of a thread.
    pub fn serve(&self, done: &AtomicBool) {
        while !done.load(Ordering::Relaxed) {
            self.producer.poll(Duration::from_millis(50));
        }
    }

    /// Waits until every record handed over is acknowledged or has failed, at most so long.
    pub fn settle(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            std::thread::sleep(RETRY);
        }
    }

    /// What was acknowledged until now.
    pub fn tally(&self) -> Tally {
        self.deliveries().tally().clone()
    }

    /// Why records failed, if any did.
    pub fn failure(&self, tally: &Tally) -> Option<Error> {
        let unsettled = self.producer.in_flight_count() > 0;
        if tally.failed == 0 && !unsettled {
            return None;
        }
        let silent = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        let words = tally.failure.clone().unwrap_or_else(|| self.deliveries().words.explain(&silent));
        Some(Error::Delivery { topic: self.topic.clone(), words })
    }

    fn deliveries(&self) -> &Deliveries {
        self.producer.context()
    }
}

/// The timestamp as librdkafka carries it; 0 means "now" to it, so a record of 1970-01-01T00:00:00Z cannot be told apart
/// from one without a timestamp, and gets the time it is sent at.
pub fn carried(timestamp: Timestamp) -> Option<i64> {
    timestamp.to_millis().filter(|&millis| millis > 0)
}
