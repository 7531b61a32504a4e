//! Writes batches to the target and counts what its brokers acknowledge.
//!
//! One task owns all that is under way. Its producer is idempotent: a batch keeps its sequence numbers however often it
//! is sent, and is sent again only when every later batch of its partition has been answered, so each record is written
//! once and in order.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::batch::{self, Builder};
use super::gauge::Gauge;
use super::{Cancel, Error, histogram, micros};
use crate::kafka::{self, Broker, Cluster, Topic};

/// The most memory for records that are handed over and not yet acknowledged.
const QUEUE: usize = 48 << 20;

/// The most that one batch holds, in bytes before compression; a larger record is a batch of its own. A topic takes
/// 1,048,588 if nobody has said otherwise.
pub const BATCH: usize = 960 << 10;

/// The most requests under way to a broker: it remembers the sequences of so many batches of a producer.
const FLIGHTS: usize = 5;

/// How long to wait before what failed is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// How long records in flight may take when the load was stopped.
const STOP_FLUSH: Duration = Duration::from_secs(5);

/// How long the broker may wait for its replicas.
const REPLICATION: Duration = Duration::from_secs(10);

/// The idempotent producer as its cluster knows it.
#[derive(Debug, Clone, Copy)]
pub struct Producer {
    /// Its id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

impl Producer {
    /// Asks the cluster for a new one.
    pub async fn new(cluster: &Cluster, topic: &Topic, patience: Duration) -> Result<Self, Error> {
        let deadline = Instant::now() + patience;
        loop {
            let error = match Self::ask(cluster, topic).await {
                Ok(producer) => return Ok(producer),
                Err(error) => error,
            };
            if !error.heals() || Instant::now() > deadline {
                return Err(error.into());
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn ask(cluster: &Cluster, topic: &Topic) -> Result<Self, kafka::Error> {
        let leader = topic.partitions.iter().map(|partition| partition.leader).find(|&leader| leader >= 0);
        let broker = cluster.broker(leader.unwrap_or(-1)).await?;
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        let response = broker.call(request).await?;
        match kafka::code(response.error_code) {
            None => Ok(Self { id: response.producer_id.0, epoch: response.producer_epoch }),
            Some(error) => Err(cluster.connection().refused("write idempotently", &error)),
        }
    }
}

/// A batch on its way: records of one partition, in order.
#[derive(Debug)]
pub struct Parcel {
    /// The index of its partition.
    pub partition: usize,
    /// The batch, for the producer and from the sequence that were asked for.
    pub bytes: Bytes,
    /// When each record was due: nanoseconds after the start. Warm-up records are none of the measurement's.
    pub due: Vec<u64>,
    /// The sequence of its first record.
    pub sequence: i32,
    /// When it was handed over.
    pub handed: Instant,
    /// The memory it takes until it is acknowledged.
    pub room: Option<OwnedSemaphorePermit>,
}

impl Parcel {
    fn count(&self) -> u64 {
        self.due.len() as u64
    }
}

/// What was acknowledged in one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Records acknowledged.
    pub acked: u64,
    /// From the first offset to behind the last one; none when the broker did not say where all of them are: it answers a
    /// repeated batch with "I have that already".
    pub offsets: Option<Range<i64>>,
}

/// What the target's brokers have acknowledged.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Records acknowledged, warm-up included.
    pub acked: u64,
    /// Bytes of their batches.
    pub bytes: u64,
    /// From handing over to the acknowledgement, in microseconds; of the measured records.
    pub ack_latency: Histogram<u64>,
    /// From the time a record was due to its acknowledgement, in microseconds; of the measured records.
    pub latency: Histogram<u64>,
    /// Measured records acknowledged in each second after the measurement's start.
    pub per_second: Vec<u64>,
    /// When the last acknowledgement came: nanoseconds after the start.
    pub last_ack: u64,
    /// Whether the target topic gives records a timestamp of its own.
    pub restamped: bool,
    /// By partition number.
    pub partitions: BTreeMap<i32, Delivered>,
    /// Why records failed, if any did.
    pub failure: Option<String>,
}

impl Tally {
    fn new() -> Self {
        Self {
            acked: 0,
            bytes: 0,
            ack_latency: histogram(),
            latency: histogram(),
            per_second: Vec::new(),
            last_ack: 0,
            restamped: false,
            partitions: BTreeMap::new(),
            failure: None,
        }
    }

