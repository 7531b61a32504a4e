//! The verdict as a whole.

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::report::{App, Comparison, Component, Difference, Event, EventKind, Load, Window};

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

fn demand(text: &str) -> Demand {
    text.parse().unwrap()
}

fn demands() -> Vec<Demand> {
    vec![
        demand("spout_tps >= 0.99 * load"),
        demand("lag_growth <= 0.01 * load"),
        Demand { severity: Severity::Warn, ..demand("back_pressure <= 5") },
    ]
}

/// The good run beside five earlier ones that were as good.
fn compared() -> Report {
    let comparison = |metric: &Metric| Comparison {
        metric: metric.name.clone(),
        component: metric.component.clone(),
        baseline: metric.value,
        value: metric.value,
        change: Some(-0.2),
        interval: Some((-2.0, 1.6)),
        outcome: Outcome::Same,
        ..Comparison::default()
    };
    let mut report = good();
    let latency = Metric { direction: Direction::Lower, ..metric("complete_latency", "", "ms", 400.0) };
    report.metrics.push(latency);
    report.baseline = Some(Baseline {
        commit: "c0ffee1234567".into(),
        runs: vec!["performance-test-7k2wq".into()],
        comparable: true,
        comparisons: report.metrics.iter().map(comparison).collect(),
        ..Baseline::default()
    });
    report
}

/// Gives the comparison of a metric of the whole application other numbers.
fn change(report: &mut Report, name: &str, outcome: Outcome, percent: f64, interval: Option<(f64, f64)>) {
    let comparisons = report.baseline.iter_mut().flat_map(|baseline| &mut baseline.comparisons);
    for comparison in comparisons.filter(|comparison| comparison.metric == name && comparison.component.is_empty()) {
        comparison.outcome = outcome;
        comparison.change = Some(percent);
        comparison.interval = interval;
        comparison.value = comparison.baseline.map(|baseline| baseline * (1.0 + percent / 100.0));
    }
}

fn set(report: &mut Report, name: &str, component: &str, value: Option<f64>) {
    let named = |metric: &&mut Metric| metric.name == name && metric.component == component;
    report.metrics.iter_mut().filter(named).for_each(|metric| metric.value = value);
}

