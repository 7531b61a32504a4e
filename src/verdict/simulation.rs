//! What the rule and its defaults are worth, found by simulation. The series have the noise that stream-processing benchmarks have in the
//! cloud, a coefficient of variation of 3.7 % (S. Henning, A. Vogel, E. Perez-Wohlfeil, O. Ertl and R. Rabiser, "When Should I Run My Application
//! Benchmark?", 2025, <https://arxiv.org/abs/2504.11826>). `docs/verdict.md` shows the table that comes out here.

use std::f64::consts::TAU;
use std::fmt::Write as _;

use super::compare::decide;
use super::statistics::{Side, more_runs};
use super::{How, Test};
use crate::report::{Direction, Metric, Outcome};

/// The coefficient of variation.
const NOISE: f64 = 0.037;

/// How often each pair of sides is drawn.
const REPETITIONS: usize = 3000;

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014: SplitMix64.
struct Random(u64);

impl Random {
    /// Evenly from 0 (without) to 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + f64::EPSILON
    }

    /// A throughput around this mean: Box and Muller's normal numbers.
    fn throughput(&mut self, mean: f64) -> f64 {
        let normal = (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos();
        mean * (1.0 + NOISE * normal)
    }
}

/// How often a change is seen, in percent of the repetitions.
struct Seen {
    worse: f64,
    better: f64,
    same: f64,
}

/// Compares so many runs of a throughput with this share of the baseline's with so many of the baseline, again and again.
fn seen(own: usize, baseline: usize, share: f64, how: &How) -> Seen {
    let mut random = Random(20_260_105);
    let metric = Metric { direction: Direction::Higher, ..Metric::default() };
    let mut counts = [0; 3];
    for _ in 0..REPETITIONS {
        let own: Vec<f64> = (0..own).map(|_| random.throughput(10_000.0 * share)).collect();
        let baseline: Vec<f64> = (0..baseline).map(|_| random.throughput(10_000.0)).collect();
        match decide(&metric, None, &own, &baseline, how) {
            Some((_, _, Outcome::Worse)) => counts[0] += 1,
            Some((_, _, Outcome::Better)) => counts[1] += 1,
            Some((_, _, Outcome::Same)) => counts[2] += 1,
            Some((_, _, Outcome::Changed | Outcome::Unknown)) | None => {}
        }
    }
    let [worse, better, same] = counts.map(|count| 100.0 * f64::from(count) / REPETITIONS as f64);
    Seen { worse, better, same }
}

/// The promise: with five runs of each side, at most 1 % false alarms and at least 95 % of the drops by 10 % found.
#[test]
fn five_runs_find_a_drop_of_a_tenth_and_hardly_ever_one_that_is_not_there() {
    let (quiet, drop) = (seen(5, 5, 1.0, &How::default()), seen(5, 5, 0.9, &How::default()));
    assert!(quiet.worse <= 1.0, "{} % false alarms", quiet.worse);
    assert!(drop.worse >= 95.0, "{} % of the drops found", drop.worse);
}

#[test]
fn the_documented_tables_are_what_comes_out() {
    let page = include_str!("../../docs/verdict.md");
    for table in [simulated(), needed()] {
        assert!(page.contains(&table), "docs/verdict.md has another table than\n{table}");
    }
}

/// How often the rule is right, for so many runs.
fn simulated() -> String {
    let ranks = How { test: Test::MannWhitney, ..How::default() };
    let sides = [
        ("3 and 3", 3, 3, How::default()),
        ("5 and 5", 5, 5, How::default()),
        ("10 and 10", 10, 10, How::default()),
        ("1 and 5", 1, 5, How::default()),
        ("1 and 10", 1, 10, How::default()),
        ("5 and 5, Mann-Whitney", 5, 5, ranks),
    ];
    let mut table = String::new();
    for (runs, own, baseline, how) in sides {
        let quiet = seen(own, baseline, 1.0, &how);
        let [five, ten, twenty] = [0.95, 0.9, 0.8].map(|share| seen(own, baseline, share, &how).worse);
        _ = writeln!(
            table,
            "| {runs} | {:.1} % | {:.1} % | {:.0} % | {five:.0} % | {ten:.0} % | {twenty:.0} % |",
            quiet.worse, quiet.better, quiet.same
        );
    }
    table
}

/// How many runs of each side it takes to find a change, by noise.
fn needed() -> String {
    let mut table = String::new();
    for noise in [1.0, 2.0, 3.7, 5.0, 10.0_f64] {
        let side = Side { count: 1, mean: 100.0, variance: Some(noise.powi(2)) };
        let runs = [5.0, 10.0, 20.0].map(|change| {
            let more = more_runs(&side, &side, change, 0.95);
            more.map_or("more than 100".to_owned(), |more| (more + 1).to_string())
        });
        _ = writeln!(table, "| {noise} % | {} |", runs.join(" | "));
    }
    table
}
