//! From a metric's answer to its number: one value for the window, or none and why.

use super::client::{Answer, Series};
use super::pack::{Reduce, Spec};
use super::trend;
use super::window::Asked;
use crate::report::Metric;

/// A chart needs no more points than this, and the report stays small.
const CHART_POINTS: usize = 200;

/// How much of the window a series must cover. An application that was there for less was not measured over the window.
const COVERAGE: f64 = 0.9;

/// So many moments in a row may be missing, as when scrapes were missed; in a longer hole there was nothing to scrape.
const HOLE: f64 = 4.0;

/// How the words of Prometheus begin.
pub(super) const WARNS: &str = "Prometheus warns: ";

/// A metric over the window, or, where its answer is split by a label, one for each of its values. There is always one, but for an
/// optional metric of which there is no series.
pub(super) fn measure(spec: &Spec, query: &str, answer: &Answer, asked: &Asked) -> Vec<Metric> {
    let blank = Metric {
        name: spec.name.clone(),
        unit: spec.unit.clone(),
        direction: spec.direction,
        query: query.to_owned(),
        ..Metric::default()
    };
    let doubt = |text: String| vec![Metric { warnings: vec![text], ..blank.clone() }];
    let Some(first) = answer.series.first() else {
        if spec.optional && answer.warnings.is_empty() {
            return Vec::new();
        }
        let warnings = answer.warnings.iter().map(|text| format!("{WARNS}{text}"));
        let warnings = warnings.chain(["Prometheus has no such series in the window".to_owned()]).collect();
        return vec![Metric { warnings, ..blank }];
    };
    let Some(label) = &spec.by else {
        if answer.series.len() > 1 {
            return doubt(format!("one series is meant, {} came: {}", answer.series.len(), names(&answer.series)));
        }
        return vec![value(blank, spec, first, answer, asked)];
    };
    let mut metrics = Vec::new();
    for series in &answer.series {
        let Some(component) = series.labels.get(label) else {
            return doubt(format!("a series has no label {label:?}: {}", names(&answer.series)));
        };
        if metrics.iter().any(|metric: &Metric| metric.component == *component) {
            return doubt(format!("several series have {label}={component:?}: {}", names(&answer.series)));
        }
        let named = Metric { component: component.clone(), ..blank.clone() };
        metrics.push(value(named, spec, series, answer, asked));
    }
    metrics
}

/// The metric with its value, its chart and what makes it doubtful. A doubtful value is none.
fn value(mut metric: Metric, spec: &Spec, series: &Series, answer: &Answer, asked: &Asked) -> Metric {
    let values = &series.values;
    metric.samples = values.len() as u64;
    metric.warnings = answer.warnings.iter().map(|text| format!("{WARNS}{text}")).collect();
    let odd = values.iter().filter(|(_, value)| !value.is_finite()).count();
    if odd > 0 {
        metric.warnings.push(format!("{odd} of {} samples are no numbers (NaN or infinite)", values.len()));
    }
    if metric.samples < spec.min_samples {
        metric.warnings.push(format!("{} samples, at least {} are needed", values.len(), spec.min_samples));
    }
    if let Some(stale) = stale(values, answer, asked) {
        metric.warnings.push(stale);
        metric.series = thinned(values);
        return metric;
    }
    let covered = values.len() as f64 / asked.points() as f64;
    if covered < COVERAGE {
        metric.warnings.push(format!(
            "there are samples for {:.0} % of the window only (one every {} s is expected)",
            covered * 100.0,
            asked.step.as_secs_f64()
        ));
    }
    if let Some(hole) = hole(values, asked) {
        metric.warnings.push(format!("there are no samples for {hole:.0} s in the middle of the window"));
    }
    if let Some(gap) = late(values, asked) {
        metric.warnings.push(format!("there are no samples for the first {gap:.0} s of the window"));
    }
    metric.series = thinned(values);
    if metric.warnings.is_empty() {
        match answer.weights.as_ref().map(|weights| weighted(series, spec, weights)) {
            Some(Ok(mean)) => metric.value = Some(mean),
            Some(Err(doubt)) => metric.warnings.push(doubt),
            None => metric.value = reduce(spec.reduce, values),
        }
    }
    if spec.reduce == Reduce::Slope && metric.value.is_some() {
        metric.interval = trend::interval(values, asked.per_export);
        // Without one nobody knows what is chance.
        if metric.interval.is_none() {
            metric.value = None;
            metric.warnings.push(format!("a trend takes {} exports, the window has fewer: load longer", trend::FEWEST));
        }
    }
    metric
}

