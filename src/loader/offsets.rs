//! Sets of offsets of one partition, small however many there are.

use std::ops::Range;

/// A set of offsets, added in growing order and kept as runs: a log without gaps is one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offsets {
    runs: Vec<Range<i64>>,
}

impl Offsets {
    /// Adds an offset behind all that are there. One that is not behind them is left out, so nothing counts twice;
    /// says whether it was added.
    pub fn push(&mut self, offset: i64) -> bool {
        match self.runs.last_mut() {
            Some(last) if offset < last.end => return false,
            Some(last) if offset == last.end => last.end += 1,
            _ => self.runs.push(offset..offset + 1),
        }
        true
    }

    /// The offsets of a log without gaps.
    pub fn from_run(run: Range<i64>) -> Self {
        Self { runs: if run.is_empty() { Vec::new() } else { vec![run] } }
    }

    /// Adds offsets that all lie behind these.
    pub fn append(&mut self, behind: Self) {
        let before = std::mem::replace(self, behind);
        self.prepend(before);
    }

    /// Puts offsets that all lie before these in front of them.
    pub fn prepend(&mut self, mut before: Self) {
        for run in std::mem::take(&mut self.runs) {
            match before.runs.last_mut() {
                Some(last) if last.end == run.start => last.end = run.end,
                _ => before.runs.push(run),
            }
        }
        *self = before;
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.end.abs_diff(run.start)).sum()
    }

    /// The n-th offset from the back, 1 being the last; none when there are fewer or n is 0.
    pub fn nth_last(&self, n: u64) -> Option<i64> {
        let mut left = n.checked_sub(1)?;
        for run in self.runs.iter().rev() {
            let length = run.end.abs_diff(run.start);
            if left < length {
                return run.end.checked_sub_unsigned(left + 1);
            }
            left -= length;
        }
        None
    }
}

impl FromIterator<i64> for Offsets {
    fn from_iter<I: IntoIterator<Item = i64>>(offsets: I) -> Self {
        let mut set = Self::default();
        for offset in offsets {
            set.push(offset);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_with_gaps_are_counted_and_found_from_the_back() {
        let mut offsets: Offsets = [5, 6, 9].into_iter().collect();
        offsets.prepend([1, 3, 4].into_iter().collect());
        assert_eq!(offsets.runs, [1..2, 3..7, 9..10]);
        assert_eq!(offsets.len(), 6);
        let nth_last: Vec<_> = (0..=7).map(|n| offsets.nth_last(n)).collect();
        assert_eq!(nth_last, [None, Some(9), Some(6), Some(5), Some(4), Some(3), Some(1), None]);
    }

    #[test]
    fn an_offset_counts_once() {
        let mut offsets: Offsets = [1, 2].into_iter().collect();
        assert!(!offsets.push(2));
        assert!(offsets.push(3));
        assert_eq!(offsets.len(), 3);
    }
}
