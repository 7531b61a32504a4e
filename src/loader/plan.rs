//! Which records are replayed: exactly N of a range of the topic, as a stretch of each partition.
//!
//! Offsets are not records: transactions leave markers and aborted records behind, compaction leaves gaps. So the range is
//! read once before the load begins, as far as it is needed, and the plan stands on the records that were really there.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::offsets::Offsets;
use super::range::End;
use crate::kafka::Bounds;

/// A stretch of a partition: from `start`, up to and without `stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub start: i64,
    /// The offset behind the last one.
    pub stop: i64,
}

/// What one partition gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Where the records lie.
    #[serde(flatten)]
    pub stretch: Stretch,
    /// How many records lie there; never 0.
    pub held: u64,
    /// How many are sent. When they are more than lie there, the stretch is gone through again and again, and left in the
    /// middle of the last pass.
    pub records: u64,
}

impl Share {
    /// How often the stretch is gone through, the last time perhaps not to its end.
    pub fn passes(&self) -> u64 {
        self.records.div_ceil(self.held.max(1))
    }
}

/// How often a plan begins its range again.
pub fn repeated(shares: &[Share]) -> u64 {
    shares.iter().map(Share::passes).max().unwrap_or(0).saturating_sub(1)
}

/// Why there is no plan: the range holds fewer records than asked for. The number is exact once every partition has been
/// read, and before that the most there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew {
    /// How many it holds.
    pub held: u64,
}

/// Splits `total` over partitions in proportion to what they hold, by largest remainder (the lower partition on a tie).
/// One that holds nothing gets nothing, unless all do.
pub fn proportional(total: u64, held: &[u64]) -> Vec<u64> {
    let all: u128 = held.iter().copied().map(u128::from).sum();
    let exact = |held: u64| u128::from(total) * u128::from(held);
    let mut quotas: Vec<u64> = held.iter().map(|&held| (exact(held) / all.max(1)) as u64).collect();
    let mut order: Vec<usize> = (0..held.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(exact(held[index]) % all.max(1)), index));
    let left = total - quotas.iter().sum::<u64>();
    for index in order.into_iter().take(left as usize) {
        quotas[index] += 1;
    }
    quotas
}

/// Plans a load step by step: as long as [`Planner::next_scan`] names stretches, somebody reads them and tells
/// [`Planner::scanned`] which of their offsets hold records.
#[derive(Debug)]
pub struct Planner {
    total: Option<u64>,
    repeat: bool,
    known: Vec<Known>,
}

impl Planner {
    /// Plans `total` records, all there are when it is none, from that end of these bounds. With `repeat` records are
    /// taken again when they are too few.
    pub fn new(total: Option<u64>, bounds: &[Bounds], end: End, repeat: bool) -> Self {
        Self { total, repeat, known: bounds.iter().map(|bounds| Known::new(bounds, end)).collect() }
    }

    /// The stretches to read next, none of them empty; none when all that is needed is known.
    pub fn next_scan(&self) -> Option<Vec<Stretch>> {
        let stretches: Vec<Stretch> = self.lacking().into_iter().map(|(_, stretch)| stretch).collect();
        (!stretches.is_empty()).then_some(stretches)
    }

    /// Takes in which offsets of the stretches of [`Planner::next_scan`] hold records, in the same order.
    pub fn scanned(&mut self, found: impl IntoIterator<Item = Offsets>) {
        for ((index, stretch), offsets) in self.lacking().into_iter().zip(found) {
            self.known[index].add(stretch, offsets);
        }
    }

    /// The plan: the shares sum up to exactly the total.
    pub fn finish(&self) -> Result<Vec<Share>, TooFew> {
        let found = self.known.iter().map(|known| known.found.len());
        let held = self.most().iter().fold(0_u64, |sum, most| sum.saturating_add(*most));
        let quotas = match self.quotas() {
            Some(quotas) => quotas,
            None if self.repeat && held > 0 => proportional(self.total.unwrap_or(held), &found.collect::<Vec<_>>()),
            None => return Err(TooFew { held }),
        };
        Ok(self.known.iter().zip(quotas).filter_map(|(known, quota)| known.share(quota)).collect())
    }

    fn most(&self) -> Vec<u64> {
        self.known.iter().map(Known::most).collect()
    }

