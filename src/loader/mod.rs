//! The data loader: replays an exact number of records from topic to topic, untouched and on schedule, and proves it.
//!
//! `plan` says which records, `schedule` when, `source` reads them, `target` writes them and counts what is acknowledged,
//! `copy` is the loop between the two, `visible` counts what consumers can see, `verdict` judges. All of that blocks, on
//! threads of its own; [`run`] waits for them.

mod args;
pub mod batch;
mod copy;
mod offsets;
pub mod partitioner;
mod plan;
mod profile;
mod range;
mod schedule;
mod source;
mod target;
mod verdict;
mod visible;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

pub use args::{Args, Compression, NewTopic, Partitioner};

use crate::kafka::{self, Bounds, Cluster, Connection};
use crate::report::{Latency, Load, Status, Window};
use crate::step::{Exit, ExitClass, Failure, Progress, Step};
use copy::Copied;
use plan::{Planner, Share, TooFew};
use range::{Outside, Range};
use schedule::Pace;
use source::Reader;
use target::Writer;
use visible::Visible;

/// The longest that a question about topics may take: a wrong address must be noticed soon.
const ASK: Duration = Duration::from_secs(10);

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
    /// The source gave no records, whatever the partition.
    #[error("cannot read {topic}: {words}")]
    SourceTopic {
        /// The source topic.
        topic: String,
        /// The broker's words.
        words: String,
    },
    /// librdkafka did not take a record.
    #[error("cannot hand over the record at offset {offset} of partition {partition} to {topic}: {words}")]
    HandOver {
        /// The target topic.
        topic: String,
        /// The record's partition in the source.
        partition: i32,
        /// Its offset in the source.
        offset: i64,
        /// librdkafka's words.
        words: String,
    },
    /// The target did not acknowledge records.
    #[error("{topic} did not take every record: {words}")]
    Delivery {
        /// The target topic.
        topic: String,
        /// The broker's words.
        words: String,
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
            | Self::SourceTopic { .. }
            | Self::HandOver { .. }
            | Self::Delivery { .. }
            | Self::Thread(_)
            | Self::Vanished => Exit::Refused,
        }
    }
}

/// The wish to stop, as the loader's threads look at it.
#[derive(Debug, Clone, Default)]
struct Cancel(Arc<AtomicBool>);

impl Cancel {
    fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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

/// What came of a load once its clock had started.
#[derive(Debug)]
struct Loaded {
    copied: Copied,
    visible: Option<Visible>,
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
    let work = move || {
        // Nobody waits any more when the process is ending.
        let _ = done.send(load(&job));
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
    if copied.without_timestamp > 0 {
        tracing::warn!(
            "{} records have no timestamp or 1970-01-01T00:00:00Z, which librdkafka cannot carry: they got the time they were sent at",
            copied.without_timestamp
        );
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

/// The whole load, on the loader's thread.
fn load(job: &Job) -> Result<Loaded, Error> {
    let timeout = ASK.min(job.patience);
    let source = Cluster::new(&job.source, timeout)?;
    let partitions = source.partitions(&job.source_topic)?;
    let target = Cluster::new(&job.target, timeout)?;
    refuse_same_topic(job, &source, &target)?;
    let target_partitions = match target.partitions(&job.target_topic) {
        Err(kafka::Error::UnknownTopic { servers, topic, .. }) => {
            return Err(Error::NoTargetTopic { servers, topic, partitions: partitions.len() });
        }
        found => found?,
    };
    let Pace::Scheduled(schedule) = &job.pace else {
        let words = "its records cannot be replayed by their timestamps".to_owned();
        return Err(Error::SourceTopic { topic: job.source_topic.clone(), words });
    };
    let shares = plan(job, &source.bounds(&job.source_topic, &partitions)?)?;
    let stretches: Vec<_> = shares.iter().map(|share| share.stretch).collect();
    let counts = shares.iter().map(|share| share.records).collect();
    let reader = Reader::open(&job.source, &job.source_topic, stretches, job.patience, &job.cancel)?;
    let writer = Writer::open(
        &job.target,
        &job.target_topic,
        partitions == target_partitions,
        schedule.rate(),
        job.patience,
        job.acked.clone(),
    )?;
    let before = target.bounds(&job.target_topic, &target_partitions)?;
    let mut copied = copy::copy(&reader, &writer, counts, schedule, job.late_after, job.patience, &job.cancel)?;
    let visible = count_visible(job, &target, &before, &mut copied);
    Ok(Loaded { copied, visible })
}

/// What is visible, when the load came to its end. That the target does not tell is a failure like any other of the load:
/// what was sent is reported all the same.
fn count_visible(job: &Job, target: &Cluster, before: &[Bounds], copied: &mut Copied) -> Option<Visible> {
    if copied.failure.is_some() {
        return None;
    }
    match visible::count(job, target, before, &copied.tally) {
        Ok(visible) => Some(visible),
        Err(error) => {
            copied.failure = Some(error);
            None
        }
    }
}

/// Reading from a topic what one writes into it would never be the load asked for. Clusters without an id are told apart
/// by their addresses.
fn refuse_same_topic(job: &Job, source: &Cluster, target: &Cluster) -> Result<(), Error> {
    let same_cluster = || match (source.id(), target.id()) {
        (Some(source), Some(target)) => source == target,
        _ => job.source.servers() == job.target.servers(),
    };
    if job.source_topic == job.target_topic && same_cluster() {
        return Err(Error::SameTopic { topic: job.target_topic.clone() });
    }
    Ok(())
}

fn plan(job: &Job, held: &[Bounds]) -> Result<Vec<Share>, Error> {
    let held = job.range.within(held, &[])?;
    let (records, rate) = job.pace.asked();
    let warm_up = job.pace.warm_up();
    let mut planner = Planner::new(job.pace.total(), &held, job.range.end(), job.repeat);
    while let Some(stretches) = planner.next_scan() {
        let reader = Reader::open(&job.source, &job.source_topic, stretches, job.patience, &job.cancel)?;
        planner.scanned(reader.scan()?);
    }
    planner.finish().map_err(|TooFew { held }| Error::TooFew {
        topic: job.source_topic.clone(),
        wanted: records + warm_up,
        held,
        rate: (rate > 0.0).then(|| (rate, held.saturating_sub(warm_up))),
    })
}
