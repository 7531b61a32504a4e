//! The data loader: replays an exact number of records from topic to topic, untouched and on schedule, and proves it.
//!
//! `plan` says which records, `schedule` when, `source` reads them, `target` writes them and counts what is acknowledged,
//! `copy` is the loop between the two, `visible` counts what consumers can see, `verdict` judges. All of that blocks, on
//! threads of its own; [`run`] waits for them.

mod args;
mod batch;
mod copy;
mod load;
mod offsets;
mod partitioner;
mod plan;
mod profile;
mod range;
mod schedule;
mod source;
mod target;
mod verdict;
mod visible;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::watch;

pub use args::{Args, Compression, NewTopic, Partitioner};

use crate::kafka::{self, Connection};
use crate::report::{Latency, Load, Status, Window};
use crate::step::{Exit, ExitClass, Failure, Progress, Step};
use copy::Copied;
use load::Loaded;
use range::{Outside, Range};
use schedule::Pace;

/// Threads that read and write, beside the one that puts records together.
const WORKERS: usize = 2;

/// What is said when the target topic gives records timestamps of its own.
const RESTAMPED: &str = "the target topic gives records the time they arrive (message.timestamp.type=LogAppendTime): \
    their own timestamps are not replayed";

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
    /// Records would be replayed into the topic they come from.
    #[error("--target-topic {topic:?} is the source topic itself, on the same cluster: name another target")]
    SameTopic {
        /// The topic.
        topic: String,
    },
    /// The target topic does not exist.
    #[error(
        "the target {servers} has no topic {topic:?}; create it first: kafka-topics.sh --bootstrap-server {servers} --create --topic {topic} --partitions {partitions}"
    )]
    NoTargetTopic {
        /// The target's bootstrap servers.
        servers: String,
        /// The topic.
        topic: String,
        /// How many partitions the source has.
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
    /// Records were still under way when there was no time left.
    #[error("records were still not acknowledged {seconds} s after the last was handed over")]
    Unsettled {
        /// How long was waited.
        seconds: u64,
    },
    /// The load was asked to stop.
    #[error("stopped")]
    Stopped,
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
    match rate {
        Some((rate, left)) if left > 0 => {
            let minutes = (left as f64 / rate / 60.0 * 1000.0).floor() / 1000.0;
            format!("{there}; --duration-min {minutes} would fit at {rate} records/s, or send some twice with --repeat")
        }
        _ => there,
    }
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Kafka(error) => error.exit(),
            Self::Args(error) => error.exit(),
            Self::Outside(_) | Self::SameTopic { .. } | Self::NoTargetTopic { .. } | Self::TooFew { .. } => Exit::Usage,
            Self::Stopped => Exit::Terminated,
            Self::Source { .. }
            | Self::Damaged { .. }
            | Self::Build { .. }
            | Self::Unsettled { .. }
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
    acked: Arc<AtomicU64>,
    cancel: Cancel,
}

/// Replays the records. Writes results and the report's part however it ends, once records were sent.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let run = step.read_report()?.run.unwrap_or_default();
    let job = args.job(&run.id)?;
    let (records, rate) = job.pace.asked();
    let (acked, cancel) = (job.acked.clone(), job.cancel.clone());
    let blank = Load {
        engine: "builtin".to_owned(),
        source: job.source_topic.clone(),
        target: job.target_topic.clone(),
        profile: args.profile.to_string(),
        planned: records,
        rate,
        ..Load::default()
    };
    let (done, mut outcome) = tokio::sync::oneshot::channel();
    // Threads of its own: reading and writing go on while records are put together.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let runtime = runtime.map_err(Error::Thread)?;
    let work = move || {
        // Nobody waits any more when the process is ending.
        let _ = done.send(runtime.block_on(load::load(&job)));
    };
    std::thread::Builder::new().name("loader".to_owned()).spawn(work).map_err(Error::Thread)?;
    let mut stop = step.stop();
    let mut progress = Progress::new("records acknowledged", records);
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    let loaded = loop {
        tokio::select! {
            loaded = &mut outcome => break loaded.map_err(|_| Error::Vanished)?,
            _ = stop.wait(), if !cancel.requested() => cancel.request(),
            _ = tick.tick() => progress.set(acked.load(Ordering::Relaxed)),
        }
    };
    progress.finish();
    finish(step, blank, loaded?)
}

/// Writes what is known of the load, then says how it ended.
fn finish(step: &Step, blank: Load, loaded: Loaded) -> Result<Exit, Failure> {
    let Loaded { copied, visible } = loaded;
    let verdict = verdict::judge(blank.planned, &copied, visible.as_ref());
    let window = window(&copied);
    let seconds = copied.window as f64 / 1e9;
    let acked = copied.tally.acked;
    // An open model is never faster than asked for; so short a load that only its latency is left has the rate asked for.
    let achieved = if acked == 0 { 0.0 } else { (acked as f64 / seconds.max(1e-9)).min(blank.rate) };
    let load = Load {
        read: copied.read,
        acked,
        visible: visible.as_ref().map_or(0, |visible| visible.ours),
        achieved_rate: achieved,
        window: Some(window),
        send_delay: (copied.read > 0).then(|| latency(&copied.send_delay)),
        ack_latency: (acked > 0).then(|| latency(&copied.tally.latency)),
        verdict: Some(verdict.clone()),
        ..blank
    };
    if copied.tally.restamped {
        tracing::warn!("{}", RESTAMPED);
    }
    let results = step.results();
    results.write("window-start", &millis(window.start))?;
    results.write("window-end", &millis(window.end))?;
    results.write("records", &acked.to_string())?;
    results.write("rate", &format!("{achieved:.1}"))?;
    results.write("load-verdict", verdict.status.as_str())?;
    step.update_report(|report| report.load = Some(load))?;
    match (copied.failure, verdict.status) {
        (Some(error), _) => Err(Failure::msg(error.exit(), format!("{error}\n  {}", verdict.cause))),
        (None, Status::Pass | Status::Warn) => {
            tracing::info!("{}", verdict.cause);
            Ok(Exit::Done)
        }
        (None, status) => Err(Failure::msg(status.exit(), format!("load {}: {}", status.as_str(), verdict.cause))),
    }
}

/// From when the first record was due to the last acknowledgement. The end is counted on the monotonic clock, so that a
/// step of the wall clock does not change the length.
fn window(copied: &Copied) -> Window {
    let start = copied.started_at;
    let length = jiff::SignedDuration::from_nanos(i64::try_from(copied.window).unwrap_or(i64::MAX));
    Window { start, end: start.checked_add(length).unwrap_or(start) }
}

fn millis(time: jiff::Timestamp) -> String {
    format!("{time:.3}")
}

/// A histogram of microseconds, up to an hour, to three digits. What is longer counts as an hour.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap_or_else(|error| unreachable!("fixed bounds: {error}"))
}

/// Nanoseconds as microseconds, rounded up: a histogram cannot tell less than one.
fn micros(nanos: u64) -> u64 {
    nanos.div_ceil(1000)
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 / 1000.0 }
}
