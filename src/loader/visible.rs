//! How many of the records are visible in the target to a read_committed consumer.
//!
//! Records carry no mark of this load, so they are found by where they were acknowledged. When every partition's end
//! moved by exactly as many offsets as were acknowledged there, and the acknowledged offsets are those, then nobody else
//! wrote, nothing is missing, and nothing needs to be read again. Otherwise the stretch between the old end and the new
//! one is consumed: records at acknowledged offsets are ours, the others are somebody else's.

use std::time::{Duration, Instant};

use rdkafka::message::Message;

use super::plan::Stretch;
use super::source::{Next, Reader};
use super::target::{Delivered, Tally};
use super::{Error, Job};
use crate::kafka::{Bounds, Cluster};

/// How long the last record may take from its acknowledgement to being visible.
const APPEAR: Duration = Duration::from_secs(5);

/// What a read_committed consumer sees in the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visible {
    /// Records of this load.
    pub ours: u64,
    /// Records that others wrote meanwhile.
    pub others: u64,
    /// Partitions in which fewer are visible than were acknowledged.
    pub lacking: Vec<i32>,
}

/// Counts what is visible. `before` are the target's bounds from before the load.
pub fn count(job: &Job, target: &Cluster, before: &[Bounds], tally: &Tally) -> Result<Visible, Error> {
    let deadline = Instant::now() + APPEAR;
    let grown = loop {
        let partitions = target.partitions(&job.target_topic)?;
        let grown = growth(before, &target.bounds(&job.target_topic, &partitions)?);
        let appeared = grown.iter().all(|stretch| length(stretch) >= delivered(tally, stretch).acked);
        if appeared || job.cancel.requested() || Instant::now() >= deadline {
            break grown;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if grown.iter().all(|stretch| filled(stretch, &delivered(tally, stretch))) {
        return Ok(Visible { ours: tally.acked, ..Visible::default() });
    }
    consume(job, grown.into_iter().filter(|stretch| length(stretch) > 0).collect(), tally)
}

/// From each partition's old end to its new one. A partition that is new began empty.
fn growth(before: &[Bounds], after: &[Bounds]) -> Vec<Stretch> {
    let old_end = |partition| before.iter().find(|old| old.partition == partition).map_or(0, |old| old.high);
    let stretch = |new: &Bounds| {
        let start = old_end(new.partition).max(new.low);
        Stretch { partition: new.partition, start, stop: new.high }
    };
    after.iter().map(stretch).collect()
}

fn length(stretch: &Stretch) -> u64 {
    u64::try_from(stretch.stop - stretch.start).unwrap_or(0)
}

fn delivered(tally: &Tally, stretch: &Stretch) -> Delivered {
    tally.partitions.get(&stretch.partition).cloned().unwrap_or_default()
}

/// Whether the stretch is filled by the acknowledged records and nothing else.
fn filled(stretch: &Stretch, delivered: &Delivered) -> bool {
    let first_to_last = match (delivered.offsets.nth_last(delivered.offsets.len()), delivered.offsets.nth_last(1)) {
        (Some(first), Some(last)) => first >= stretch.start && last < stretch.stop,
        _ => true,
    };
    length(stretch) == delivered.acked && first_to_last
}

fn consume(job: &Job, stretches: Vec<Stretch>, tally: &Tally) -> Result<Visible, Error> {
    let mut visible = Visible::default();
    let reader = Reader::open(&job.target, &job.target_topic, stretches.clone(), job.patience, &job.cancel)?;
    for (index, stretch) in stretches.iter().enumerate() {
        let delivered = delivered(tally, stretch);
        let (mut ours, mut others) = (0, 0);
        while let Next::Record(record) = reader.wait(index)? {
            if delivered.offsets.contains(record.offset()) { ours += 1 } else { others += 1 }
        }
        // An acknowledgement without an offset is of a record that cannot be told from others'.
        let nameless = (delivered.acked - delivered.offsets.len()).min(others);
        visible.ours += ours + nameless;
        visible.others += others - nameless;
        if ours + nameless < delivered.acked {
            visible.lacking.push(stretch.partition);
        }
    }
    let unseen = |partition: &&i32| !stretches.iter().any(|stretch| stretch.partition == **partition);
    visible.lacking.extend(tally.partitions.keys().filter(unseen));
    Ok(visible)
}
