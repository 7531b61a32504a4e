//! The load itself: records go from the source to the target, each when it is due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rdkafka::message::{BorrowedMessage, Message};

use super::schedule::{Interleave, Schedule};
use super::source::{Next, Reader};
use super::target::{Handover, Tally, Writer, carried};
use super::{Cancel, Error, histogram, micros};

/// The shortest sleep: what falls due meanwhile is sent together.
const BATCH: Duration = Duration::from_millis(1);

/// The longest sleep, so that the wish to stop is heard.
const NAP: Duration = Duration::from_millis(50);

/// How long records in flight may take when the load was stopped.
const STOP_FLUSH: Duration = Duration::from_secs(5);

/// What happened.
#[derive(Debug)]
pub struct Copied {
    /// Records read from the source and handed over.
    pub read: u64,
    /// Of them, those later than `late_after`.
    pub late: u64,
    /// Of them, those whose timestamp could not be carried.
    pub without_timestamp: u64,
    /// From when a record was due to when it was handed over, in microseconds.
    pub send_delay: Histogram<u64>,
    /// How long the schedule waited for the source.
    pub source_wait: Duration,
    /// How long it waited for room in the producer's queue.
    pub target_wait: Duration,
    /// What the target acknowledged.
    pub tally: Tally,
    /// From the due time of the first record to the last acknowledgement, in nanoseconds.
    pub window: u64,
    /// The wall clock when the first record was due.
    pub started_at: jiff::Timestamp,
    /// Why it ended early, if it did.
    pub failure: Option<Error>,
}

/// Runs the load to its end. `counts` are the records of each of the reader's stretches.
pub fn copy(
    reader: &Reader,
    writer: &Writer,
    counts: Vec<u64>,
    schedule: &Schedule,
    late_after: Duration,
    patience: Duration,
    cancel: &Cancel,
) -> Result<Copied, Error> {
    // The clock starts once every partition has a record at hand, so that the first ones are not late.
    let mut heads = Vec::with_capacity(counts.len());
    for index in 0..counts.len() {
        heads.push(match reader.wait(index)? {
            Next::Record(record) => Some(record),
            _ => None,
        });
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| writer.serve(&done));
        let start = Instant::now();
        let started_at = jiff::Timestamp::now();
        let mut sender = Sender {
            reader,
            writer,
            heads,
            cancel,
            start,
            late_after: late_after.as_nanos() as u64,
            copied: Copied {
                read: 0,
                late: 0,
                without_timestamp: 0,
                send_delay: histogram(),
                source_wait: Duration::ZERO,
                target_wait: Duration::ZERO,
                tally: writer.tally(),
                window: 0,
                started_at,
                failure: None,
            },
        };
        let outcome = sender.send_all(Interleave::new(counts), schedule);
        let mut copied = sender.copied;
        let stopped = matches!(outcome, Err(Error::Stopped));
        writer.settle(if stopped { STOP_FLUSH.min(patience) } else { patience + Duration::from_secs(1) });
        done.store(true, Ordering::Relaxed);
        copied.tally = writer.tally();
        copied.failure = outcome.err().or_else(|| writer.failure(&copied.tally));
        let offset = start.saturating_duration_since(writer.clock()).as_nanos() as u64;
        copied.window = copied.tally.last_ack.saturating_sub(offset);
        Ok(copied)
    })
}

struct Sender<'a> {
    reader: &'a Reader,
    writer: &'a Writer,
    heads: Vec<Option<BorrowedMessage<'a>>>,
    cancel: &'a Cancel,
    start: Instant,
    late_after: u64,
    copied: Copied,
}

impl<'a> Sender<'a> {
    fn send_all(&mut self, order: Interleave, schedule: &Schedule) -> Result<(), Error> {
        for (number, index) in (0..).zip(order) {
            let due = schedule.due(number);
            self.wait_until(due)?;
            if self.cancel.requested() {
                return Err(Error::Stopped);
            }
            if number % 1024 == 0 {
                self.reader.serve()?;
            }
            if self.writer.broken() {
                break;
            }
            let record = self.take(index)?;
            let Handover::Done(waited) = self.writer.hand_over(&record, self.cancel)? else { break };
            if waited > BATCH {
                self.copied.target_wait += waited;
            }
            self.count(due, carried(record.timestamp()).is_some());
        }
        Ok(())
    }

    /// Sleeps until `due` nanoseconds after the start, never less than a batch; does nothing when it is past.
    fn wait_until(&self, due: u64) -> Result<(), Error> {
        loop {
            let left = due.saturating_sub(self.elapsed());
            if left == 0 {
                return Ok(());
            }
            if self.cancel.requested() {
                return Err(Error::Stopped);
            }
            std::thread::sleep(Duration::from_nanos(left).clamp(BATCH, NAP));
        }
    }

    /// The next record of a stretch.
    fn take(&mut self, index: usize) -> Result<BorrowedMessage<'a>, Error> {
        if let Some(head) = self.heads[index].take() {
            return Ok(head);
        }
        if let Next::Record(record) = self.reader.next(index, Duration::ZERO)? {
            return Ok(record);
        }
        let begun = Instant::now();
        let next = self.reader.wait(index);
        self.copied.source_wait += begun.elapsed();
        match next? {
            Next::Record(record) => Ok(record),
            _ => Err(self.reader.ended_early(index)),
        }
    }

    fn count(&mut self, due: u64, has_timestamp: bool) {
        let delay = self.elapsed().saturating_sub(due);
        self.copied.send_delay.saturating_record(micros(delay));
        self.copied.read += 1;
        self.copied.late += u64::from(delay > self.late_after);
        self.copied.without_timestamp += u64::from(!has_timestamp);
    }

    fn elapsed(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}
