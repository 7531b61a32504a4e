//! Whether the load was the one that was asked for.

use std::time::Duration;

use super::outcome::Outcome;
use super::visible::Visible;
use crate::report::{Status, Verdict};

/// The share of late records from which a load is not the one asked for, in percent.
const LATE_PERCENT: u64 = 1;

/// What is known of the records that are visible in the target.
#[derive(Debug, Clone, Copy)]
pub enum Sight<'a> {
    /// They were counted.
    Counted(&'a Visible),
    /// They are counted when the results of all shards are merged.
    Later,
    /// They were not, because the load ended early.
    Never,
}

/// What a load was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Records in the measured window.
    pub records: u64,
    /// Records before it.
    pub warm_up: u64,
}

/// Judges a load: exactly the records, each once, nobody else's, on time. A measurement under a load that was not there
/// is worthless, so whatever else is missing is never a pass.
pub fn judge(planned: Planned, outcome: &Outcome, sight: Sight<'_>) -> Verdict {
    let Planned { records: planned, warm_up } = planned;
    let measured = |count: u64| count.saturating_sub(warm_up);
    let (read, acked) = (measured(outcome.read), measured(outcome.acked));
    let mut numbers = format!("{planned} planned, {read} read, {acked} acknowledged");
    let visible = match sight {
        Sight::Never => {
            let whole = outcome.read == planned + warm_up && outcome.acked == outcome.read;
            let why = if whole { "what is visible in the target was not counted" } else { "ended early" };
            return Verdict { status: Status::Inconclusive, cause: format!("{why}: {numbers}") };
        }
        Sight::Later => None,
        Sight::Counted(visible) => {
            numbers += &format!(", {} visible", measured(visible.ours));
            Some(visible)
        }
    };
    let seen = visible.map_or(outcome.acked, |visible| visible.ours);
    if [outcome.read, outcome.acked, seen].iter().any(|&count| count != planned + warm_up) {
        let lacking = visible.map_or_else(String::new, lacking);
        return Verdict { status: Status::Fail, cause: format!("the counts differ: {numbers}{lacking}") };
    }
    if let Some(others) = visible.map(|visible| visible.others).filter(|others| *others > 0) {
        let cause = format!("somebody else wrote {others} records to the target during the load: {numbers}");
        return Verdict { status: Status::Inconclusive, cause };
    }
    if u128::from(outcome.late) * 100 > u128::from(planned) * u128::from(LATE_PERCENT) {
        let cause = format!(
            "{} of {planned} records were late, the worst by {:.1} s: {}",
            outcome.late,
            outcome.send_delay.max() as f64 / 1e6,
            culprit(outcome.source_wait, outcome.target_wait)
        );
        return Verdict { status: Status::Inconclusive, cause };
    }
    Verdict { status: Status::Pass, cause: numbers }
}

/// The graver of two verdicts, the first where they are alike: a fail is known, so it weighs more than not knowing.
pub fn worse(one: Verdict, other: Verdict) -> Verdict {
    let weight = |verdict: &Verdict| match verdict.status {
        Status::Pass => 0,
        Status::Warn => 1,
        Status::Inconclusive => 2,
        Status::Fail => 3,
    };
    if weight(&other) > weight(&one) { other } else { one }
}

/// What the schedule waited for the longest.
fn culprit(source: Duration, target: Duration) -> String {
    let seconds = |wait: Duration| format!("{:.1} s", wait.as_secs_f64());
    // Lateness that neither side explains is the loader's own: it did not get the CPU it needs.
    if source.max(target) < Duration::from_millis(100) {
        return "the loader did not get enough CPU".to_owned();
    }
    if source >= target {
        format!("the source is too slow (waited {} for it)", seconds(source))
    } else {
        format!("back-pressure from the target's broker (waited {} for it)", seconds(target))
    }
}

