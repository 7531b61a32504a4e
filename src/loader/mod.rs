//! The data loader: replays an exact number of records from topic to topic, untouched and on schedule, and proves it.
//!
//! `plan` says which records, `schedule` when, `source` reads them, `target` writes them and counts what is acknowledged,
//! `copy` is the loop between the two, `gauge` shows how far it is, `visible` counts what consumers can see, `outcome` holds what came of it and
//! `verdict` judges; `load` is all of that in a row. `flink` lets a Flink job do what `copy` does. `shard` lets several loaders share a load, `program` tells people.

mod args;
mod batch;
mod claim;
mod copy;
mod flink;
mod gauge;
mod load;
mod offsets;
mod outcome;
mod partitioner;
mod plan;
mod profile;
mod program;
mod range;
mod schedule;
mod shard;
mod source;
mod target;
mod verdict;
mod visible;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use args::{Args, Compression, NewTopic, Partitioner};
pub use program::run;

use crate::kafka::{self, Connection};
use crate::step::{Exit, ExitClass};
use claim::Claim;
use flink::Site;
use gauge::Gauge;
use outcome::{histogram, micros};
use plan::Share;
use range::{Outside, Range};
use schedule::Pace;
use shard::Part;

/// Why a load did not come about, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka could not be asked.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// The arguments make no load.
    #[error(transparent)]
    Args(#[from] args::Error),
    /// The range does not lie in the source topic.
    #[error(transparent)]
    Outside(#[from] Outside),
    /// The run has a load already.
    #[error(transparent)]
    Claim(#[from] claim::Error),
    /// Records would be replayed into the topic they come from.
    #[error("--target-topic {topic:?} is the source topic itself, on the same cluster: name another target")]
    SameTopic {
        /// The topic.
        topic: String,
    },
    /// The target topic does not exist.
    #[error(
        "the target {servers} has no topic {topic:?}; create it, or let it be created with --create-topic {partitions},REPLICATION"
    )]
    NoTargetTopic {
        /// The target's bootstrap servers.
        servers: String,
        /// The topic.
        topic: String,
        /// How many partitions the source has.
        partitions: usize,
    },
    /// Records have no partition to go to.
    #[error(
        "--partitioner same: {topic:?} has {partitions} partitions, none with the number {partition} that records of the source have; leave the flag out to spread records by key, or create the topic with as many"
    )]
    NoSuchPartition {
        /// The target topic.
        topic: String,
        /// The partition that it lacks.
        partition: i32,
        /// How many it has.
        partitions: usize,
    },
    /// The range holds fewer records than asked for.
    #[error("{}", too_few(.topic, *.wanted, *.held, *.rate))]
    TooFew {
        /// The source topic.
        topic: String,
        /// How many are needed, for the warm-up too.
        wanted: u64,
        /// The most there are.
        held: u64,
        /// The mean rate, and how many of the records are left to send at it; none in a replay.
        rate: Option<(f64, u64)>,
    },
    /// The source gave no records.
    #[error("cannot read {topic}, partition {partition}: {words}")]
    Source {
        /// The source topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The broker's words.
        words: String,
    },
    /// What the source gave are no records.
    #[error("cannot read {topic}, partition {partition}: {error}")]
    Damaged {
        /// The source topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// What is wrong with them.
        error: batch::Error,
    },
    /// Records could not be put together for the target.
    #[error("cannot send to {topic}: {error}")]
    Build {
        /// The target topic.
        topic: String,
        /// What is wrong with them.
        error: batch::Error,
    },
    /// The target did not acknowledge records.
    #[error("{topic} did not take every record: {words}")]
    Delivery {
        /// The target topic.
        topic: String,
        /// The broker's words.
        words: String,
    },
    /// The time to begin has passed.
    #[error("the load was to begin at {start_at} and was not ready before {now}: give it a later start")]
    NotReady {
        /// When the first record was due.
        start_at: jiff::Timestamp,
        /// When all was ready.
        now: jiff::Timestamp,
    },
    /// The load was asked to stop.
    #[error("stopped")]
    Stopped,
    /// Flink did not carry it.
    #[error(transparent)]
    Flink(#[from] flink::Error),
    /// The system gave no thread.
    #[error("cannot start the loader's thread")]
    Thread(#[source] std::io::Error),
    /// The loader's thread is gone without a word.
    #[error("the loader's thread ended without a result")]
    Vanished,
}

fn too_few(topic: &str, wanted: u64, held: u64, rate: Option<(f64, u64)>) -> String {
    let there = match held {
        0 => return format!("source topic {topic:?} holds no records in the range asked for"),
        _ => format!("source topic {topic:?} holds at most {held} records, {wanted} are asked for"),
    };
    let minutes = |(rate, left): (f64, u64)| (rate, (left as f64 / rate / 60.0 * 1000.0).floor() / 1000.0);
    match rate.map(minutes) {
        Some((rate, minutes)) if minutes > 0.0 => {
            format!("{there}; --duration-min {minutes} would fit at {rate} records/s, or send some twice with --repeat")
        }
        Some(_) => format!("{there}; send some twice with --repeat"),
        None => there,
    }
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Kafka(error) => error.exit(),
            Self::Args(error) => error.exit(),
            Self::Claim(error) => error.exit(),
            Self::Flink(error) => error.exit(),
            Self::Outside(_) | Self::SameTopic { .. } | Self::NoTargetTopic { .. } | Self::TooFew { .. } => Exit::Usage,
            Self::NoSuchPartition { .. } => Exit::Usage,
            Self::NotReady { .. } => Exit::Inconclusive,
            Self::Stopped => Exit::Terminated,
            Self::Source { .. }
            | Self::Damaged { .. }
            | Self::Build { .. }
            | Self::Delivery { .. }
            | Self::Thread(_)
            | Self::Vanished => Exit::Refused,
        }
    }
}

