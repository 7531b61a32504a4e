//! What is demanded of a run: checks, and the score that they make. Part of a metric pack, or a file of its own beside one.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use super::Criterion;
use crate::step::{Exit, ExitClass};

/// Demands in a file of their own: they take the place of a metric pack's on the same metrics.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// What is demanded of the metrics.
    #[serde(default)]
    pub checks: Vec<Demand>,
    /// What the checks have to reach together; without it, each of them.
    #[serde(default)]
    pub score: Option<Score>,
}

impl Slo {
    /// Reads the file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        // The first line names the place and the mistake; the others draw it.
        let reason = |error: serde_saphyr::Error| {
            error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        };
        serde_saphyr::from_str(&text).map_err(|error| Error::Form { path: path.to_owned(), reason: reason(error) })
    }
}

/// What is demanded of a metric.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Demand {
    /// The metric's name.
    pub metric: String,
    /// The component; empty for a metric of the whole application.
    pub component: String,
    /// What has to be kept.
    pub criterion: Criterion,
    /// What still has to be kept, for a warning, where the criterion is not.
    pub warning: Option<Criterion>,
    /// What breaking it means.
    pub severity: Severity,
    /// What it counts for among the others, where there is a score.
    pub weight: f64,
    /// Whether the run fails with it whatever the score is.
    pub key: bool,
}

/// A demand as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    metric: String,
    #[serde(default)]
    component: String,
    criterion: Criterion,
    warning: Option<Criterion>,
    #[serde(default)]
    severity: Severity,
    weight: Option<f64>,
    #[serde(default)]
    key: bool,
}

impl TryFrom<Written> for Demand {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { metric, component, criterion, warning, severity, weight, key } = written;
        let weight = weight.unwrap_or(1.0);
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(format!("the check on {metric:?} has a weight of {weight}: give a number from 0 on"));
        }
        if severity == Severity::Warn && (key || warning.is_some()) {
            return Err(format!(
                "the check on {metric:?} only warns (severity: warn): key and warning are for one that can fail"
            ));
        }
        Ok(Self { metric, component, criterion, warning, severity, weight, key })
    }
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
        Ok(Self {
            metric: metric.to_owned(),
            component: component.to_owned(),
            criterion: criterion.parse()?,
            warning: None,
            severity: Severity::Fail,
            weight: 1.0,
            key: false,
        })
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

/// What the checks have to reach together, in percent of their weights: a check that is met counts in full, one that warns half.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "WrittenScore")]
pub struct Score {
    /// From this on the run passes.
    pub pass: f64,
    /// From this on it passes with a warning.
    pub warning: f64,
}

/// A score as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenScore {
    pass: f64,
    warning: f64,
}

impl TryFrom<WrittenScore> for Score {
    type Error = String;

    fn try_from(WrittenScore { pass, warning }: WrittenScore) -> Result<Self, Self::Error> {
        if 0.0 < warning && warning <= pass && pass <= 100.0 {
            Ok(Self { pass, warning })
        } else {
            Err(format!(
                "a score of pass: {pass}, warning: {warning} is none: they are percents, such as pass: 90, warning: 75"
            ))
        }
    }
}