fn lacking(visible: &Visible) -> String {
    let listed = |partitions: &[i32]| partitions.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
    match (visible.differing.as_slice(), visible.deleted.as_slice()) {
        ([], _) => String::new(),
        (differing, []) => format!("; records are missing in the target's partitions {}", listed(differing)),
        (_, deleted) => format!(
            "; the target's retention has deleted records in partitions {} meanwhile, by their old timestamps: set its retention.ms=-1",
            listed(deleted)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(read: u64, acked: u64, late: u64) -> Outcome {
        let mut outcome = Outcome { read, acked, late, ..Outcome::new(jiff::Timestamp::UNIX_EPOCH) };
        outcome.send_delay.saturating_record(2_500_000);
        outcome
    }

    fn of(outcome: &Outcome, sight: Sight<'_>) -> Verdict {
        judge(Planned { records: 100, warm_up: 0 }, outcome, sight)
    }

    fn seen(ours: u64, others: u64) -> Visible {
        Visible { ours, others, differing: if ours < 100 { vec![1, 3] } else { vec![] }, deleted: Vec::new() }
    }

    fn said(verdict: Verdict) -> String {
        format!("{}: {}", verdict.status.as_str(), verdict.cause)
    }

    #[test]
    fn a_load_passes_when_all_counts_agree() {
        let verdict = of(&outcome(100, 100, 1), Sight::Counted(&seen(100, 0)));
        insta::assert_snapshot!(said(verdict), @"pass: 100 planned, 100 read, 100 acknowledged, 100 visible");
    }

    #[test]
    fn counts_that_differ_fail_with_the_numbers_and_the_partitions() {
        let verdict = of(&outcome(100, 100, 0), Sight::Counted(&seen(98, 0)));
        insta::assert_snapshot!(said(verdict), @"fail: the counts differ: 100 planned, 100 read, 100 acknowledged, 98 visible; records are missing in the target's partitions 1, 3");
    }

    #[test]
    fn what_retention_deleted_is_said_to_be() {
        let deleted = Visible { deleted: vec![3], ..seen(98, 0) };
        let verdict = of(&outcome(100, 100, 0), Sight::Counted(&deleted));
        insta::assert_snapshot!(said(verdict), @"fail: the counts differ: 100 planned, 100 read, 100 acknowledged, 98 visible; the target's retention has deleted records in partitions 3 meanwhile, by their old timestamps: set its retention.ms=-1");
    }

    #[test]
    fn another_writer_makes_a_load_inconclusive() {
        let verdict = of(&outcome(100, 100, 0), Sight::Counted(&seen(100, 7)));
        insta::assert_snapshot!(said(verdict), @"inconclusive: somebody else wrote 7 records to the target during the load: 100 planned, 100 read, 100 acknowledged, 100 visible");
    }

    #[test]
    fn a_late_load_is_inconclusive_and_names_the_cause() {
        let late = |source, target| {
            let waits = Outcome {
                source_wait: Duration::from_secs(source),
                target_wait: Duration::from_secs(target),
                ..outcome(100, 100, 2)
            };
            said(of(&waits, Sight::Counted(&seen(100, 0))))
        };
        insta::assert_snapshot!(late(0, 0), @"inconclusive: 2 of 100 records were late, the worst by 2.5 s: the loader did not get enough CPU");
        insta::assert_snapshot!(late(3, 1), @"inconclusive: 2 of 100 records were late, the worst by 2.5 s: the source is too slow (waited 3.0 s for it)");
        insta::assert_snapshot!(late(1, 3), @"inconclusive: 2 of 100 records were late, the worst by 2.5 s: back-pressure from the target's broker (waited 3.0 s for it)");
    }

    #[test]
    fn a_load_that_ended_early_is_never_a_pass() {
        let verdict = of(&outcome(60, 50, 0), Sight::Never);
        insta::assert_snapshot!(said(verdict), @"inconclusive: ended early: 100 planned, 60 read, 50 acknowledged");
        let verdict = of(&outcome(100, 100, 0), Sight::Never);
        insta::assert_snapshot!(said(verdict), @"inconclusive: what is visible in the target was not counted: 100 planned, 100 read, 100 acknowledged");
    }

    #[test]
    fn a_warm_up_must_be_whole_and_is_not_counted() {
        let planned = Planned { records: 100, warm_up: 20 };
        let verdict = judge(planned, &outcome(120, 120, 0), Sight::Counted(&seen(120, 0)));
        insta::assert_snapshot!(said(verdict), @"pass: 100 planned, 100 read, 100 acknowledged, 100 visible");
        let verdict = judge(planned, &outcome(120, 119, 0), Sight::Later);
        insta::assert_snapshot!(said(verdict), @"fail: the counts differ: 100 planned, 100 read, 99 acknowledged");
    }

    #[test]
    fn the_graver_verdict_counts() {
        let verdict = |status| Verdict { status, cause: String::new() };
        let worst = [Status::Pass, Status::Fail, Status::Inconclusive, Status::Warn].map(verdict);
        assert_eq!(worst.into_iter().reduce(worse).map(|verdict| verdict.status), Some(Status::Fail));
    }
}
