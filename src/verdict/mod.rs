//! The judgement: demands on the metrics, and the one line that says why.
//!
//! It fails closed. A demand is met only by a number that was measured; whatever is missing, doubtful or ambiguous is
//! `inconclusive`, and so is a run without a load, with a load that was not the one asked for, or without demands.

mod cause;
mod criterion;

pub use criterion::Criterion;

use std::str::FromStr;

use serde::Deserialize;

use crate::report::{Check, Metric, Report, Status, Verdict, quantity, title_of};

/// What is demanded of a metric.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The metric's name.
    pub metric: String,
    /// The component; empty for a metric of the whole application.
    #[serde(default)]
    pub component: String,
    /// The limit.
    pub criterion: Criterion,
    /// What breaking it means.
    #[serde(default)]
    pub severity: Severity,
}

/// A demand as people write it on a command line: `tps{kafkaSpout} >= 0.98 * load`.
impl FromStr for Demand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a check such as \"tps{{kafkaSpout}} >= 0.98 * load\"");
        let (subject, criterion) = text.split_at(text.find(['<', '>']).ok_or_else(wrong)?);
        let (metric, component) = match subject.trim().split_once('{') {
            Some((metric, rest)) => (metric, rest.strip_suffix('}').ok_or_else(wrong)?),
            None => (subject.trim(), ""),
        };
        if metric.is_empty() {
            return Err(wrong());
        }
        let (metric, component) = (metric.to_owned(), component.to_owned());
        Ok(Self { metric, component, criterion: criterion.parse()?, severity: Severity::Fail })
    }
}

/// What breaking a demand means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run fails.
    #[default]
    Fail,
    /// The run passes, with something to look at.
    Warn,
}

/// Judges a run by its load, application and metrics. `trouble` is why there are no metrics, when it is known.
///
/// A load that was not the one asked for makes the run inconclusive whatever was measured under it. Otherwise the worst
/// check counts: a broken demand is proven whatever else is unknown, so fail comes before inconclusive, then warn, pass.
pub fn judge(report: &Report, demands: &[Demand], trouble: Option<String>) -> (Vec<Check>, Verdict) {
    let checks: Vec<Check> = demands.iter().map(|demand| check(report, demand)).collect();
    let inconclusive = |cause: String| Verdict { status: Status::Inconclusive, cause };
    let verdict = if let Some(cause) = trouble.or_else(|| load_trouble(report)) {
        inconclusive(cause)
    } else if let Some(failed) = checks.iter().find(|check| check.status == Status::Fail) {
        let cause = cause::saturation(report).unwrap_or_else(|| failed.cause.clone());
        let cause = [Some(cause), events(report)].into_iter().flatten().collect::<Vec<_>>().join("; ");
        Verdict { status: Status::Fail, cause }
    } else if let Some(cause) = events(report) {
        inconclusive(cause)
    } else if demands.is_empty() {
        inconclusive("the metric pack demands nothing, so there is nothing to judge by".to_owned())
    } else if report.metrics.iter().all(|metric| metric.value.is_none() && metric.series.is_empty()) {
        inconclusive(nothing_measured(report))
    } else if let Some(unknown) = checks.iter().find(|check| check.status == Status::Inconclusive) {
        inconclusive(unknown.cause.clone())
    } else if let Some(cause) = lost_instances(report) {
        inconclusive(cause)
    } else if let Some(warned) = checks.iter().find(|check| check.status == Status::Warn) {
        Verdict { status: Status::Warn, cause: format!("{}, but {}", cause::load(report), warned.cause) }
    } else if let Some(cause) = load_warning(report) {
        Verdict { status: Status::Warn, cause: format!("{}, but the load: {cause}", cause::load(report)) }
    } else if let Some(warning) = report.app.iter().flat_map(|app| &app.warnings).next() {
        Verdict { status: Status::Warn, cause: format!("{}, but {warning}", cause::load(report)) }
    } else {
        Verdict { status: Status::Pass, cause: cause::carried(report) }
    };
    (checks, verdict)
}