    /// Counts a parcel that was acknowledged `now`. The measurement begins `measured` nanoseconds after the start.
    fn count(&mut self, number: i32, parcel: &Parcel, base_offset: i64, start: Instant, now: Instant, measured: u64) {
        let count = parcel.count();
        self.acked += count;
        self.bytes += parcel.bytes.len() as u64;
        let after = nanos(now, start);
        self.last_ack = self.last_ack.max(after);
        let dues = || parcel.due.iter().filter(|&&due| due >= measured);
        let counted = dues().count() as u64;
        if counted > 0 {
            self.ack_latency.saturating_record_n(micros(nanos(now, parcel.handed)), counted);
            record_all(&mut self.latency, dues().map(|&due| micros(after.saturating_sub(due))));
            let second = (after.saturating_sub(measured) / 1_000_000_000) as usize;
            if self.per_second.len() <= second {
                self.per_second.resize(second + 1, 0);
            }
            self.per_second[second] += counted;
        }
        let delivered = self.partitions.entry(number).or_default();
        let before = std::mem::take(&mut delivered.offsets);
        let run = base_offset..base_offset.saturating_add_unsigned(count);
        delivered.offsets = match (before, base_offset >= 0) {
            (None, true) if delivered.acked == 0 => Some(run),
            (Some(before), true) if run.start >= before.end => Some(before.start..run.end),
            _ => None,
        };
        delivered.acked += count;
    }
}

/// Records values of which neighbours are often the same.
pub fn record_all(histogram: &mut Histogram<u64>, values: impl Iterator<Item = u64>) {
    let (mut value, mut count) = (0, 0);
    for next in values {
        if next != value {
            histogram.saturating_record_n(value, count);
            (value, count) = (next, 0);
        }
        count += 1;
    }
    histogram.saturating_record_n(value, count);
}

fn nanos(later: Instant, earlier: Instant) -> u64 {
    later.saturating_duration_since(earlier).as_nanos() as u64
}

/// The target topic, ready to be written to.
#[derive(Debug)]
pub struct Writer {
    parcels: mpsc::UnboundedSender<Parcel>,
    room: Arc<Semaphore>,
    broken: watch::Receiver<bool>,
    deadline: watch::Sender<Option<Instant>>,
    task: tokio::task::JoinHandle<Tally>,
}

impl Writer {
    /// Begins to write. `start` is the clock's zero, the measurement begins `measured` nanoseconds later; `gauge` shows
    /// how far it is.
    pub fn open(
        cluster: &Cluster,
        topic: &Topic,
        producer: Producer,
        (start, measured): (Instant, u64),
        patience: Duration,
        gauge: Arc<Gauge>,
    ) -> Self {
        let (parcels, incoming) = mpsc::unbounded_channel();
        let (fail, broken) = watch::channel(false);
        let (deadline, end) = watch::channel(None);
        let lanes = topic.partitions.iter().map(|partition| Lane::new(partition.number, partition.leader)).collect();
        let sender = Sender {
            cluster: cluster.clone(),
            topic: topic.name.clone(),
            producer,
            lanes,
            links: BTreeMap::new(),
            flights: BTreeMap::new(),
            tally: Tally::new(),
            start,
            measured,
            patience,
            gauge,
            fail,
            words: String::new(),
            looking: false,
        };
        let task = tokio::spawn(sender.run(incoming, end));
        Self { parcels, room: Arc::new(Semaphore::new(QUEUE)), broken, deadline, task }
    }

