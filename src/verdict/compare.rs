//! The runs of a commit beside those of its baseline, metric by metric.

use crate::report::{Comparison, Direction, Metric, Outcome, Report, quantity};

use super::STEADY;
use super::statistics::{Errors, Ranks, Side, hedges, more_runs};
use super::words::{moved, plural};

/// So many runs of each side are recommended as long as nobody knows the noise: at a coefficient of variation of 3.7 % they find a change of
/// 10 %.
const RECOMMENDED: u32 = 5;

/// A share (%) has to change by at least so many points to matter: back-pressure of 0.1 % is as good as 0.05 %.
const POINT: f64 = 1.0;

/// How runs are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct How {
    /// The test.
    pub test: Test,
    /// How certain it has to be that something changed, in percent: above 50, below 100.
    pub confidence: f64,
    /// The least change that matters, in percent of the baseline.
    pub min_change: f64,
}

impl Default for How {
    /// At a coefficient of variation of 3.7 %, with 5 runs of each side: a drop of 10 % is found 96 times in 100, and less than once in 100 one
    /// is seen where there is none.
    fn default() -> Self {
        Self { test: Test::Welch, confidence: 95.0, min_change: 5.0 }
    }
}

/// How it is told whether something changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Test {
    /// Welch's t test, of means: finds the most where runs scatter as measurements do. A single run beside several is judged by
    /// what they predict.
    #[default]
    Welch,
    /// The test of Mann and Whitney, of ranks: a stray run does not sway it. It needs 4 runs of each side at 95 %.
    MannWhitney,
}

/// What the numbers of both sides say, in the metric's unit.
pub(super) struct Tested {
    test: &'static str,
    difference: f64,
    /// Between which differences the true one lies.
    interval: Option<(f64, f64)>,
    /// The same in percent of the baseline.
    percent: Option<(f64, f64)>,
    p_value: f64,
    effect: Option<f64>,
}

/// The least difference that matters.
pub(super) struct Matters {
    /// In the metric's unit.
    least: f64,
    /// In words: "5 %".
    text: String,
}

/// Compares every metric of this run, which is `own[0]`, over the runs of its commit with the same over the baseline's.
///
/// It is better or worse only when the change is both significant and at least what matters; the same only when the whole interval lies within
/// what does not matter; else unknown, with what it takes to know. A run that has no value of a metric does not count for it; when this run has
/// none, nothing is said.
pub fn compare(own: &[&Report], baseline: &[&Report], how: &How) -> Vec<Comparison> {
    let Some(this) = own.first() else { return Vec::new() };
    let load = this.load.as_ref().map(|load| load.rate).filter(|rate| rate.is_finite());
    let compared = |metric: &Metric| {
        let (own, baseline) = (values(own, metric), values(baseline, metric));
        let here = value(this, metric).is_some();
        compare_values(metric, load, if here { &own } else { &[] }, &baseline, how)
    };
    this.metrics.iter().map(compared).collect()
}

/// The numbers that the runs have for this metric.
fn values(runs: &[&Report], metric: &Metric) -> Vec<f64> {
    runs.iter().filter_map(|run| value(run, metric)).collect()
}

/// The number that a run has for this metric; none when it has several.
fn value(run: &Report, metric: &Metric) -> Option<f64> {
    let mut found =
        run.metrics.iter().filter(|other| (&other.name, &other.component) == (&metric.name, &metric.component));
    match (found.next(), found.next()) {
        (Some(one), None) => one.value.filter(|value| value.is_finite()),
        _ => None,
    }
}

