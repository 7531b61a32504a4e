//! Reads stretches of a topic's partitions as the batches that the broker stores, with read_committed's eyes.
//!
//! One task asks each leader for whatever partitions have room, so that reading goes on while records wait to be due. It
//! neither joins nor commits a group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::Error;
use super::batch::{self, Batch, Marker};
use super::offsets::Offsets;
use super::plan::Stretch;
use crate::kafka::{self, Cluster, Topic};

/// The most memory for batches read ahead, over all partitions.
const READ_AHEAD: usize = 48 << 20;

/// The least room of a partition: below it every batch would be a question of its own.
const LEAST_ROOM: usize = 64 << 10;

/// The most that one answer may carry. Batches keep their answer's memory until all of it is used.
const ANSWER: i32 = 4 << 20;

/// Batches below this size are copied out of their answer, in bytes.
const SMALL: usize = 64 << 10;

/// How long a broker may wait for records to come.
const WAIT: Duration = Duration::from_millis(100);

/// How long to wait before an error that heals is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// A batch of which records are wanted.
#[derive(Debug)]
pub struct Fetched {
    /// The batch: its records are committed, it is no marker.
    pub batch: Batch,
    /// Records before this offset are not wanted.
    pub start: i64,
    /// Nor are records from this one on.
    pub stop: i64,
}

impl Fetched {
    /// Whether every record of the batch is wanted.
    pub fn whole(&self) -> bool {
        self.batch.base_offset() >= self.start && self.batch.next_offset() <= self.stop
    }

    /// Which offsets hold wanted records.
    fn offsets(&self) -> Result<Offsets, batch::Error> {
        let batch = &self.batch;
        if i64::from(batch.record_count()) == batch.next_offset() - batch.base_offset() {
            return Ok(Offsets::from_run(batch.base_offset().max(self.start)..batch.next_offset().min(self.stop)));
        }
        let mut records = batch.records()?;
        let mut offsets = Offsets::default();
        while let Some(record) = records.next_record()? {
            if (self.start..self.stop).contains(&record.offset) {
                offsets.push(record.offset);
            }
        }
        Ok(offsets)
    }
}

/// Reads stretches of a topic, each in order and to its end.
#[derive(Debug)]
pub struct Reader {
    topic: String,
    lanes: Vec<Lane>,
    room: Arc<Notify>,
    /// Why reading ended early.
    failure: mpsc::UnboundedReceiver<Error>,
    _task: AbortOnDrop,
}

#[derive(Debug)]
struct Lane {
    partition: i32,
    batches: mpsc::UnboundedReceiver<Fetched>,
    queued: Arc<AtomicUsize>,
}