    /// Room for so many bytes; waits until there is some. None when the target has failed for good.
    pub async fn room(&mut self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.min(QUEUE)).unwrap_or(u32::MAX);
        if let Ok(permit) = self.room.clone().try_acquire_many_owned(permits) {
            return (!self.broken()).then_some(permit);
        }
        tokio::select! {
            permit = self.room.clone().acquire_many_owned(permits) => permit.ok(),
            // The sender's end is a failure too.
            _ = self.broken.wait_for(|&broken| broken) => None,
        }
    }

    /// Hands over a parcel.
    pub fn send(&self, parcel: Parcel) {
        // A writer that has failed says so by `broken`.
        let _ = self.parcels.send(parcel);
    }

    /// Whether records failed for good: going on would only add to the damage.
    pub fn broken(&self) -> bool {
        *self.broken.borrow()
    }

    /// Waits until all that was handed over is acknowledged or has failed, for a while only when the load is cancelled;
    /// what was counted by then.
    pub async fn finish(self, patience: Duration, cancel: &Cancel) -> Result<Tally, Error> {
        drop(self.parcels);
        let mut task = self.task;
        // It gives up by itself when a partition takes nothing for too long.
        let tally = tokio::select! {
            tally = &mut task => tally,
            () = cancel.wait() => {
                self.deadline.send_replace(Some(Instant::now() + STOP_FLUSH.min(patience)));
                task.await
            }
        };
        tally.map_err(|_| Error::Vanished)
    }
}

/// One partition of the target.
#[derive(Debug)]
struct Lane {
    number: i32,
    leader: i32,
    /// What is to be sent next, in order of its sequence.
    waiting: VecDeque<Parcel>,
    /// How many requests with a parcel of this partition are under way.
    flying: usize,
    /// A parcel has failed, or none was taken yet: the next is sent only when none is under way.
    careful: bool,
    /// What is under way was sent so: what its broker says of its sequence is no other parcel's fault.
    alone: bool,
    /// Since when a parcel has been waiting for its acknowledgement.
    since: Option<Instant>,
}

impl Lane {
    /// Careful at first: a broker that knows nothing of a producer takes any sequence for its first, also one whose
    /// predecessor it has just refused.
    fn new(number: i32, leader: i32) -> Self {
        Self { number, leader, waiting: VecDeque::new(), flying: 0, careful: true, alone: false, since: None }
    }

    fn ready(&self) -> bool {
        !self.waiting.is_empty() && (self.flying == 0 || !self.careful)
    }

    fn idle(&self) -> bool {
        self.waiting.is_empty() && self.flying == 0
    }