fn compare_values(metric: &Metric, load: Option<f64>, own: &[f64], baseline: &[f64], how: &How) -> Comparison {
    let mut comparison =
        Comparison { metric: metric.name.clone(), component: metric.component.clone(), ..Comparison::default() };
    let sides = (Side::of(baseline), Side::of(own));
    comparison.baseline = sides.0.map(|side| side.mean);
    comparison.value = sides.1.map(|side| side.mean);
    let (Some(before), Some(after)) = sides else {
        let of = if sides.1.is_none() { "this run has no value" } else { "no run of the baseline has a value" };
        return Comparison { cause: of.to_owned(), ..comparison };
    };
    if !(how.confidence > 50.0 && how.confidence < 100.0 && how.min_change >= 0.0 && how.min_change.is_finite()) {
        let cause =
            format!("nothing is told with a confidence of {} % and {} % that matter", how.confidence, how.min_change);
        return Comparison { cause, ..comparison };
    }
    comparison.change = change(before.mean, after.mean - before.mean);
    if before.constant() && after.constant() && before.mean == after.mean && before.count + after.count > 2 {
        comparison.interval = comparison.change.map(|_| (0.0, 0.0));
        return Comparison { outcome: Outcome::Same, cause: "no run differs from any other".to_owned(), ..comparison };
    }
    let Some((tested, matters, outcome)) = decide(metric, load, own, baseline, how) else {
        let more = RECOMMENDED - 1;
        let cause = format!("1 run of each side tells nothing about noise: {more} more of each");
        return Comparison { more_runs: Some(more), cause, ..comparison };
    };
    comparison.change = change(before.mean, tested.difference);
    comparison.interval = tested.percent;
    comparison.p_value = Some(tested.p_value).filter(|p| p.is_finite());
    comparison.test = tested.test.to_owned();
    comparison.effect = tested.effect;
    comparison.outcome = outcome;
    if comparison.outcome == Outcome::Unknown {
        comparison.more_runs = more(&before, &after, &matters, how);
    }
    comparison.cause = cause(&comparison, &before, &after, &matters, &metric.unit, how);
    comparison
}

/// What the numbers come to; none when there are too few.
pub(super) fn decide(
    metric: &Metric,
    load: Option<f64>,
    own: &[f64],
    baseline: &[f64],
    how: &How,
) -> Option<(Tested, Matters, Outcome)> {
    let (before, after) = (Side::of(baseline)?, Side::of(own)?);
    let tested = test(baseline, own, &before, &after, how)?;
    let matters = Matters::of(metric, before.mean, load, how);
    let outcome = outcome(&tested, &matters, before.mean, metric.direction, how);
    Some((tested, matters, outcome))
}

/// A difference in percent of what it is from; none of 0.
fn change(from: f64, difference: f64) -> Option<f64> {
    Some(100.0 * difference / from.abs()).filter(|percent| percent.is_finite())
}

/// The test that was asked for; none when there are too few runs for any.
fn test(baseline: &[f64], own: &[f64], before: &Side, after: &Side, how: &How) -> Option<Tested> {
    let errors = Errors::of(before, after)?;
    let confidence = how.confidence / 100.0;
    // Without any noise a t test finds everything: then, too, ranks decide.
    if how.test == Test::MannWhitney || (before.constant() && after.constant()) {
        let ranks = Ranks::of(baseline, own, confidence);
        let in_percent = |difference: f64| 100.0 * difference / before.mean.abs();
        let percent =
            ranks.interval.filter(|_| before.mean != 0.0).map(|(low, high)| (in_percent(low), in_percent(high)));
        return Some(Tested {
            test: "mann-whitney",
            difference: ranks.difference,
            interval: ranks.interval,
            percent,
            p_value: ranks.p_value,
            effect: Some(ranks.delta),
        });
    }
    let (difference, t) = (after.mean - before.mean, errors.quantile(confidence));
    Some(Tested {
        test: if before.count.min(after.count) == 1 { "prediction" } else { "welch" },
        difference,
        interval: Some(errors.interval(difference, t)),
        percent: errors.percent(before.mean, after.mean, t),
        p_value: errors.p_value(difference),
        effect: hedges(before, after),
    })
}