fn say(change: impl FnOnce(&mut Report)) -> (Status, String) {
    let mut report = good();
    change(&mut report);
    let (_, verdict) = judge(&report, &demands(), None, None);
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
fn one_busy_instance_saturates_a_component_that_is_not_busy() {
    let (_, cause) = say(|report| {
        set(report, "spout_tps", "", Some(9_000.0));
        set(report, "tps", "transformer", Some(9_000.0));
        set(report, "busy", "transformer", Some(61.0));
        report.metrics.push(metric("skew", "transformer", "", 1.63));
    });
    insta::assert_snapshot!(cause, @"one instance of transformer saturated: it has 1.63 × the load of a mean one, which is 61 % busy; 9,000/s < 10,000/s; back-pressure 0 %");
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

#[test]
fn a_flink_job_is_told_by_its_sources() {
    let flink = |report: &mut Report| {
        report.app.as_mut().unwrap().components[0].kind = "source".into();
        report
            .metrics
            .iter_mut()
            .filter(|metric| metric.name == "spout_tps")
            .for_each(|metric| metric.name = "source_tps".into());
    };
    let say = |change: fn(&mut Report)| {
        let mut report = good();
        flink(&mut report);
        change(&mut report);
        judge(&report, &[demand("source_tps >= 0.99 * load")], None, None).1
    };
    insta::assert_snapshot!(say(|_| {}).cause, @"carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady");
    let short = say(|report| {
        set(report, "source_tps", "", Some(9_800.0));
        set(report, "tps", "transformer", Some(9_800.0));
        set(report, "instances", "transformer", Some(28.0));
        set(report, "busy", "transformer", Some(99.6));
        set(report, "lag_growth", "", Some(200.0));
    });
    assert_eq!(short.status, Status::Fail);
    insta::assert_snapshot!(short.cause, @"transformer saturated: 28 × 350/s = 9,800/s < 10,000/s; back-pressure 0 %; lag grows 200/s");
}

/// Judges the run that was compared, after a change.
fn beside(demands: &[Demand], score: Option<Score>, change: impl FnOnce(&mut Report)) -> String {
    let mut report = compared();
    change(&mut report);
    let (checks, verdict) = judge(&report, demands, score, None);
    for check in &checks {
        let (low, high) = check.interval.unzip();
        let numbers = [check.value, check.limit, check.baseline, low, high];
        assert!(numbers.into_iter().flatten().all(f64::is_finite), "{check:?}");
    }
    format!("{:?}: {}", verdict.status, verdict.cause)
}

#[test]
fn a_demand_may_be_relative_to_the_baseline() {
    let demands = [demand("spout_tps >= -5%"), demand("complete_latency <= +10% and < 600")];
    let fell = |report: &mut Report| change(report, "spout_tps", Outcome::Worse, -12.0, Some((-15.0, -9.0)));
    let said = [
        beside(&demands, None, |_| {}),
        beside(&demands, None, fell),
        beside(&demands, None, |report| change(report, "complete_latency", Outcome::Worse, 4.0, Some((1.0, 7.0)))),
        beside(&demands, None, |report| set(report, "complete_latency", "", Some(700.0))),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady
    Fail: spout TPS fell 12 % (−15 to −9 %) against c0ffee12, demanded at least −5 %
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady
    Fail: complete latency 700 ms, demanded less than 600 ms
    ");
    let mut report = compared();
    fell(&mut report);
    let (checks, _) = judge(&report, &demands, None, None);
    let (baseline, limit) = (checks[0].baseline.unwrap(), checks[0].limit.unwrap());
    assert!((baseline - 10_001.0).abs() < 1e-6 && (limit - 9_500.95).abs() < 1e-6, "{checks:?}");
    assert!(checks[0].interval.is_some_and(|(low, high)| low < high && high < limit), "{checks:?}");
}

#[test]
fn without_a_relative_demand_what_got_worse_warns() {
    let demands = demands();
    let slower = |report: &mut Report| change(report, "complete_latency", Outcome::Worse, 23.0, Some((18.0, 28.0)));
    let both = |report: &mut Report| {
        slower(report);
        report.metrics.iter_mut().for_each(|metric| metric.direction = Direction::Lower);
        let baseline = report.baseline.iter_mut().flat_map(|baseline| &mut baseline.comparisons);
        baseline
            .filter(|comparison| comparison.metric == "back_pressure")
            .for_each(|comparison| comparison.baseline = Some(2.0));
        change(report, "back_pressure", Outcome::Worse, 200.0, None);
    };
    let said = [
        beside(&demands, None, slower),
        beside(&demands, None, both),
        beside(&demands, None, |report| {
            change(report, "complete_latency", Outcome::Better, -23.0, Some((-28.0, -18.0)))
        }),
        beside(&demands, None, |report| change(report, "complete_latency", Outcome::Unknown, 23.0, Some((-8.0, 48.0)))),
        beside(&demands, None, |report| change(report, "spout_tps", Outcome::Worse, -8.0, Some((-9.0, -7.0)))),
        beside(&[demand("complete_latency <= +30%")], None, slower),
        beside(&demands, None, |report| {
            slower(report);
            report.baseline.as_mut().unwrap().comparable = false;
        }),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    Warn: carried 10,000/s, but complete latency rose 23 % (18 to 28 %) against c0ffee12
    Warn: carried 10,000/s, but back-pressure rose from 2 % to 6 % against c0ffee12, and 1 more metric got worse
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady
    ");
}

#[test]
fn a_warning_lies_between_what_passes_and_what_fails() {
    let warning = Some(">= 0.9 * load or >= -10%".parse().unwrap());
    let demands = [Demand { warning, ..demand("spout_tps >= 0.99 * load") }];
    let tps = |value: f64| beside(&demands, None, move |report| set(report, "spout_tps", "", Some(value)));
    let unknown = beside(&demands, None, |report| {
        set(report, "spout_tps", "", Some(8_000.0));
        report.baseline = None;
    });
    insta::assert_snapshot!([tps(9_950.0), tps(9_500.0), unknown].join("\n"), @r"
    Pass: carried 10,000/s: kafkaSpout 9,950/s, back-pressure 0 %, lag steady
    Warn: carried 10,000/s, but spout TPS 9,500/s, demanded at least 9,900/s
    Inconclusive: spout TPS cannot be compared with a baseline: none was asked for
    ");
    let demands = [Demand { warning: Some(">= 0.9 * load".parse().unwrap()), ..demands[0].clone() }];
    let broken = beside(&demands, None, |report| {
        set(report, "spout_tps", "", Some(8_000.0));
        set(report, "busy", "transformer", Some(60.0));
    });
    insta::assert_snapshot!(broken, @"Fail: spout TPS 8,000/s, demanded at least 9,900/s (with a warning >= 0.9 * load)");
}

#[test]
fn with_a_score_a_check_costs_its_weight() {
    let score = Some(Score { pass: 90.0, warning: 75.0 });
    let weighed = |text: &str, weight: f64| Demand { weight, ..demand(text) };
    let demands = [
        Demand { key: true, ..demand("spout_tps >= 0.99 * load") },
        weighed("complete_latency <= 500", 3.0),
        weighed("back_pressure <= 5", 1.0),
        Demand { severity: Severity::Warn, weight: 1.0, ..demand("lag_growth <= 0.01 * load") },
        weighed("busy{transformer} <= 99", 4.0),
    ];
    let say = |values: &[(&str, f64)]| {
        beside(&demands, score, |report| values.iter().for_each(|(name, value)| set(report, name, "", Some(*value))))
    };
    let said = [
        say(&[]),
        say(&[("lag_growth", 150.0)]),
        say(&[("back_pressure", 12.0)]),
        say(&[("back_pressure", 12.0), ("lag_growth", 150.0)]),
        say(&[("complete_latency", 700.0)]),
        say(&[("spout_tps", 9_000.0)]),
        say(&[("back_pressure", f64::NAN)]),
        say(&[("complete_latency", 700.0), ("back_pressure", f64::NAN)]),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag steady
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 0 %, lag grows 150/s; score 95 %: lag growth 150/s, demanded at most 100/s
    Pass: carried 10,000/s: kafkaSpout 10,001/s, back-pressure 12 %, lag steady; score 90 %: back-pressure 12 %, demanded at most 5 %
    Warn: carried 10,000/s, but the score is 85 %, 90 % is demanded: back-pressure 12 %, demanded at most 5 %
    Fail: score 70 %, at least 75 % is demanded: complete latency 700 ms, demanded at most 500 ms
    Fail: transformer saturated: 29 × 345/s = 10,000/s; back-pressure 0 %
    Inconclusive: back-pressure is not known: it has no value
    Fail: score 70 %, at least 75 % is demanded: complete latency 700 ms, demanded at most 500 ms
    ");
}

type Spoil = fn(&mut Report);

/// The ways in which other tools come out green on no data or bad data: k6 passes empty rates, Keptn passes NaN and takes the first of
/// several samples, Flagger takes the last of several series, Bencher is silent below its minimum of samples, Theodolite makes
/// a lag of 0 from NaN, Argo Rollouts counts errors as success.
const BAD_DATA: [(&str, Spoil); 22] = [
    ("nothing was measured", |report| report.metrics.clear()),
    ("a metric is missing", |report| report.metrics.retain(|metric| metric.name != "lag_growth")),
    ("a metric is empty", |report| set(report, "spout_tps", "", None)),
    ("every metric is empty", |report| {
        report.metrics.iter_mut().for_each(|metric| {
            metric.value = None;
            metric.series.clear();
        });
    }),
    ("asking for a metric failed", |report| {
        for metric in report.metrics.iter_mut().filter(|metric| metric.name == "spout_tps") {
            metric.value = None;
            metric.warnings = vec!["Prometheus warns: 1 of 2 stores did not answer".into()];
        }
    }),
    ("a value is NaN", |report| set(report, "lag_growth", "", Some(f64::NAN))),
    ("a value is infinite", |report| set(report, "spout_tps", "", Some(f64::INFINITY))),
    ("a value stands on no sample", |report| {
        report.metrics.iter_mut().filter(|metric| metric.name == "spout_tps").for_each(|metric| metric.samples = 0);
    }),
    ("a metric was measured twice", |report| {
        let twice = report.metrics.iter().find(|metric| metric.name == "spout_tps").cloned();
        report.metrics.extend(twice);
    }),
    ("a metric is split by component where one is meant", |report| {
        let spouts = report.metrics.iter_mut().filter(|metric| metric.name == "spout_tps");
        spouts.for_each(|spout| spout.component = "kafkaSpout".into());
    }),
    ("a trend is uncertain", |report| trend(report, (-600.0, 606.0))),
    ("how uncertain a trend is is NaN", |report| trend(report, (f64::NAN, f64::NAN))),
    ("there is no load", |report| report.load = None),
    ("the load did not end", |report| report.load.iter_mut().for_each(|load| load.verdict = None)),
    ("the load was short", |report| load_said(report, Status::Fail, "599,000 of 600,000 records")),
    ("the load was doubtful", |report| load_said(report, Status::Inconclusive, "12 % of records were late")),
    ("the load has no rate", |report| report.load.iter_mut().for_each(|load| load.rate = 0.0)),
    ("the load's rate is NaN", |report| report.load.iter_mut().for_each(|load| load.rate = f64::NAN)),
    ("an instance was lost", |report| set(report, "instances", "transformer", Some(28.0))),
    ("there was an instance too many", |report| set(report, "instances", "kafkaSpout", Some(2.0))),
    ("a component was not seen", |report| {
        report
            .metrics
            .retain(|metric| (metric.name.as_str(), metric.component.as_str()) != ("instances", "transformer"));
    }),
    ("an instance was restarted inside the window", |report| {
        if report.load.is_some() {
            restart(report);
        }
    }),
];

/// The same where a demand is relative: there has to be a baseline that is one.
const BAD_BASELINE: [(&str, Spoil); 13] = [
    ("no baseline was asked for", |report| report.baseline = None),
    ("there is no baseline", |report| {
        report.baseline = Some(Baseline { note: "the history has no report of main".into(), ..Baseline::default() });
    }),
    ("the baseline has no runs", |report| spoil(report, |baseline| baseline.runs.clear())),
    ("the baseline is not comparable", |report| {
        spoil(report, |baseline| {
            let difference = |name: &str, before: &str, this: &str| Difference {
                name: name.into(),
                baseline: before.into(),
                this: this.into(),
            };
            baseline.comparable = false;
            baseline.differences = vec![difference("kafka", "3.9.1", "4.3.1"), difference("node", "", "c6i.4xlarge")];
        });
    }),
    ("the baseline is not comparable, and nobody says why", |report| {
        spoil(report, |baseline| baseline.comparable = false)
    }),
    ("nothing was compared", |report| spoil(report, |baseline| baseline.comparisons.clear())),
    ("the metric was compared twice", |report| {
        spoil(report, |baseline| baseline.comparisons.extend_from_within(..));
    }),
    ("the baseline's value is missing", |report| compare_as(report, |comparison| comparison.baseline = None)),
    ("the baseline's value is NaN", |report| compare_as(report, |comparison| comparison.baseline = Some(f64::NAN))),
    ("the baseline's value is 0", |report| {
        compare_as(report, |comparison| (comparison.baseline, comparison.change) = (Some(0.0), None));
    }),
    ("the change is NaN", |report| compare_as(report, |comparison| comparison.change = Some(f64::NAN))),
    ("there are too few runs", |report| {
        compare_as(report, |comparison| {
            comparison.interval = None;
            comparison.cause = "1 run of each side tells nothing about noise: 4 more of each".into();
        });
    }),
    ("the runs are too noisy", |report| {
        compare_as(report, |comparison| {
            comparison.interval = Some((-14.0, 13.6));
            comparison.more_runs = Some(11);
        });
    }),
];

fn trend(report: &mut Report, interval: (f64, f64)) {
    let growth = report.metrics.iter_mut().filter(|metric| metric.name == "lag_growth");
    growth.for_each(|metric| metric.interval = Some(interval));
}

fn load_said(report: &mut Report, status: Status, cause: &str) {
    report.load.iter_mut().for_each(|load| load.verdict = Some(Verdict { status, cause: cause.into() }));
}

fn spoil(report: &mut Report, change: impl FnOnce(&mut Baseline)) {
    if let Some(baseline) = &mut report.baseline {
        change(baseline);
    }
}

fn compare_as(report: &mut Report, change: impl Fn(&mut Comparison)) {
    spoil(report, |baseline| baseline.comparisons.iter_mut().for_each(change));
}

#[test]
fn no_data_and_bad_data_are_never_green() {
    let lines: Vec<String> = BAD_DATA
        .iter()
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
    asking for a metric failed → spout TPS is not known: Prometheus warns: 1 of 2 stores did not answer
    a value is NaN → lag growth is not known: it has no value
    a value is infinite → spout TPS is not known: it has no value
    a value stands on no sample → spout TPS is not known: it stands on no sample
    a metric was measured twice → spout TPS was measured 2 times: one is meant
    a metric is split by component where one is meant → spout TPS was not measured; there is spout_tps of kafkaSpout
    a trend is uncertain → lag growth 3/s (−600 to 606/s), demanded at most 100/s: that is too uncertain to tell, measure longer
    how uncertain a trend is is NaN → lag growth 3/s, demanded at most 100/s: how far that is off is not known
    there is no load → the report has no load, so nobody knows what the application was given
    the load did not end → the load did not end with a verdict of its own
    the load was short → the load was not the one asked for: 599,000 of 600,000 records
    the load was doubtful → the load was not the one asked for: 12 % of records were late
    the load has no rate → the load has no rate
    the load's rate is NaN → the load has no rate
    an instance was lost → 28 of 29 instances of transformer were seen alive throughout: it was not measured as planned
    there was an instance too many → 2 of 1 instances of kafkaSpout were seen alive throughout: it was not measured as planned
    a component was not seen → no living instance of transformer was seen, 29 are planned
    an instance was restarted inside the window → transformer container_3_transformer_7 restarted 12 s into the window, and 1 more event
    ");
    let (_, verdict) = judge(&good(), &[], None, None);
    assert_eq!(verdict.status, Status::Inconclusive, "no demands: {}", verdict.cause);
    let (_, verdict) = judge(&good(), &demands(), None, Some("the load was too short".into()));
    assert_eq!(verdict.status, Status::Inconclusive, "no measurement: {}", verdict.cause);
}

#[test]
fn the_whole_does_not_stand_for_a_component() {
    let (_, verdict) = judge(&good(), &[demand("spout_tps{anotherSpout} >= 5000")], None, None);
    assert_eq!(verdict.status, Status::Inconclusive);
    assert_eq!(verdict.cause, "spout TPS of anotherSpout was not measured; spout TPS is of the application as a whole");
}

#[test]
fn no_baseline_and_bad_baselines_are_never_green() {
    let demands = [demand("spout_tps >= -5%")];
    let said: Vec<String> = BAD_BASELINE
        .iter()
        .map(|(case, change)| {
            let told = beside(&demands, None, change);
            assert!(told.starts_with("Inconclusive: "), "{case}: {told}");
            format!("{case} → {}", &told["Inconclusive: ".len()..])
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    no baseline was asked for → spout TPS cannot be compared with a baseline: none was asked for
    there is no baseline → spout TPS cannot be compared with a baseline: the history has no report of main
    the baseline has no runs → spout TPS cannot be compared with a baseline: there is none
    the baseline is not comparable → spout TPS cannot be compared with c0ffee12: kafka was 3.9.1 there and is 4.3.1 here, and 1 more difference
    the baseline is not comparable, and nobody says why → spout TPS cannot be compared with c0ffee12: they are not comparable
    nothing was compared → spout TPS was not compared with c0ffee12
    the metric was compared twice → spout TPS was not compared with c0ffee12
    the baseline's value is missing → spout TPS cannot be compared with c0ffee12: it is not known by how much it changed
    the baseline's value is NaN → spout TPS cannot be compared with c0ffee12: it is not known by how much it changed
    the baseline's value is 0 → spout TPS was 0 in c0ffee12, and there are no percents of 0: demand a number of its own
    the change is NaN → spout TPS cannot be compared with c0ffee12: it is not known by how much it changed
    there are too few runs → spout TPS cannot be compared with c0ffee12: 1 run of each side tells nothing about noise: 4 more of each
    the runs are too noisy → spout TPS fell 0.2 % (−14 to 14 %) against c0ffee12, demanded at least −5 %: that may be chance, 11 more runs of each side would tell
    ");
}

/// Two wrongs make no right, whatever is demanded and however it is weighed.
#[test]
fn no_combination_comes_out_green() {
    let weighed = |weight: f64| demands().into_iter().map(move |demand| Demand { weight, ..demand });
    let relative = || vec![demand("spout_tps >= -5%"), demand("lag_growth <= 0.01 * load")];
    let either = || vec![demand("spout_tps >= -5% and >= 0.99 * load"), demand("lag_growth <= 0.01 * load")];
    let score = Some(Score { pass: 1.0, warning: 1.0 });
    let sets: [(Vec<Demand>, Option<Score>); 6] = [
        (demands(), None),
        (demands(), score),
        (weighed(0.0).collect(), score),
        (relative(), None),
        (relative(), score),
        (either(), score),
    ];
    let never = |demands: &[Demand], score: Option<Score>, spoils: [&(&str, Spoil); 2]| {
        let mut report = compared();
        spoils.iter().for_each(|(_, spoil)| spoil(&mut report));
        let (_, Verdict { status, cause }) = judge(&report, demands, score, None);
        let [(first, _), (second, _)] = spoils;
        assert!(
            matches!(status, Status::Fail | Status::Inconclusive),
            "{first}, {second}, {demands:?}: {status:?} {cause}"
        );
        assert!(!cause.is_empty());
    };
    for (demands, score) in &sets {
        let beside = demands.iter().any(|demand| demand.criterion.is_relative());
        for bad in &BAD_DATA {
            BAD_DATA.iter().chain(&BAD_BASELINE).for_each(|other| {
                never(demands, *score, [bad, other]);
                never(demands, *score, [other, bad]);
            });
        }
        for bad in BAD_BASELINE.iter().filter(|_| beside) {
            BAD_BASELINE.iter().for_each(|other| never(demands, *score, [bad, other]));
        }
    }
}

#[test]
fn a_score_of_unknown_checks_is_unknown() {
    let score = Some(Score { pass: 1.0, warning: 1.0 });
    let weighed =
        |weight: f64| -> Vec<Demand> { demands().into_iter().map(|demand| Demand { weight, ..demand }).collect() };
    let unknown =
        beside(&weighed(1.0), score, |report| report.metrics.iter_mut().for_each(|metric| metric.value = None));
    let no_weight = beside(&weighed(0.0), score, |_| {});
    insta::assert_snapshot!([unknown, no_weight].join("\n"), @r"
    Inconclusive: spout TPS is not known: it has no value
    Inconclusive: no check has a weight, so there is no score
    ");
}
