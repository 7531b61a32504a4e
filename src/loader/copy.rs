//! The load itself: records go from the source to the target, each when it is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep_until};

use super::batch::{self, Builder, Codec, Records, RunHeader};
use super::gauge::Gauge;
use super::partitioner::Partitioner;
use super::plan::Share;
use super::schedule::{Interleave, Pace, Replay, ReplayClock, Schedule};
use super::source::{Fetched, Reader};
use super::target::{BATCH, Parcel, Producer, Tally, Writer, later, record_all};
use super::{Cancel, Error, histogram, micros};
use crate::kafka::{Cluster, Topic};

/// What falls due within this time is sent together: as long as Kafka's own producers linger.
const TICK: Duration = Duration::from_millis(5);

/// The most of the schedule that is sent at once when the load is behind, in nanoseconds: 1.6 times what falls due meanwhile,
/// so it catches up without a burst.
const MOST_AT_ONCE: u64 = 8_000_000;

/// The most records that are sent at once, whatever the rate.
const MOST_RECORDS: u64 = 64 * 1024;

/// How records become those of the target.
#[derive(Debug)]
pub struct Form {
    /// The header that each gets.
    pub run: Option<RunHeader>,
    /// How they are compressed; none to keep what they have.
    pub codec: Option<Codec>,
    /// Whether each keeps the number of its partition; otherwise it follows from its key.
    pub keep_partition: bool,
}

/// What happened.
#[derive(Debug)]
pub struct Copied {
    /// Records read from the source and handed over, warm-up included.
    pub read: u64,
    /// Of the measured ones, those later than `late_after`.
    pub late: u64,
    /// From when a measured record was due to when it was handed over, in microseconds.
    pub send_delay: Histogram<u64>,
    /// How long the schedule waited for the source.
    pub source_wait: Duration,
    /// How long it waited for room among what the target has not acknowledged yet.
    pub target_wait: Duration,
    /// What the target acknowledged.
    pub tally: Tally,
    /// From the due time of the first measured record to the last acknowledgement, in nanoseconds.
    pub window: u64,
    /// The wall clock when the first measured record was due.
    pub started_at: jiff::Timestamp,
    /// Why it ended early, if it did.
    pub failure: Option<Error>,
}

/// Where and how the load goes.
pub struct Route<'a> {
    /// The target's cluster.
    pub cluster: &'a Cluster,
    /// Its topic.
    pub topic: &'a Topic,
    /// Who writes.
    pub producer: Producer,
    /// How records become those of the target.
    pub form: Form,
    /// When the first record is due, if not as soon as there are records at hand.
    pub start_at: Option<jiff::Timestamp>,
    /// From when a record is late.
    pub late_after: Duration,
    /// How long the target may take nothing.
    pub patience: Duration,
    /// Shows how far it is.
    pub gauge: Arc<Gauge>,
    /// The wish to stop.
    pub cancel: Cancel,
}

/// Runs the load to its end.
pub async fn copy(mut reader: Reader, shares: &[Share], pace: &Pace, route: Route<'_>) -> Result<Copied, Error> {
    let mut lanes: Vec<Lane> = shares.iter().map(|share| Lane::new(share, route.topic)).collect();
    // The clock starts once every partition has a record at hand, so that the first ones are not late.
    for (index, lane) in lanes.iter_mut().enumerate() {
        tokio::select! {
            fetched = reader.next(index) => lane.next = fetched?,
            () = route.cancel.wait() => return Err(Error::Stopped),
        }
    }
    let start = begin(route.start_at, &route.cancel).await?;
    let measured = match pace {
        Pace::Scheduled(schedule) => schedule.due(schedule.warm_up()),
        Pace::Replay(_) => 0,
    };
    route.gauge.begin(start);
    let writer = Writer::open(
        route.cluster,
        route.topic,
        route.producer,
        (start, measured),
        route.patience,
        route.gauge.clone(),
    );
    let length = jiff::SignedDuration::from_nanos(i64::try_from(measured).unwrap_or(i64::MAX));
    let began = jiff::Timestamp::now() - start.elapsed();
    let outs = route.topic.partitions.iter().map(|_| Out::new(&route.form)).collect();
    let mut sender = Sender {
        reader,
        writer,
        lanes,
        outs,
        partitioner: Partitioner::new(),
        start,
        last: start.checked_sub(TICK).unwrap_or(start),
        measured,
        read: 0,
        late: 0,
        send_delay: histogram(),
        source_wait: Duration::ZERO,
        target_wait: Duration::ZERO,
        route,
    };
    let outcome = match pace {
        Pace::Scheduled(schedule) => sender.send_scheduled(shares, schedule).await,
        Pace::Replay(replay) => sender.send_replayed(*replay).await,
    };
    let tally = sender.writer.finish(sender.route.patience, &sender.route.cancel).await?;
    let failure = outcome.err().or_else(|| {
        let words = tally.failure.clone()?;
        Some(Error::Delivery { topic: sender.route.topic.name.clone(), words })
    });
    Ok(Copied {
        read: sender.read,
        late: sender.late,
        send_delay: sender.send_delay,
        source_wait: sender.source_wait,
        target_wait: sender.target_wait,
        window: tally.last_ack.saturating_sub(measured),
        started_at: began.checked_add(length).unwrap_or(began),
        tally,
        failure,
    })
}

