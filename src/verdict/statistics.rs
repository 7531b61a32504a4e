//! The statistics of repeated runs.
//!
//! A run gives one number of a metric, so a side has as many numbers as it has runs. Every formula names its source; what the
//! tests expect is a published example or was computed with SciPy 1.17.1, as they say.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// How likely a change is to be found that [`Errors::detectable`] and [`more_runs`] speak of.
const POWER: f64 = 0.95;

/// From this many degrees of freedom on, Student's distribution is as good as normal.
const NORMAL: f64 = 10_000.0;

/// Up to this many runs of both sides together, every way of dealing the ranks out is counted.
const EXACT: usize = 40;

/// One more run of each side than this is not asked for.
const MOST_MORE_RUNS: u32 = 100;

/// The runs of one side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    /// How many there are, at least one.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their variance, Σ(x−x̄)² / (n−1); none of a single run.
    pub variance: Option<f64>,
}

impl Side {
    /// The runs with these values; none when there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = (count > 0).then(|| values.iter().sum::<f64>() / count as f64)?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { count, mean, variance: (count > 1).then(|| squares / (count - 1) as f64) })
    }

    /// Whether its runs, as far as there are several, all have one value. Sums of floating-point numbers are seldom quite exact.
    pub fn constant(&self) -> bool {
        self.variance.is_none_or(|variance| variance.sqrt() <= 1e-12 * self.mean.abs())
    }
}

/// How uncertain the means of both sides are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errors {
    /// The squared standard error of the baseline's mean.
    baseline: f64,
    /// The squared standard error of the other mean.
    own: f64,
    /// The degrees of freedom of both together.
    freedom: f64,
}

impl Errors {
    /// The errors of two means; none when neither side has several runs.
    ///
    /// Several runs on both sides: Welch, "The generalization of Student's problem when several different population variances are
    /// involved", Biometrika 34 (1947), with the degrees of freedom of Welch and Satterthwaite,
    /// (a+b)² / (a²/(n−1) + b²/(m−1)) for squared errors a = s²/n and b = r²/m.
    ///
    /// A single run beside n: it is a new draw from what the n are drawn from, and misses their mean by s·√(1 + 1/n) with n−1 degrees
    /// of freedom: Student's prediction interval, <https://en.wikipedia.org/wiki/Prediction_interval>.
    pub fn of(baseline: &Side, own: &Side) -> Option<Self> {
        let (first, second) = (baseline.variance.or(own.variance)?, own.variance.or(baseline.variance)?);
        let (first, second) = (first / baseline.count as f64, second / own.count as f64);
        let freedom = match (baseline.variance, own.variance) {
            (Some(_), Some(_)) => {
                let share = |error: f64, count: usize| error.powi(2) / (count - 1) as f64;
                (first + second).powi(2) / (share(first, baseline.count) + share(second, own.count))
            }
            _ => (baseline.count.max(own.count) - 1) as f64,
        };
        Some(Self { baseline: first, own: second, freedom })
    }

    /// The standard error of the difference.
    fn difference(&self) -> f64 {
        (self.baseline + self.own).sqrt()
    }

    /// How likely a difference of at least this size, either way, is by chance.
    pub fn p_value(&self, difference: f64) -> f64 {
        2.0 * student_above((difference / self.difference()).abs(), self.freedom)
    }

    /// Student's t within which the true difference lies, in standard errors, with this confidence.
    pub fn quantile(&self, confidence: f64) -> f64 {
        student(1.0 - (1.0 - confidence) / 2.0, self.freedom)
    }

    /// The confidence interval of the difference, at Student's t.
    pub fn interval(&self, difference: f64, t: f64) -> (f64, f64) {
        let half = t * self.difference();
        (difference - half, difference + half)
    }

    /// The confidence interval of the change in percent of the baseline, at Student's t; none where the baseline may as well be 0.
    ///
    /// It is that of the ratio of two means: Fieller, "Some problems in interval estimation", Journal of the Royal Statistical Society B
    /// 16 (1954); for benchmarks Kalibera and Jones, "Rigorous benchmarking in reasonable time", ISMM 2013. A ratio θ belongs to it
    /// when |ȳ−θx̄| ≤ t·√(b+θ²a): it leaves 1 out just when the t test finds a difference. The degrees of freedom are the test's.
    pub fn percent(&self, baseline: f64, own: f64, t: f64) -> Option<(f64, f64)> {
        let square = t.powi(2);
        let below = baseline.powi(2) - square * self.baseline;
        let root = baseline.powi(2) * self.own + own.powi(2) * self.baseline - square * self.baseline * self.own;
        if !(below > 0.0 && root >= 0.0) {
            return None;
        }
        let change = |ratio: f64| 100.0 * (ratio - 1.0) * baseline.signum();
        let half = t * root.sqrt();
        let (one, other) = (change((baseline * own - half) / below), change((baseline * own + half) / below));
        Some((one.min(other), one.max(other)))
    }

