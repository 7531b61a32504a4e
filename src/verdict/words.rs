//! Changes and counts in words.

use crate::report::{Comparison, between, quantity};

/// What a metric did, in words that follow its name: "rose 23 % (18 to 28 %)"; where percent say nothing, "rose from 0.1 % to 41 %".
pub(super) fn moved(comparison: &Comparison, unit: &str) -> String {
    let (Some(baseline), Some(value)) = (comparison.baseline, comparison.value) else {
        return "is not known".to_owned();
    };
    let (from, to) = (quantity(baseline, unit), quantity(value, unit));
    let verb = |change: f64| if change < 0.0 { "fell" } else { "rose" };
    match (comparison.change, comparison.interval) {
        (Some(change), Some(interval)) => {
            let (size, interval) = (quantity(change.abs(), "%"), between(interval, "%"));
            if size == "0 %" {
                format!("stayed the same ({interval})")
            } else {
                format!("{} {size} ({interval})", verb(change))
            }
        }
        _ if from == to => format!("stayed {to}"),
        _ => format!("{} from {from} to {to}", verb(value - baseline)),
    }
}

/// A count with its noun: "1 run", "4 runs".
pub(super) fn plural(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