/// Waits for the start; what it returns is the clock's zero.
async fn begin(start_at: Option<jiff::Timestamp>, cancel: &Cancel) -> Result<Instant, Error> {
    let Some(start_at) = start_at else { return Ok(Instant::now()) };
    let now = jiff::Timestamp::now();
    let left = start_at.duration_since(now);
    if left.is_negative() {
        return Err(Error::NotReady { start_at, now });
    }
    let start = Instant::now() + left.unsigned_abs();
    tokio::select! {
        () = sleep_until(start) => Ok(start),
        () = cancel.wait() => Err(Error::Stopped),
    }
}

/// One partition of the source.
struct Lane {
    /// The index of the target's partition of the same number.
    target: usize,
    /// A batch that nothing was taken of yet.
    next: Option<Fetched>,
    /// The rest of one that something was taken of.
    open: Option<Open>,
    /// When the records that are taken next were due.
    due: Vec<u64>,
    /// How many records it still gives.
    left: u64,
}

/// A batch of which records are taken one by one.
struct Open {
    records: Records,
    codec: Codec,
    start: i64,
    stop: i64,
}

impl Open {
    /// The timestamp of the next record that is wanted; none when there is none left.
    fn peek(&mut self) -> Result<Option<i64>, batch::Error> {
        loop {
            let mut ahead = self.records.clone();
            match ahead.next_record()? {
                Some(record) if record.offset < self.start => {}
                Some(record) if record.offset < self.stop => return Ok(Some(record.timestamp)),
                _ => return Ok(None),
            }
            self.records = ahead;
        }
    }
}

impl Lane {
    fn new(share: &Share, topic: &Topic) -> Self {
        let same = |partition: &crate::kafka::Partition| partition.number == share.stretch.partition;
        let target = topic.partitions.iter().position(same).unwrap_or(0);
        Self { target, next: None, open: None, due: Vec::new(), left: share.records }
    }
}

/// What is put together for one partition of the target.
struct Out {
    builder: Builder,
    codec: Codec,
    due: Vec<u64>,
    /// The sequence of the next record.
    sequence: i32,
}

impl Out {
    fn new(form: &Form) -> Self {
        let codec = form.codec.unwrap_or(Codec::None);
        Self { builder: Builder::new(codec, form.run.clone()), codec, due: Vec::new(), sequence: 0 }
    }
}

struct Sender<'a> {
    reader: Reader,
    writer: Writer,
    lanes: Vec<Lane>,
    outs: Vec<Out>,
    partitioner: Partitioner,
    start: Instant,
    /// When something was sent last.
    last: Instant,
    measured: u64,
    read: u64,
    late: u64,
    send_delay: Histogram<u64>,
    source_wait: Duration,
    target_wait: Duration,
    route: Route<'a>,
}