/// The wish to stop, as the load's tasks look at it.
#[derive(Debug, Clone)]
struct Cancel(watch::Sender<bool>);

impl Default for Cancel {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Cancel {
    fn request(&self) {
        self.0.send_replace(true);
    }

    fn requested(&self) -> bool {
        *self.0.borrow()
    }

    async fn wait(&self) {
        // The sender is this one, so it does not end before.
        let _ = self.0.subscribe().wait_for(|&requested| requested).await;
    }
}

/// A load, as the arguments ask for it.
#[derive(Debug)]
struct Job {
    source: Connection,
    source_topic: String,
    target: Connection,
    target_topic: String,
    pace: Pace,
    range: Range,
    repeat: bool,
    /// None: by the two topics' numbers of partitions.
    partitioner: Option<Partitioner>,
    /// What the header `streamgauge-run` carries; none: no header.
    run_header: Option<String>,
    compression: Compression,
    /// How to create the target topic when it is not there; none: not at all.
    create_topic: Option<NewTopic>,
    /// When the first record is due; none: as soon as all is ready.
    start_at: Option<jiff::Timestamp>,
    late_after: Duration,
    patience: Duration,
    gauge: Arc<Gauge>,
    cancel: Cancel,
    /// Where to say that the load has begun; none: nowhere.
    claim: Option<Claim>,
    /// Which records, when that is planned already: those of a shard.
    shares: Option<Vec<Share>>,
    /// The Flink that carries it; none: this program does.
    site: Option<Site>,
}

impl Job {
    /// Makes a shard's job of it.
    fn take_part(&mut self, part: Part, start_at: jiff::Timestamp) {
        if let Pace::Scheduled(schedule) = &self.pace {
            self.pace = Pace::Scheduled(schedule.share(part.records, part.warm_up));
        }
        self.shares = Some(part.shares);
        self.start_at = Some(start_at);
    }
}
