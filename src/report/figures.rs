//! The few numbers by which people know a run: in a chat message, in a row of a table.

use super::{Baseline, Comparison, Metric, Outcome, Report, format, number, quantity, title_of};

/// How many changes are told one by one.
const CHANGES: usize = 3;
/// What metric packs call the records a second that an application takes in.
const TPS: [&str; 4] = ["spout_tps", "source_tps", "tps", "records_per_second"];

/// The figures of a run as people read them; empty where there are none. Those of several applications stand side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// The load: `10,000/s`.
    pub load: String,
    /// What the application took in, in records a second.
    pub tps: String,
    /// How long a record takes through it.
    pub latency: String,
    /// How many records it was behind.
    pub lag: String,
    /// How the run compares with its baseline.
    pub change: String,
}

impl Figures {
    /// The figures of a report, complete or not.
    pub fn of(report: &Report) -> Self {
        let load = report.load.as_ref().map(|load| format!("{}/s", number(load.rate))).unwrap_or_default();
        Self {
            load,
            tps: told(report, &TPS),
            latency: told(report, &["complete_latency", "latency"]),
            lag: told(report, &["lag"]),
            change: each(report, |report| report.baseline.as_ref().map(change)),
        }
    }
}

/// The first of these metrics that the whole application has; else any whose name ends so.
fn told(report: &Report, names: &[&str]) -> String {
    each(report, |report| {
        let whole = || report.metrics.iter().filter(|metric| metric.component.is_empty() && metric.value.is_some());
        let exact = names.iter().find_map(|name| whole().find(|metric| metric.name == *name));
        let alike = || names.iter().find_map(|name| whole().find(|metric| metric.name.ends_with(&format!("_{name}"))));
        exact.or_else(alike).and_then(said)
    })
}

fn said(metric: &Metric) -> Option<String> {
    metric.value.map(|value| quantity(value, &metric.unit))
}

/// What there is to say of the run, or of each of its applications.
fn each(report: &Report, say: impl Fn(&Report) -> Option<String>) -> String {
    if report.parts.is_empty() {
        return say(report).unwrap_or_default();
    }
    let parts = report.parts.iter().filter_map(|part| Some(format!("{} {}", part.name, say(&part.report())?)));
    parts.collect::<Vec<_>>().join("; ")
}

/// The comparison in a line: what got worse, then what got better.
fn change(baseline: &Baseline) -> String {
    let Some(name) = baseline.name(8) else { return baseline.note.clone() };
    if !baseline.comparable {
        let names: Vec<&str> = baseline.differences.iter().map(|difference| difference.name.as_str()).collect();
        return format!("not comparable with {name}: {}", names.join(", "));
    }
    let of = |outcome: Outcome| baseline.comparisons.iter().filter(move |comparison| comparison.outcome == outcome);
    let told: Vec<String> = of(Outcome::Worse)
        .map(|comparison| moved(comparison, "worse"))
        .chain(of(Outcome::Better).map(|comparison| moved(comparison, "better")))
        .collect();
    match told.len() {
        0 if of(Outcome::Same).next().is_some() => format!("as {name}"),
        0 => unproven(baseline, name),
        n if n > CHANGES => format!("{}, {} more", told[..CHANGES].join(", "), n - CHANGES),
        _ => told.join(", "),
    }
}

/// What may be chance, said as that: how the TPS moved.
fn unproven(baseline: &Baseline, from: &str) -> String {
    let whole = |name: &&str| {
        baseline.comparisons.iter().find(|comparison| comparison.metric == *name && comparison.component.is_empty())
    };
    let tps = TPS.iter().find_map(whole);
    match tps.and_then(|tps| Some((tps, format::change(tps.change?)))) {
        Some((Comparison { metric, more_runs: Some(more), .. }, change)) => {
            format!("{} {change} from {from}, to be shown by {more} more runs", title_of(metric))
        }
        Some((Comparison { metric, .. }, change)) => {
            format!("{} {change} from {from}, which may be chance", title_of(metric))
        }
        None => format!("no change shown from {from}"),
    }
}

fn moved(comparison: &Comparison, word: &str) -> String {
    let of = if comparison.component.is_empty() { String::new() } else { format!(" of {}", comparison.component) };
    let by = comparison.change.map(|percent| format!(" {}", format::change(percent)));
    format!("{}{of}{} {word}", title_of(&comparison.metric), by.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Difference, Load, Part};

    fn metric(name: &str, unit: &str, value: f64) -> Metric {
        Metric { name: name.into(), unit: unit.into(), value: Some(value), ..Metric::default() }
    }

    #[test]
    fn the_figures_are_those_of_the_whole_application() {
        let report = Report {
            load: Some(Load { rate: 10_000.0, ..Load::default() }),
            metrics: vec![
                Metric { component: "transformer".into(), ..metric("tps", "records/s", 9_700.0) },
                metric("spout_tps", "records/s", 9_803.0),
                metric("event_latency", "ms", 812.3),
                metric("lag", "records", 11_900.0),
            ],
            ..Report::default()
        };
        let figures = Figures::of(&report);
        assert_eq!(figures.load, "10,000/s");
        assert_eq!(figures.tps, "9,803/s");
        assert_eq!(figures.latency, "812 ms");
        assert_eq!(figures.lag, "11,900 records");
        assert_eq!(figures.change, "");
        let parts = vec![Part::of("heron", report.clone()), Part::of("flink", report)];
        assert_eq!(Figures::of(&Report { parts, ..Report::default() }).tps, "heron 9,803/s; flink 9,803/s");
    }

    #[test]
    fn a_change_names_what_got_worse_first() {
        let comparison = |metric: &str, change: f64, outcome| Comparison {
            metric: metric.into(),
            change: Some(change),
            outcome,
            ..Comparison::default()
        };
        let mut baseline = Baseline {
            commit: "c0ffee0123456789".into(),
            runs: vec!["run-1".into()],
            comparable: true,
            ..Baseline::default()
        };
        assert_eq!(change(&baseline), "no change shown from c0ffee01");
        baseline.comparisons = vec![comparison("spout_tps", -9.4, Outcome::Unknown)];
        assert_eq!(change(&baseline), "spout TPS −9.4 % from c0ffee01, which may be chance");
        baseline.comparisons[0].more_runs = Some(4);
        assert_eq!(change(&baseline), "spout TPS −9.4 % from c0ffee01, to be shown by 4 more runs");
        baseline.comparisons = vec![comparison("busy", 0.1, Outcome::Same)];
        assert_eq!(change(&baseline), "as c0ffee01");
        baseline.comparisons.push(comparison("lag", -40.0, Outcome::Better));
        baseline.comparisons.push(comparison("spout_tps", -21.3, Outcome::Worse));
        assert_eq!(change(&baseline), "spout TPS −21 % worse, lag −40 % better");
        baseline.comparable = false;
        baseline.differences = vec![Difference { name: "node".into(), ..Difference::default() }];
        assert_eq!(change(&baseline), "not comparable with c0ffee01: node");
        let none = Baseline { note: "no run of main yet".into(), ..Baseline::default() };
        assert_eq!(change(&none), "no run of main yet");
    }
}
