//! The one line that says why, in a person's words.

use super::STEADY;
use crate::report::{Report, number, quantity};

/// From this share of its time on, in percent, an instance counts as saturated: the rest goes to the executor's own work.
const SATURATED: f64 = 95.0;

/// Why the topology cannot keep up, when a component works all the time and the load is still not carried:
/// "transformer saturated: 28 × 350/s = 9,800/s < 10,000/s; back-pressure 41 %; lag grows 200/s".
pub(super) fn saturation(report: &Report) -> Option<String> {
    let load = report.load.as_ref()?.rate;
    let short = emitted(report).is_some_and(|tps| tps < (1.0 - STEADY) * load);
    let growing = value(report, "lag_growth", "").is_some_and(|growth| growth > STEADY * load);
    if !short && !growing {
        return None;
    }
    let busiest = |component: &str, busy: f64| busy * value(report, "skew", component).unwrap_or(1.0).max(1.0);
    let (component, busy, _) = report
        .metrics
        .iter()
        .filter(|metric| metric.name == "busy")
        .filter_map(|metric| Some((metric.component.as_str(), metric.value?)))
        .map(|(component, busy)| (component, busy, busiest(component, busy)))
        .filter(|(_, _, busiest)| *busiest >= SATURATED)
        .max_by(|(_, _, a), (_, _, b)| a.total_cmp(b))?;
    let tps = value(report, "tps", component)?;
    let instances = value(report, "instances", component).filter(|count| *count >= 1.0)?;
    let mut line =
        format!("{component} saturated: {} × {}/s = {}/s", number(instances), number(tps / instances), number(tps));
    if busy < SATURATED
        && let Some(skew) = value(report, "skew", component)
    {
        // More instances would not help: the records of one key go to one of them.
        let (busy, skew) = (quantity(busy, "%"), number(skew));
        line = format!(
            "one instance of {component} saturated: it has {skew} × the load of a mean one, which is {busy} busy; {}/s",
            number(tps)
        );
    }
    if tps < load {
        line += &format!(" < {}/s", number(load));
    }
    if let Some(share) = value(report, "back_pressure", "") {
        line += &format!("; back-pressure {}", quantity(share, "%"));
    }
    if growing && let Some(growth) = value(report, "lag_growth", "") {
        line += &format!("; lag grows {}/s", number(growth));
    }
    Some(line)
}

/// What was carried: "carried 10,000/s: kafkaSpout 10,000/s, back-pressure 0 %, lag steady".
pub(super) fn carried(report: &Report) -> String {
    let rate = report.load.as_ref().map_or(0.0, |load| load.rate);
    let mut parts = Vec::new();
    if let Some(tps) = emitted(report) {
        parts.push(format!("{} {}/s", spouts(report), number(tps)));
    }
    if let Some(share) = value(report, "back_pressure", "") {
        parts.push(format!("back-pressure {}", quantity(share, "%")));
    }
    if let Some(growth) = value(report, "lag_growth", "") {
        let steady = growth.abs() <= STEADY * rate;
        parts.push(match (steady, growth > 0.0) {
            (true, _) => "lag steady".to_owned(),
            (false, true) => format!("lag grows {}/s", number(growth)),
            (false, false) => format!("lag shrinks {}/s", number(-growth)),
        });
    }
    let line = load(report);
    if parts.is_empty() { line } else { format!("{line}: {}", parts.join(", ")) }
}

/// The load that was carried: "carried 10,000/s".
pub(super) fn load(report: &Report) -> String {
    format!("carried {}/s", number(report.load.as_ref().map_or(0.0, |load| load.rate)))
}

/// What all spouts, or sources of a Flink job, emit together, in records/s.
fn emitted(report: &Report) -> Option<f64> {
    value(report, "spout_tps", "").or_else(|| value(report, "source_tps", ""))
}

/// The spouts or sources by name, when the report knows them.
fn spouts(report: &Report) -> String {
    let components = report.app.iter().flat_map(|app| &app.components);
    let begins = |kind: &str| matches!(kind, "spout" | "source");
    let names: Vec<&str> =
        components.filter(|component| begins(&component.kind)).map(|component| component.name.as_str()).collect();
    match names.as_slice() {
        [] if value(report, "source_tps", "").is_some() => "sources".to_owned(),
        [] => "spouts".to_owned(),
        names => names.join(" + "),
    }
}

fn value(report: &Report, name: &str, component: &str) -> Option<f64> {
    report.metrics.iter().find(|metric| metric.name == name && metric.component == component)?.value
}