/// Why the load is none to judge by.
fn load_trouble(report: &Report) -> Option<String> {
    let Some(load) = &report.load else {
        return Some("the report has no load, so nobody knows what the application was given".to_owned());
    };
    match &load.verdict {
        None => Some("the load did not end with a verdict of its own".to_owned()),
        Some(verdict) if matches!(verdict.status, Status::Fail | Status::Inconclusive) => {
            Some(format!("the load was not the one asked for: {}", verdict.cause))
        }
        Some(_) if !(load.rate.is_finite() && load.rate > 0.0) => Some("the load has no rate".to_owned()),
        Some(_) => None,
    }
}

/// What happened to the application inside the window, the first of it in words: it was not one application that was
/// measured throughout.
fn events(report: &Report) -> Option<String> {
    let events = &report.app.as_ref()?.events;
    // Those without a time come last: it is not known that they were first.
    let first = events.iter().min_by_key(|event| (event.at.is_none(), event.at))?;
    let begin = report.load.as_ref().and_then(|load| load.window).map(|window| window.start);
    let told = first.told(begin.or(first.at).unwrap_or_default());
    Some(match events.len() - 1 {
        0 => told,
        1 => format!("{told}, and 1 more event"),
        more => format!("{told}, and {more} more events"),
    })
}

/// What is to be looked at of a load that was the one asked for.
fn load_warning(report: &Report) -> Option<&str> {
    let verdict = report.load.as_ref()?.verdict.as_ref()?;
    (verdict.status == Status::Warn).then_some(verdict.cause.as_str())
}

fn nothing_measured(report: &Report) -> String {
    let name = report.app.as_ref().map_or("the application", |app| app.name.as_str());
    format!(
        "Prometheus has no data of {name} in the window: is it scraped, and are topology, role and environment right?"
    )
}

fn check(report: &Report, demand: &Demand) -> Check {
    let limit = demand.criterion.limit(report.load.as_ref().map(|load| load.rate));
    let mut check = Check {
        metric: demand.metric.clone(),
        component: demand.component.clone(),
        criterion: demand.criterion.to_string(),
        value: None,
        limit,
        status: Status::Inconclusive,
        cause: String::new(),
    };
    let metric = match find(&report.metrics, demand) {
        Ok(metric) => metric,
        Err(cause) => return Check { cause, ..check },
    };
    let name = title(&demand.metric, &demand.component);
    check.value = metric.value.filter(|value| value.is_finite());
    (check.status, check.cause) = match (check.value, limit) {
        (None, _) => {
            let why =
                if metric.warnings.is_empty() { "it has no value".to_owned() } else { metric.warnings.join("; ") };
            (Status::Inconclusive, format!("{name} is not known: {why}"))
        }
        (Some(_), None) => (Status::Inconclusive, format!("{name} cannot be compared with a load that is not known")),
        (Some(value), Some(limit)) => {
            let met = demand.criterion.holds(value, limit);
            let status = match (met, demand.severity) {
                (true, _) => Status::Pass,
                (false, Severity::Fail) => Status::Fail,
                (false, Severity::Warn) => Status::Warn,
            };
            let (is, limit) = (quantity(value, &metric.unit), quantity(limit, &metric.unit));
            (status, format!("{name} {is}, demanded {} {limit}", demand.criterion.words()))
        }
    };
    check
}

/// The one metric that is meant.
fn find<'a>(metrics: &'a [Metric], demand: &Demand) -> Result<&'a Metric, String> {
    let name = title(&demand.metric, &demand.component);
    let named: Vec<&Metric> = metrics.iter().filter(|metric| metric.name == demand.metric).collect();
    let meant: Vec<&&Metric> = named.iter().filter(|metric| metric.component == demand.component).collect();
    match (meant.as_slice(), named.as_slice()) {
        ([one], _) => Ok(one),
        ([], []) => Err(format!("{name} was not measured")),
        // A metric that came out empty has no components to choose from, but it says why.
        ([], [one]) if one.component.is_empty() => Ok(one),
        ([], several) => {
            let components: Vec<&str> = several.iter().map(|metric| metric.component.as_str()).collect();
            Err(format!("{name} was not measured; there is {} of {}", demand.metric, components.join(", ")))
        }
        (several, _) => Err(format!("{name} was measured {} times: one is meant", several.len())),
    }
}

