//! When each record is due, and from which partition it comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use super::profile::{Profile, Slope, nanos};

/// A record, in records a million seconds times nanoseconds: the unit in which schedules count.
const RECORD: u128 = 1_000_000_000_000_000;

/// When records are due.
#[derive(Debug, Clone)]
pub enum Pace {
    /// By their number.
    Scheduled(Schedule),
    /// By their own timestamps.
    Replay(Replay),
}

impl Pace {
    /// How many records the measured window has, and at how many a second; 0 where only the source can tell.
    pub fn asked(&self) -> (u64, f64) {
        match self {
            Self::Scheduled(schedule) => (schedule.records(), schedule.rate()),
            Self::Replay(_) => (0, 0.0),
        }
    }

    /// How many records warm up before it.
    pub fn warm_up(&self) -> u64 {
        match self {
            Self::Scheduled(schedule) => schedule.warm_up(),
            Self::Replay(_) => 0,
        }
    }

    /// From the first record's due time to the last one's.
    pub fn length(&self) -> Duration {
        match self {
            Self::Scheduled(schedule) => {
                Duration::from_nanos(schedule.due((schedule.warm_up() + schedule.records()).saturating_sub(1)))
            }
            Self::Replay(replay) => replay.length(),
        }
    }

    /// How many records are sent; none when all of the range are.
    pub fn total(&self) -> Option<u64> {
        match self {
            Self::Scheduled(schedule) => Some(schedule.warm_up() + schedule.records()),
            Self::Replay(_) => None,
        }
    }
}

/// An open model: when a record is due depends on its number alone, never on how long the records before it took.
/// All in whole numbers, so nothing drifts. Behind its end a schedule goes on at its last rate.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// How many records warm up, and for how many nanoseconds.
    warm_up: (u64, u64),
    records: u64,
    segments: Vec<Segment>,
}

/// A slope at its place.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// When it begins: nanoseconds after the start.
    start: u64,
    /// What was due before, in the unit of [`RECORD`].
    base: u128,
    slope: Slope,
}

impl Schedule {
    /// The schedule of a profile (no replay) at so many records a second for `window`, after `warm_up` at its first rate.
    pub fn new(profile: Profile, rate: f64, window: Duration, warm_up: Duration) -> Self {
        let slopes = profile.slopes(rate, nanos(window));
        let records = slopes.iter().map(|slope| slope.units(slope.length)).sum::<u128>();
        let first = slopes.first().map_or(0, |slope| slope.from);
        let warm = Slope { length: nanos(warm_up), from: first, to: first };
        let warm_records = warm.units(warm.length).div_ceil(RECORD);
        Self::of(whole(warm_records), warm, whole((records + RECORD / 2) / RECORD), slopes)
    }

    /// The window begins with a whole record, so that its first one is due exactly when it begins.
    fn of(warm_up: u64, warm: Slope, records: u64, slopes: impl IntoIterator<Item = Slope>) -> Self {
        let mut segments = Vec::new();
        if warm.length > 0 {
            segments.push(Segment { start: 0, base: 0, slope: warm });
        }
        let (mut start, mut base) = (warm.length, u128::from(warm_up) * RECORD);
        for slope in slopes {
            segments.push(Segment { start, base, slope });
            start = start.saturating_add(slope.length);
            base += slope.units(slope.length);
        }
        Self { warm_up: (warm_up, warm.length), records, segments }
    }

    /// Its parts as `START:BASE:LENGTH:FROM:TO`: nanoseconds after the start, records due before, nanoseconds, and the records a
    /// second at both ends.
    pub fn segments(&self) -> impl Iterator<Item = String> {
        self.segments.iter().map(|segment| {
            let (base, Slope { length, from, to }) = (segment.base as f64 / RECORD as f64, segment.slope);
            format!("{}:{base}:{length}:{}:{}", segment.start, from as f64 / 1e6, to as f64 / 1e6)
        })
    }

