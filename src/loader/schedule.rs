//! When each record is due, and from which partition it comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A constant rate in an open model: when a record is due depends on its number alone, never on how long the records
/// before it took.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Records in a million seconds: whole numbers do not drift.
    rate_micro: u128,
}

impl Schedule {
    /// So many records a second; must be positive.
    pub fn new(rate: f64) -> Self {
        Self { rate_micro: ((rate * 1e6).round() as u128).max(1) }
    }

    /// When record `number`, from 0, is due: nanoseconds after the start.
    pub fn due(self, number: u64) -> u64 {
        u64::try_from(u128::from(number) * 1_000_000_000_000_000 / self.rate_micro).unwrap_or(u64::MAX)
    }
}

/// The fixed order in which records of several partitions are merged: each partition's are spread evenly over the whole.
/// An iterator over the partitions' indices.
#[derive(Debug)]
pub struct Interleave {
    counts: Vec<u64>,
    next: BinaryHeap<Reverse<(u128, usize, u64)>>,
}

impl Interleave {
    /// A merge of so many records of each partition.
    pub fn new(counts: Vec<u64>) -> Self {
        let firsts = (0..counts.len()).filter(|&index| counts[index] > 0);
        let next = firsts.map(|index| Reverse((place(0, counts[index]), index, 0))).collect();
        Self { counts, next }
    }
}

/// Where record `number` of `count` lies on a line from 0 to 2^64: in the middle of its part.
fn place(number: u64, count: u64) -> u128 {
    ((2 * u128::from(number) + 1) << 63) / u128::from(count)
}

impl Iterator for Interleave {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let Reverse((_, index, number)) = self.next.pop()?;
        if number + 1 < self.counts[index] {
            self.next.push(Reverse((place(number + 1, self.counts[index]), index, number + 1)));
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_without_drift() {
        let schedule = Schedule::new(3.0);
        assert_eq!([0, 1, 2, 3].map(|number| schedule.due(number)), [0, 333_333_333, 666_666_666, 1_000_000_000]);
        assert_eq!(schedule.due(3 * 86_400 * 365), 86_400 * 365 * 1_000_000_000);
        assert_eq!(Schedule::new(0.5).due(1), 2_000_000_000);
    }

    #[test]
    fn partitions_are_merged_evenly_and_completely() {
        let order: Vec<usize> = Interleave::new(vec![4, 0, 2]).collect();
        assert_eq!(order, [0, 2, 0, 0, 2, 0]);
        let counts = vec![7, 1000, 333];
        let order: Vec<usize> = Interleave::new(counts.clone()).collect();
        let mut seen = [0_u64; 3];
        for (done, index) in order.iter().enumerate() {
            seen[*index] += 1;
            let even = counts[*index] as f64 * (done + 1) as f64 / 1340.0;
            assert!((seen[*index] as f64 - even).abs() <= 2.0, "{seen:?} after {done}");
        }
        assert_eq!(seen.to_vec(), counts);
    }
}