/// What a test comes to: significant and large enough to matter, or certain not to matter, or neither.
fn outcome(tested: &Tested, matters: &Matters, baseline: f64, direction: Direction, how: &How) -> Outcome {
    let significant = tested.p_value <= 1.0 - how.confidence / 100.0;
    if significant && tested.difference != 0.0 && tested.difference.abs() >= matters.least {
        return match (direction, tested.difference > 0.0) {
            (Direction::None, _) => Outcome::Changed,
            (Direction::Higher, true) | (Direction::Lower, false) => Outcome::Better,
            (Direction::Higher, false) | (Direction::Lower, true) => Outcome::Worse,
        };
    }
    // What is shown in percent is judged in percent; that interval also knows how uncertain the baseline is.
    let in_unit = |percent: f64| percent * baseline.abs() / 100.0;
    let interval = tested.percent.map(|(low, high)| (in_unit(low), in_unit(high))).or(tested.interval);
    match interval {
        Some((low, high)) if low >= -matters.least && high <= matters.least => Outcome::Same,
        _ => Outcome::Unknown,
    }
}

impl Matters {
    /// The share of the baseline that was asked for, but of a share (%) at least a point, and of a slope at least what counts as steady.
    fn of(metric: &Metric, baseline: f64, load: Option<f64>, how: &How) -> Self {
        let share = how.min_change / 100.0 * baseline.abs();
        let floor = match (metric.interval, load, metric.unit.as_str()) {
            (_, _, "%") => POINT,
            (Some(_), Some(load), "records/s") => STEADY * load,
            _ => 0.0,
        };
        let text = match (share >= floor, metric.unit.as_str()) {
            (true, _) if share == 0.0 => "any change".to_owned(),
            (true, _) => quantity(how.min_change, "%"),
            (false, "%") => "1 point".to_owned(),
            (false, unit) => quantity(floor, unit),
        };
        Self { least: share.max(floor), text }
    }
}

/// How many more runs of each side would tell.
fn more(before: &Side, after: &Side, matters: &Matters, how: &How) -> Option<u32> {
    if before.constant() && after.constant() || how.test == Test::MannWhitney && before.count.min(after.count) < 4 {
        return Some(RECOMMENDED.saturating_sub(before.count.min(after.count) as u32).max(1));
    }
    more_runs(before, after, matters.least, how.confidence / 100.0).filter(|more| *more > 0)
}

/// Why it comes to that, in words that follow the metric's name.
fn cause(comparison: &Comparison, before: &Side, after: &Side, matters: &Matters, unit: &str, how: &How) -> String {
    let (moved, text) = (moved(comparison, unit), &matters.text);
    let power = || power(before, after, unit, how);
    match (comparison.outcome, comparison.more_runs) {
        (Outcome::Better | Outcome::Worse | Outcome::Changed, _) => moved,
        (Outcome::Same, _) => format!("{moved}: by less than {text}; {}", power()),
        (Outcome::Unknown, Some(more)) => {
            let more = plural(more, "more run");
            format!("{moved}, which may be chance: {}, {more} of each side would find {text}", power())
        }
        (Outcome::Unknown, None) if comparison.p_value.is_some_and(|p| p <= 1.0 - how.confidence / 100.0) => {
            format!("{moved}, too near {text} to tell whether it matters: {}", power())
        }
        (Outcome::Unknown, None) => format!("{moved}, which may be chance: {}", power()),
    }
}