/// Why the instances that were measured are not those that were planned.
fn lost_instances(report: &Report) -> Option<String> {
    let living: Vec<&Metric> = report.metrics.iter().filter(|metric| metric.name == "instances").collect();
    if living.is_empty() {
        return None;
    }
    report.app.iter().flat_map(|app| &app.components).find_map(|component| {
        let planned = component.parallelism;
        match living.iter().find(|metric| metric.component == component.name).and_then(|metric| metric.value) {
            Some(value) if (value - f64::from(planned)).abs() < 0.5 => None,
            Some(value) => Some(format!(
                "{value} of {planned} instances of {} were seen alive throughout: it was not measured as planned",
                component.name
            )),
            None => Some(format!("no living instance of {} was seen, {planned} are planned", component.name)),
        }
    })
}

fn title(metric: &str, component: &str) -> String {
    let metric = title_of(metric);
    if component.is_empty() { metric } else { format!("{metric} of {component}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::report::{App, Component, Event, EventKind, Load, Window};

    fn metric(name: &str, component: &str, unit: &str, value: f64) -> Metric {
        Metric {
            name: name.to_owned(),
            component: component.to_owned(),
            unit: unit.to_owned(),
            value: Some(value),
            samples: 50,
            series: vec![(0.0, value), (1.0, value)],
            ..Metric::default()
        }
    }

    fn component(name: &str, kind: &str, parallelism: u32) -> Component {
        Component { name: name.into(), kind: kind.into(), parallelism, ..Component::default() }
    }

    /// A run that carries its load.
    fn good() -> Report {
        Report {
            app: Some(App {
                name: "preprocessor".into(),
                components: vec![component("kafkaSpout", "spout", 1), component("transformer", "bolt", 29)],
                ..App::default()
            }),
            load: Some(Load {
                rate: 10_000.0,
                verdict: Some(Verdict { status: Status::Pass, cause: "as planned".into() }),
                ..Load::default()
            }),
            metrics: vec![
                metric("tps", "kafkaSpout", "records/s", 10_001.0),
                metric("tps", "transformer", "records/s", 10_000.0),
                metric("spout_tps", "", "records/s", 10_001.0),
                metric("instances", "kafkaSpout", "instances", 1.0),
                metric("instances", "transformer", "instances", 29.0),
                metric("busy", "transformer", "%", 98.5),
                metric("back_pressure", "", "%", 0.0),
                metric("lag_growth", "", "records/s", 3.0),
            ],
            ..Report::default()
        }
    }

    fn demands() -> Vec<Demand> {
        let demand = |metric: &str, criterion: &str, severity| Demand {
            metric: metric.into(),
            component: String::new(),
            criterion: criterion.parse().unwrap(),
            severity,
        };
        vec![
            demand("spout_tps", ">= 0.99 * load", Severity::Fail),
            demand("lag_growth", "<= 0.01 * load", Severity::Fail),
            demand("back_pressure", "<= 5", Severity::Warn),
        ]
    }

    #[test]
    fn a_demand_is_read_as_people_write_it() {
        let demand: Demand = "tps{kafkaSpout} >= 0.98 * load".parse().unwrap();
        assert_eq!((demand.metric.as_str(), demand.component.as_str()), ("tps", "kafkaSpout"));
        assert_eq!(demand.criterion.limit(Some(100.0)), Some(98.0));
        for wrong in ["tps", ">= 5", "tps{a >= 5", "tps = 5", "tps >= fast"] {
            assert!(wrong.parse::<Demand>().is_err(), "{wrong:?} was taken");
        }
    }

    fn set(report: &mut Report, name: &str, component: &str, value: Option<f64>) {
        let metric = report.metrics.iter_mut().find(|metric| metric.name == name && metric.component == component);
        metric.unwrap().value = value;
    }

    fn say(change: impl FnOnce(&mut Report)) -> (Status, String) {
        let mut report = good();
        change(&mut report);
        let (_, verdict) = judge(&report, &demands(), None);
        (verdict.status, verdict.cause)
    }

    #[test]
    fn a_run_that_carries_its_load_says_so() {
        let (status, cause) = say(|_| {});
        assert_eq!(status, Status::Pass);
        insta::assert_snapshot!(cause, @"carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady");
    }

    #[test]
    fn saturation_is_explained_by_the_component_that_is_busy() {
        let (status, cause) = say(|report| {
            set(report, "tps", "transformer", Some(9_800.0));
            set(report, "instances", "transformer", Some(28.0));
            set(report, "busy", "transformer", Some(99.6));
            set(report, "spout_tps", "", Some(9_800.0));
            set(report, "back_pressure", "", Some(41.3));
            set(report, "lag_growth", "", Some(200.2));
        });
        assert_eq!(status, Status::Fail);
        insta::assert_snapshot!(cause, @"transformer saturated: 28 × 350/s = 9,800/s < 10,000/s; back-pressure 41 %; lag grows 200/s");
    }

    #[test]
    fn a_shortfall_without_a_busy_component_names_the_broken_demand() {
        let (status, cause) = say(|report| {
            set(report, "spout_tps", "", Some(9_000.0));
            set(report, "busy", "transformer", Some(60.0));
        });
        assert_eq!(status, Status::Fail);
        insta::assert_snapshot!(cause, @"spout TPS 9,000/s, demanded at least 9,900/s");
    }

    #[test]
    fn a_broken_demand_of_little_weight_warns() {
        let (status, cause) = say(|report| set(report, "back_pressure", "", Some(12.0)));
        assert_eq!(status, Status::Warn);
        insta::assert_snapshot!(cause, @"carried 10,000/s, but back-pressure 12 %, demanded at most 5 %");
    }

    fn restart(report: &mut Report) {
        let load = report.load.as_mut().unwrap();
        let start: Timestamp = "2026-01-05T10:12:00Z".parse().unwrap();
        load.window = Some(Window { start, end: start + Duration::from_secs(60) });
        let event = |after: Option<u64>, kind, text: &str| Event {
            at: after.map(|after| start + Duration::from_secs(after)),
            kind,
            component: "transformer".into(),
            text: text.into(),
        };
        report.app.as_mut().unwrap().events = vec![
            event(None, EventKind::Moved, "container_2_transformer_9 went to container 3"),
            event(Some(12), EventKind::Restart, "container_3_transformer_7 restarted"),
        ];
    }

    #[test]
    fn what_happens_inside_the_window_is_never_green_and_the_first_is_named() {
        let (status, cause) = say(restart);
        assert_eq!(status, Status::Inconclusive);
        insta::assert_snapshot!(cause, @"transformer container_3_transformer_7 restarted 12 s into the window, and 1 more event");
        let (status, cause) = say(|report| {
            restart(report);
            set(report, "spout_tps", "", Some(5_000.0));
            set(report, "busy", "transformer", Some(60.0));
        });
        assert_eq!(status, Status::Fail);
        insta::assert_snapshot!(cause, @"spout TPS 5,000/s, demanded at least 9,900/s; transformer container_3_transformer_7 restarted 12 s into the window, and 1 more event");
    }

    #[test]
    fn an_application_that_could_not_be_asked_warns() {
        let (status, cause) = say(|report| {
            report.app.as_mut().unwrap().warnings = vec!["it is not known what happened to it: no answer".into()];
        });
        assert_eq!(status, Status::Warn);
        insta::assert_snapshot!(cause, @"carried 10,000/s, but it is not known what happened to it: no answer");
    }

    #[test]
    fn a_proven_breach_fails_whatever_else_is_unknown() {
        let (status, _) = say(|report| {
            set(report, "spout_tps", "", Some(5_000.0));
            set(report, "lag_growth", "", None);
        });
        assert_eq!(status, Status::Fail);
    }

    /// The ways in which other tools come out green on no data or bad data: k6 passes empty rates, Keptn passes NaN,
    /// Flagger takes the last of several series, Bencher is silent below its minimum of samples, Theodolite makes a lag of 0
    /// from NaN, Argo Rollouts counts errors as success.
    #[test]
    fn no_data_and_bad_data_are_never_green() {
        type Change = fn(&mut Report);
        let cases: [(&str, Change); 16] = [
            ("nothing was measured", |report| report.metrics.clear()),
            ("a metric is missing", |report| report.metrics.retain(|metric| metric.name != "lag_growth")),
            ("a metric is empty", |report| set(report, "spout_tps", "", None)),
            ("every metric is empty", |report| {
                report.metrics.iter_mut().for_each(|metric| {
                    metric.value = None;
                    metric.series.clear();
                });
            }),
            ("a value is NaN", |report| set(report, "lag_growth", "", Some(f64::NAN))),
            ("a value is infinite", |report| set(report, "spout_tps", "", Some(f64::INFINITY))),
            ("a metric was measured twice", |report| {
                report.metrics.push(metric("spout_tps", "", "records/s", 10_000.0))
            }),
            ("a metric is split by component where one is meant", |report| {
                let spout = report.metrics.iter_mut().find(|metric| metric.name == "spout_tps").unwrap();
                spout.component = "kafkaSpout".into();
            }),
            ("there is no load", |report| report.load = None),
            ("the load did not end", |report| report.load.as_mut().unwrap().verdict = None),
            ("the load was short", |report| {
                let verdict = Verdict { status: Status::Fail, cause: "599,000 of 600,000 records".into() };
                report.load.as_mut().unwrap().verdict = Some(verdict);
            }),
            ("the load was doubtful", |report| {
                let verdict = Verdict { status: Status::Inconclusive, cause: "12 % of records were late".into() };
                report.load.as_mut().unwrap().verdict = Some(verdict);
            }),
            ("the load has no rate", |report| report.load.as_mut().unwrap().rate = 0.0),
            ("an instance was lost", |report| set(report, "instances", "transformer", Some(28.0))),
            ("there was an instance too many", |report| set(report, "instances", "kafkaSpout", Some(2.0))),
            ("a component was not seen", |report| {
                report
                    .metrics
                    .retain(|metric| (metric.name.as_str(), metric.component.as_str()) != ("instances", "transformer"));
            }),
        ];
        let lines: Vec<String> = cases
            .into_iter()
            .map(|(case, change)| {
                let (status, cause) = say(change);
                assert_eq!(status, Status::Inconclusive, "{case}: {cause}");
                format!("{case} → {cause}")
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        nothing was measured → Prometheus has no data of preprocessor in the window: is it scraped, and are topology, role and environment right?
        a metric is missing → lag growth was not measured
        a metric is empty → spout TPS is not known: it has no value
        every metric is empty → Prometheus has no data of preprocessor in the window: is it scraped, and are topology, role and environment right?
        a value is NaN → lag growth is not known: it has no value
        a value is infinite → spout TPS is not known: it has no value
        a metric was measured twice → spout TPS was measured 2 times: one is meant
        a metric is split by component where one is meant → spout TPS was not measured; there is spout_tps of kafkaSpout
        there is no load → the report has no load, so nobody knows what the application was given
        the load did not end → the load did not end with a verdict of its own
        the load was short → the load was not the one asked for: 599,000 of 600,000 records
        the load was doubtful → the load was not the one asked for: 12 % of records were late
        the load has no rate → the load has no rate
        an instance was lost → 28 of 29 instances of transformer were seen alive throughout: it was not measured as planned
        there was an instance too many → 2 of 1 instances of kafkaSpout were seen alive throughout: it was not measured as planned
        a component was not seen → no living instance of transformer was seen, 29 are planned
        ");
        let (_, verdict) = judge(&good(), &[], None);
        assert_eq!(verdict.status, Status::Inconclusive, "no demands: {}", verdict.cause);
        let (_, verdict) = judge(&good(), &demands(), Some("the load was too short".into()));
        assert_eq!(verdict.status, Status::Inconclusive, "no measurement: {}", verdict.cause);
    }
}
