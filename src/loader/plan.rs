//! Which records are replayed: the last N of the topic, as a stretch of each partition.
//!
//! Offsets are not records: transactions leave markers and aborted records behind, compaction leaves gaps. So the end of
//! each partition is read once before the load begins, and the plan stands on the records that were really there.

use std::ops::Range;

use super::offsets::Offsets;
use crate::kafka::Bounds;

/// A stretch of a partition: from `start`, up to and without `stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub start: i64,
    /// The offset behind the last one.
    pub stop: i64,
}

/// What one partition gives: exactly `records` records lie in its stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Where they lie.
    pub stretch: Stretch,
    /// How many they are.
    pub records: u64,
}

/// Why there is no plan: the topic holds fewer records than asked for. The number is exact once every partition has been
/// read, and before that the most there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew {
    /// How many it holds.
    pub held: u64,
}

/// Splits `total` over partitions in proportion to what they hold, by largest remainder (the lower partition on a tie);
/// none when they hold too few.
fn quotas(total: u64, held: &[u64]) -> Result<Vec<u64>, TooFew> {
    let all: u128 = held.iter().copied().map(u128::from).sum();
    if all < u128::from(total) {
        return Err(TooFew { held: u64::try_from(all).unwrap_or(u64::MAX) });
    }
    let exact = |held: u64| u128::from(total) * u128::from(held);
    let mut quotas: Vec<u64> = held.iter().map(|&held| (exact(held) / all.max(1)) as u64).collect();
    let mut order: Vec<usize> = (0..held.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(exact(held[index]) % all.max(1)), index));
    let left = total - quotas.iter().sum::<u64>();
    for index in order.into_iter().take(left as usize) {
        quotas[index] += 1;
    }
    Ok(quotas)
}

/// Plans `total` records. `scan` reads stretches and says which of their offsets hold records; it is asked for ever
/// earlier ones until there are enough.
pub fn plan<E: From<TooFew>>(
    total: u64,
    held: &[Bounds],
    mut scan: impl FnMut(&[Stretch]) -> Result<Vec<Offsets>, E>,
) -> Result<Vec<Share>, E> {
    let mut known: Vec<Known> = held.iter().map(Known::new).collect();
    loop {
        let most: Vec<u64> = known.iter().map(Known::most).collect();
        let quotas = quotas(total, &most)?;
        let lacking: Vec<usize> = (0..known.len()).filter(|&index| known[index].found.len() < quotas[index]).collect();
        if lacking.is_empty() {
            return Ok(known.iter().zip(quotas).filter_map(|(known, quota)| known.share(quota)).collect());
        }
        let stretches: Vec<Stretch> = lacking.iter().map(|&index| known[index].before(quotas[index])).collect();
        for ((index, stretch), offsets) in lacking.into_iter().zip(&stretches).zip(scan(&stretches)?) {
            known[index].scanned.start = stretch.start;
            known[index].found.prepend(offsets);
        }
    }
}

/// What is known of a partition: which of its last offsets hold records.
struct Known {
    bounds: Bounds,
    scanned: Range<i64>,
    found: Offsets,
}

impl Known {
    fn new(bounds: &Bounds) -> Self {
        Self { bounds: *bounds, scanned: bounds.high..bounds.high, found: Offsets::default() }
    }

    /// The most records it can hold; exact once all was scanned.
    fn most(&self) -> u64 {
        let unread = self.scanned.start.saturating_sub(self.bounds.low);
        self.found.len() + u64::try_from(unread).unwrap_or(0)
    }

    /// The stretch to scan next. It is at least as long as all that was scanned, so a log that is mostly gaps takes few
    /// rounds.
    fn before(&self, quota: u64) -> Stretch {
        let lacking = i64::try_from(quota - self.found.len()).unwrap_or(i64::MAX);
        let length = lacking.max(self.scanned.end - self.scanned.start);
        let start = self.scanned.start.saturating_sub(length).max(self.bounds.low);
        Stretch { partition: self.bounds.partition, start, stop: self.scanned.start }
    }

    fn share(&self, records: u64) -> Option<Share> {
        let start = self.found.nth_last(records)?;
        let stretch = Stretch { partition: self.bounds.partition, start, stop: self.bounds.high };
        Some(Share { stretch, records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_split_by_largest_remainder() {
        assert_eq!(quotas(10, &[100, 100, 100]), Ok(vec![4, 3, 3]));
        assert_eq!(quotas(10, &[0, 1, 9]), Ok(vec![0, 1, 9]));
        assert_eq!(quotas(7, &[10, 0, 4]), Ok(vec![5, 0, 2]));
        assert_eq!(quotas(0, &[0]), Ok(vec![0]));
        assert_eq!(quotas(1, &[]), Err(TooFew { held: 0 }));
        assert_eq!(quotas(11, &[4, 6]), Err(TooFew { held: 10 }));
    }

    /// A topic by the offsets that hold records, each partition beginning at 0 and ending at its bound.
    fn planned(total: u64, topic: &[(i64, Vec<i64>)]) -> Result<Vec<Share>, TooFew> {
        let bounds = |(partition, (high, _)): (i32, &(i64, _))| Bounds { partition, low: 0, high: *high };
        let held: Vec<Bounds> = (0..).zip(topic).map(bounds).collect();
        plan(total, &held, |stretches| {
            let records = |stretch: &Stretch| {
                assert!(stretch.start < stretch.stop, "{stretch:?} is empty");
                let all = topic[stretch.partition as usize].1.iter().copied();
                all.filter(|offset| (stretch.start..stretch.stop).contains(offset)).collect()
            };
            Ok(stretches.iter().map(records).collect())
        })
    }

    #[test]
    fn a_log_without_gaps_is_planned_from_its_offsets() {
        let topic = [(100, (0..100).collect()), (0, vec![]), (50, (0..50).collect())];
        let shares = planned(15, &topic).unwrap();
        let share = |partition, start, stop, records| Share { stretch: Stretch { partition, start, stop }, records };
        assert_eq!(shares, [share(0, 90, 100, 10), share(2, 45, 50, 5)]);
    }

    #[test]
    fn any_mix_of_gaps_gives_exactly_n_records_or_says_how_many_there_are() {
        // A small generator (Steele, Lea and Flood's SplitMix64) makes the same topics in every run.
        let mut state: u64 = 7;
        let mut random = move |below: u64| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed ^ (mixed >> 31)) % below
        };
        for round in 0..2000 {
            let topic: Vec<(i64, Vec<i64>)> = (0..random(5))
                .map(|_| {
                    let (high, one_in) = (random(200) as i64, 1 + random(20));
                    (high, (0..high).filter(|_| random(one_in) == 0).collect())
                })
                .collect();
            let there: u64 = topic.iter().map(|(_, offsets)| offsets.len() as u64).sum();
            let total = 1 + random(there + 20);
            match planned(total, &topic) {
                Ok(shares) => {
                    for share in &shares {
                        let offsets = &topic[share.stretch.partition as usize].1;
                        let inside = offsets.iter().filter(|offset| **offset >= share.stretch.start).count();
                        assert_eq!(inside as u64, share.records, "round {round}: {share:?}");
                    }
                    assert_eq!(shares.iter().map(|share| share.records).sum::<u64>(), total, "round {round}");
                }
                Err(too_few) => {
                    assert!(there < total && (there..total).contains(&too_few.held), "round {round}: {too_few:?}");
                }
            }
        }
    }
}