    /// What each partition gives if it holds as much as it can; none when that is too little.
    fn quotas(&self) -> Option<Vec<u64>> {
        let most = self.most();
        let all: u128 = most.iter().copied().map(u128::from).sum();
        match self.total {
            None if all == 0 => None,
            None => Some(most),
            Some(total) => (u128::from(total) <= all).then(|| proportional(total, &most)),
        }
    }

    /// The partitions of which too little is known, and what to read of them.
    fn lacking(&self) -> Vec<(usize, Stretch)> {
        let quotas = match self.quotas() {
            Some(quotas) => quotas,
            // Only what the whole range holds says how often it must be gone through.
            None if self.repeat => self.most(),
            None => return Vec::new(),
        };
        let next = |(index, (known, quota)): (usize, (&Known, u64))| {
            (known.found.len() < quota).then(|| (index, known.next(quota)))
        };
        self.known.iter().zip(quotas).enumerate().filter_map(next).collect()
    }
}

/// What is known of a partition: which of its offsets hold records, from the range's one end to where it has been read.
#[derive(Debug)]
struct Known {
    bounds: Bounds,
    end: End,
    scanned: Range<i64>,
    found: Offsets,
}

impl Known {
    fn new(bounds: &Bounds, end: End) -> Self {
        let edge = match end {
            End::First => bounds.low,
            End::Last => bounds.high,
        };
        Self { bounds: *bounds, end, scanned: edge..edge, found: Offsets::default() }
    }

    /// The most records it can hold; exact once all was scanned.
    fn most(&self) -> u64 {
        let unread = match self.end {
            End::First => self.bounds.high.saturating_sub(self.scanned.end),
            End::Last => self.scanned.start.saturating_sub(self.bounds.low),
        };
        self.found.len() + u64::try_from(unread).unwrap_or(0)
    }

    /// The stretch to scan next. It is at least as long as all that was scanned, so a log that is mostly gaps takes few
    /// rounds.
    fn next(&self, quota: u64) -> Stretch {
        let lacking = i64::try_from(quota - self.found.len()).unwrap_or(i64::MAX);
        let length = lacking.max(self.scanned.end - self.scanned.start);
        let (start, stop) = match self.end {
            End::First => (self.scanned.end, self.scanned.end.saturating_add(length).min(self.bounds.high)),
            End::Last => (self.scanned.start.saturating_sub(length).max(self.bounds.low), self.scanned.start),
        };
        Stretch { partition: self.bounds.partition, start, stop }
    }

    fn add(&mut self, stretch: Stretch, mut offsets: Offsets) {
        match self.end {
            End::First => {
                offsets.prepend(std::mem::take(&mut self.found));
                (self.found, self.scanned.end) = (offsets, stretch.stop);
            }
            End::Last => {
                self.found.prepend(offsets);
                self.scanned.start = stretch.start;
            }
        }
    }

