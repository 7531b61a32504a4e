//! What came of a load, in plain numbers: what a verdict is made from, the report is told, and shards add up.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::copy::Copied;
use super::target::{Delivered, Producer};
use super::visible::Visible;
use crate::report::{Latency, Load, Verdict, Window};

/// What came of a load. Counts have the records of the warm-up in them, unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Records read from the source and handed over.
    pub read: u64,
    /// Records acknowledged by the target's brokers.
    pub acked: u64,
    /// Bytes of their batches.
    pub bytes: u64,
    /// Measured records that were handed over too late.
    pub late: u64,
    /// From when a measured record was due to when it was handed over, in microseconds.
    #[serde(with = "distribution")]
    pub send_delay: Histogram<u64>,
    /// From handing over to the acknowledgement, in microseconds; of the measured records.
    #[serde(with = "distribution")]
    pub ack_latency: Histogram<u64>,
    /// From when a measured record was due to its acknowledgement, in microseconds.
    #[serde(with = "distribution")]
    pub latency: Histogram<u64>,
    /// Measured records acknowledged in each second after the window's start.
    pub per_second: Vec<u64>,
    /// How long the schedule waited for the source.
    pub source_wait: Duration,
    /// How long it waited for the target's brokers.
    pub target_wait: Duration,
    /// The wall clock when the first measured record was due.
    pub started_at: Timestamp,
    /// From then to the last acknowledgement, in nanoseconds.
    pub window: u64,
    /// Where in the target the acknowledged records are, by partition.
    pub landed: BTreeMap<i32, Landed>,
    /// The producers' ids and epochs, by which their records are known in the log.
    pub producers: Vec<(i64, i16)>,
    /// Why it ended early, if it did.
    pub failure: Option<String>,
}

/// What was acknowledged in one partition of the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Landed {
    /// How many records.
    pub acked: u64,
    /// From the first offset to behind the last one; none when the brokers did not say.
    pub offsets: Option<(i64, i64)>,
}

impl Landed {
    fn merge(&mut self, other: Self) {
        self.offsets = match (self.offsets, other.offsets) {
            (Some(mine), Some(others)) => Some((mine.0.min(others.0), mine.1.max(others.1))),
            (None, offsets) if self.acked == 0 => offsets,
            (offsets, None) if other.acked == 0 => offsets,
            _ => None,
        };
        self.acked += other.acked;
    }
}

impl Outcome {
    /// The outcome of a load that has not done anything yet.
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            read: 0,
            acked: 0,
            bytes: 0,
            late: 0,
            send_delay: histogram(),
            ack_latency: histogram(),
            latency: histogram(),
            per_second: Vec::new(),
            source_wait: Duration::ZERO,
            target_wait: Duration::ZERO,
            started_at,
            window: 0,
            landed: BTreeMap::new(),
            producers: Vec::new(),
            failure: None,
        }
    }

    /// What the copy loop counted, with the producer that wrote.
    pub fn of(copied: &Copied, producer: Producer) -> Self {
        let tally = &copied.tally;
        let landed = |(&partition, there): (&i32, &Delivered)| {
            let offsets = there.offsets.as_ref().map(|offsets| (offsets.start, offsets.end));
            (partition, Landed { acked: there.acked, offsets })
        };
        Self {
            read: copied.read,
            acked: tally.acked,
            bytes: tally.bytes,
            late: copied.late,
            send_delay: copied.send_delay.clone(),
            ack_latency: tally.ack_latency.clone(),
            latency: tally.latency.clone(),
            per_second: tally.per_second.clone(),
            source_wait: copied.source_wait,
            target_wait: copied.target_wait,
            started_at: copied.started_at,
            window: copied.window,
            landed: tally.partitions.iter().map(landed).collect(),
            producers: vec![(producer.id, producer.epoch)],
            failure: copied.failure.as_ref().map(ToString::to_string),
        }
    }

    /// Adds what another loader did for the same load at the same time.
    pub fn merge(&mut self, other: &Self) {
        let (mine, others) = (self.window(), other.window());
        self.read += other.read;
        self.acked += other.acked;
        self.bytes += other.bytes;
        self.late += other.late;
        let pairs = [
            (&mut self.send_delay, &other.send_delay),
            (&mut self.ack_latency, &other.ack_latency),
            (&mut self.latency, &other.latency),
        ];
        for (sum, part) in pairs {
            for value in part.iter_recorded() {
                sum.saturating_record_n(value.value_iterated_to(), value.count_at_value());
            }
        }
        self.started_at = mine.start.min(others.start);
        let length = mine.end.max(others.end).duration_since(self.started_at);
        self.window = u64::try_from(length.as_nanos()).unwrap_or(0);
        let shift = |own: &[u64], start: Timestamp| {
            // Started together, as planned, they differ by far less than a second.
            let late = start.duration_since(self.started_at).as_secs_f64().round() as usize;
            [&vec![0; late][..], own].concat()
        };
        let (mine, others) = (shift(&self.per_second, mine.start), shift(&other.per_second, others.start));
        let at = |series: &[u64], second: usize| series.get(second).copied().unwrap_or(0);
        self.per_second =
            (0..mine.len().max(others.len())).map(|second| at(&mine, second) + at(&others, second)).collect();
        self.source_wait = self.source_wait.max(other.source_wait);
        self.target_wait = self.target_wait.max(other.target_wait);
        for (partition, landed) in &other.landed {
            self.landed.entry(*partition).or_default().merge(*landed);
        }
        self.producers.extend(&other.producers);
        self.failure = self.failure.take().or_else(|| other.failure.clone());
    }

    /// From when the first measured record was due to the last acknowledgement. The end is counted on the monotonic
    /// clock, so that a step of the wall clock does not change the length.
    pub fn window(&self) -> Window {
        let length = SignedDuration::from_nanos(i64::try_from(self.window).unwrap_or(i64::MAX));
        Window { start: self.started_at, end: self.started_at.checked_add(length).unwrap_or(self.started_at) }
    }

    /// The report's part: `asked` says what was wanted, with a rate of 0 when only the source could tell it.
    pub fn load(&self, asked: Load, warm_up: u64, visible: Option<&Visible>, verdict: &Verdict) -> Load {
        let measured = |count: u64| count.saturating_sub(warm_up);
        let shown = |histogram: &Histogram<u64>| (!histogram.is_empty()).then(|| latency(histogram));
        // Of a loader that was lost others may know how many records it sent, but not when.
        let timed = self.window > 0 || self.acked == 0;
        let reached = if timed { measured(self.acked) as f64 / (self.window as f64 / 1e9).max(1e-9) } else { 0.0 };
        // An open model is never faster than asked for; so short a load that only its latency is left has the rate asked for.
        let achieved_rate = if asked.rate > 0.0 { reached.min(asked.rate) } else { reached };
        Load {
            read: measured(self.read),
            acked: measured(self.acked),
            visible: visible.map_or(0, |visible| measured(visible.ours)),
            late: self.late,
            bytes: self.bytes,
            achieved_rate,
            window: timed.then(|| self.window()),
            send_delay: shown(&self.send_delay),
            ack_latency: shown(&self.ack_latency),
            latency: shown(&self.latency),
            per_second: (0..).zip(self.per_second.iter().copied()).collect(),
            verdict: Some(verdict.clone()),
            ..asked
        }
    }
}