    /// When these records are due, as [`Schedule::due`] says it, but without a division for each.
    pub fn dues(&self, numbers: Range<u64>) -> Dues<'_> {
        Dues { schedule: self, numbers, level: None }
    }

    /// The even rate from this record on, if it has one.
    fn level(&self, number: u64) -> Option<Level> {
        let wanted = u128::from(number) * RECORD;
        let behind = self.segments.partition_point(|segment| segment.base <= wanted);
        let segment = &self.segments[behind.checked_sub(1)?];
        let rate = Some(segment.slope.from).filter(|rate| *rate > 0)?;
        if segment.slope.from != segment.slope.to {
            return None;
        }
        let left = match self.segments.get(behind) {
            Some(next) => whole((next.base - wanted).div_ceil(RECORD)) - 1,
            None => u64::MAX,
        };
        let (nanos, rest) = ((wanted - segment.base) / u128::from(rate), (wanted - segment.base) % u128::from(rate));
        let (step, part) = (RECORD / u128::from(rate), RECORD % u128::from(rate));
        let due = segment.start.saturating_add(whole(nanos));
        Some(Level { due, rest: whole(rest), step: whole(step), part: whole(part), rate, left })
    }

    /// How many records are due in the measured window.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How many are due before it. The window begins when the record of this number is due.
    pub fn warm_up(&self) -> u64 {
        self.warm_up.0
    }

    /// The mean rate over the measured window, in records a second.
    pub fn rate(&self) -> f64 {
        let window =
            self.segments.iter().filter(|segment| segment.start >= self.warm_up.1).map(|segment| segment.slope);
        let (units, nanos) = window.fold((0.0, 0.0), |(units, nanos), slope| {
            (units + slope.units(slope.length) as f64, nanos + slope.length as f64)
        });
        units / f64::max(nanos, 1.0) / 1e6
    }

    /// The same form over the same time with fewer records: the part of one shard.
    pub fn share(&self, records: u64, warm_up: u64) -> Self {
        let all = u128::from(self.records.max(1));
        let part = |rate: u64| whole((u128::from(rate) * u128::from(records) + all / 2) / all);
        let (_, length) = self.warm_up;
        let rate = whole(u128::from(warm_up) * RECORD / u128::from(length.max(1)));
        let window = self.segments.iter().filter(|segment| segment.start >= length).map(|segment| segment.slope);
        let slopes = window.map(|slope| Slope { from: part(slope.from), to: part(slope.to), ..slope });
        Self::of(warm_up, Slope { length, from: rate, to: rate }, records, slopes)
    }

    /// When record `number`, from 0, is due: nanoseconds after the start.
    pub fn due(&self, number: u64) -> u64 {
        let wanted = u128::from(number) * RECORD;
        let behind = self.segments.partition_point(|segment| segment.base <= wanted);
        let Some(segment) = behind.checked_sub(1).map(|index| &self.segments[index]) else { return 0 };
        segment.start.saturating_add(segment.slope.reach(wanted - segment.base))
    }

    /// How many records are due until then: so many nanoseconds after the start, included.
    pub fn due_until(&self, nanos: u64) -> u64 {
        let behind = self.segments.partition_point(|segment| segment.start <= nanos);
        let Some(segment) = behind.checked_sub(1).map(|index| &self.segments[index]) else { return 0 };
        whole((segment.base + segment.slope.units((nanos - segment.start).saturating_add(1))).div_ceil(RECORD))
    }
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// When records are due, one after the other.
#[derive(Debug)]
pub struct Dues<'a> {
    schedule: &'a Schedule,
    numbers: Range<u64>,
    level: Option<Level>,
}

/// An even rate: each record is due a step and a part of a nanosecond after the one before.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// When the last record was due, in nanoseconds, and the rest that does not make one.
    due: u64,
    rest: u64,
    /// From record to record: whole nanoseconds, and a part of one in units of `rate`.
    step: u64,
    part: u64,
    rate: u64,
    /// How many more records follow at this rate.
    left: u64,
}

impl Iterator for Dues<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let number = self.numbers.next()?;
        if let Some(level) = self.level.as_mut().filter(|level| level.left > 0) {
            level.left -= 1;
            level.rest += level.part;
            let carry = u64::from(level.rest >= level.rate);
            level.rest -= carry * level.rate;
            level.due = level.due.saturating_add(level.step + carry);
            return Some(level.due);
        }
        self.level = self.schedule.level(number);
        Some(self.level.map_or_else(|| self.schedule.due(number), |level| level.due))
    }
}

impl Slope {
    /// What is due within the first `nanos` of it, in the unit of [`RECORD`]. Never falls.
    fn units(self, nanos: u64) -> u128 {
        let inside = u128::from(nanos.min(self.length));
        let behind = u128::from(nanos) - inside;
        // The mean rate until then times the time: from × t + (to − from) × t² / 2T.
        let half = inside * inside / (2 * u128::from(self.length.max(1)));
        let (from, to) = (u128::from(self.from), u128::from(self.to));
        from * (inside - half) + to * (half + behind)
    }

