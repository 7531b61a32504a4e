//! How many of the records are visible in the target to a read_committed consumer.
//!
//! When every partition's end moved by exactly as many offsets as were acknowledged there, and those are the acknowledged
//! ones, then nobody else wrote, nothing is missing, and nothing needs to be read again. Otherwise what lies between the
//! old end and the new one is read: batches say which producer wrote them.

use std::time::Duration;

use tokio::time::Instant;

use super::Error;
use super::outcome::{Landed, Outcome};
use super::plan::Stretch;
use super::source::Reader;
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
    /// Partitions in which not as many are visible as were acknowledged.
    pub differing: Vec<i32>,
    /// Partitions of which records were deleted since the load began.
    pub deleted: Vec<i32>,
}

/// Counts what is visible of a load. `before` are the target's bounds from before it.
pub async fn count(
    cluster: &Cluster,
    topic: &str,
    before: &[Bounds],
    outcome: &Outcome,
    patience: Duration,
) -> Result<Visible, Error> {
    let deadline = Instant::now() + APPEAR;
    let (topic, after, grown) = loop {
        let topic = cluster.topic(topic).await?;
        let after = cluster.bounds(&topic).await?;
        let grown = growth(before, &after);
        let appeared = grown.iter().all(|stretch| length(stretch) >= landed(outcome, stretch).acked);
        if appeared || Instant::now() >= deadline {
            break (topic, after, grown);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    if grown.iter().all(|stretch| filled(stretch, landed(outcome, stretch))) {
        return Ok(Visible { ours: outcome.acked, ..Visible::default() });
    }
    let grown: Vec<(Stretch, u64)> = grown.into_iter().map(|stretch| (stretch, 1)).collect();
    let mut reader = Reader::open(cluster, topic, &grown, patience);
    let mut visible = Visible { deleted: deleted(before, &after), ..Visible::default() };
    for (index, (stretch, _)) in grown.iter().enumerate() {
        let (mut ours, mut others) = (0, 0);
        while let Some(fetched) = reader.next(index).await? {
            let batch = &fetched.batch;
            let own = outcome.producers.contains(&(batch.producer_id(), batch.producer_epoch()));
            *(if own { &mut ours } else { &mut others }) += u64::from(batch.record_count().unsigned_abs());
        }
        visible.ours += ours;
        visible.others += others;
        if ours != landed(outcome, stretch).acked {
            visible.differing.push(stretch.partition);
        }
    }
    Ok(visible)
}

/// Where a partition ended before the load. One that is new began empty.
fn old_end(before: &[Bounds], partition: i32) -> i64 {
    before.iter().find(|old| old.partition == partition).map_or(0, |old| old.high)
}

/// The partitions that now begin behind where they ended.
fn deleted(before: &[Bounds], after: &[Bounds]) -> Vec<i32> {
    let gone = after.iter().filter(|new| new.low > old_end(before, new.partition));
    gone.map(|new| new.partition).collect()
}

/// From each partition's old end to its new one.
fn growth(before: &[Bounds], after: &[Bounds]) -> Vec<Stretch> {
    let stretch = |new: &Bounds| {
        let start = old_end(before, new.partition).max(new.low);
        Stretch { partition: new.partition, start, stop: new.high }
    };
    after.iter().map(stretch).collect()
}

fn length(stretch: &Stretch) -> u64 {
    u64::try_from(stretch.stop - stretch.start).unwrap_or(0)
}

fn landed(outcome: &Outcome, stretch: &Stretch) -> Landed {
    outcome.landed.get(&stretch.partition).copied().unwrap_or_default()
}

/// Whether the stretch is filled by the acknowledged records and nothing else.
fn filled(stretch: &Stretch, landed: Landed) -> bool {
    let inside = match landed.offsets {
        Some((first, behind)) => first >= stretch.start && behind <= stretch.stop,
        None => landed.acked == 0,
    };
    length(stretch) == landed.acked && inside
}
