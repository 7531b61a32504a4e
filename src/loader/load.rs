//! The whole load, from the first question to the last count.

use std::time::Duration;

use jiff::Timestamp;

use super::args::{Compression, Partitioner};
use super::batch::{Codec, RunHeader};
use super::claim::Claim;
use super::copy::{self, Form, Route};
use super::flink::{self, Site};
use super::outcome::Outcome;
use super::plan::{self, Planner, Share, Stretch, TooFew};
use super::range::{Range, before};
use super::schedule::Pace;
use super::source::Reader;
use super::target::Producer;
use super::verdict::Planned;
use super::visible::{self, Visible};
use super::{Error, Job};
use crate::kafka::{self, Bounds, Cluster, Topic};

/// The longest that a question about topics may take: a wrong address must be noticed soon.
const ASK: Duration = Duration::from_secs(10);

/// What came of a load once its clock had started.
#[derive(Debug)]
pub struct Loaded {
    /// What it was to be.
    pub planned: Planned,
    /// How often the range was begun again.
    pub repeated: u64,
    /// What happened.
    pub outcome: Outcome,
    /// How many shared it.
    pub loaders: u32,
    /// What can be seen of it, when it came to its end; a shard does not look.
    pub visible: Option<Visible>,
    /// Whether the target topic gives records a timestamp of its own.
    pub restamped: bool,
    /// What is known of where it took place, by its names in the report's environment.
    pub environment: Vec<(&'static str, String)>,
    /// Why it ended early, if it did.
    pub failure: Option<Error>,
}

/// What came of the records' way from topic to topic.
struct Sent {
    outcome: Outcome,
    restamped: bool,
    loaders: u32,
    failure: Option<Error>,
}

/// Plans, copies and counts. Ends early when the job is cancelled; what was sent by then is told all the same.
pub async fn load(job: &Job) -> Result<Loaded, Error> {
    let (source, target) = clusters(job)?;
    let prepared = unless_cancelled(job, prepare(job, &source, &target)).await?;
    if let Some(claim) = &job.claim {
        claim.take()?;
    }
    let sent = match &job.site {
        Some(site) => send_by_flink(job, &source, site, &prepared).await,
        None => send(job, &source, &target, &prepared).await,
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(error) => {
            // Nothing was sent, so the load may be tried again. What became of it matters more than a file.
            let _ = job.claim.as_ref().filter(|_| !matches!(error, Error::Vanished)).map(Claim::release);
            return Err(error);
        }
    };
    let Prepared { to, shares, before, mut environment, .. } = prepared;
    if job.site.is_none() {
        environment.extend(node().map(|node| ("node.loader", node)));
    }
    let warm_up = job.pace.warm_up();
    let all: u64 = shares.iter().map(|share| share.records).sum();
    let mut loaded = Loaded {
        planned: Planned { records: all.saturating_sub(warm_up), warm_up },
        repeated: plan::repeated(&shares),
        outcome: sent.outcome,
        loaders: sent.loaders,
        visible: None,
        restamped: sent.restamped,
        environment,
        failure: sent.failure,
    };
    if loaded.failure.is_none() && job.shares.is_none() {
        // That the target does not tell is a failure like any other of the load: what was sent is reported all the same.
        let counted = visible::count(&target, &to.name, &before, &loaded.outcome, job.patience);
        match unless_cancelled(job, counted).await {
            Ok(visible) => loaded.visible = Some(visible),
            Err(error) => loaded.failure = Some(error),
        }
    }
    Ok(loaded)
}

/// Sends the records from here. An error means that nothing was sent.
async fn send(job: &Job, source: &Cluster, target: &Cluster, prepared: &Prepared) -> Result<Sent, Error> {
    let Prepared { from, to, shares, .. } = prepared;
    let producer = unless_cancelled(job, Producer::new(target, to, job.patience)).await?;
    let stretches: Vec<_> = shares.iter().map(|share| (share.stretch, share.passes())).collect();
    let reader = Reader::open(source, from.clone(), &stretches, job.patience);
    let route = Route {
        cluster: target,
        topic: to,
        producer,
        form: form(job, from, to),
        start_at: job.start_at,
        late_after: job.late_after,
        patience: job.patience,
        gauge: job.gauge.clone(),
        cancel: job.cancel.clone(),
    };
    let copied = copy::copy(reader, shares, &job.pace, route).await?;
    let outcome = Outcome::of(&copied, producer);
    Ok(Sent { outcome, restamped: copied.tally.restamped, loaders: 1, failure: copied.failure })
}

/// Lets a Flink job send them. An error means that nothing was sent.
async fn send_by_flink(job: &Job, source: &Cluster, site: &Site, prepared: &Prepared) -> Result<Sent, Error> {
    let Prepared { from, to, shares, .. } = prepared;
    let Form { codec, keep_partition, .. } = form(job, from, to);
    let codec = match codec {
        Some(codec) => codec,
        None => unless_cancelled(job, usual_codec(source, from, shares, job.patience)).await?,
    };
    let partitions = (!keep_partition).then_some(to.partitions.len());
    let carried = flink::run(job, site, shares, partitions, codec).await?;
    let flink::Carried { outcome, subtasks, restamped, failure } = carried;
    Ok(Sent { outcome, restamped, loaders: subtasks.max(1), failure })
}

/// How most partitions compress the first batch of their share: a Java client is told of one codec only, and not of that of
/// the records that it reads.
async fn usual_codec(source: &Cluster, topic: &Topic, shares: &[Share], patience: Duration) -> Result<Codec, Error> {
    let first = |share: &Share| (Stretch { stop: share.stretch.start + 1, ..share.stretch }, 1);
    let firsts: Vec<_> = shares.iter().map(first).collect();
    let mut reader = Reader::open(source, topic.clone(), &firsts, patience);
    let mut found: Vec<(Codec, usize)> = Vec::new();
    for index in 0..firsts.len() {
        let Some(fetched) = reader.next(index).await? else { continue };
        let codec = fetched.batch.codec();
        match found.iter_mut().find(|(known, _)| *known == codec) {
            Some((_, count)) => *count += 1,
            None => found.push((codec, 1)),
        }
    }
    Ok(found.into_iter().max_by_key(|(_, count)| *count).map_or(Codec::None, |(codec, _)| codec))
}

/// Which records a load would send, the target's bounds before it, and what is known of the target; sends nothing.
pub async fn plan_only(job: &Job) -> Result<(Vec<Share>, Vec<Bounds>, Vec<(&'static str, String)>), Error> {
    let (source, target) = clusters(job)?;
    let (_, to, shares) = unless_cancelled(job, find(job, &source, &target)).await?;
    let before = target.bounds(&to).await?;
    Ok((shares, before, surroundings(&target, &to).await))
}

/// What is known of where records go, by its names in the report's environment. A load does not fail for it.
async fn surroundings(target: &Cluster, topic: &Topic) -> Vec<(&'static str, String)> {
    let mut known = vec![("kafka.partitions", topic.partitions.len().to_string())];
    match target.version().await {
        Ok(version) => known.push(("kafka", version)),
        Err(error) => tracing::warn!("the report does not say which Kafka it is: {error}"),
    }
    known
}

/// The processor of this computer, and how many cores it has; none where the system does not say.
fn node() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let fields =
        || text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim(), value.trim()));
    let model = fields().find(|(name, _)| *name == "model name").map(|(_, value)| value)?;
    let cores = fields().filter(|(name, _)| *name == "processor").count();
    Some(format!("{model}, {cores} cores"))
}