    /// The last moment at which no more than `wanted` units are due.
    fn reach(self, wanted: u128) -> u64 {
        let inside = self.units(self.length);
        if wanted >= inside {
            return self.length.saturating_add(whole((wanted - inside) / u128::from(self.to.max(1))));
        }
        if self.from == self.to {
            return whole(wanted / u128::from(self.from));
        }
        let guess = self.guess(wanted);
        let fits = |nanos: u64| self.units(nanos) <= wanted;
        // Floating point comes within a few nanoseconds; whole numbers decide.
        let (mut low, mut step) = (guess, 1);
        while !fits(low) {
            (low, step) = (low.saturating_sub(step), step * 2);
        }
        let (mut high, mut step) = (low + 1, 1);
        while fits(high) {
            (low, high, step) = (high, high.saturating_add(step), step * 2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle }
        }
        low
    }

    /// The root of from × t + (to − from) × t² / 2T = wanted, in the form that loses no digits where the two are close.
    fn guess(self, wanted: u128) -> u64 {
        let (from, to, wanted) = (self.from as f64, self.to as f64, wanted as f64);
        let root = (from * from + 2.0 * (to - from) / self.length as f64 * wanted).max(0.0).sqrt();
        (2.0 * wanted / (from + root).max(f64::MIN_POSITIVE)).min(self.length as f64) as u64
    }
}

/// Records are as far apart as their timestamps say, at a multiple of the original speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// Thousandths of the original speed.
    pub speed_milli: u64,
    /// How much of the original time is replayed.
    pub span: Duration,
}

impl Replay {
    /// How long it lasts.
    pub fn length(self) -> Duration {
        self.span.mul_f64(1000.0 / self.speed_milli.max(1) as f64)
    }

    /// The clock of one partition's records; `first` is the earliest timestamp of the whole replay, in Unix milliseconds.
    pub fn clock(self, first: i64) -> ReplayClock {
        ReplayClock { speed_milli: self.speed_milli, first, last: 0, end: nanos(self.length()) }
    }
}

/// Says when the records of one partition are due in a replay.
#[derive(Debug, Clone, Copy)]
pub struct ReplayClock {
    speed_milli: u64,
    first: i64,
    last: u64,
    /// When the replay ends.
    end: u64,
}