    /// The least difference that these runs find with a probability of 95 %: (t₁₋α/₂ + t₀.₉₅) standard errors.
    ///
    /// NIST/SEMATECH, e-Handbook of Statistical Methods, 7.2.2.2, "Sample sizes required".
    pub fn detectable(&self, confidence: f64) -> f64 {
        detectable(self.difference(), self.freedom, confidence)
    }
}

fn detectable(error: f64, freedom: f64, confidence: f64) -> f64 {
    (student(1.0 - (1.0 - confidence) / 2.0, freedom) + student(POWER, freedom)) * error
}

/// How many more runs of each side it takes, at the noise of these, to find such a difference with a probability of 95 %. None when that
/// is more than anybody makes, or when the noise is not known.
pub(super) fn more_runs(baseline: &Side, own: &Side, difference: f64, confidence: f64) -> Option<u32> {
    let (first, second) = (baseline.variance.or(own.variance)?, own.variance.or(baseline.variance)?);
    let enough = |more: &u32| {
        let count = |side: &Side| side.count as f64 + f64::from(*more);
        let error = (first / count(baseline) + second / count(own)).sqrt();
        let freedom = count(baseline) + count(own) - 2.0;
        freedom >= 1.0 && detectable(error, freedom, confidence) <= difference
    };
    // Normal quantiles are smaller than Student's: with fewer runs than they ask for it need not be tried.
    let normal = Normal::standard();
    let factor = normal.inverse_cdf(1.0 - (1.0 - confidence) / 2.0) + normal.inverse_cdf(POWER);
    let least = (first + second) * (factor / difference).powi(2) - baseline.count.max(own.count) as f64;
    (least.clamp(0.0, f64::from(MOST_MORE_RUNS) + 1.0) as u32..=MOST_MORE_RUNS).find(enough)
}

/// Hedges' g: the difference in pooled standard deviations, with the correction 1 − 3/(4ν−1) for few runs. Hedges, "Distribution theory for
/// Glass's estimator of effect size and related estimators", Journal of Educational Statistics 6 (1981). Of a single run beside several,
/// their standard deviation counts.
pub(super) fn hedges(baseline: &Side, own: &Side) -> Option<f64> {
    let squares = |side: &Side| side.variance.map_or(0.0, |variance| variance * (side.count - 1) as f64);
    let freedom = (baseline.count + own.count) as f64 - 2.0;
    let deviation = ((squares(baseline) + squares(own)) / freedom).sqrt();
    let effect = (own.mean - baseline.mean) / deviation * (1.0 - 3.0 / (4.0 * freedom - 1.0));
    effect.is_finite().then_some(effect)
}

/// What the ranks of two sides' values say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranks {
    /// How likely ranks as uneven as these, either way, are by chance.
    pub p_value: f64,
    /// Cliff's delta: in how many more of all pairs the own value is larger than in how many it is smaller, from −1 to 1. Cliff, "Dominance
    /// statistics", Psychological Bulletin 114 (1993).
    pub delta: f64,
    /// The median of the differences of all pairs: Hodges and Lehmann, "Estimates of location based on rank tests", Annals of Mathematical
    /// Statistics 34 (1963).
    pub difference: f64,
    /// The confidence interval of the difference; none when there are too few runs for any at this confidence.
    pub interval: Option<(f64, f64)>,
}