    /// Puts a parcel back to where its sequence belongs.
    fn again(&mut self, parcel: Parcel) {
        self.careful = true;
        // Sequences wrap round after 2³¹: only their distance counts.
        let before = |other: &Parcel| distance(parcel.sequence, other.sequence) < 0;
        let place = self.waiting.iter().take_while(|other| before(other)).count();
        self.waiting.insert(place, parcel);
    }
}

/// From one sequence to another; sequences go from 0 to 2³¹−1 and round.
fn distance(from: i32, to: i32) -> i32 {
    (to.wrapping_sub(from) << 1) >> 1
}

/// The sequence `count` records later.
pub fn later(sequence: i32, count: u64) -> i32 {
    ((i64::from(sequence) + (count % (1 << 31)) as i64) % (1 << 31)) as i32
}

/// What happened.
enum Event {
    /// A broker answered, at that time, what was asked with these parcels.
    Answer(i32, Vec<Parcel>, Instant, Result<ProduceResponse, kafka::Error>),
    /// A broker is reached, or not.
    Link(i32, Result<Broker, kafka::Error>),
    /// Where the partitions are led.
    Leaders(Result<Topic, kafka::Error>),
}

/// The task that writes.
struct Sender {
    cluster: Cluster,
    topic: String,
    producer: Producer,
    lanes: Vec<Lane>,
    /// The way to each broker; none while it is opened.
    links: BTreeMap<i32, Option<Broker>>,
    /// Requests under way, by broker.
    flights: BTreeMap<i32, usize>,
    tally: Tally,
    start: Instant,
    measured: u64,
    patience: Duration,
    gauge: Arc<Gauge>,
    fail: watch::Sender<bool>,
    /// What went wrong last.
    words: String,
    /// Whether the leaders are being looked for.
    looking: bool,
}

impl Sender {
    async fn run(
        mut self,
        mut incoming: mpsc::UnboundedReceiver<Parcel>,
        mut end: watch::Receiver<Option<Instant>>,
    ) -> Tally {
        let mut events = JoinSet::new();
        // Set once: a timer for each turn would cost a system call each time.
        let mut look = tokio::time::interval(AGAIN);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = passed(&mut end);
        tokio::pin!(end);
        let mut open = true;
        while self.tally.failure.is_none() && (open || !self.lanes.iter().all(Lane::idle)) {
            self.dispatch(&mut events);
            tokio::select! {
                next = incoming.recv(), if open => match next {
                    Some(parcel) => {
                        self.queue(parcel);
                        while let Ok(parcel) = incoming.try_recv() {
                            self.queue(parcel);
                        }
                    }
                    None => open = false,
                },
                Some(event) = events.join_next() => match event {
                    Ok(Event::Answer(broker, parcels, at, answer)) => self.answered(broker, parcels, at, answer),
                    Ok(Event::Link(broker, link)) => self.linked(broker, link),
                    Ok(Event::Leaders(found)) => self.found(found),
                    // Our own tasks neither panic nor are they aborted.
                    Err(error) => self.tally.failure = Some(error.to_string()),
                },
                _ = look.tick(), if !self.lanes.iter().all(Lane::idle) => {}
                () = &mut end => {
                    let words = self.unsettled();
                    self.give_up(words);
                }
            }
            self.look(&mut events);
            self.impatience();
        }
        self.fail.send_replace(self.tally.failure.is_some());
        self.tally
    }

    fn queue(&mut self, parcel: Parcel) {
        let lane = &mut self.lanes[parcel.partition];
        lane.since.get_or_insert(parcel.handed);
        lane.waiting.push_back(parcel);
    }

    /// Sends what may be sent: to each broker one parcel of each of its partitions a request.
    fn dispatch(&mut self, events: &mut JoinSet<Event>) {
        loop {
            let mut loads: BTreeMap<i32, Vec<Parcel>> = BTreeMap::new();
            for lane in &mut self.lanes {
                let full = self.flights.get(&lane.leader).is_some_and(|&flights| flights >= FLIGHTS);
                if lane.leader < 0
                    || full
                    || !lane.ready()
                    || !self.links.get(&lane.leader).is_some_and(Option::is_some)
                {
                    continue;
                }
                if let Some(parcel) = lane.waiting.pop_front() {
                    lane.alone = lane.careful;
                    lane.flying += 1;
                    loads.entry(lane.leader).or_default().push(parcel);
                }
            }
            if loads.is_empty() {
                return self.open_links(events);
            }
            for (broker, parcels) in loads {
                let Some(Some(link)) = self.links.get(&broker) else { continue };
                *self.flights.entry(broker).or_default() += 1;
                // In line by now: requests leave in this order.
                let (link, answer) = (link.clone(), link.call(self.request(&parcels)));
                // A broker that is gone without a word has been replaced by then.
                let limit = self.patience / 2;
                events.spawn(async move {
                    let answer = link.within(limit, answer).await;
                    Event::Answer(broker, parcels, Instant::now(), answer)
                });
            }
        }
    }