/// The mean in which each moment counts as much as its weight says.
fn weighted(series: &Series, spec: &Spec, weights: &[Series]) -> Result<f64, String> {
    let of_it = |other: &&Series| spec.by.as_ref().is_none_or(|by| other.labels.get(by) == series.labels.get(by));
    let mut found = weights.iter().filter(of_it);
    let (Some(weights), None) = (found.next(), found.next()) else {
        return Err("there is not one series of weights for it".to_owned());
    };
    let (mut sum, mut whole) = (0.0, 0.0);
    for (time, value) in &series.values {
        let at = weights.values.partition_point(|(other, _)| other < time);
        match weights.values.get(at) {
            Some((other, weight)) if other == time && weight.is_finite() && *weight >= 0.0 => {
                sum += weight * value;
                whole += weight;
            }
            _ => return Err("a moment has no weight".to_owned()),
        }
    }
    let mean = sum / whole;
    if mean.is_finite() { Ok(mean) } else { Err("its weights are all 0".to_owned()) }
}

/// How long there are no samples at the window's beginning, in seconds, when it is too long.
fn late(values: &[(f64, f64)], asked: &Asked) -> Option<f64> {
    let (first, _) = values.first()?;
    Some(asked.length().as_secs_f64() - asked.age(*first)).filter(|gap| *gap > HOLE * asked.step.as_secs_f64() + 1e-3)
}

/// The longest time without samples, in seconds, when it is too long to be bridged.
fn hole(values: &[(f64, f64)], asked: &Asked) -> Option<f64> {
    let holes = values.windows(2).map(|pair| pair[1].0 - pair[0].0);
    holes.reduce(f64::max).filter(|hole| *hole > (HOLE + 1.0) * asked.step.as_secs_f64() + 1e-3)
}

/// Why the series ended before the window did.
fn stale(values: &[(f64, f64)], answer: &Answer, asked: &Asked) -> Option<String> {
    let age = values.last().map_or(0.0, |(time, _)| asked.age(*time));
    if age > HOLE * asked.step.as_secs_f64() + 1e-3 {
        return Some(format!("it is stale: its newest value is {age:.0} s older than the window's end"));
    }
    let (selector, age) = answer.stale.as_ref()?;
    Some(format!("it is stale: the newest sample of {selector} is {age:.0} s older than the window's end"))
}

fn reduce(how: Reduce, values: &[(f64, f64)]) -> Option<f64> {
    let numbers = values.iter().map(|(_, value)| *value);
    match how {
        Reduce::Mean => mean(values),
        Reduce::Last => values.last().map(|(_, value)| *value),
        Reduce::Min => numbers.reduce(f64::min),
        Reduce::Max => numbers.reduce(f64::max),
        Reduce::Slope => trend::slope(values),
    }
}

fn mean(values: &[(f64, f64)]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64)
}

/// The series for a chart: means over stretches of equal count, without what JSON has no numbers for.
fn thinned(values: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let values: Vec<(f64, f64)> = values.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    let size = values.len().div_ceil(CHART_POINTS).max(1);
    values.chunks(size).filter_map(|chunk| Some((chunk.last()?.0, mean(chunk)?))).collect()
}