impl Ranks {
    /// The test of Mann and Whitney, "On a test of whether one of two random variables is stochastically larger than the other", Annals of
    /// Mathematical Statistics 18 (1947). Up to 40 values it is exact, with ties too: each way of dealing the ranks out is as likely as
    /// any other, and [`rank_sums`] counts them. Beyond, the sum of ranks is normal, with corrections for ties and continuity.
    ///
    /// The interval takes in all but the k least and k largest of the pairs' differences, with k what the test without ties allows:
    /// Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods" (2014), section 4.3; R's `wilcox.test` does the same.
    ///
    /// Neither side may be empty.
    pub fn of(baseline: &[f64], own: &[f64], confidence: f64) -> Self {
        let (first, second) = (baseline.len(), own.len());
        let pairs = (first * second) as f64;
        let mut differences: Vec<f64> =
            own.iter().flat_map(|own| baseline.iter().map(move |baseline| own - baseline)).collect();
        differences.sort_by(f64::total_cmp);
        let larger = differences.iter().filter(|difference| **difference > 0.0).count() as f64;
        let smaller = differences.iter().filter(|difference| **difference < 0.0).count() as f64;
        let ranks = double_ranks(baseline, own);
        // U of Mann and Whitney: pairs in which the own value is larger; ties count half.
        let u = larger + (pairs - larger - smaller) / 2.0;
        let alpha = 1.0 - confidence;
        let (p_value, left_out) = if ranks.len() <= EXACT {
            let untied: Vec<usize> = (1..=ranks.len()).map(|rank| 2 * rank).collect();
            let sums = rank_sums(&untied, second);
            let left_out = left_out(&sums, alpha);
            let sums = if ranks == untied { sums } else { rank_sums(&ranks, second) };
            (exact(&sums, second, u), left_out)
        } else {
            let z = Normal::standard().inverse_cdf(1.0 - alpha / 2.0);
            let deviation = (pairs * (ranks.len() + 1) as f64 / 12.0).sqrt();
            (approximate(&ranks, pairs, u), (pairs / 2.0 + 0.5 - z * deviation).floor().max(0.0) as usize)
        };
        let half = differences.len() / 2;
        let difference = if differences.len() % 2 == 1 {
            differences[half]
        } else {
            f64::midpoint(differences[half - 1], differences[half])
        };
        let interval = left_out
            .checked_sub(1)
            .and_then(|index| Some((*differences.get(index)?, *differences.get(differences.len() - 1 - index)?)));
        Self { p_value, delta: (larger - smaller) / pairs, difference, interval }
    }
}

/// Twice the rank of each value among those of both sides; values that are equal share the mean of their ranks.
fn double_ranks(baseline: &[f64], own: &[f64]) -> Vec<usize> {
    let mut values: Vec<f64> = baseline.iter().chain(own).copied().collect();
    values.sort_by(f64::total_cmp);
    let mut ranks = Vec::with_capacity(values.len());
    for tied in values.chunk_by(|a, b| a == b) {
        let before = ranks.len();
        ranks.extend(std::iter::repeat_n(2 * before + tied.len() + 1, tied.len()));
    }
    ranks
}

/// How likely each sum of so many of these doubled ranks is when any are as likely as any other. Streitberg and Röhmel, "Exact distributions
/// for permutation and rank tests", Statistical Software Newsletter 12 (1986).
fn rank_sums(ranks: &[usize], chosen: usize) -> Vec<f64> {
    let most: usize = ranks.iter().rev().take(chosen).sum();
    let mut ways = vec![vec![0.0; most + 1]; chosen + 1];
    ways[0][0] = 1.0;
    for (seen, rank) in ranks.iter().enumerate() {
        for count in (1..=chosen.min(seen + 1)).rev() {
            let (fewer, these) = ways.split_at_mut(count);
            for sum in *rank..=most {
                these[0][sum] += fewer[count - 1][sum - rank];
            }
        }
    }
    let sums = ways.swap_remove(chosen);
    let all: f64 = sums.iter().sum();
    sums.into_iter().map(|ways| ways / all).collect()
}

/// The exact p-value of U, twice that of the nearer end, from how likely each sum of the own ranks is.
fn exact(sums: &[f64], own: usize, u: f64) -> f64 {
    let sum = (2.0 * u).round() as usize + own * (own + 1);
    let up_to: f64 = sums.iter().take(sum + 1).sum();
    let from: f64 = sums.iter().skip(sum).sum();
    (2.0 * up_to.min(from)).min(1.0)
}

/// How many values of U, from 0 on, have no more than half of this chance together: as many of the pairs' differences at either end bound the
/// interval.
fn left_out(untied: &[f64], alpha: f64) -> usize {
    let least = untied.iter().position(|chance| *chance > 0.0).unwrap_or_default();
    let mut together = 0.0;
    // Doubled sums without ties are even.
    let chances = untied.iter().skip(least).step_by(2);
    chances
        .take_while(|chance| {
            together += **chance;
            together <= alpha / 2.0
        })
        .count()
}