impl Sender<'_> {
    async fn send_scheduled(&mut self, shares: &[Share], schedule: &Schedule) -> Result<(), Error> {
        let counts: Vec<u64> = shares.iter().map(|share| share.records).collect();
        let total = counts.iter().sum();
        let mut order = Interleave::new(counts);
        let mut sent = 0;
        while sent < total {
            let first = schedule.due(sent);
            self.pause_until(first).await?;
            let now = self.elapsed().min(first.saturating_add(MOST_AT_ONCE));
            let until = schedule.due_until(now).min(total).min(sent + MOST_RECORDS);
            for (due, index) in schedule.dues(sent..until).zip(&mut order) {
                self.lanes[index].due.push(due);
            }
            sent = until;
            if !self.send_due().await? {
                break;
            }
        }
        Ok(())
    }

    /// Sends records at the distances that their timestamps have, those of all partitions in one order.
    async fn send_replayed(&mut self, replay: Replay) -> Result<(), Error> {
        let mut heads = Vec::with_capacity(self.lanes.len());
        for index in 0..self.lanes.len() {
            heads.push(self.timestamp(index).await?);
        }
        // Records without a timestamp (-1) are due with the one before them.
        let first = heads.iter().copied().flatten().filter(|&time| time >= 0).min().unwrap_or(0);
        let mut clocks: Vec<ReplayClock> = heads.iter().map(|_| replay.clock(first)).collect();
        let due = |(index, clock): (usize, &mut ReplayClock)| Some(Reverse((clock.due(heads[index]?), index)));
        let mut next: BinaryHeap<Reverse<(u64, usize)>> = clocks.iter_mut().enumerate().filter_map(due).collect();
        while let Some(&Reverse((first, _))) = next.peek() {
            self.pause_until(first).await?;
            let now = self.elapsed().min(first.saturating_add(MOST_AT_ONCE));
            let mut taken = 0;
            while let Some(&Reverse((due, index))) = next.peek()
                && due <= now
                && taken < MOST_RECORDS
            {
                next.pop();
                taken += 1;
                if !self.take(index, &[due]).await? {
                    return Ok(());
                }
                if let Some(timestamp) = self.timestamp(index).await? {
                    next.push(Reverse((clocks[index].due(timestamp), index)));
                }
            }
            if !self.flush_all().await? {
                break;
            }
        }
        Ok(())
    }

    /// The timestamp of a lane's next record; none at its end.
    async fn timestamp(&mut self, index: usize) -> Result<Option<i64>, Error> {
        while self.lanes[index].left > 0 {
            if self.lanes[index].open.is_none() {
                let fetched = self.fetched(index).await?;
                self.open(index, &fetched)?;
            }
            let Some(open) = &mut self.lanes[index].open else { continue };
            match open.peek().map_err(|error| self.reader.damaged(index, error))? {
                Some(timestamp) => return Ok(Some(timestamp)),
                None => self.lanes[index].open = None,
            }
        }
        Ok(None)
    }

    /// Waits until a record is due, and for as long after what was sent last that records are sent together.
    async fn pause_until(&mut self, due: u64) -> Result<(), Error> {
        self.route.gauge.set_next(due);
        let until = (self.start + Duration::from_nanos(due)).max(self.last + TICK);
        if until > Instant::now() {
            self.pause(until).await?;
        } else if self.route.cancel.requested() {
            return Err(Error::Stopped);
        } else if let Some(error) = self.reader.failure() {
            return Err(error);
        }
        self.last = Instant::now();
        Ok(())
    }

    async fn pause(&mut self, until: Instant) -> Result<(), Error> {
        tokio::select! {
            () = sleep_until(until) => Ok(()),
            () = self.route.cancel.wait() => Err(Error::Stopped),
            // Records that were read ahead would only hide for a while that the load cannot be whole any more.
            error = self.reader.failed() => Err(error),
        }
    }

    /// Sends what every lane has due; says whether the target still takes it.
    async fn send_due(&mut self) -> Result<bool, Error> {
        for index in 0..self.lanes.len() {
            let due = std::mem::take(&mut self.lanes[index].due);
            let taken = self.take(index, &due).await?;
            // Its memory is used again.
            self.lanes[index].due = due;
            self.lanes[index].due.clear();
            if !taken {
                return Ok(false);
            }
        }
        self.flush_all().await
    }

    async fn flush_all(&mut self) -> Result<bool, Error> {
        for out in 0..self.outs.len() {
            if !self.flush(out).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes as many records of a lane as are due, whole batches where that is possible.
    async fn take(&mut self, index: usize, due: &[u64]) -> Result<bool, Error> {
        let mut due = due;
        while !due.is_empty() {
            if self.lanes[index].open.is_none() {
                let fetched = self.fetched(index).await?;
                let count = fetched.batch.record_count() as usize;
                if count <= due.len() && self.forwards(&fetched) {
                    let (now, rest) = due.split_at(count);
                    if !self.forward(index, &fetched, now).await? {
                        return Ok(false);
                    }
                    self.lanes[index].left -= count as u64;
                    due = rest;
                    continue;
                }
                self.open(index, &fetched)?;
            }
            let Some(taken) = self.take_records(index, due).await? else { return Ok(false) };
            self.lanes[index].left -= taken as u64;
            due = &due[taken..];
        }
        Ok(true)
    }

    /// The next batch of a lane.
    async fn fetched(&mut self, index: usize) -> Result<Fetched, Error> {
        if let Some(fetched) = self.lanes[index].next.take().or_else(|| self.reader.at_hand(index)) {
            return Ok(fetched);
        }
        let begun = Instant::now();
        let next = tokio::select! {
            next = self.reader.next(index) => next,
            () = self.route.cancel.wait() => Err(Error::Stopped),
        };
        self.source_wait += begun.elapsed();
        next?.ok_or_else(|| self.reader.ended_early(index))
    }

    /// Whether a batch may go on as it is.
    fn forwards(&self, fetched: &Fetched) -> bool {
        let form = &self.route.form;
        form.keep_partition
            && form.run.is_none()
            && form.codec.is_none_or(|codec| codec == fetched.batch.codec())
            && fetched.whole()
            && fetched.batch.is_forwardable()
    }

    /// Sends a whole batch as it is.
    async fn forward(&mut self, index: usize, fetched: &Fetched, due: &[u64]) -> Result<bool, Error> {
        let target = self.lanes[index].target;
        if !self.flush(target).await? {
            return Ok(false);
        }
        let Producer { id, epoch } = self.route.producer;
        let bytes = fetched.batch.forward(id, epoch, self.outs[target].sequence);
        self.send(target, bytes, due.to_vec()).await
    }

    fn open(&mut self, index: usize, fetched: &Fetched) -> Result<(), Error> {
        let records = fetched.batch.records().map_err(|error| self.reader.damaged(index, error))?;
        let Fetched { start, stop, .. } = *fetched;
        self.lanes[index].open = Some(Open { records, codec: fetched.batch.codec(), start, stop });
        Ok(())
    }

    /// Takes records of a lane's open batch, up to its end or until all that is due was taken; how many.
    async fn take_records(&mut self, index: usize, due: &[u64]) -> Result<Option<usize>, Error> {
        let Some(mut open) = self.lanes[index].open.take() else { return Ok(Some(0)) };
        let codec = self.route.form.codec.unwrap_or(open.codec);
        let partitions = self.outs.len() as i32;
        let mut taken = 0;
        while taken < due.len() {
            let record = open.records.next_record().map_err(|error| self.reader.damaged(index, error))?;
            let Some(record) = record else { return Ok(Some(taken)) };
            if record.offset < open.start {
                continue;
            }
            if record.offset >= open.stop {
                return Ok(Some(taken));
            }
            let target = match self.route.form.keep_partition {
                true => self.lanes[index].target,
                false => self.partitioner.partition(record.key, partitions) as usize,
            };
            let out = &self.outs[target];
            let full = out.builder.count() > 0 && out.builder.len_bytes() + out.builder.most(&record) > BATCH;
            if (full || out.codec != codec) && !self.flush(target).await? {
                return Ok(None);
            }
            let out = &mut self.outs[target];
            if out.codec != codec {
                out.builder = Builder::new(codec, self.route.form.run.clone());
                out.codec = codec;
            }
            out.builder.push(&record);
            out.due.push(due[taken]);
            taken += 1;
        }
        self.lanes[index].open = Some(open);
        Ok(Some(taken))
    }

    /// Sends what was put together for a partition, if anything was.
    async fn flush(&mut self, target: usize) -> Result<bool, Error> {
        let out = &mut self.outs[target];
        if out.due.is_empty() {
            return Ok(true);
        }
        let Producer { id, epoch } = self.route.producer;
        let due = std::mem::take(&mut out.due);
        let bytes = out.builder.finish(id, epoch, out.sequence).map_err(|error| self.unbuilt(error))?;
        self.send(target, bytes, due).await
    }

    async fn send(&mut self, target: usize, bytes: bytes::Bytes, due: Vec<u64>) -> Result<bool, Error> {
        let begun = Instant::now();
        let room = tokio::select! {
            room = self.writer.room(bytes.len() + size_of_val(due.as_slice())) => room,
            () = self.route.cancel.wait() => return Err(Error::Stopped),
        };
        let Some(room) = room else { return Ok(false) };
        let handed = Instant::now();
        let waited = handed.duration_since(begun);
        if waited > TICK {
            self.target_wait += waited;
        }
        self.count(&due, handed);
        let out = &mut self.outs[target];
        let sequence = out.sequence;
        out.sequence = later(sequence, due.len() as u64);
        self.writer.send(Parcel { partition: target, bytes, due, sequence, handed, room: Some(room) });
        Ok(true)
    }

    fn count(&mut self, due: &[u64], handed: Instant) {
        self.read += due.len() as u64;
        let now = handed.saturating_duration_since(self.start).as_nanos() as u64;
        let late_after = self.route.late_after.as_nanos() as u64;
        let delays = due.iter().filter(|&&due| due >= self.measured).map(|&due| now.saturating_sub(due));
        self.late += delays.clone().filter(|&delay| delay > late_after).count() as u64;
        record_all(&mut self.send_delay, delays.map(micros));
    }

    fn unbuilt(&self, error: batch::Error) -> Error {
        Error::Build { topic: self.route.topic.name.clone(), error }
    }

    fn elapsed(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}