/// A histogram of microseconds, up to an hour, to three digits. What is longer counts as an hour.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap_or_else(|error| unreachable!("fixed bounds: {error}"))
}

/// Nanoseconds as microseconds, rounded up: a histogram cannot tell less than one.
pub fn micros(nanos: u64) -> u64 {
    nanos.div_ceil(1000)
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() as f64 / 1000.0 }
}

/// A histogram as text: HdrHistogram's own form V2, which its other implementations read too, in base64.
mod distribution {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer as From, Serializer as Into};

    pub fn serialize<S: Into>(histogram: &Histogram<u64>, into: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(histogram, &mut bytes).map_err(S::Error::custom)?;
        into.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: From<'de>>(from: D) -> Result<Histogram<u64>, D::Error> {
        let bytes = STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(start: i64, delays: &[u64]) -> Outcome {
        let mut outcome = Outcome::new(Timestamp::from_second(start).unwrap());
        for delay in delays {
            outcome.latency.saturating_record(*delay);
        }
        (outcome.read, outcome.acked) = (delays.len() as u64, delays.len() as u64);
        outcome.per_second = vec![delays.len() as u64];
        outcome.window = 1_000_000_000;
        outcome
    }

    #[test]
    fn what_several_loaders_did_adds_up() {
        let mut sum = outcome(11, &[5, 1000]);
        sum.landed.insert(0, Landed { acked: 2, offsets: Some((7, 9)) });
        let mut other = outcome(10, &[2_000_000]);
        other.landed.insert(0, Landed { acked: 1, offsets: Some((3, 4)) });
        other.landed.insert(1, Landed { acked: 1, offsets: None });
        sum.merge(&other);
        assert_eq!((sum.read, sum.acked, sum.latency.len(), sum.per_second.as_slice()), (3, 3, 3, &[1, 2][..]));
        assert_eq!((sum.latency.min(), sum.latency.value_at_quantile(0.5), sum.latency.max() / 10_000), (5, 1000, 200));
        assert_eq!((sum.started_at.as_second(), sum.window), (10, 2_000_000_000));
        assert_eq!(sum.landed[&0], Landed { acked: 3, offsets: Some((3, 9)) });
        assert_eq!(sum.landed[&1], Landed { acked: 1, offsets: None });
    }

    #[test]
    fn an_outcome_is_the_same_when_it_was_written_and_read() {
        let mut before = outcome(10, &[1, 3_600_000_000, 5]);
        before.landed.insert(3, Landed { acked: 1, offsets: Some((1, 2)) });
        before.producers.push((4711, 2));
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), before);
    }

    #[test]
    fn records_of_the_warm_up_count_nowhere() {
        let asked = Load { planned: 2, rate: 1.5, ..Load::default() };
        let verdict = Verdict { status: crate::report::Status::Pass, cause: String::new() };
        let load = outcome(10, &[1, 1, 1]).load(asked, 1, None, &verdict);
        assert_eq!((load.read, load.acked, load.achieved_rate), (2, 2, 1.5));
    }
}