    /// Opens the way to leaders to which there is none.
    fn open_links(&mut self, events: &mut JoinSet<Event>) {
        for lane in self.lanes.iter().filter(|lane| lane.leader >= 0 && lane.ready()) {
            let (broker, cluster) = (lane.leader, self.cluster.clone());
            if let Entry::Vacant(entry) = self.links.entry(broker) {
                entry.insert(None);
                events.spawn(async move { Event::Link(broker, cluster.broker(broker).await) });
            }
        }
    }

    fn linked(&mut self, broker: i32, link: Result<Broker, kafka::Error>) {
        match link {
            Ok(link) => {
                self.links.insert(broker, Some(link));
            }
            Err(error) if error.heals() => self.lost(broker, &error),
            Err(error) => self.give_up(error.to_string()),
        }
    }

    /// The way to a broker is lost: another one may lead by now.
    fn lost(&mut self, broker: i32, error: &kafka::Error) {
        self.words = error.to_string();
        self.links.remove(&broker);
        for lane in self.lanes.iter_mut().filter(|lane| lane.leader == broker) {
            lane.leader = -1;
        }
    }

    fn request(&self, parcels: &[Parcel]) -> ProduceRequest {
        let data = |parcel: &Parcel| {
            let number = self.lanes[parcel.partition].number;
            PartitionProduceData::default().with_index(number).with_records(Some(parcel.bytes.clone()))
        };
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(self.topic.clone())))
            .with_partition_data(parcels.iter().map(data).collect());
        let patience = REPLICATION.as_millis() as i32;
        ProduceRequest::default().with_acks(-1).with_timeout_ms(patience).with_topic_data(vec![topic])
    }

    fn answered(
        &mut self,
        broker: i32,
        parcels: Vec<Parcel>,
        at: Instant,
        answer: Result<ProduceResponse, kafka::Error>,
    ) {
        if let Some(flights) = self.flights.get_mut(&broker) {
            *flights -= 1;
        }
        let mut said: BTreeMap<i32, PartitionProduceResponse> = BTreeMap::new();
        match answer {
            Ok(response) => {
                let responses = response.responses.into_iter().flat_map(|topic| topic.partition_responses);
                said.extend(responses.map(|response| (response.index, response)));
            }
            Err(error) if error.heals() => self.lost(broker, &error),
            Err(error) => return self.give_up(error.to_string()),
        }
        for parcel in parcels {
            let lane = &mut self.lanes[parcel.partition];
            lane.flying -= 1;
            match said.remove(&lane.number) {
                Some(response) => self.said(parcel, at, &response),
                None => lane.again(parcel),
            }
        }
    }

    /// Takes a broker's word on one parcel.
    fn said(&mut self, parcel: Parcel, at: Instant, response: &PartitionProduceResponse) {
        let lane = &mut self.lanes[parcel.partition];
        match kafka::code(response.error_code) {
            // "I have that already" is an acknowledgement.
            None | Some(ResponseError::DuplicateSequenceNumber) => {
                self.tally.restamped |= response.log_append_time_ms >= 0;
                self.acknowledged(&parcel, response.base_offset, at);
            }
            Some(ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge) if parcel.count() > 1 => {
                self.halve(parcel);
            }
            // It follows one that has to be sent again.
            Some(ResponseError::OutOfOrderSequenceNumber) if !lane.alone => lane.again(parcel),
            Some(error) if error.is_retriable() => {
                lane.leader = -1;
                lane.again(parcel);
                self.words = kafka::words(&error);
            }
            Some(error) => {
                let said = response.error_message.as_ref().map_or_else(String::new, |words| format!(": {}", &**words));
                let words = format!("partition {}: {}{said}", lane.number, kafka::words(&error));
                self.give_up(words);
            }
        }
    }

    fn acknowledged(&mut self, parcel: &Parcel, base_offset: i64, at: Instant) {
        let lane = &mut self.lanes[parcel.partition];
        lane.careful &= lane.flying > 0;
        lane.since = (!lane.idle()).then_some(at);
        self.tally.count(lane.number, parcel, base_offset, self.start, at, self.measured);
        self.gauge.set_acked(self.tally.acked);
    }

    /// A batch that is too large for the topic is sent as two; the broker has taken none of it.
    fn halve(&mut self, parcel: Parcel) {
        let index = parcel.partition;
        match halves(parcel, self.producer) {
            Ok(halves) => halves.into_iter().for_each(|half| self.lanes[index].again(half)),
            Err(error) => self.give_up(error.to_string()),
        }
    }

    /// Looks for the partitions' leaders, in a while.
    fn look(&mut self, events: &mut JoinSet<Event>) {
        if self.looking || self.lanes.iter().all(|lane| lane.leader >= 0) {
            return;
        }
        self.looking = true;
        let (cluster, topic) = (self.cluster.clone(), self.topic.clone());
        events.spawn(async move {
            tokio::time::sleep(AGAIN).await;
            Event::Leaders(cluster.topic_once(&topic).await)
        });
    }

    fn found(&mut self, found: Result<Topic, kafka::Error>) {
        self.looking = false;
        match found {
            Ok(topic) => {
                for lane in &mut self.lanes {
                    let partition = topic.partitions.iter().find(|partition| partition.number == lane.number);
                    let leader = partition.map_or(-1, |partition| partition.leader);
                    // The new leader may have what the old one has not acknowledged.
                    lane.careful |= lane.flying > 0 && leader != lane.leader;
                    lane.leader = leader;
                }
            }
            Err(error) => self.words = error.to_string(),
        }
    }

    /// Gives up when a partition has taken nothing for too long.
    fn impatience(&mut self) {
        let waited = |lane: &Lane| lane.since.map_or(Duration::ZERO, |since| since.elapsed());
        let Some(lane) = self.lanes.iter().max_by_key(|lane| waited(lane)) else { return };
        if waited(lane) > self.patience {
            let why = if self.words.is_empty() { "no answer" } else { &self.words };
            let words = format!("partition {} took nothing for {} s: {why}", lane.number, self.patience.as_secs());
            self.give_up(words);
        }
    }

    /// What is said when the load has to end before all is acknowledged.
    fn unsettled(&self) -> String {
        let waiting = self.lanes.iter().filter(|lane| !lane.idle()).map(|lane| lane.number.to_string());
        let partitions = waiting.collect::<Vec<_>>().join(", ");
        let why = if self.words.is_empty() { "no answer" } else { &self.words };
        format!("records in partitions {partitions} were still not acknowledged when the load had to end: {why}")
    }

    fn give_up(&mut self, words: String) {
        self.tally.failure.get_or_insert(words);
    }
}