/// Why there are no demands.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the checks in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file says something else.
    #[error("{} has no checks as they are written: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The place, and what is wrong there.
        reason: String,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Slo, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slo.yaml");
        std::fs::write(&path, text).unwrap();
        Slo::load(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "slo.yaml"))
    }

    #[test]
    fn a_file_has_checks_and_a_score() {
        let slo = parse(
            "checks:\n\
             - { metric: complete_latency, criterion: \"<= +10% and < 600\", warning: \"<= +20%\", weight: 2, key: true }\n\
             - { metric: tps, component: publisher, criterion: \">= -5%\" }\n\
             score: { pass: 90, warning: 75 }\n",
        )
        .unwrap();
        let [latency, tps] = &slo.checks[..] else { panic!("{slo:?}") };
        assert_eq!((latency.weight, latency.key, latency.warning.is_some()), (2.0, true, true));
        assert_eq!((tps.weight, tps.key, tps.component.as_str()), (1.0, false, "publisher"));
        assert_eq!(slo.score, Some(Score { pass: 90.0, warning: 75.0 }));
    }

    /// What a metric pack's schema says of checks and score.
    fn keeps_to_schema(text: &str) -> bool {
        let pack: serde_json::Value =
            serde_json::from_str(include_str!("../../schemas/metric-pack.schema.json")).unwrap();
        let (checks, score) = (&pack["properties"]["checks"], &pack["properties"]["score"]);
        let schema = serde_json::json!({
            "additionalProperties": false, "properties": { "checks": checks, "score": score }, "$defs": pack["$defs"],
        });
        let slo: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        jsonschema::is_valid(&schema, &slo)
    }

    #[test]
    fn the_documented_file_is_one_and_keeps_to_the_schema() {
        let page = include_str!("../../docs/verdict.md");
        let (_, rest) = page.split_once("```yaml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        assert_eq!(parse(example).unwrap().checks.len(), 5);
        assert!(keeps_to_schema(example));
        let either = "checks: [{ metric: a, criterion: \"<= +10.5 % and >=load or < -2 and > 0.5*load\" }]";
        assert!(parse(either).is_ok() && keeps_to_schema(either));
    }

    #[test]
    fn a_demand_is_read_as_people_write_it() {
        let demand: Demand = "tps{kafkaSpout} >= 0.98 * load".parse().unwrap();
        assert_eq!((demand.metric.as_str(), demand.component.as_str()), ("tps", "kafkaSpout"));
        assert_eq!(demand.criterion.to_string(), ">= 0.98 * load");
        for wrong in ["tps", ">= 5", "tps{a >= 5", "tps = 5", "tps >= fast"] {
            assert!(wrong.parse::<Demand>().is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        let cases = [
            "checks:\n- { metric: a, criterion: <= +5 }\n",
            "checks:\n- { metric: a, criterion: <= 5, wieght: 2 }\n",
            "checks:\n- { metric: a, criterion: <= 5% }\n",
            "checks:\n- { metric: a, criterion: <= 5, weight: -1 }\n",
            "checks:\n- { metric: a, criterion: <= 5, weight: .nan }\n",
            "checks:\n- { metric: a, criterion: <= 5, severity: warn, key: true }\n",
            "score: { pass: 50, warning: 75 }\n",
            "score: { pass: 0, warning: 0 }\n",
            "score: { pass: 90 }\n",
            "demands: []\n",
        ];
        // Schemas cannot compare two numbers, and YAML's .nan is no JSON.
        let unschemed = [".nan", "pass: 50"];
        for text in cases.iter().filter(|text| !unschemed.iter().any(|part| text.contains(part))) {
            assert!(!keeps_to_schema(text), "{text}");
        }
        let said: Vec<String> = cases.iter().map(|text| parse(text).unwrap_err()).collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        slo.yaml has no checks as they are written: line 2 column 27: "<= +5" is not a criterion such as ">= 0.98 * load", "<= 5" or "<= +10%"
        slo.yaml has no checks as they are written: line 2 column 33: unknown field `wieght`, expected one of metric, component, criterion, warning, severity, weight, key
        slo.yaml has no checks as they are written: line 2 column 27: "<= 5%" is not clear: write <= +5% for a change from the baseline, <= 5 for the metric's own number
        slo.yaml has no checks as they are written: line 2 column 3: the check on "a" has a weight of -1: give a number from 0 on
        slo.yaml has no checks as they are written: line 2 column 3: the check on "a" has a weight of NaN: give a number from 0 on
        slo.yaml has no checks as they are written: line 2 column 3: the check on "a" only warns (severity: warn): key and warning are for one that can fail
        slo.yaml has no checks as they are written: line 1 column 8: a score of pass: 50, warning: 75 is none: they are percents, such as pass: 90, warning: 75
        slo.yaml has no checks as they are written: line 1 column 8: a score of pass: 0, warning: 0 is none: they are percents, such as pass: 90, warning: 75
        slo.yaml has no checks as they are written: line 1 column 10: missing field `warning`
        slo.yaml has no checks as they are written: line 1 column 1: unknown field `demands`, expected one of checks, score
        "#);
        let missing = Slo::load(Path::new("no/such.yaml")).unwrap_err().to_string();
        insta::assert_snapshot!(missing, @"cannot read the checks in no/such.yaml");
    }
}
