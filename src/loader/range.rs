//! Which part of the source topic records are taken from.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;

use crate::kafka::Bounds;

/// From which end of a range records are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its first records.
    First,
    /// Its last ones.
    Last,
}

/// Which part of the source topic records are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// The last records there are.
    Last,
    /// The first records there are.
    Beginning,
    /// From the first record at or after a time on.
    Since(Timestamp),
    /// From an offset on, the same in every partition.
    Offset(i64),
    /// From an offset on in these partitions; the others give nothing.
    Offsets(BTreeMap<i32, i64>),
}

/// Why a range does not lie in the topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Outside {
    /// The topic has no such partition.
    #[error("--from names partition {partition}, the source topic has {partitions} partitions")]
    Partition {
        /// The partition.
        partition: i32,
        /// How many there are.
        partitions: usize,
    },
    /// The partition has no such offset any more, or not yet.
    #[error("--from names offset {offset} of partition {partition}, the source topic has {low} up to {high} there")]
    Offset {
        /// The offset.
        offset: i64,
        /// Its partition.
        partition: i32,
        /// The partition's first offset.
        low: i64,
        /// The one behind its last record.
        high: i64,
    },
}

impl Range {
    /// From which end of the range's bounds records are taken.
    pub fn end(&self) -> End {
        if *self == Self::Last { End::Last } else { End::First }
    }

    /// The time, in Unix milliseconds, whose offsets must be known to find the range.
    pub fn time(&self) -> Option<i64> {
        match self {
            // The first millisecond that is not before it.
            Self::Since(time) => i64::try_from((time.as_nanosecond() + 999_999).div_euclid(1_000_000)).ok(),
            _ => None,
        }
    }

    /// The bounds of the range within the topic's. `found` are the offsets at [`Range::time`]; a partition without one
    /// has no record that late.
    pub fn within(&self, bounds: &[Bounds], found: &[(i32, Option<i64>)]) -> Result<Vec<Bounds>, Outside> {
        let from = |bounds: &Bounds, low: i64| Bounds { low, ..*bounds };
        match self {
            Self::Last | Self::Beginning => Ok(bounds.to_vec()),
            Self::Since(_) => Ok(bounds
                .iter()
                .map(|bounds| {
                    let first = found.iter().find(|(partition, _)| *partition == bounds.partition);
                    let low = first.and_then(|(_, offset)| *offset).unwrap_or(bounds.high);
                    from(bounds, low.clamp(bounds.low, bounds.high.max(bounds.low)))
                })
                .collect()),
            Self::Offset(offset) => {
                bounds.iter().map(|bounds| check(bounds, *offset).map(|()| from(bounds, *offset))).collect()
            }
            Self::Offsets(offsets) => offsets
                .iter()
                .map(|(&partition, &offset)| {
                    let there = bounds.iter().find(|bounds| bounds.partition == partition);
                    let there = there.ok_or(Outside::Partition { partition, partitions: bounds.len() })?;
                    check(there, offset).map(|()| from(there, offset))
                })
                .collect(),
        }
    }
}

/// The bounds up to a time; `found` are the first offsets at or after it, by partition.
pub fn before(bounds: &[Bounds], found: &[(i32, Option<i64>)]) -> Vec<Bounds> {
    let cut = |bounds: &Bounds| {
        let stop = found.iter().find(|(partition, _)| *partition == bounds.partition).and_then(|(_, offset)| *offset);
        Bounds { high: stop.map_or(bounds.high, |stop| stop.clamp(bounds.low, bounds.high.max(bounds.low))), ..*bounds }
    };
    bounds.iter().map(cut).collect()
}

/// Starting anywhere else than told would replay other records.
fn check(bounds: &Bounds, offset: i64) -> Result<(), Outside> {
    let Bounds { partition, low, high } = *bounds;
    if (low..=high).contains(&offset) { Ok(()) } else { Err(Outside::Offset { offset, partition, low, high }) }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("{text:?} is none of last, beginning, a time as 2026-01-05T10:12:00Z, offset:O, offset:P=O,P=O");
        match (text, text.strip_prefix("offset:")) {
            ("last", _) => Ok(Self::Last),
            ("beginning", _) => Ok(Self::Beginning),
            (_, Some(offsets)) if !offsets.contains('=') => Ok(Self::Offset(number(offsets).ok_or_else(wrong)?)),
            (_, Some(offsets)) => {
                let mut found = BTreeMap::new();
                for pair in offsets.split(',') {
                    let (partition, offset) = pair.split_once('=').ok_or_else(wrong)?;
                    let (partition, offset) = number(partition).zip(number(offset)).ok_or_else(wrong)?;
                    if found.insert(partition, offset).is_some() {
                        return Err(format!("{text:?} names partition {partition} twice"));
                    }
                }
                Ok(Self::Offsets(found))
            }
            _ => text.parse().map(Self::Since).map_err(|_| wrong()),
        }
    }
}

fn number<T: FromStr + PartialOrd + Default>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number| *number >= T::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: [Bounds; 2] = [Bounds { partition: 0, low: 5, high: 50 }, Bounds { partition: 1, low: 0, high: 8 }];

    fn within(range: &str, found: &[(i32, Option<i64>)]) -> Result<Vec<(i32, i64)>, String> {
        let range: Range = range.parse()?;
        let bounds = range.within(&TOPIC, found).map_err(|outside| outside.to_string())?;
        Ok(bounds.iter().map(|bounds| (bounds.partition, bounds.low)).collect())
    }

    #[test]
    fn a_range_is_found_in_the_topic() {
        assert_eq!(within("last", &[]), Ok(vec![(0, 5), (1, 0)]));
        assert_eq!(within("offset:6", &[]), Ok(vec![(0, 6), (1, 6)]));
        assert_eq!(within("offset:1=8", &[]), Ok(vec![(1, 8)]));
        assert_eq!(within("2026-01-05T10:12:00Z", &[(1, Some(3)), (0, None)]), Ok(vec![(0, 50), (1, 3)]));
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        let why = |range| within(range, &[]).unwrap_err();
        insta::assert_snapshot!(why("offset:9"), @"--from names offset 9 of partition 1, the source topic has 0 up to 8 there");
        insta::assert_snapshot!(why("offset:2=9"), @"--from names partition 2, the source topic has 2 partitions");
        insta::assert_snapshot!(why("offset:0=9,0=9"), @r#""offset:0=9,0=9" names partition 0 twice"#);
        for wrong in ["", "yesterday", "offset:", "offset:-1", "offset:1=2,3", "2026-01-05"] {
            assert!(why(wrong).contains("is none of last, beginning"), "{wrong}");
        }
    }

    #[test]
    fn a_range_ends_before_the_first_record_at_a_time() {
        let highs =
            |found: &[(i32, Option<i64>)]| before(&TOPIC, found).iter().map(|bounds| bounds.high).collect::<Vec<_>>();
        assert_eq!(highs(&[(0, Some(7)), (1, None)]), [7, 8]);
        assert_eq!(highs(&[(0, Some(1)), (1, Some(8))]), [5, 8]);
    }

    #[test]
    fn a_time_between_milliseconds_means_the_next_one() {
        let time = |text: &str| text.parse::<Range>().unwrap().time();
        assert_eq!(time("1970-01-01T00:00:01Z"), Some(1000));
        assert_eq!(time("1970-01-01T00:00:01.0000001Z"), Some(1001));
        assert_eq!(time("beginning"), None);
    }
}