/// The normal approximation of U's p-value, corrected for ties and continuity.
fn approximate(ranks: &[usize], pairs: f64, u: f64) -> f64 {
    let count = ranks.len() as f64;
    let ties: f64 = ranks.chunk_by(|a, b| a == b).map(|tied| (tied.len() as f64).powi(3) - tied.len() as f64).sum();
    let variance = pairs / 12.0 * (count + 1.0 - ties / (count * (count - 1.0)));
    let distance = ((u - pairs / 2.0).abs() - 0.5).max(0.0);
    if variance > 0.0 { (2.0 * Normal::standard().sf(distance / variance.sqrt())).min(1.0) } else { 1.0 }
}

/// Student's quantile.
fn student(probability: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if freedom < NORMAL => student.inverse_cdf(probability),
        Ok(_) => Normal::standard().inverse_cdf(probability),
        // Without a degree of freedom nothing is certain.
        Err(_) => f64::INFINITY,
    }
}

/// How likely Student's variable is above this.
fn student_above(value: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if freedom < NORMAL => student.sf(value),
        Ok(_) => Normal::standard().sf(value),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 15 values a side and two samples as runs have them; what SciPy 1.17.1 says of them is in the tests.
    const FIRST: [f64; 15] = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
    const SECOND: [f64; 15] =
        [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 24.4];
    const BEFORE: [f64; 5] = [412.0, 398.5, 405.2, 420.1, 401.7];
    const AFTER: [f64; 5] = [455.0, 470.2, 449.9, 461.3, 466.0];

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-8 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    fn both(baseline: &[f64], own: &[f64]) -> (Side, Side, Errors) {
        let (baseline, own) = (Side::of(baseline).unwrap(), Side::of(own).unwrap());
        (baseline, own, Errors::of(&baseline, &own).unwrap())
    }

    /// `scipy.stats.ttest_ind(equal_var=False)` and its `confidence_interval`.
    #[test]
    fn welchs_test_is_scipys() {
        let (first, second, errors) = both(&FIRST, &SECOND);
        near(errors.freedom, 27.887_303_988_420_12);
        near(errors.p_value(second.mean - first.mean), 0.008_071_938_172_194_903);
        let (low, high) = errors.interval(second.mean - first.mean, errors.quantile(0.95));
        near(low, 0.798_643_924_874_697_8);
        near(high, 4.868_022_741_791_966);
        let (before, after, errors) = both(&BEFORE, &AFTER);
        near(errors.p_value(after.mean - before.mean), 8.975_423_973_703_679e-6);
    }

    /// The bounds were found without Fieller's formula: as the ratios at which the t test is just significant, with
    /// `scipy.optimize.brentq`.
    #[test]
    fn the_percent_interval_ends_where_the_t_test_does() {
        let percent = |baseline: &[f64], own: &[f64]| {
            let (baseline, own, errors) = both(baseline, own);
            errors.percent(baseline.mean, own.mean, errors.quantile(0.95)).unwrap()
        };
        let cases = [
            (percent(&FIRST, &SECOND), 3.644_932_847_123_505_4, 24.732_394_976_345_12),
            (percent(&BEFORE, &AFTER), 9.828_084_448_039_2, 16.282_713_173_794_416),
            (percent(&BEFORE, &[470.2]), 8.835_744_966_552_483, 22.097_498_404_725_435),
            (percent(&[398.5], &AFTER), 8.847_471_789_391_737, 23.012_105_741_002_23),
        ];
        for ((low, high), expected_low, expected_high) in cases {
            near(low, expected_low);
            near(high, expected_high);
        }
        let negative = |values: &[f64]| values.iter().map(|value| -value).collect::<Vec<_>>();
        let (low, high) = percent(&negative(&BEFORE), &negative(&AFTER));
        near(low, -16.282_713_173_794_416);
        near(high, -9.828_084_448_039_2);
    }

    #[test]
    fn a_baseline_that_may_be_zero_has_no_percent() {
        let (baseline, own, errors) = both(&[-1.0, 1.0, 0.5], &[5.0, 5.1, 4.9]);
        assert_eq!(errors.percent(baseline.mean, own.mean, errors.quantile(0.95)), None);
    }

    /// `scipy.stats.t` with the prediction interval's s·√(1+1/n).
    #[test]
    fn a_single_run_is_predicted_from_the_others_on_either_side() {
        let (before, single, errors) = both(&BEFORE, &[470.2]);
        near(errors.p_value(single.mean - before.mean), 0.002_698_792_615_077_149_6);
        let (low, high) = errors.interval(single.mean - before.mean, errors.quantile(0.95));
        near(low, 36.406_903_603_499_57);
        near(high, 88.993_096_396_500_29);
        let (single, after, errors) = both(&[398.5], &AFTER);
        near(errors.p_value(after.mean - single.mean), 0.002_291_480_353_997_927);
        let one = Side::of(&[1.0]).unwrap();
        assert!(Errors::of(&one, &one).is_none() && Side::of(&[]).is_none());
    }

    #[test]
    fn hedges_g_is_the_difference_in_deviations() {
        let (first, second, _) = both(&FIRST, &SECOND);
        near(hedges(&first, &second).unwrap(), 1.013_596_370_553_836_7);
        let one = Side::of(&[1.0]).unwrap();
        assert_eq!(hedges(&one, &one), None);
        let flat = Side::of(&[2.0, 2.0]).unwrap();
        assert_eq!(hedges(&flat, &first).map(f64::is_finite), Some(true));
        assert_eq!(hedges(&flat, &one), None);
    }

    /// The example of `scipy.stats.mannwhitneyu`'s documentation, whose p is 0.1111 (exact); its interval as `wilcox.test` makes it, by
    /// counting all ways to deal the ranks out. With ties: `scipy.stats.permutation_test` over all permutations. Beyond 40 values:
    /// `mannwhitneyu(method="asymptotic")`.
    #[test]
    fn the_ranks_test_is_scipys() {
        let (males, females) = ([19.0, 22.0, 16.0, 29.0, 24.0], [20.0, 11.0, 17.0, 12.0]);
        let ranks = Ranks::of(&females, &males, 0.95);
        near(ranks.p_value, 1.0 / 9.0);
        near(ranks.delta, 14.0 / 20.0);
        near(ranks.difference, 7.0);
        assert_eq!(ranks.interval, Some((-1.0, 17.0)));
        let (low, high) = Ranks::of(&BEFORE, &AFTER, 0.95).interval.unwrap();
        near(low, 37.9);
        near(high, 67.5);
        near(Ranks::of(&[1.0, 2.0, 2.0, 3.0, 5.0], &[2.0, 4.0, 5.0, 6.0, 6.0], 0.95).p_value, 0.119_047_619_047_619_04);
        let first: Vec<f64> = (0..25).map(|i| f64::from(100 + i * 37 % 23)).collect();
        let second: Vec<f64> = (0..22).map(|i| f64::from(104 + i * 29 % 19)).collect();
        near(Ranks::of(&first, &second, 0.95).p_value, 0.435_996_696_220_564_3);
    }

    #[test]
    fn three_runs_of_each_side_are_too_few_for_ranks_and_four_are_not() {
        let three = Ranks::of(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 0.95);
        assert_eq!((three.p_value > 0.05, three.interval), (true, None));
        let four = Ranks::of(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], 0.95);
        assert_eq!((four.p_value < 0.05, four.interval), (true, Some((1.0, 7.0))));
        let same = Ranks::of(&[5.0; 4], &[5.0; 4], 0.95);
        assert_eq!((same.p_value, same.delta, same.interval), (1.0, 0.0, Some((0.0, 0.0))));
    }

    /// The numbers of runs that find a change with 95 % by the noncentral t distribution (`scipy.stats.nct`), and R's `power.t.test(delta = 1, sd =
    /// 1, power = .90)`, whose documentation says n = 22.02.
    #[test]
    fn so_many_runs_find_a_change() {
        let runs = |deviation: f64, change: f64| {
            let side = Side { count: 1, mean: 100.0, variance: Some(deviation.powi(2)) };
            more_runs(&side, &side, change, 0.95).map(|more| more + 1)
        };
        assert_eq!(runs(3.7, 5.0), Some(16));
        assert_eq!(runs(3.7, 10.0), Some(5));
        assert_eq!(runs(1.6, 4.0), Some(6));
        assert_eq!(runs(2.0, 5.0), Some(6));
        assert_eq!(runs(1.0, 5.0), Some(3));
        assert_eq!(runs(20.0, 5.0), None);
        let errors = Errors { baseline: 1.0 / 22.02, own: 1.0 / 22.02, freedom: 42.04 };
        let with_90 = (student(0.975, errors.freedom) + student(0.90, errors.freedom)) * errors.difference();
        assert!((with_90 - 1.0).abs() < 0.002, "{with_90}");
    }
}