impl ReplayClock {
    /// When the next record is due that has this timestamp: nanoseconds after the start. Order is kept within a
    /// partition, so a record that is older than the one before it, or has no timestamp (-1), is due together with it; one from the future is due at the end.
    pub fn due(&mut self, timestamp: i64) -> u64 {
        let after = u64::try_from(timestamp.saturating_sub(self.first)).unwrap_or(0);
        let due = u128::from(after) * 1_000_000_000 / u128::from(self.speed_milli.max(1));
        self.last = self.last.max(whole(due).min(self.end));
        self.last
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
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn schedule(profile: &str, rate: f64, window: u64, warm_up: u64) -> Schedule {
        Schedule::new(profile.parse().unwrap(), rate, Duration::from_secs(window), Duration::from_secs(warm_up))
    }

    #[test]
    fn records_are_due_without_drift() {
        let thirds = schedule("constant", 3.0, 10, 0);
        assert_eq!([0, 1, 2, 3].map(|number| thirds.due(number)), [0, 333_333_333, 666_666_666, SECOND]);
        assert_eq!(thirds.due(3 * 86_400 * 365), 86_400 * 365 * SECOND);
        assert_eq!(schedule("constant", 0.5, 1, 0).due(1), 2 * SECOND);
    }

    #[test]
    fn a_schedule_is_told_by_its_parts() {
        let spike: Vec<String> = schedule("spike:3@1s+0.5s", 2.5, 10, 2).segments().collect();
        assert_eq!(
            spike,
            [
                "0:0:2000000000:2.5:2.5",
                "2000000000:5:1000000000:2.5:2.5",
                "3000000000:7.5:500000000:7.5:7.5",
                "3500000000:11.25:8500000000:2.5:2.5",
            ]
        );
    }

    #[test]
    fn records_are_the_integral_of_the_profile() {
        let records = |profile, rate, window| schedule(profile, rate, window, 5).records();
        assert_eq!(records("constant", 10_000.0, 1800), 18_000_000);
        assert_eq!(records("ramp:0", 100.0, 10), 500);
        assert_eq!(records("ramp:300", 100.0, 10), 2000);
        assert_eq!(records("staircase:4", 100.0, 8), 2 * (25 + 50 + 75 + 100));
        assert_eq!(records("spike:3@2s+1s", 100.0, 10), 1200);
    }

    #[test]
    fn a_profile_has_its_rates_at_their_times() {
        let stairs = schedule("staircase:2", 10.0, 4, 0);
        assert_eq!([0, 1, 9, 10, 11, 29].map(|number| stairs.due(number) / 100_000_000), [0, 2, 18, 20, 21, 39]);
        let ramp = schedule("ramp:0", 100.0, 10, 0);
        // c(t) = 5 t²
        for (number, due) in [(5, SECOND), (20, 2 * SECOND), (500, 10 * SECOND)] {
            assert!(ramp.due(number).abs_diff(due) < 10, "{number} is due at {}", ramp.due(number));
        }
        assert_eq!(ramp.due(600), ramp.due(500) + SECOND, "behind the end the last rate goes on");
        let spike = schedule("spike:3@1s+1s", 10.0, 3, 0);
        assert_eq!(
            [10, 13, 39, 40, 49].map(|number| spike.due(number) / 100_000),
            [10_000, 11_000, 19_666, 20_000, 29_000]
        );
    }

    #[test]
    fn the_window_begins_with_the_first_record_behind_the_warm_up() {
        let warmed = schedule("ramp:2.5", 100.0, 10, 1);
        assert_eq!((warmed.warm_up(), warmed.due(3)), (3, SECOND));
        assert_eq!(warmed.due(0), 0);
        assert_eq!(schedule("ramp:2.5", 100.0, 10, 0).warm_up(), 0);
        // Nothing warms up at no rate, and the window still comes after it.
        let cold = schedule("ramp:0", 100.0, 10, 1);
        assert_eq!(cold.warm_up(), 0);
        assert!(cold.due(0) >= SECOND && cold.due_until(SECOND - 1) == 0);
    }

    #[test]
    fn a_replay_keeps_the_distances_and_never_goes_back() {
        let mut clock = Replay { speed_milli: 2000, span: Duration::from_secs(9) }.clock(1000);
        let due = [1000, 1500, 1400, -1, 1500, 3000].map(|timestamp| clock.due(timestamp) / 1_000_000);
        assert_eq!(due, [0, 250, 250, 250, 250, 1000]);
    }

    fn profiles() -> impl Strategy<Value = Profile> {
        prop_oneof![
            Just(Profile::Constant),
            (0.0..1e6).prop_map(|from| Profile::Ramp { from }),
            (1_u32..20).prop_map(|steps| Profile::Staircase { steps }),
            (0.01..100.0, 0_u64..200, 1_u64..200).prop_map(|(factor, start, length)| Profile::Spike {
                factor,
                start: Duration::from_secs(start),
                length: Duration::from_secs(length)
            }),
        ]
    }

    proptest! {
        #[test]
        fn due_and_due_until_are_each_others_inverse(
            profile in profiles(),
            rate in 0.01..1e6,
            window in 1_u64..100_000_000_000,
            warm_up in 0_u64..10_000_000_000,
            at in 0.0..2.0,
        ) {
            let schedule = Schedule::new(profile, rate, Duration::from_nanos(window), Duration::from_nanos(warm_up));
            let moment = ((window + warm_up) as f64 * at) as u64;
            for schedule in [schedule.share((schedule.records() / 3).max(1), schedule.warm_up() / 3), schedule] {
                let count = schedule.due_until(moment);
                prop_assert!(count == 0 || schedule.due(count - 1) <= moment, "{count} by {moment}");
                prop_assert!(moment < schedule.due(count), "{count} by {moment}, the next at {}", schedule.due(count));
            }
        }

        #[test]
        fn records_one_after_the_other_are_due_as_each_by_itself(
            profile in profiles(), rate in 0.01..1e9, window in 1_u64..60, warm_up in 0_u64..3, from in 0.0..1.1,
        ) {
            let schedule = Schedule::new(profile, rate, Duration::from_secs(window), Duration::from_secs(warm_up));
            let first = (schedule.records() as f64 * from) as u64;
            let dues: Vec<u64> = schedule.dues(first..first + 100).collect();
            let each: Vec<u64> = (first..first + 100).map(|number| schedule.due(number)).collect();
            prop_assert_eq!(dues, each);
        }

        #[test]
        fn what_is_due_in_the_window_is_what_was_promised(
            profile in profiles(), rate in 1.0..1e6, window in 1_u64..3600, warm_up in 0_u64..60,
        ) {
            let whole = Schedule::new(profile, rate, Duration::from_secs(window), Duration::from_secs(warm_up));
            let third = whole.share((whole.records() / 3).max(1), whole.warm_up() / 3);
            for schedule in [whole, third] {
                let until = |second: u64| (second * SECOND).checked_sub(1).map_or(0, |last| schedule.due_until(last));
                prop_assert_eq!(until(warm_up), schedule.warm_up());
                let due = until(warm_up + window) - schedule.warm_up();
                prop_assert!(due.abs_diff(schedule.records()) <= 1, "{} promised, {} due", schedule.records(), due);
            }
        }
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
