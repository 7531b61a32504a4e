//! From what several runs say of one instance to one number and how sure it is.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::evidence::Basis;

/// With which confidence, in percent, the true value lies in an interval.
pub const CONFIDENCE: f64 = 95.0;

/// What is known of one instance of a component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Records a second; where it is a lower bound, at least.
    pub rate: f64,
    /// Between which values the true one lies with 95 % confidence; from two runs on.
    pub interval: Option<(f64, f64)>,
    /// What it stands on.
    pub basis: Basis,
    /// How many runs that are.
    pub runs: usize,
}

/// The capacity that several runs show. Those with the best basis count alone: what was seen at its limit is not mixed with what
/// was extrapolated to it. Of lower bounds the highest counts.
pub fn capacity(readings: &[(f64, Basis)]) -> Option<Capacity> {
    let basis = readings.iter().map(|(_, basis)| *basis).max()?;
    let rates: Vec<f64> = readings.iter().filter(|reading| reading.1 == basis).map(|(rate, _)| *rate).collect();
    let (rate, interval) = match basis.is_lower_bound() {
        true => (rates.iter().copied().fold(0.0, f64::max), None),
        false => (rates.iter().sum::<f64>() / rates.len() as f64, interval(&rates)),
    };
    Some(Capacity { rate, interval, basis, runs: rates.len() })
}

/// Student's interval of a mean: mean ± t × s / √n with n − 1 degrees of freedom.
fn interval(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    let student = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = student.inverse_cdf(0.5 + CONFIDENCE / 200.0) * (variance / count).sqrt();
    Some((mean - half, mean + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_gives_a_number_and_several_an_interval() {
        let one = capacity(&[(350.0, Basis::Busy)]).unwrap();
        assert_eq!((one.rate, one.interval, one.runs), (350.0, None, 1));
        // t(0.975; 2) = 4.302653, s = 10, √3: the tables' half width is 24.84.
        let three = capacity(&[(340.0, Basis::Busy), (350.0, Basis::Busy), (360.0, Basis::Busy)]).unwrap();
        let (low, high) = three.interval.unwrap();
        assert_eq!((three.rate, three.runs), (350.0, 3));
        assert!((low - (350.0 - 24.841)).abs() < 0.001 && (high - (350.0 + 24.841)).abs() < 0.001, "{low} {high}");
        assert_eq!(capacity(&[]), None);
    }

    #[test]
    fn what_was_seen_at_its_limit_is_not_mixed_with_what_was_extrapolated() {
        let mixed = [(400.0, Basis::Busy), (350.0, Basis::Saturated), (100.0, Basis::Carried)];
        let known = capacity(&mixed).unwrap();
        assert_eq!((known.rate, known.basis, known.runs), (350.0, Basis::Saturated, 1));
    }

    #[test]
    fn of_lower_bounds_the_highest_counts() {
        let known = capacity(&[(9_793.0, Basis::Carried), (10_000.0, Basis::Carried)]).unwrap();
        assert_eq!((known.rate, known.interval), (10_000.0, None));
    }
}