/// What can be seen of a load that shards have run. `before` are the target's bounds from before it.
pub async fn count_visible(job: &Job, before: &[Bounds], outcome: &Outcome) -> Result<Visible, Error> {
    let (_, target) = clusters(job)?;
    unless_cancelled(job, visible::count(&target, &job.target_topic, before, outcome, job.patience)).await
}

/// The source's and the target's.
fn clusters(job: &Job) -> Result<(Cluster, Cluster), Error> {
    let timeout = ASK.min(job.patience);
    Ok((Cluster::new(&job.source, timeout)?, Cluster::new(&job.target, timeout)?))
}

async fn unless_cancelled<T>(job: &Job, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::select! {
        done = work => done,
        () = job.cancel.wait() => Err(Error::Stopped),
    }
}

/// What is known before the first record is sent.
struct Prepared {
    from: Topic,
    to: Topic,
    shares: Vec<Share>,
    /// The target's bounds.
    before: Vec<Bounds>,
    /// What is known of the target.
    environment: Vec<(&'static str, String)>,
}

async fn prepare(job: &Job, source: &Cluster, target: &Cluster) -> Result<Prepared, Error> {
    let (from, to, shares) = find(job, source, target).await?;
    let before = target.bounds(&to).await?;
    let environment = surroundings(target, &to).await;
    Ok(Prepared { from, to, shares, before, environment })
}

/// The two topics, and which records go from the one to the other.
async fn find(job: &Job, source: &Cluster, target: &Cluster) -> Result<(Topic, Topic, Vec<Share>), Error> {
    let from = source.topic(&job.source_topic).await?;
    refuse_same_topic(job, source, target).await?;
    let to = target_topic(job, target, from.partitions.len()).await?;
    let shares = match &job.shares {
        Some(shares) => shares.clone(),
        None => plan(job, source, &from).await?,
    };
    let there = |share: &&Share| to.partitions.iter().any(|partition| partition.number == share.stretch.partition);
    if form(job, &from, &to).keep_partition
        && let Some(share) = shares.iter().find(|share| !there(share))
    {
        let (partition, partitions) = (share.stretch.partition, to.partitions.len());
        return Err(Error::NoSuchPartition { topic: job.target_topic.clone(), partition, partitions });
    }
    Ok((from, to, shares))
}

/// The target topic, created when that was asked for.
async fn target_topic(job: &Job, target: &Cluster, partitions: usize) -> Result<Topic, Error> {
    match (target.topic(&job.target_topic).await, job.create_topic) {
        (Err(kafka::Error::UnknownTopic { .. }), Some(new)) => {
            target.create_topic(&job.target_topic, new.partitions, new.replication).await?;
            tracing::info!("created topic {} with {} partitions", job.target_topic, new.partitions);
            Ok(target.topic(&job.target_topic).await?)
        }
        (Err(kafka::Error::UnknownTopic { servers, topic, .. }), None) => {
            Err(Error::NoTargetTopic { servers, topic, partitions })
        }
        (found, _) => Ok(found?),
    }
}

/// Reading from a topic what one writes into it would never be the load asked for. Clusters without an id are told apart
/// by their addresses.
async fn refuse_same_topic(job: &Job, source: &Cluster, target: &Cluster) -> Result<(), Error> {
    if job.source_topic != job.target_topic {
        return Ok(());
    }
    let same = match (source.id().await?, target.id().await?) {
        (Some(source), Some(target)) => source == target,
        _ => job.source.servers() == job.target.servers(),
    };
    if same { Err(Error::SameTopic { topic: job.target_topic.clone() }) } else { Ok(()) }
}

/// How records become those of the target.
fn form(job: &Job, from: &Topic, to: &Topic) -> Form {
    let codec = match job.compression {
        Compression::Keep => None,
        Compression::None => Some(Codec::None),
        Compression::Gzip => Some(Codec::Gzip),
        Compression::Snappy => Some(Codec::Snappy),
        Compression::Lz4 => Some(Codec::Lz4),
        Compression::Zstd => Some(Codec::Zstd),
    };
    let as_many = from.partitions.len() == to.partitions.len();
    let keep_partition = job.partitioner.map_or(as_many, |partitioner| partitioner == Partitioner::Same);
    Form { run: job.run_header.as_deref().map(RunHeader::new), codec, keep_partition }
}

/// Where the records lie that may be sent.
async fn range(job: &Job, source: &Cluster, topic: &Topic) -> Result<Vec<Bounds>, Error> {
    let bounds = source.bounds(topic).await?;
    let (range, span) = match (&job.pace, &job.range) {
        // A replay of the last records is one of the last stretch of time.
        (Pace::Replay(replay), Range::Last) => (Range::Since(Timestamp::now() - replay.span), None),
        (Pace::Replay(replay), range) => (range.clone(), Some(replay.span)),
        (Pace::Scheduled(_), range) => (range.clone(), None),
    };
    let Some(time) = range.time() else { return Ok(range.within(&bounds, &[])?) };
    let held = range.within(&bounds, &source.offsets_at(topic, time).await?)?;
    match span {
        Some(span) => {
            let end = time.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
            Ok(before(&held, &source.offsets_at(topic, end).await?))
        }
        None => Ok(held),
    }
}

/// Which records are sent: reads as much of the source as it takes to know that they are there.
async fn plan(job: &Job, source: &Cluster, topic: &Topic) -> Result<Vec<Share>, Error> {
    let held = range(job, source, topic).await?;
    let mut planner = Planner::new(job.pace.total(), &held, job.range.end(), job.repeat);
    while let Some(stretches) = planner.next_scan() {
        let stretches: Vec<_> = stretches.into_iter().map(|stretch| (stretch, 1)).collect();
        planner.scanned(Reader::open(source, topic.clone(), &stretches, job.patience).scan().await?);
    }
    let (records, rate) = job.pace.asked();
    let warm_up = job.pace.warm_up();
    planner.finish().map_err(|TooFew { held }| Error::TooFew {
        topic: job.source_topic.clone(),
        wanted: records + warm_up,
        held,
        rate: (rate > 0.0).then(|| (rate, held.saturating_sub(warm_up))),
    })
}