    /// The stretch ends where its records end: those of a range that begins early must not run into later ones.
    fn share(&self, records: u64) -> Option<Share> {
        let found = self.found.len();
        let held = records.min(found);
        let (first, last) = match self.end {
            End::First => (found, (found + 1).checked_sub(held)?),
            End::Last => (held, 1),
        };
        let (start, stop) = (self.found.nth_last(first)?, self.found.nth_last(last)?.saturating_add(1));
        (held > 0).then_some(Share {
            stretch: Stretch { partition: self.bounds.partition, start, stop },
            held,
            records,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn records_are_split_by_largest_remainder() {
        assert_eq!(proportional(10, &[100, 100, 100]), [4, 3, 3]);
        assert_eq!(proportional(10, &[0, 1, 9]), [0, 1, 9]);
        assert_eq!(proportional(7, &[10, 0, 4]), [5, 0, 2]);
        assert_eq!(proportional(25, &[0, 3, 1]), [0, 19, 6]);
        assert_eq!(proportional(0, &[0]), [0]);
    }

    /// A partition by its low bound, its high bound and the offsets that hold records.
    type Log = (i64, i64, Vec<i64>);

    fn planned(total: Option<u64>, topic: &[Log], end: End, repeat: bool) -> Result<Vec<Share>, TooFew> {
        let bounds = |(partition, (low, high, _)): (i32, &Log)| Bounds { partition, low: *low, high: *high };
        let held: Vec<Bounds> = (0..).zip(topic).map(bounds).collect();
        let mut planner = Planner::new(total, &held, end, repeat);
        while let Some(stretches) = planner.next_scan() {
            let records = |stretch: &Stretch| {
                let (low, high, offsets) = &topic[stretch.partition as usize];
                assert!(*low <= stretch.start && stretch.start < stretch.stop && stretch.stop <= *high, "{stretch:?}");
                offsets.iter().copied().filter(|offset| (stretch.start..stretch.stop).contains(offset)).collect()
            };
            let found: Vec<Offsets> = stretches.iter().map(records).collect();
            planner.scanned(found);
        }
        planner.finish()
    }

    fn share(partition: i32, start: i64, stop: i64, held: u64, records: u64) -> Share {
        Share { stretch: Stretch { partition, start, stop }, held, records }
    }

    #[test]
    fn a_log_without_gaps_is_planned_from_its_offsets() {
        let topic = [(0, 100, (0..100).collect()), (0, 0, vec![]), (0, 50, (0..50).collect())];
        let plan = |end| planned(Some(15), &topic, end, false);
        assert_eq!(plan(End::Last), Ok(vec![share(0, 90, 100, 10, 10), share(2, 45, 50, 5, 5)]));
        assert_eq!(plan(End::First), Ok(vec![share(0, 0, 10, 10, 10), share(2, 0, 5, 5, 5)]));
        assert_eq!(planned(None, &topic[2..], End::First, false), Ok(vec![share(0, 0, 50, 50, 50)]));
    }

    #[test]
    fn too_few_records_are_gone_through_again_when_told() {
        let topic = [(10, 20, vec![11, 12, 17]), (0, 9, vec![4])];
        // Known to be too few before all was read.
        assert_eq!(planned(Some(9), &topic, End::Last, false), Err(TooFew { held: 5 }));
        let shares = planned(Some(9), &topic, End::Last, true).unwrap();
        assert_eq!(shares, [share(0, 11, 18, 3, 7), share(1, 4, 5, 1, 2)]);
        assert_eq!((shares[0].passes(), shares[1].passes()), (3, 2));
        assert_eq!(planned(Some(9), &[(0, 5, vec![])], End::First, true), Err(TooFew { held: 0 }));
    }

    fn log() -> impl Strategy<Value = Log> {
        (0_i64..50, 0_i64..200, 1_u64..20, any::<u64>()).prop_map(|(low, length, one_in, seed)| {
            let is_record = |offset: &i64| {
                (*offset as u64).wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33 & 0xFFFF
                    < 0xFFFF / one_in + 1
            };
            (low, low + length, (low..low + length).filter(is_record).collect())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_mix_of_gaps_gives_exactly_n_records_or_says_how_many_there_are(
            topic in prop::collection::vec(log(), 0..5),
            wanted in prop::option::weighted(0.9, 0.0..2.0),
            end in prop_oneof![Just(End::First), Just(End::Last)],
            repeat: bool,
        ) {
            let there: u64 = topic.iter().map(|(_, _, offsets)| offsets.len() as u64).sum();
            let total = wanted.map(|part| 1 + (there as f64 * part) as u64);
            match planned(total, &topic, end, repeat) {
                Ok(shares) => {
                    prop_assert_eq!(shares.iter().map(|share| share.records).sum::<u64>(), total.unwrap_or(there));
                    prop_assert!(repeat || total.is_none_or(|total| total <= there));
                    for share in &shares {
                        let offsets = &topic[share.stretch.partition as usize].2;
                        let inside = |offset: &&i64| (share.stretch.start..share.stretch.stop).contains(offset);
                        prop_assert_eq!(offsets.iter().filter(inside).count() as u64, share.held);
                        let edge = match end {
                            End::First => share.stretch.start == offsets[0],
                            End::Last => share.stretch.stop == offsets[offsets.len() - 1] + 1,
                        };
                        prop_assert!(edge, "{share:?} does not lie at the range's end");
                        let again = share.records > share.held;
                        prop_assert!(!again || repeat && share.held == offsets.len() as u64, "{share:?}");
                    }
                }
                Err(too_few) => {
                    prop_assert!(there < total.unwrap_or(1), "{there} would do, {too_few:?}");
                    prop_assert!((there..total.unwrap_or(1)).contains(&too_few.held), "{there}, {too_few:?}");
                    prop_assert!(!repeat || there == 0);
                }
            }
        }
    }
}