/// The labels of the first series, for a message.
fn names(series: &[Series]) -> String {
    let mut shown: Vec<String> = series
        .iter()
        .take(3)
        .map(|series| {
            let labels: Vec<String> = series.labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
            format!("{{{}}}", labels.join(","))
        })
        .collect();
    if series.len() > shown.len() {
        shown.push("…".to_owned());
    }
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;

    fn spec(more: &str) -> Spec {
        serde_saphyr::from_str(&format!("{{name: tps, description: d, unit: records/s, query: up{more}}}")).unwrap()
    }

    /// Ten moments, from second 0 to 9.
    fn asked() -> Asked {
        let start = Timestamp::UNIX_EPOCH;
        let seconds = Duration::from_secs;
        Asked { start, end: start + seconds(9), step: seconds(1), per_export: 1, fresh: seconds(4) }
    }

    fn series(labels: &[(&str, &str)], values: &[f64]) -> Series {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let values = values.iter().enumerate().map(|(second, value)| (second as f64, *value)).collect();
        Series { labels, values }
    }

    fn measured(more: &str, series: Vec<Series>) -> Vec<Metric> {
        measure(&spec(more), "up", &Answer { series, ..Answer::default() }, &asked())
    }

    const TEN: [f64; 10] = [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 19.0];

    #[test]
    fn the_samples_become_one_number_as_the_pack_says() {
        let value = |reduce: &str| {
            measured(&format!(", reduce: {reduce}"), vec![series(&[], &TEN)])[0]
                .value
                .map(|value| (value * 1e9).round() / 1e9)
        };
        assert_eq!(value("mean"), Some(10.0));
        assert_eq!(value("last"), Some(19.0));
        assert_eq!(value("min"), Some(1.0));
        assert_eq!(value("max"), Some(19.0));
        assert_eq!(value("slope"), Some(2.0));
    }

    #[test]
    fn a_metric_by_component_has_one_number_for_each() {
        let metrics = measured(
            ", by: component",
            vec![series(&[("component", "a")], &TEN), series(&[("component", "b")], &[4.0; 10])],
        );
        let values: Vec<_> = metrics.iter().map(|metric| (metric.component.as_str(), metric.value)).collect();
        assert_eq!(values, [("a", Some(10.0)), ("b", Some(4.0))]);
    }

    #[test]
    fn a_mean_may_be_weighted_and_a_weight_that_is_not_known_is_a_doubt() {
        let spec: Spec =
            serde_saphyr::from_str("{name: ms, description: d, unit: ms, query: up, weight: up, by: component}")
                .unwrap();
        let of = |component: &str, values: &[f64]| series(&[("component", component)], values);
        let said = |weights: Vec<Series>, warnings: &[&str]| {
            let warnings = warnings.iter().map(|text| (*text).to_owned()).collect();
            let answer = Answer { series: vec![of("a", &TEN)], weights: Some(weights), warnings, stale: None };
            let metric = measure(&spec, "up", &answer, &asked()).remove(0);
            metric.value.map_or_else(|| metric.warnings.join("; "), |value| value.to_string())
        };
        let half = [0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0];
        let cases = [
            said(vec![of("a", &half), of("b", &[7.0; 10])], &[]),
            said(vec![of("b", &half)], &[]),
            said(vec![of("a", &half), of("a", &half)], &[]),
            said(vec![of("a", &half[..9])], &[]),
            said(vec![of("a", &[f64::NAN; 10])], &[]),
            said(vec![of("a", &[0.0; 10])], &[]),
            said(vec![of("a", &half)], &["no StoreAPIs matched"]),
        ];
        insta::assert_snapshot!(cases.join("\n"), @r"
        15
        there is not one series of weights for it
        there is not one series of weights for it
        a moment has no weight
        a moment has no weight
        its weights are all 0
        Prometheus warns: no StoreAPIs matched
        ");
    }

    #[test]
    fn a_slope_has_an_interval_and_an_optional_metric_may_be_absent() {
        let slope = &measured(", reduce: slope", vec![series(&[], &TEN)])[0];
        let (low, high) = slope.interval.unwrap();
        assert!((low - 2.0).abs() < 1e-9 && (high - 2.0).abs() < 1e-9);
        assert_eq!(measured("", vec![series(&[], &TEN)])[0].interval, None);
        assert_eq!(measured(", optional: true", vec![]), []);
    }

    #[test]
    fn a_doubtful_answer_has_no_value_and_says_why() {
        let mut nan = TEN;
        nan[3] = f64::NAN;
        let mut holed = series(&[], &TEN);
        holed.values.drain(2..7);
        let mut late = series(&[], &TEN);
        late.values.drain(..5);
        let cases = [
            measured("", vec![]),
            measured("", vec![series(&[("pod", "a")], &TEN), series(&[("pod", "b")], &TEN)]),
            measured(", by: component", vec![series(&[("pod", "a")], &TEN)]),
            measured(
                ", by: component",
                vec![
                    series(&[("component", "a"), ("pod", "1")], &TEN),
                    series(&[("component", "a"), ("pod", "2")], &TEN),
                ],
            ),
            measured("", vec![series(&[], &nan)]),
            measured("", vec![series(&[], &TEN[..8])]),
            measured("", vec![series(&[], &TEN[..2])]),
            measured("", vec![holed]),
            measured("", vec![late]),
            measure(
                &spec(", reduce: slope"),
                "up",
                &Answer { series: vec![series(&[], &TEN)], ..Answer::default() },
                &Asked { per_export: 3, ..asked() },
            ),
            measure(
                &spec(""),
                "up",
                &Answer { warnings: vec!["no StoreAPIs matched".to_owned()], ..Answer::default() },
                &asked(),
            ),
            measure(
                &spec(""),
                "up",
                &Answer {
                    series: vec![series(&[], &TEN)],
                    stale: Some(("up{job=\"a\"}".to_owned(), 130.4)),
                    ..Answer::default()
                },
                &asked(),
            ),
            measure(
                &spec(""),
                "up",
                &Answer {
                    series: vec![series(&[], &TEN)],
                    warnings: vec!["no StoreAPIs matched".to_owned()],
                    ..Answer::default()
                },
                &asked(),
            ),
        ];
        let mut said = Vec::new();
        for metrics in cases {
            assert!(metrics.iter().all(|metric| metric.value.is_none()), "{metrics:?}");
            said.push(metrics[0].warnings.join("; "));
        }
        insta::assert_snapshot!(said.join("\n"), @r#"
        Prometheus has no such series in the window
        one series is meant, 2 came: {pod="a"} {pod="b"}
        a series has no label "component": {pod="a"}
        several series have component="a": {component="a",pod="1"} {component="a",pod="2"}
        1 of 10 samples are no numbers (NaN or infinite)
        there are samples for 80 % of the window only (one every 1 s is expected)
        2 samples, at least 3 are needed; it is stale: its newest value is 8 s older than the window's end
        there are samples for 50 % of the window only (one every 1 s is expected); there are no samples for 6 s in the middle of the window
        there are samples for 50 % of the window only (one every 1 s is expected); there are no samples for the first 5 s of the window
        a trend takes 5 exports, the window has fewer: load longer
        Prometheus warns: no StoreAPIs matched; Prometheus has no such series in the window
        it is stale: the newest sample of up{job="a"} is 130 s older than the window's end
        Prometheus warns: no StoreAPIs matched
        "#);
    }

    #[test]
    fn a_chart_gets_at_most_200_points() {
        let values: Vec<(f64, f64)> = (0..1999).map(|second| (f64::from(second), 5.0)).collect();
        let thin = thinned(&values);
        assert_eq!((thin.len(), thin[0], thin.last().copied()), (200, (9.0, 5.0), Some((1998.0, 5.0))));
    }
}