/// Ends a task with its owner.
#[derive(Debug)]
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Reader {
    /// Begins to read ahead: each stretch as often as `rounds` says.
    pub fn open(cluster: &Cluster, topic: Topic, stretches: &[(Stretch, u64)], patience: Duration) -> Self {
        let room = Arc::new(Notify::new());
        let (mut lanes, mut feeds) = (Vec::new(), Vec::new());
        for &(stretch, rounds) in stretches {
            let (sender, batches) = mpsc::unbounded_channel();
            let queued = Arc::new(AtomicUsize::new(0));
            lanes.push(Lane { partition: stretch.partition, batches, queued: queued.clone() });
            feeds.push(Feed::new(stretch, rounds, sender, queued));
        }
        let (name, (told, failure)) = (topic.name.clone(), mpsc::unbounded_channel());
        let mut fetcher = Fetcher {
            cluster: cluster.clone(),
            quota: (READ_AHEAD / feeds.len().max(1)).max(LEAST_ROOM),
            feeds,
            leaders: leaders(&topic),
            topic: topic.name,
            room: room.clone(),
            patience,
            answers: 0,
            words: String::new(),
            looking: false,
        };
        let task = tokio::spawn(async move {
            // The failure is told before the fetcher's end closes the lanes: a closed lane alone looks like a stretch's end.
            if let Err(error) = fetcher.run().await {
                // Nobody reads any more when the load is ending.
                let _ = told.send(error);
            }
        });
        Self { topic: name, lanes, room, failure, _task: AbortOnDrop(task.abort_handle()) }
    }

    /// The next batch of stretch `index`; none at its end.
    pub async fn next(&mut self, index: usize) -> Result<Option<Fetched>, Error> {
        match self.lanes[index].batches.recv().await {
            Some(fetched) => Ok(Some(self.taken(index, fetched))),
            None => self.failure().map_or(Ok(None), Err),
        }
    }

    /// Why reading ended early, if it did, told once. What was read before may still be here: it is of no use any more.
    pub fn failure(&mut self) -> Option<Error> {
        self.failure.try_recv().ok()
    }

    /// Waits until reading ends early; for ever when it does not.
    pub async fn failed(&mut self) -> Error {
        match self.failure.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// The next batch of stretch `index` if it is here already.
    pub fn at_hand(&mut self, index: usize) -> Option<Fetched> {
        let fetched = self.lanes[index].batches.try_recv().ok()?;
        Some(self.taken(index, fetched))
    }

    fn taken(&self, index: usize, fetched: Fetched) -> Fetched {
        self.lanes[index].queued.fetch_sub(fetched.batch.len(), Ordering::Relaxed);
        self.room.notify_one();
        fetched
    }

    /// Which offsets of the stretches hold records. Reads them all; batches say how many records they hold, so only those
    /// with gaps are looked into.
    pub async fn scan(mut self) -> Result<Vec<Offsets>, Error> {
        let mut found = vec![Offsets::default(); self.lanes.len()];
        for (index, found) in found.iter_mut().enumerate() {
            while let Some(fetched) = self.next(index).await? {
                let offsets = fetched.offsets().map_err(|error| self.damaged(index, error))?;
                found.append(offsets);
            }
        }
        Ok(found)
    }

    /// A batch that cannot be read.
    pub fn damaged(&self, index: usize, error: batch::Error) -> Error {
        Error::Damaged { topic: self.topic.clone(), partition: self.lanes[index].partition, error }
    }

    /// The stretch ended before all planned records came: the log changed after it was planned.
    pub fn ended_early(&self, index: usize) -> Error {
        gone(&self.topic, self.lanes[index].partition)
    }
}

fn gone(topic: &str, partition: i32) -> Error {
    let words = "records that were there are gone; does its retention end within the load?".to_owned();
    Error::Source { topic: topic.to_owned(), partition, words }
}

fn leaders(topic: &Topic) -> BTreeMap<i32, i32> {
    topic.partitions.iter().map(|partition| (partition.number, partition.leader)).collect()
}

/// One stretch on its way to the reader.
struct Feed {
    stretch: Stretch,
    /// How often it is still read, this time included.
    rounds: u64,
    /// The next offset to ask for.
    next: i64,
    /// Producers whose open transaction is known to be aborted.
    aborted: BTreeSet<i64>,
    /// Where batches go; gone at the end, which is how the reader knows of it.
    sender: Option<mpsc::UnboundedSender<Fetched>>,
    /// Bytes that the reader has not taken yet.
    queued: Arc<AtomicUsize>,
    /// Since when nothing came though there was room.
    dry: Option<Instant>,
    /// Whether a broker has not answered yet for it: two answers would be about the same records.
    asked: bool,
    /// When records came last, as the number of the answer.
    served: u64,
}

impl Feed {
    fn new(stretch: Stretch, rounds: u64, sender: mpsc::UnboundedSender<Fetched>, queued: Arc<AtomicUsize>) -> Self {
        let rounds = if stretch.start < stretch.stop { rounds } else { 0 };
        let sender = (rounds > 0).then_some(sender);
        Self {
            stretch,
            rounds,
            next: stretch.start,
            aborted: BTreeSet::new(),
            sender,
            queued,
            dry: None,
            asked: false,
            served: 0,
        }
    }

    /// Takes what a broker gave, and leaves out what a read_committed consumer must not see.
    fn take(&mut self, data: PartitionData) -> Result<(), batch::Error> {
        let mut aborts = data.aborted_transactions.unwrap_or_default();
        aborts.sort_by_key(|abort| abort.first_offset);
        let mut aborts = aborts.into_iter().peekable();
        for batch in batch::split(data.records.unwrap_or_default()) {
            let batch = batch?;
            // A broker gives whole batches, so the first may begin before what was asked for.
            if batch.next_offset() <= self.next {
                continue;
            }
            self.next = batch.next_offset();
            self.note_aborts(&mut aborts, batch.last_offset());
            if self.visible(&batch)? && batch.base_offset() < self.stretch.stop {
                self.queued.fetch_add(batch.len(), Ordering::Relaxed);
                // A small batch must not keep the whole answer's memory.
                let batch = if batch.len() < SMALL { batch.detached() } else { batch };
                let fetched = Fetched { batch, start: self.stretch.start, stop: self.stretch.stop };
                // Nobody reads any more when the load is ending.
                let _ = self.sender.as_ref().map(|sender| sender.send(fetched));
            }
            if self.next >= self.stretch.stop {
                self.next_round();
                break;
            }
        }
        Ok(())
    }

    fn next_round(&mut self) {
        self.rounds -= 1;
        self.next = self.stretch.start;
        self.aborted.clear();
        if self.rounds == 0 {
            self.sender = None;
        }
    }

    fn note_aborts(&mut self, aborts: &mut std::iter::Peekable<std::vec::IntoIter<AbortedTransaction>>, last: i64) {
        while let Some(abort) = aborts.next_if(|abort| abort.first_offset <= last) {
            self.aborted.insert(abort.producer_id.0);
        }
    }

    /// Whether its records are committed ones. Markers end what they mark.
    fn visible(&mut self, batch: &Batch) -> Result<bool, batch::Error> {
        if batch.is_control() {
            if batch.control()? == Some(Marker::Abort) {
                self.aborted.remove(&batch.producer_id());
            }
            return Ok(false);
        }
        let aborted = batch.is_transactional() && self.aborted.contains(&batch.producer_id());
        Ok(batch.record_count() > 0 && !aborted)
    }
}

/// The task that reads.
struct Fetcher {
    cluster: Cluster,
    topic: String,
    feeds: Vec<Feed>,
    leaders: BTreeMap<i32, i32>,
    quota: usize,
    room: Arc<Notify>,
    patience: Duration,
    /// How many answers brought records.
    answers: u64,
    /// What went wrong last.
    words: String,
    /// Whether the leaders are being looked for.
    looking: bool,
}

/// What happened.
enum Event {
    /// How a question to a broker went: its number, which feeds it was about, and the answer.
    Answer(i32, Vec<usize>, Result<FetchResponse, kafka::Error>),
    /// Where the partitions are led.
    Leaders(Result<Topic, kafka::Error>),
}

impl Fetcher {
    async fn run(&mut self) -> Result<(), Error> {
        let mut events: JoinSet<Event> = JoinSet::new();
        let mut busy: BTreeSet<i32> = BTreeSet::new();
        let mut tick = tokio::time::interval(AGAIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.feeds.iter().any(|feed| feed.sender.as_ref().is_some_and(|sender| !sender.is_closed())) {
            self.ask(&mut events, &mut busy);
            self.look(&mut events);
            tokio::select! {
                Some(event) = events.join_next() => match event {
                    Ok(Event::Answer(broker, about, answer)) => {
                        busy.remove(&broker);
                        self.answered(&about, answer)?;
                    }
                    Ok(Event::Leaders(found)) => self.found(found),
                    // A task of ours neither panics nor is it aborted before this one.
                    Err(_) => {}
                },
                () = self.room.notified() => {}
                // Whatever else is going on: a broker may be silent, and others not.
                _ = tick.tick() => self.impatience()?,
            }
        }
        Ok(())
    }

    /// Asks every leader that is not busy for what there is room for.
    fn ask(&mut self, events: &mut JoinSet<Event>, busy: &mut BTreeSet<i32>) {
        let mut wanted: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            if feed.rounds == 0 || feed.queued.load(Ordering::Relaxed) >= self.quota {
                feed.dry = None;
                continue;
            }
            let leader = self.leaders.get(&feed.stretch.partition).copied().unwrap_or(-1);
            feed.dry.get_or_insert_with(Instant::now);
            if leader >= 0 && !busy.contains(&leader) && !feed.asked {
                wanted.entry(leader).or_default().push(index);
            }
        }
        for (leader, mut about) in wanted {
            busy.insert(leader);
            // A broker fills its answer in the order of the question: whoever got something last has to wait.
            about.sort_by_key(|&index| self.feeds[index].served);
            about.iter().for_each(|&index| self.feeds[index].asked = true);
            let (cluster, request) = (self.cluster.clone(), self.request(&about));
            // A broker that is gone without a word has been replaced by then.
            let limit = self.patience / 2;
            events.spawn(async move {
                let answer = match cluster.broker(leader).await {
                    Ok(broker) => broker.within(limit, broker.call(request)).await,
                    Err(error) => Err(error),
                };
                Event::Answer(leader, about, answer)
            });
        }
    }

    fn request(&self, about: &[usize]) -> FetchRequest {
        let partition = |&index: &usize| {
            let feed = &self.feeds[index];
            let room = self.quota.saturating_sub(feed.queued.load(Ordering::Relaxed)).max(LEAST_ROOM / 4);
            FetchPartition::default()
                .with_partition(feed.stretch.partition)
                .with_fetch_offset(feed.next)
                .with_partition_max_bytes(i32::try_from(room).unwrap_or(ANSWER).min(ANSWER))
        };
        let topic = FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_string(self.topic.clone())))
            .with_partitions(about.iter().map(partition).collect());
        FetchRequest::default()
            .with_max_wait_ms(WAIT.as_millis() as i32)
            .with_min_bytes(1)
            .with_max_bytes(ANSWER)
            .with_isolation_level(1)
            .with_topics(vec![topic])
    }

    /// Takes an answer; an error is one that does not heal.
    fn answered(&mut self, about: &[usize], answer: Result<FetchResponse, kafka::Error>) -> Result<(), Error> {
        about.iter().for_each(|&index| self.feeds[index].asked = false);
        match answer {
            Ok(response) if response.error_code != 0 => {
                about.iter().try_for_each(|&index| self.refused(index, response.error_code))
            }
            Ok(response) => {
                let given = response.responses.into_iter().flat_map(|topic| topic.partitions);
                let mut given: BTreeMap<i32, PartitionData> = given.map(|data| (data.partition_index, data)).collect();
                self.note_served(about, &given);
                about.iter().try_for_each(|&index| match given.remove(&self.feeds[index].stretch.partition) {
                    Some(data) => self.given(index, data),
                    None => Ok(()),
                })
            }
            Err(error) if error.heals() => {
                self.words = error.to_string();
                about.iter().for_each(|&index| self.lost(index));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A broker that gives records of one partition is not silent about the others: their turn comes.
    fn note_served(&mut self, about: &[usize], given: &BTreeMap<i32, PartitionData>) {
        let records = |index: usize| given.get(&self.feeds[index].stretch.partition)?.records.as_ref();
        let served: Vec<usize> =
            about.iter().copied().filter(|&index| records(index).is_some_and(|records| !records.is_empty())).collect();
        if served.is_empty() {
            return;
        }
        self.answers += 1;
        about.iter().for_each(|&index| self.feeds[index].dry = None);
        served.into_iter().for_each(|index| self.feeds[index].served = self.answers);
    }

    /// Takes what came of one partition.
    fn given(&mut self, index: usize, data: PartitionData) -> Result<(), Error> {
        let partition = self.feeds[index].stretch.partition;
        if data.error_code != 0 {
            return self.refused(index, data.error_code);
        }
        let damaged = |error| Error::Damaged { topic: self.topic.clone(), partition, error };
        self.feeds[index].take(data).map_err(damaged)
    }

    /// Takes a broker's error code.
    fn refused(&mut self, index: usize, code: i16) -> Result<(), Error> {
        let partition = self.feeds[index].stretch.partition;
        match kafka::code(code) {
            None => Ok(()),
            Some(ResponseError::OffsetOutOfRange) => Err(gone(&self.topic, partition)),
            Some(error) if error.is_retriable() => {
                self.words = kafka::words(&error);
                self.lost(index);
                Ok(())
            }
            Some(error) => Err(Error::Source { topic: self.topic.clone(), partition, words: kafka::words(&error) }),
        }
    }

    /// A partition is asked for again once it is known who leads it by then.
    fn lost(&mut self, index: usize) {
        self.leaders.remove(&self.feeds[index].stretch.partition);
    }

    /// Whether a stretch has been without records for too long.
    fn impatience(&self) -> Result<(), Error> {
        let dry = |feed: &Feed| feed.dry.is_some_and(|since| since.elapsed() > self.patience);
        let Some(index) = self.feeds.iter().position(dry) else { return Ok(()) };
        let words = if self.words.is_empty() {
            format!("nothing came for {} s", self.patience.as_secs())
        } else {
            format!("nothing came for {} s: {}", self.patience.as_secs(), self.words)
        };
        Err(Error::Source { topic: self.topic.clone(), partition: self.feeds[index].stretch.partition, words })
    }

    /// Whether records are wanted of a partition that nobody leads.
    fn leaderless(&self) -> bool {
        let led = |feed: &Feed| self.leaders.get(&feed.stretch.partition).is_some_and(|&leader| leader >= 0);
        self.feeds.iter().any(|feed| feed.dry.is_some() && !led(feed))
    }

    /// Looks for the partitions' leaders, in a while.
    fn look(&mut self, events: &mut JoinSet<Event>) {
        if self.looking || !self.leaderless() {
            return;
        }
        self.looking = true;
        let (cluster, topic) = (self.cluster.clone(), self.topic.clone());
        events.spawn(async move {
            tokio::time::sleep(AGAIN).await;
            Event::Leaders(cluster.topic_once(&topic).await)
        });
    }

    /// That nobody answers is only waited for.
    fn found(&mut self, found: Result<Topic, kafka::Error>) {
        self.looking = false;
        match found {
            Ok(topic) => {
                self.leaders = leaders(&topic);
                if self.leaderless() {
                    self.words = kafka::words(&ResponseError::LeaderNotAvailable);
                }
            }
            Err(error) => self.words = error.to_string(),
        }
    }
}
