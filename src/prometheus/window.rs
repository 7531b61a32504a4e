//! When to ask, so that the answers speak of the load and of nothing else.
//!
//! An application exports a value every export interval E, for the time since its last export; Prometheus scrapes every S
//! and finds that value again and again until the next export. So what a query sees at a moment t was scraped after t − S,
//! exported after t − S − E, and speaks of the time after **t − S − 2E**, and of no time after **t**.
//!
//! ```text
//!  load   start ├──────────────────────────────────────────────────────────────┤ end
//!  asked        │ warm-up │ E │ E │ S ├────────────────────────────────────────┤
//! ```
//!
//! Asked from start + warm-up + 2E + S to end, every sample speaks of the load alone, after its warm-up. Asking later than
//! `end` would take in exports that mix the load's last seconds with the silence after it; the price is that the
//! load's last seconds, whose export comes after its end, count less. On average a sample is one export old, so the time that is
//! measured is the one asked about, an export earlier: start + warm-up + E + S to end − E. What was scraped just before the end has
//! to be in Prometheus when it is asked: the program waits until a sample is there that is newer.
//!
//! A query with a range longer than 2E speaks of as much time before t; the beginning is then left out for that long.

use std::time::Duration;

use jiff::Timestamp;

use crate::report::Window;

/// How many exports a measurement takes at least.
const MIN_EXPORTS: u32 = 3;

/// More points than a query may have are refused by Prometheus (11,000); these are enough for any chart and mean.
const MAX_POINTS: u32 = 5_000;

/// When to ask: from `start` to `end`, both included, every `step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// The first moment.
    pub start: Timestamp,
    /// The last moment.
    pub end: Timestamp,
    /// The time between them.
    pub step: Duration,
    /// How many moments there are from one export to the next, at least 1.
    pub per_export: usize,
    /// A newest sample that is older than this at the end is stale: an export and four scrapes.
    pub fresh: Duration,
}

/// What the load's beginning is left out for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// The load's own warm-up.
    pub warm_up: Duration,
    /// How often the application exports.
    pub export: Duration,
    /// How often Prometheus scrapes.
    pub scrape: Duration,
    /// How far back queries look.
    pub reach: Duration,
}

impl Asked {
    /// When to ask about a load; an error in one line when the load was too short to be measured.
    pub fn of(load: Window, pace: Pace) -> Result<Self, String> {
        let Pace { warm_up, export, scrape, reach } = pace;
        let cut = warm_up.saturating_add((2 * export).max(reach) + scrape);
        let length = length(load);
        let left = length.saturating_sub(cut);
        if left < MIN_EXPORTS * export || left < 2 * scrape {
            return Err(format!(
                "the load of {} s is too short to measure: the first {} s still speak of the time before, and what is \
                 left holds fewer than {MIN_EXPORTS} exports",
                length.as_secs_f64(),
                cut.as_secs_f64(),
            ));
        }
        let step = scrape.max(left / MAX_POINTS);
        // Counted from the end, so that the last moment is the load's last.
        let steps = (left.as_secs_f64() / step.as_secs_f64()).floor();
        let start = load.end - step.mul_f64(steps);
        let per_export = ((export.as_secs_f64() / step.as_secs_f64()).round() as usize).max(1);
        Ok(Self { start, end: load.end, step, per_export, fresh: export + 4 * scrape })
    }

    /// From the first moment to the last.
    pub fn length(&self) -> Duration {
        length(Window { start: self.start, end: self.end })
    }

    /// How many seconds before the last moment a time is, in Unix seconds.
    pub fn age(&self, time: f64) -> f64 {
        self.end.as_millisecond() as f64 / 1000.0 - time
    }

    /// How many moments there are.
    pub fn points(&self) -> usize {
        (self.length().as_secs_f64() / self.step.as_secs_f64()).round() as usize + 1
    }
}

fn length(window: Window) -> Duration {
    Duration::try_from(window.end.duration_since(window.start)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(load: u64, export: u64, scrape: u64) -> Result<(u64, u64, usize), String> {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let load = Window { start, end: start + Duration::from_secs(load) };
        let seconds = Duration::from_secs;
        let asked = Asked::of(load, Pace { export: seconds(export), scrape: seconds(scrape), ..Pace::default() })?;
        let after = |time: Timestamp| (time.as_second() - start.as_second()) as u64;
        Ok((after(asked.start), after(asked.end), asked.points()))
    }

    #[test]
    fn the_first_two_exports_and_a_scrape_are_left_out_and_nothing_after_the_load_is_asked() {
        assert_eq!(asked(1800, 60, 15), Ok((135, 1800, 112)));
        assert_eq!(asked(60, 5, 1), Ok((11, 60, 50)));
        assert_eq!(asked(60, 5, 2), Ok((12, 60, 25)));
    }

    #[test]
    fn a_query_that_looks_far_back_begins_later() {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let load = Window { start, end: start + Duration::from_secs(1800) };
        let (export, scrape) = (Duration::from_secs(15), Duration::from_secs(15));
        let asked = |reach| {
            let pace = Pace { export, scrape, reach: Duration::from_secs(reach), warm_up: Duration::from_secs(60) };
            Asked::of(load, pace).unwrap().start.as_second() - start.as_second()
        };
        assert_eq!([asked(0), asked(30), asked(300)], [105, 105, 375]);
    }

    #[test]
    fn a_window_of_fewer_than_three_exports_is_refused() {
        assert!(asked(26, 5, 1).is_ok());
        insta::assert_snapshot!(asked(25, 5, 1).unwrap_err(), @"the load of 25 s is too short to measure: the first 11 s still speak of the time before, and what is left holds fewer than 3 exports");
    }
}
