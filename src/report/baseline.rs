//! What a run is compared with, and what came out.

use serde::{Deserialize, Serialize};

use super::short;

/// What a run was compared with. A run that was to be compared has it even if nothing was found, with the reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Baseline {
    /// How it was asked for: `fork-point`, `branch:main`, `commit:c0ffee`, `run:performance-test-x7k`.
    pub asked: String,
    /// The branch that its runs tested.
    pub branch: String,
    /// The commit that its runs tested; empty when there is no baseline, or nobody named its commit.
    pub commit: String,
    /// Ids of the runs it stands on, the newest first.
    pub runs: Vec<String>,
    /// Ids of the runs of this commit that were taken together, this one first.
    pub own_runs: Vec<String>,
    /// Whether its numbers and these may be compared: no when they were measured in different environments or under
    /// different loads.
    pub comparable: bool,
    /// In what environment and load differ.
    pub differences: Vec<Difference>,
    /// In what the application's settings differ: what the experiment is about.
    pub settings: Vec<Difference>,
    /// What came out, metric by metric, in the order of the metrics.
    pub comparisons: Vec<Comparison>,
    /// What is to be known about the choice, such as why there is no baseline; empty when there is nothing.
    pub note: String,
}

impl Baseline {
    /// How it is called: by so many letters of its commit, else by its newest run; none where there is no baseline.
    pub fn name(&self, letters: usize) -> Option<&str> {
        let newest = self.runs.first()?;
        Some(if self.commit.is_empty() { newest } else { short(&self.commit, letters) })
    }
}

/// Something that is not the same in the baseline and here. An empty text means that it was not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What: `transformer.parallelism`, `kafka`, `node`.
    pub name: String,
    /// What it was.
    pub baseline: String,
    /// What it is.
    pub this: String,
}

/// A metric of the runs of this commit beside the same of the baseline's runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Comparison {
    /// The metric's name.
    pub metric: String,
    /// The component; empty for the whole application.
    pub component: String,
    /// The mean over the baseline's runs, in the metric's unit.
    pub baseline: Option<f64>,
    /// The mean over the runs of this commit.
    pub value: Option<f64>,
    /// By how much it changed, in percent of the baseline; none where the baseline is 0.
    pub change: Option<f64>,
    /// Between which changes the true one lies, in percent, at the confidence that was asked for.
    pub interval: Option<(f64, f64)>,
    /// How likely such a difference is by chance alone.
    pub p_value: Option<f64>,
    /// Which test that is: `welch`, `mann-whitney`, `prediction` for a single run beside several; empty when there were too few.
    pub test: String,
    /// How large the change is beside the noise: Hedges' g, with `mann-whitney` Cliff's delta.
    pub effect: Option<f64>,
    /// What it comes to.
    pub outcome: Outcome,
    /// How many more runs of each side would tell, where these do not.
    pub more_runs: Option<u32>,
    /// Why, in one line.
    pub cause: String,
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is better than the baseline, by more than chance explains and more than is asked for to matter.
    Better,
    /// It is worse, likewise.
    Worse,
    /// It changed in a metric of which neither way is better.
    Changed,
    /// A change that would matter was looked for and is not there.
    Same,
    /// Nobody knows.
    #[default]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_called_by_its_commit_or_else_by_its_newest_run() {
        let mut baseline = Baseline::default();
        assert_eq!(baseline.name(8), None);
        baseline.runs = vec!["run-2".into(), "run-1".into()];
        assert_eq!(baseline.name(8), Some("run-2"));
        baseline.commit = "c0ffee0123456789".into();
        assert_eq!(baseline.name(8), Some("c0ffee01"));
    }
}
