//! Whether the load was the one that was asked for.

use std::time::Duration;

use super::copy::Copied;
use super::visible::Visible;
use crate::report::{Status, Verdict};

/// The share of late records from which a load is not the one asked for, in percent.
const LATE_PERCENT: u64 = 1;

/// Judges a load: exactly the records, each once, nobody else's, on time. A measurement under a load that was not there
/// is worthless, so whatever else is missing is never a pass.
pub fn judge(planned: u64, copied: &Copied, visible: Option<&Visible>) -> Verdict {
    let acked = copied.tally.acked;
    let Some(visible) = visible else {
        let cause = format!("ended early: {planned} planned, {} read, {acked} acknowledged", copied.read);
        return Verdict { status: Status::Inconclusive, cause };
    };
    let numbers = format!("{planned} planned, {} read, {acked} acknowledged, {} visible", copied.read, visible.ours);
    if [copied.read, acked, visible.ours].iter().any(|&count| count != planned) {
        let cause = format!("the counts differ: {numbers}{}", lacking(&visible.differing));
        return Verdict { status: Status::Fail, cause };
    }
    if visible.others > 0 {
        let cause = format!("somebody else wrote {} records to the target during the load: {numbers}", visible.others);
        return Verdict { status: Status::Inconclusive, cause };
    }
    if u128::from(copied.late) * 100 > u128::from(planned) * u128::from(LATE_PERCENT) {
        let cause = format!(
            "{} of {planned} records were late, the worst by {:.1} s: {}",
            copied.late,
            copied.send_delay.max() as f64 / 1e6,
            culprit(copied.source_wait, copied.target_wait)
        );
        return Verdict { status: Status::Inconclusive, cause };
    }
    Verdict { status: Status::Pass, cause: numbers }
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

fn lacking(partitions: &[i32]) -> String {
    if partitions.is_empty() {
        return String::new();
    }
    let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
    format!("; records are missing in the target's partitions {}", numbers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::histogram;
    use super::super::target::Tally;
    use super::*;

    fn copied(read: u64, acked: u64, late: u64) -> Copied {
        let mut send_delay = histogram();
        send_delay.saturating_record(2_500_000);
        Copied {
            read,
            late,
            without_timestamp: 0,
            send_delay,
            source_wait: Duration::ZERO,
            target_wait: Duration::ZERO,
            tally: Tally {
                acked,
                failed: 0,
                failure: None,
                latency: histogram(),
                last_ack: 0,
                partitions: std::collections::BTreeMap::new(),
            },
            window: 0,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            failure: None,
        }
    }

    fn seen(ours: u64, others: u64) -> Visible {
        Visible { ours, others, lacking: if ours < 100 { vec![1, 3] } else { vec![] } }
    }

    fn said(verdict: Verdict) -> String {
        format!("{}: {}", verdict.status.as_str(), verdict.cause)
    }

    #[test]
    fn a_load_passes_when_all_counts_agree() {
        let verdict = judge(100, &copied(100, 100, 1), Some(&seen(100, 0)));
        insta::assert_snapshot!(said(verdict), @"pass: 100 planned, 100 read, 100 acknowledged, 100 visible");
    }

    #[test]
    fn counts_that_differ_fail_with_the_numbers_and_the_partitions() {
        let verdict = judge(100, &copied(100, 100, 0), Some(&seen(98, 0)));
        insta::assert_snapshot!(said(verdict), @"fail: the counts differ: 100 planned, 100 read, 100 acknowledged, 98 visible; records are missing in the target's partitions 1, 3");
    }

    #[test]
    fn another_writer_makes_a_load_inconclusive() {
        let verdict = judge(100, &copied(100, 100, 0), Some(&seen(100, 7)));
        insta::assert_snapshot!(said(verdict), @"inconclusive: somebody else wrote 7 records to the target during the load: 100 planned, 100 read, 100 acknowledged, 100 visible");
    }

    #[test]
    fn a_late_load_is_inconclusive_and_names_the_cause() {
        let late = |source, target| {
            let waits = copied(100, 100, 2);
            let waits =
                Copied { source_wait: Duration::from_secs(source), target_wait: Duration::from_secs(target), ..waits };
            said(judge(100, &waits, Some(&seen(100, 0))))
        };
        insta::assert_snapshot!(late(0, 0), @"inconclusive: 2 of 100 records were late, the worst by 2.5 s: the loader did not get enough CPU");
        insta::assert_snapshot!(late(3, 1), @"inconclusive: 2 of 100 records were late, the worst by 2.5 s: the source is too slow (waited 3.0 s for it)");
        insta::assert_snapshot!(late(1, 3), @"inconclusive: 2 of 100 records were late, the worst by 2.5 s: back-pressure from the target's broker (waited 3.0 s for it)");
    }

    #[test]
    fn a_load_that_ended_early_is_never_a_pass() {
        let verdict = judge(100, &copied(60, 50, 0), None);
        insta::assert_snapshot!(said(verdict), @"inconclusive: ended early: 100 planned, 60 read, 50 acknowledged");
    }
}