/// What so many runs would find at this noise: "5 runs detect 4 % at this noise".
fn power(before: &Side, after: &Side, unit: &str, how: &How) -> String {
    let runs = match (before.count, after.count) {
        (same, other) if same == other => format!("{same} runs detect"),
        (before, 1) => format!("1 run beside {before} detects"),
        (before, after) => format!("{after} runs beside {before} detect"),
    };
    let Some(errors) = Errors::of(before, after).filter(|_| !(before.constant() && after.constant())) else {
        return "no noise was seen".to_owned();
    };
    let detectable = errors.detectable(how.confidence / 100.0);
    let share = 100.0 * detectable / before.mean.abs();
    let detectable = if share < 100.0 { quantity(share, "%") } else { quantity(detectable, unit) };
    format!("{runs} {detectable} at this noise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Load;

    fn metric(name: &str, unit: &str, direction: Direction, value: f64) -> Metric {
        Metric { name: name.into(), unit: unit.into(), direction, value: Some(value), samples: 9, ..Metric::default() }
    }

    fn reports(metric: &Metric, values: &[f64]) -> Vec<Report> {
        let load = Some(Load { rate: 10_000.0, ..Load::default() });
        let report = |value: &f64| Report {
            load: load.clone(),
            metrics: vec![Metric { value: Some(*value), ..metric.clone() }],
            ..Report::default()
        };
        values.iter().map(report).collect()
    }

    fn compared(metric: &Metric, own: &[f64], baseline: &[f64], how: &How) -> Comparison {
        let (own, baseline) = (reports(metric, own), reports(metric, baseline));
        compare(&own.iter().collect::<Vec<_>>(), &baseline.iter().collect::<Vec<_>>(), how).remove(0)
    }

    fn latency(own: &[f64], baseline: &[f64]) -> Comparison {
        compared(&metric("complete_latency", "ms", Direction::Lower, 0.0), own, baseline, &How::default())
    }

    const BEFORE: [f64; 5] = [412.0, 398.5, 405.2, 420.1, 401.7];
    const SLOWER: [f64; 5] = [455.0, 470.2, 449.9, 461.3, 466.0];
    const NOISY: [f64; 5] = [400.0, 460.0, 370.0, 430.0, 410.0];

    fn told(comparison: &Comparison) -> String {
        let Comparison { outcome, test, more_runs, cause, .. } = comparison;
        let more = more_runs.map_or(String::new(), |more| format!(" +{more}"));
        format!("{outcome:?} [{test}{more}] {cause}")
    }

    #[test]
    fn what_comes_out_says_why() {
        let ranks = How { test: Test::MannWhitney, ..How::default() };
        let by_ranks = |own: &[f64], baseline: &[f64]| {
            compared(&metric("complete_latency", "ms", Direction::Lower, 0.0), own, baseline, &ranks)
        };
        let tps = metric("tps", "records/s", Direction::Higher, 0.0);
        let instances = metric("instances", "instances", Direction::None, 0.0);
        let cases = [
            ("slower", latency(&SLOWER, &BEFORE)),
            ("faster", latency(&BEFORE, &SLOWER)),
            ("a throughput that rose", compared(&tps, &SLOWER, &BEFORE, &How::default())),
            ("as fast", latency(&[410.0, 404.0, 400.0, 414.5, 409.1], &BEFORE)),
            ("noisy", latency(&NOISY, &BEFORE)),
            (
                "significant, but small",
                latency(&[414.0, 415.0, 413.5, 414.2, 414.8], &[405.0, 406.0, 404.5, 405.2, 405.8]),
            ),
            ("near what matters", latency(&[424.0, 427.0, 425.5, 426.2, 424.8], &[405.0, 406.0, 404.5, 405.2, 405.8])),
            ("a single run, slower", latency(&[470.2], &BEFORE)),
            ("a single run, as fast", latency(&[409.0], &BEFORE)),
            ("beside a single run", latency(&SLOWER, &[398.5])),
            ("one of each", latency(&[470.2], &[398.5])),
            ("two of each", latency(&[470.2, 461.0], &[398.5, 402.0])),
            ("by ranks, slower", by_ranks(&SLOWER, &BEFORE)),
            ("by ranks, three of each", by_ranks(&SLOWER[..3], &BEFORE[..3])),
            ("by ranks, noisy", by_ranks(&NOISY, &BEFORE)),
            ("no noise, the same", compared(&instances, &[28.0], &[28.0, 28.0, 28.0], &How::default())),
            ("no noise, other", compared(&instances, &[29.0; 4], &[28.0; 5], &How::default())),
            ("no noise, too few", compared(&instances, &[29.0], &[28.0; 5], &How::default())),
        ];
        let said: Vec<String> =
            cases.iter().map(|(case, comparison)| format!("{case}: {}", told(comparison))).collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        slower: Worse [welch] rose 13 % (9.8 to 16 %)
        faster: Better [welch] fell 12 % (−14 to −8.9 %)
        a throughput that rose: Better [welch] rose 13 % (9.8 to 16 %)
        as fast: Same [welch] stayed the same (−2.6 to 2.7 %): by less than 5 %; 5 runs detect 4.8 % at this noise
        noisy: Unknown [welch +34] rose 1.6 % (−8.5 to 12 %), which may be chance: 5 runs detect 18 % at this noise, 34 more runs of each side would find 5 %
        significant, but small: Same [welch] rose 2.2 % (2 to 2.4 %): by less than 5 %; 5 runs detect 0.4 % at this noise
        near what matters: Unknown [welch] rose 5 % (4.6 to 5.3 %), too near 5 % to tell whether it matters: 5 runs detect 0.6 % at this noise
        a single run, slower: Worse [prediction] rose 15 % (8.8 to 22 %)
        a single run, as fast: Unknown [prediction +4] rose 0.4 % (−6 to 6.9 %), which may be chance: 1 run beside 5 detects 11 % at this noise, 4 more runs of each side would find 5 %
        beside a single run: Worse [prediction] rose 16 % (8.8 to 23 %)
        one of each: Unknown [ +4] 1 run of each side tells nothing about noise: 4 more of each
        two of each: Worse [welch] rose 16 % (6.8 to 26 %)
        by ranks, slower: Worse [mann-whitney] rose 13 % (9.3 to 17 %)
        by ranks, three of each: Unknown [mann-whitney +2] rose from 405 ms to 458 ms, which may be chance: 3 runs detect 9.3 % at this noise, 2 more runs of each side would find 5 %
        by ranks, noisy: Unknown [mann-whitney +34] rose 1.2 % (−8.6 to 13 %), which may be chance: 5 runs detect 18 % at this noise, 34 more runs of each side would find 5 %
        no noise, the same: Same [] no run differs from any other
        no noise, other: Same [mann-whitney] rose 3.6 % (3.6 to 3.6 %): by less than 5 %; no noise was seen
        no noise, too few: Unknown [mann-whitney +4] rose from 28 instances to 29 instances, which may be chance: no noise was seen, 4 more runs of each side would find 5 %
        ");
    }

    #[test]
    fn numbers_go_with_the_words() {
        let comparison = latency(&SLOWER, &BEFORE);
        let rounded = |value: Option<f64>| value.map(|value| (value * 100.0).round() / 100.0);
        assert_eq!(rounded(comparison.baseline), Some(407.5));
        assert_eq!(rounded(comparison.value), Some(460.48));
        assert_eq!(rounded(comparison.change), Some(13.0));
        assert_eq!(
            comparison.interval.map(|(low, high)| (rounded(Some(low)), rounded(Some(high)))),
            Some((Some(9.83), Some(16.28)))
        );
        assert_eq!(rounded(comparison.effect), Some(5.69));
        assert!(comparison.p_value.is_some_and(|p| p < 1e-4) && comparison.more_runs.is_none());
    }

    /// Where percent mislead: of 0, of next to 0, of shares and of slopes.
    #[test]
    fn next_to_zero_percent_do_not_count() {
        let share = metric("back_pressure", "%", Direction::Lower, 0.0);
        let slope = Metric { interval: Some((0.0, 0.0)), ..metric("lag_growth", "records/s", Direction::Lower, 0.0) };
        let failures = metric("failures", "records", Direction::Lower, 0.0);
        let say =
            |metric: &Metric, own: &[f64], baseline: &[f64]| told(&compared(metric, own, baseline, &How::default()));
        let said = [
            say(&share, &[0.4, 0.41, 0.39, 0.4], &[0.1, 0.11, 0.1, 0.12]),
            say(&share, &[40.0, 42.0, 41.0, 41.5], &[0.0, 0.1, 0.0, 0.3]),
            say(&share, &[40.0, 42.0, 41.0, 41.5], &[0.0; 4]),
            say(&slope, &[4.0, -6.0, 11.0, 3.0], &[-2.0, 1.0, 5.0, -8.0]),
            say(&slope, &[204.0, 196.0, 211.0, 203.0], &[-2.0, 1.0, 5.0, -8.0]),
            say(&failures, &[0.0], &[0.0; 5]),
            say(&failures, &[12.0, 9.0, 17.0, 10.0], &[0.0; 5]),
            say(&failures, &[12.0, 0.0, 0.0, 0.0], &[0.0; 5]),
            say(&failures, &[3.0], &[0.0; 5]),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        Same [welch] rose 272 % (234 to 319 %): by less than 1 point; 4 runs detect 26 % at this noise
        Worse [welch] rose from 0.1 % to 41 %
        Worse [welch] rose from 0 % to 41 %
        Same [welch] rose from −1/s to 3/s: by less than 100/s; 4 runs detect 19.7/s at this noise
        Worse [welch] rose from −1/s to 204/s
        Same [] no run differs from any other
        Worse [welch] rose from 0 records to 12 records
        Unknown [welch] rose from 0 records to 3 records, which may be chance: 4 runs beside 5 detect 16.6 records at this noise
        Unknown [mann-whitney +4] rose from 0 records to 3 records, which may be chance: no noise was seen, 4 more runs of each side would find any change
        ");
    }

    #[test]
    fn what_was_not_measured_is_not_compared() {
        let spec = metric("complete_latency", "ms", Direction::Lower, 0.0);
        let odd = [f64::NAN, f64::INFINITY];
        let wrong = |confidence: f64, min_change: f64| {
            compared(&spec, &SLOWER, &BEFORE, &How { confidence, min_change, ..How::default() })
        };
        let mut twice = reports(&spec, &[1.0]);
        twice[0].metrics.push(spec.clone());
        let said = [
            latency(&odd, &BEFORE),
            latency(&[f64::NAN, 460.0, 461.0], &BEFORE),
            latency(&SLOWER, &odd),
            latency(&SLOWER, &[]),
            compare(&[&twice[0]], &[&twice[0]], &How::default()).remove(0),
            wrong(100.0, 5.0),
            wrong(f64::NAN, 5.0),
            wrong(95.0, f64::NAN),
        ]
        .map(|comparison| {
            assert_eq!((comparison.outcome, comparison.p_value), (Outcome::Unknown, None));
            comparison.cause
        });
        insta::assert_snapshot!(said.join("\n"), @r"
        this run has no value
        this run has no value
        no run of the baseline has a value
        no run of the baseline has a value
        this run has no value
        nothing is told with a confidence of 100 % and 5 % that matter
        nothing is told with a confidence of NaN % and 5 % that matter
        nothing is told with a confidence of 95 % and NaN % that matter
        ");
        assert!(compare(&[], &[], &How::default()).is_empty());
        // A run of the baseline without a value is left out.
        assert_eq!(latency(&SLOWER, &[412.0, f64::NAN, 398.5, 405.2, 420.1, 401.7]), latency(&SLOWER, &BEFORE));
    }

    /// Whatever the numbers are: no panic, no number that JSON does not have, and no word on what was not tested.
    #[test]
    fn any_numbers_can_be_compared() {
        let odd = [0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, f64::MAX, f64::MIN_POSITIVE, f64::NAN, f64::NEG_INFINITY];
        let spec = metric("tps", "records/s", Direction::Higher, 0.0);
        for index in 0..odd.len().pow(3) {
            let [first, second, third] = [index, index / 10, index / 100].map(|index| odd[index % 10]);
            for test in [Test::Welch, Test::MannWhitney] {
                let how = How { test, ..How::default() };
                for (own, baseline) in
                    [(vec![first, second], vec![third, first, third]), (vec![first], vec![second, third])]
                {
                    let comparison = compared(&spec, &own, &baseline, &how);
                    let Comparison { change, interval, p_value, effect, .. } = &comparison;
                    let (low, high) = interval.unzip();
                    for number in [change, &low, &high, p_value, effect].into_iter().flatten() {
                        assert!(number.is_finite(), "{own:?} {baseline:?}: {comparison:?}");
                    }
                    let moved = matches!(comparison.outcome, Outcome::Better | Outcome::Worse);
                    assert!(!moved || p_value.is_some_and(|p| p <= 0.0501), "{own:?} {baseline:?}: {comparison:?}");
                }
            }
        }
    }
}