/// Waits until the deadline, once there is one, has passed.
async fn passed(deadline: &mut watch::Receiver<Option<Instant>>) {
    let known = deadline.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
    match known {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        // Nobody waits for the end: the writer was dropped, and its task with it soon.
        None => std::future::pending().await,
    }
}

/// Two parcels with one's records. Its room is the second's: both are in memory until then.
fn halves(parcel: Parcel, producer: Producer) -> Result<[Parcel; 2], batch::Error> {
    let middle = parcel.due.len() / 2;
    let Some(batch) = batch::split(parcel.bytes).next().transpose()? else {
        return Err(batch::Error::Malformed { base_offset: 0, what: "it was built without records" });
    };
    let mut records = batch.records()?;
    let mut half = |due: &[u64], sequence: i32, room| {
        let mut builder = Builder::new(batch.codec(), None);
        for _ in due {
            if let Some(record) = records.next_record()? {
                builder.push(&record);
            }
        }
        let bytes = builder.finish(producer.id, producer.epoch, sequence)?;
        let (partition, handed) = (parcel.partition, parcel.handed);
        Ok(Parcel { partition, bytes, due: due.to_vec(), sequence, handed, room })
    };
    let first = half(&parcel.due[..middle], parcel.sequence, None)?;
    let second = half(&parcel.due[middle..], later(parcel.sequence, middle as u64), parcel.room)?;
    Ok([first, second])
}
