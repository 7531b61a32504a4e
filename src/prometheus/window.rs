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
//! load's last seconds, whose export comes after its end, count less. What was scraped just before the end has to be in
//! Prometheus when it is asked: the program waits until a sample is there that is newer.

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
}

impl Asked {
    /// When to ask about a load; an error in one line when the load was too short to be measured.
    pub fn of(load: Window, warm_up: Duration, export: Duration, scrape: Duration) -> Result<Self, String> {
        let cut = warm_up + 2 * export + scrape;
        let length = length(load);
        let left = length.saturating_sub(cut);
        if left < MIN_EXPORTS * export || left < 2 * scrape {
            return Err(format!(
                "the load of {} s is too short to measure: the first {} s still speak of the time before, and what is \
                 left holds fewer than {MIN_EXPORTS} exports (one every {} s)",
                length.as_secs_f64(),
                cut.as_secs_f64(),
                export.as_secs_f64(),
            ));
        }
        let step = scrape.max(left / MAX_POINTS);
        // Counted from the end, so that the last moment is the load's last.
        let steps = (left.as_secs_f64() / step.as_secs_f64()).floor();
        let start = load.end - step.mul_f64(steps);
        Ok(Self { start, end: load.end, step })
    }

    /// From the first moment to the last.
    pub fn length(&self) -> Duration {
        length(Window { start: self.start, end: self.end })
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
        let asked = Asked::of(load, Duration::ZERO, seconds(export), seconds(scrape))?;
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
    fn a_window_of_fewer_than_three_exports_is_refused() {
        assert!(asked(26, 5, 1).is_ok());
        insta::assert_snapshot!(asked(25, 5, 1).unwrap_err(), @"the load of 25 s is too short to measure: the first 11 s still speak of the time before, and what is left holds fewer than 3 exports (one every 5 s)");
    }
}
