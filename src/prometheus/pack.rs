//! Metric packs: what to ask Prometheus, and what to demand of the answers. Form: `schemas/metric-pack.schema.json`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Deserialize;

use super::detect::{Detected, Finding};
use super::{Error, promql};
use crate::report::Direction;
use crate::step::KeyValue;
use crate::verdict::{Demand, Score};

/// The packs that come with the program, by name: an engine's whose applications it measures, or what else it is about.
const BUILT_IN: [(&str, &str); 4] = [
    ("flink", include_str!("../../metrics/flink.yaml")),
    ("heron", include_str!("../../metrics/heron.yaml")),
    ("kafka", include_str!("../../metrics/kafka.yaml")),
    ("none", NONE),
];

/// The pack that measures nothing, for queries that are given on the command line.
const NONE: &str = "
description: What the queries of the command line ask for.
params:
  export_interval: { description: As long as the scrape interval, default: 15, detect: scrapes }
  scrape_interval: { description: Seconds between two scrapes, default: 15, detect: scrapes }
heartbeat: ''
metrics: []
";

/// No application exports less often.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A metric pack.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// What it measures.
    pub description: String,
    /// What its queries are filled in with. `export_interval` and `scrape_interval` are known to the program too.
    params: BTreeMap<String, Param>,
    /// Put in front of every query: variables and macros that they share.
    #[serde(default)]
    prelude: String,
    /// Selects series that are there for as long as what is measured is: their samples tell when Prometheus scraped.
    heartbeat: String,
    /// The labels that tell its series from each other, where others come and go; all when empty.
    #[serde(default)]
    pub(super) heartbeat_by: Vec<String>,
    /// The metrics, in the order in which people read them.
    pub metrics: Vec<Spec>,
    /// What is demanded of them.
    #[serde(default)]
    pub checks: Vec<Demand>,
    /// What they have to reach together; without it, each of them.
    #[serde(default)]
    pub score: Option<Score>,
}

/// A parameter of a pack; one that is not given, not in the report and without a default is missing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Param {
    #[serde(rename = "description")]
    _description: String,
    /// Where the report has it: a JSON Pointer such as /app/name.
    report: Option<String>,
    default: Option<Default>,
    /// How it is found out when it is not given.
    detect: Option<Detect>,
}

/// How an interval is found out from the samples of the heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Detect {
    /// The time between two of them.
    Scrapes,
    /// By how much their value, an uptime in seconds, grows from one change to the next.
    Exports,
}

/// Where the value of a parameter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Given,
    Detected,
    Assumed,
}

/// A default is a number where the parameter is one.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Default {
    Number(f64),
    Text(String),
}

/// A metric of a pack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name in the report.
    pub name: String,
    /// What it says, in a sentence.
    #[serde(rename = "description")]
    _description: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better.
    #[serde(default)]
    pub direction: Direction,
    /// The label whose every value is a metric of its own; without it, exactly one series is meant.
    pub by: Option<String>,
    /// How the samples of the window become one number.
    #[serde(default)]
    pub reduce: Reduce,
    /// How many samples it takes at least.
    #[serde(default = "three")]
    pub min_samples: u64,
    /// Whether it is left out where there is no such series, instead of being told as unknown.
    #[serde(default)]
    pub optional: bool,
    /// What each moment of a mean counts for, as a template like the query: of a latency the records that it was measured on.
    pub weight: Option<String>,
    /// The PromQL expression at one moment, as a template.
    query: String,
}

fn three() -> u64 {
    3
}

/// How the samples of the window become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, std::default::Default)]
#[serde(rename_all = "lowercase")]
pub enum Reduce {
    /// Their mean.
    #[default]
    Mean,
    /// The last of them.
    Last,
    /// The least of them.
    Min,
    /// The largest of them.
    Max,
    /// By how much they grow a second: the slope of the least-squares line.
    Slope,
}

/// A pack with its parameters filled in.
#[derive(Debug)]
pub struct Filled {
    values: BTreeMap<String, Value>,
    origins: BTreeMap<String, Origin>,
    /// How often the application gives its metrics new values.
    pub export_interval: Duration,
    /// How often Prometheus reads them.
    pub scrape_interval: Duration,
}

impl Pack {
    /// The built-in pack of this name, or the pack in this file.
    pub fn load(name: &str) -> Result<Self, Error> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Self::parse(&Path::new("metrics").join(name).with_extension("yaml"), text);
        }
        let text = std::fs::read_to_string(name).map_err(|source| Error::NoPack { name: name.to_owned(), source })?;
        Self::parse(Path::new(name), &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Pack { path: PathBuf::from(path), reason };
        // The first line names the place and the mistake; the others draw it.
        let first_line =
            |text: String| text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let pack: Self = serde_saphyr::from_str(text).map_err(|error| wrong(first_line(error.to_string())))?;
        if let Some(spec) = pack.metrics.iter().find(|spec| spec.weight.is_some() && spec.reduce != Reduce::Mean) {
            return Err(wrong(format!("{} has a weight, which is for a mean", spec.name)));
        }
        for demand in &pack.checks {
            if !pack.measures(&demand.metric) {
                return Err(wrong(format!("a check is on {:?}, which is no metric of it", demand.metric)));
            }
            pack.refuse_whole(demand).map_err(|reason| wrong(format!("a check {reason}")))?;
        }
        Ok(pack)
    }

    /// Refuses a demand on a component where the metric has none to choose from; the reason follows the demand's source.
    pub(super) fn refuse_whole(&self, demand: &Demand) -> Result<(), String> {
        let Demand { metric, component, .. } = demand;
        let whole = self.metrics.iter().any(|spec| spec.name == *metric && spec.by.is_none());
        if whole && !component.is_empty() {
            return Err(format!(
                "is on {metric}{{{component}}}, but {metric} has one number for the whole application"
            ));
        }
        Ok(())
    }

    /// Whether it has a metric of this name.
    pub(super) fn measures(&self, metric: &str) -> bool {
        self.metrics.iter().any(|spec| spec.name == metric)
    }

    /// Whether it has a parameter of this name, written as in the pack.
    pub(super) fn takes(&self, param: &str) -> bool {
        self.params.contains_key(param)
    }

    /// The names of its parameters.
    pub(super) fn params(&self) -> impl Iterator<Item = &str> {
        self.params.keys().map(String::as_str)
    }

    /// Adds a metric, in the place of one of the same name. A pack without a heartbeat of its own takes the first series that is
    /// asked for.
    pub(super) fn add(&mut self, spec: Spec) {
        if self.heartbeat.is_empty() {
            let selector = promql::selectors(&spec.query).into_iter().next();
            self.heartbeat = selector.map(|selector| selector.text).unwrap_or_default();
        }
        self.metrics.retain(|old| old.name != spec.name);
        self.metrics.push(spec);
    }

    /// How far back its queries look at most, as far as that is written out in them.
    pub(super) fn reach(&self) -> Duration {
        let texts = self.metrics.iter().map(|spec| spec.query.as_str()).chain([self.prelude.as_str()]);
        let seconds = texts.map(promql::reach).fold(0.0, f64::max);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// Fills the parameters in; `-` and `_` in their names are the same. What is not given is taken from the report, where the
    /// pack says that it is to be found there. Parameters that it does not have are another pack's.
    pub fn fill(&self, given: &[KeyValue], report: &serde_json::Value) -> Result<Filled, Error> {
        let given: BTreeMap<String, &str> =
            given.iter().map(|pair| (pair.key.replace('-', "_"), pair.value.as_str())).collect();
        let mut values = BTreeMap::new();
        let mut origins = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, param) in &self.params {
            // Tekton hands on an empty string for a parameter that nobody set.
            let said = given.get(name).copied().filter(|value| !value.is_empty());
            origins.insert(name.clone(), if said.is_some() { Origin::Given } else { Origin::Assumed });
            match (said.or_else(|| param.reported(report)), &param.default) {
                (Some(text), Some(Default::Number(_))) => {
                    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
                    let number = number.ok_or_else(|| Error::Param {
                        reason: format!("the pack's parameter {name} is {text:?}, not a number above 0"),
                    })?;
                    values.insert(name.clone(), Value::from(number));
                }
                (Some(text), _) => _ = values.insert(name.clone(), Value::from(text)),
                (None, Some(Default::Number(number))) => _ = values.insert(name.clone(), Value::from(*number)),
                (None, Some(Default::Text(text))) => _ = values.insert(name.clone(), Value::from(text.as_str())),
                (None, None) => missing.push(name.as_str()),
            }
        }
        if !missing.is_empty() {
            let reason = format!("the pack needs the parameters {}: add --params NAME=VALUE", missing.join(", "));
            return Err(Error::Param { reason });
        }
        let mut filled = Filled { values, origins, export_interval: Duration::ZERO, scrape_interval: Duration::ZERO };
        filled.export_interval = filled.interval("export_interval")?;
        filled.scrape_interval = filled.interval("scrape_interval")?;
        Ok(filled)
    }

    /// Puts what was found out about the intervals in the place of what nobody said; a warning where that is not certain. An error in one
    /// line where nobody knows how often values are exported, or where the samples contradict what was said: every count is divided by it.
    pub(super) fn learn(&self, filled: &mut Filled, found: &Detected) -> Result<Vec<String>, String> {
        let mut warnings = Vec::new();
        for (name, detect) in self.params.iter().filter_map(|(name, param)| Some((name, param.detect?))) {
            let (Some(origin), Ok(known)) = (filled.origins.get(name).copied(), filled.interval(name)) else {
                continue;
            };
            let finding = match detect {
                Detect::Scrapes => found.scrapes(),
                Detect::Exports => found.exports(known),
            };
            match (finding, origin) {
                (Finding::Nothing, Origin::Assumed)
                    if detect == Detect::Exports && found.scrapes() != Finding::Nothing =>
                {
                    warnings.push(format!(
                        "nobody knows whether values are exported every {} s, as is assumed: give {name} in seconds",
                        known.as_secs_f64()
                    ));
                }
                (Finding::Nothing, _) => {}
                (Finding::Is(interval), Origin::Given) => {
                    // How long a rate is taken over is a choice, where every scrape finds new values.
                    let chosen = detect == Detect::Scrapes && name != "scrape_interval";
                    if !chosen && differ(interval, known) {
                        let (given, is) = (known.as_secs_f64(), interval.as_secs_f64());
                        let contradiction = format!("{name} was given as {given} s, but the samples say {is} s");
                        match detect {
                            Detect::Scrapes => warnings.push(contradiction),
                            Detect::Exports => return Err(contradiction),
                        }
                    }
                }
                (Finding::Is(interval), _) => {
                    filled.values.insert(name.clone(), Value::from(interval.as_secs_f64()));
                    filled.origins.insert(name.clone(), Origin::Detected);
                }
                (Finding::AtMost(interval), Origin::Given) => {
                    let (given, is) = (known.as_secs_f64(), interval.as_secs_f64());
                    return Err(format!("{name} was given as {given} s, but values change within {is} s"));
                }
                (Finding::AtMost(interval), _) => {
                    return Err(format!(
                        "values change at least every {} s, as often as Prometheus scrapes, so how often cannot be told: give {name} in seconds",
                        interval.as_secs_f64()
                    ));
                }
            }
        }
        let changed = |_| "an interval is no time".to_owned();
        filled.export_interval = filled.interval("export_interval").map_err(changed)?;
        filled.scrape_interval = filled.interval("scrape_interval").map_err(changed)?;
        Ok(warnings)
    }

    /// The query of a metric as it is sent.
    pub fn query(&self, spec: &Spec, filled: &Filled) -> Result<String, Error> {
        self.render(&spec.name, &spec.query, filled)
    }

    /// The query of a metric and, where it has one, that of its weight, as they are sent.
    pub(super) fn queries(&self, spec: &Spec, filled: &Filled) -> Result<(String, Option<String>), Error> {
        let weight = spec.weight.as_ref().map(|weight| self.render(&spec.name, weight, filled)).transpose()?;
        Ok((self.query(spec, filled)?, weight))
    }

    /// The selector of the heartbeat as it is sent; empty when the pack has none.
    pub(super) fn heartbeat(&self, filled: &Filled) -> Result<String, Error> {
        self.render("heartbeat", &self.heartbeat, filled)
    }

    fn render(&self, metric: &str, query: &str, filled: &Filled) -> Result<String, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("quoted", |value: String| quoted(&value));
        environment.add_filter("regex", |value: String| escaped(&value));
        environment.add_filter("reported", |value: String| reported(&value));
        environment.add_filter("seconds", seconds);
        let text = format!("{}\n{query}", self.prelude);
        let wrong = |error: minijinja::Error| Error::Template { metric: metric.to_owned(), reason: error.to_string() };
        let template = environment.template_from_str(&text).map_err(wrong)?;
        let mut variables: Vec<String> =
            template.undeclared_variables(false).into_iter().filter(|name| !filled.values.contains_key(name)).collect();
        if !variables.is_empty() {
            variables.sort();
            return Err(Error::Undefined { metric: metric.to_owned(), variables });
        }
        let query = promql::tidy(&template.render(&filled.values).map_err(wrong)?);
        promql::refuse_rates(metric, &query)?;
        Ok(query)
    }
}

impl Param {
    fn reported<'a>(&self, report: &'a serde_json::Value) -> Option<&'a str> {
        report.pointer(self.report.as_deref()?)?.as_str().filter(|text| !text.is_empty())
    }
}

impl Filled {
    fn interval(&self, name: &str) -> Result<Duration, Error> {
        let seconds = self.values.get(name).and_then(|value| f64::try_from(value.clone()).ok());
        let wrong = |reason: String| Error::Param { reason };
        let seconds = seconds.ok_or_else(|| {
            wrong(format!("the pack has no parameter {name} with a number of seconds as its default"))
        })?;
        let interval = Duration::try_from_secs_f64(seconds).ok().filter(|interval| *interval <= LONGEST);
        interval.ok_or_else(|| wrong(format!("the pack's parameter {name} is {seconds} s, more than a day")))
    }

    /// The intervals, and how they are known: "exported every 60 s (detected), scraped every 15 s (given)".
    pub(super) fn intervals(&self) -> String {
        let told = |name: &str, interval: Duration| {
            let origin = match self.origins.get(name) {
                Some(Origin::Given) => "given",
                Some(Origin::Detected) => "detected",
                _ => "assumed",
            };
            format!("every {} s ({origin})", interval.as_secs_f64())
        };
        let exported = told("export_interval", self.export_interval);
        format!("exported {exported}, scraped {}", told("scrape_interval", self.scrape_interval))
    }

    /// Adds what is known only once the window is: its length, and the rate of the load when there was one.
    pub fn add_window(&mut self, window: Duration, load_rate: Option<f64>) {
        self.values.insert("window_seconds".to_owned(), Value::from(window.as_secs_f64()));
        if let Some(rate) = load_rate {
            self.values.insert("load_rate".to_owned(), Value::from(rate));
        }
    }
}

/// Whether two intervals are not the same, give or take what timers are off.
fn differ(one: Duration, other: Duration) -> bool {
    let (one, other) = (one.as_secs_f64(), other.as_secs_f64());
    (one - other).abs() > 0.1 * one.max(other)
}

/// A PromQL duration.
fn seconds(value: f64) -> String {
    let millis = (value * 1000.0).ceil();
    if millis % 1000.0 == 0.0 { format!("{}s", millis / 1000.0) } else { format!("{millis}ms") }
}

/// A regular expression for a name as Flink's reporter shows it: every character but A-Z, a-z, 0-9, `_` and `:` is an underscore,
/// unless the reporter was told to leave names alone (`filterLabelValueCharacters`).
fn reported(name: &str) -> String {
    let kept = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let shown: String = name.chars().map(|letter| if kept(letter) { letter } else { '_' }).collect();
    let escaped = escaped(name);
    if shown == escaped { shown } else { format!("{shown}|{escaped}") }
}

/// A regular expression for this text and no other.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if letter.is_ascii_punctuation() && letter != '_' && letter != ':' {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// A PromQL string: quoted as Go does it, so that a parameter cannot end it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // White space of the query itself is folded into single spaces before it is sent.
            letter if letter.is_control() || letter.is_whitespace() => {
                _ = write!(out, "\\u{:04x}", letter as u32);
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::client::Series;

    fn params(pairs: &[&str]) -> Vec<KeyValue> {
        pairs.iter().map(|pair| pair.parse().unwrap()).collect()
    }

    const NO_REPORT: serde_json::Value = serde_json::Value::Null;
    const GIVEN: [&str; 4] = ["topology=wc", "cluster=local", "role=ads", "environment=staging"];

    #[test]
    fn what_is_not_given_comes_from_the_report() {
        let pack = Pack::load("heron").unwrap();
        let address = serde_json::json!({"cluster": "local", "role": "ads", "environment": "staging"});
        let report = serde_json::json!({"app": {"name": "of the report", "address": address}});
        let query = |given: &[&str]| pack.heartbeat(&pack.fill(&params(given), &report).unwrap()).unwrap();
        let whole = r#"topology="wc",cluster_role_env="local/ads/staging""#;
        assert!(query(&["topology=wc", "cluster="]).contains(whole));
        assert!(query(&[]).contains(r#"topology="of\u0020the\u0020report""#));
    }

    #[test]
    fn every_query_of_the_heron_pack_can_be_filled_in() {
        let pack = Pack::load("heron").unwrap();
        let mut filled = pack.fill(&params(&GIVEN), &NO_REPORT).unwrap();
        filled.add_window(Duration::from_secs(60), Some(10_000.0));
        for spec in &pack.metrics {
            let query = pack.query(spec, &filled).unwrap();
            assert!(query.contains(r#"topology="wc",cluster_role_env="local/ads/staging""#), "{}: {query}", spec.name);
        }
        assert!(pack.heartbeat(&filled).is_ok());
    }

    #[test]
    fn the_built_in_packs_keep_to_the_schema() {
        let schema = serde_json::from_str(include_str!("../../schemas/metric-pack.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for (name, text) in BUILT_IN.into_iter().filter(|(name, _)| *name != "none") {
            let pack: serde_json::Value = serde_saphyr::from_str(text).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&pack).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{name}: {errors:#?}");
        }
    }

    #[test]
    fn a_flink_job_is_found_by_its_id_or_else_by_its_name_as_the_reporter_shows_it() {
        let pack = Pack::load("flink").unwrap();
        let query = |report: &serde_json::Value, given: &[&str]| {
            let mut filled = pack.fill(&params(given), report).unwrap();
            filled.add_window(Duration::from_secs(60), Some(10_000.0));
            for spec in &pack.metrics {
                pack.query(spec, &filled).unwrap();
            }
            pack.heartbeat(&filled).unwrap()
        };
        let report = serde_json::json!({"app": {"name": "my job", "address": {"jobId": "ab12"}}});
        assert!(query(&report, &[]).contains(r#"{job_id="ab12"}"#));
        assert!(query(&NO_REPORT, &["job=pre-1.0"]).contains(r#"{job_name=~"pre_1_0|pre\\-1\\.0"}"#));
        assert!(query(&NO_REPORT, &["job=simple"]).contains(r#"{job_name=~"simple"}"#));
    }

    #[test]
    fn a_parameter_cannot_end_the_string_it_stands_in() {
        let pack = Pack::load("heron").unwrap();
        let mut given = params(&GIVEN);
        given[0].value = "x\"} or up{a=\"\\".to_owned();
        let query = pack.heartbeat(&pack.fill(&given, &NO_REPORT).unwrap()).unwrap();
        assert!(query.contains(r#"topology="x\"}\u0020or\u0020up{a=\"\\","#), "{query}");
    }

    #[test]
    fn wrong_parameters_are_refused_by_name() {
        let pack = Pack::load("heron").unwrap();
        let say = |pairs: &[&str]| pack.fill(&params(pairs), &NO_REPORT).unwrap_err().to_string();
        insta::assert_snapshot!(say(&["topology=wc", "role="]), @"the pack needs the parameters cluster, environment, role: add --params NAME=VALUE");
        insta::assert_snapshot!(say(&[&GIVEN[..], &["export-interval=5s"]].concat()), @r#"the pack's parameter export_interval is "5s", not a number above 0"#);
        insta::assert_snapshot!(say(&[&GIVEN[..], &["export-interval=1e19"]].concat()), @"the pack's parameter export_interval is 10000000000000000000 s, more than a day");
        assert_eq!(
            pack.fill(&params(&[&GIVEN[..], &["export-interval=5"]].concat()), &NO_REPORT).unwrap().export_interval,
            Duration::from_secs(5)
        );
    }

    #[test]
    fn an_interval_is_detected_unless_it_is_given() {
        let pack = Pack::load("heron").unwrap();
        let sample = |time: f64| (time, (time / 5.0).floor() * 5.0 + 3.0);
        let values = (0..60).map(|scrape| sample(f64::from(scrape) * 2.0)).collect();
        let found = Detected::of(&[Series { values, ..Series::default() }]);
        let learn = |more: &[&str]| {
            let mut filled = pack.fill(&params(&[&GIVEN[..], more].concat()), &NO_REPORT).unwrap();
            pack.learn(&mut filled, &found).map(|warnings| (filled.intervals(), warnings.join("; ")))
        };
        insta::assert_debug_snapshot!([
            learn(&[]),
            learn(&["export-interval=5"]),
            learn(&["export-interval=5", "scrape-interval=15"]),
            learn(&["export-interval=60"]),
        ], @r#"
        [
            Ok(
                (
                    "exported every 5 s (detected), scraped every 2 s (detected)",
                    "",
                ),
            ),
            Ok(
                (
                    "exported every 5 s (given), scraped every 2 s (detected)",
                    "",
                ),
            ),
            Ok(
                (
                    "exported every 5 s (given), scraped every 15 s (given)",
                    "scrape_interval was given as 15 s, but the samples say 2 s",
                ),
            ),
            Err(
                "export_interval was given as 60 s, but the samples say 5 s",
            ),
        ]
        "#);
        let values = (0..60).map(|scrape| sample(f64::from(scrape) * 15.0)).collect();
        let found = Detected::of(&[Series { values, ..Series::default() }]);
        let mut filled = pack.fill(&params(&GIVEN), &NO_REPORT).unwrap();
        insta::assert_snapshot!(pack.learn(&mut filled, &found).unwrap_err(), @"values change at least every 15 s, as often as Prometheus scrapes, so how often cannot be told: give export_interval in seconds");
        let values = (0..60).map(|scrape| (f64::from(scrape) * 60.0, f64::from(scrape) * 60.0)).collect();
        let found = Detected::of(&[Series { values, ..Series::default() }]);
        let mut filled = pack.fill(&params(&GIVEN), &NO_REPORT).unwrap();
        insta::assert_snapshot!(pack.learn(&mut filled, &found).unwrap().join("; "), @"nobody knows whether values are exported every 60 s, as is assumed: give export_interval in seconds");
    }

    #[test]
    fn a_wrong_pack_is_refused_with_its_line() {
        let say = |text: &str| Pack::parse(Path::new("mine.yaml"), text).unwrap_err().to_string();
        let head = "description: d\nparams: {}\nheartbeat: up\nmetrics:\n";
        insta::assert_snapshot!(say(&format!("{head}- {{name: a, description: d, unit: ms, query: up, window: 5}}\n")), @"mine.yaml is not a metric pack: line 5 column 50: unknown field `window`, expected one of name, description, unit, direction, by, reduce, min_samples, optional, weight, query");
        insta::assert_snapshot!(say(&format!("{head}- {{name: a, description: d, unit: ms, query: up}}\nchecks:\n- {{metric: a, criterion: good}}\n")), @r#"mine.yaml is not a metric pack: line 7 column 26: "good" is not a criterion such as ">= 0.98 * load", "<= 5" or "<= +10%""#);
        insta::assert_snapshot!(say(&format!("{head}- {{name: a, description: d, unit: ms, query: up}}\nchecks:\n- {{metric: b, criterion: <= 5}}\n")), @r#"mine.yaml is not a metric pack: a check is on "b", which is no metric of it"#);
        insta::assert_snapshot!(say(&format!("{head}- {{name: a, description: d, unit: ms, query: up}}\nchecks:\n- {{metric: a, component: b, criterion: <= 5}}\n")), @"mine.yaml is not a metric pack: a check is on a{b}, but a has one number for the whole application");
        insta::assert_snapshot!(say(&format!("{head}- {{name: a, description: d, unit: ms, query: up, weight: up, reduce: max}}\n")), @"mine.yaml is not a metric pack: a has a weight, which is for a mean");
    }

    #[test]
    fn an_undefined_variable_is_named_with_its_metric() {
        let pack = Pack::parse(
            Path::new("mine.yaml"),
            "description: d\nparams:\n  export_interval: {description: e, default: 5}\n  scrape_interval: {description: s, default: 1}\nheartbeat: up\n\
             metrics:\n- {name: share, description: d, unit: ms, query: 'x / {{ load_rate }} * {{ topology }}'}\n",
        )
        .unwrap();
        let error = pack.query(&pack.metrics[0], &pack.fill(&[], &NO_REPORT).unwrap()).unwrap_err();
        insta::assert_snapshot!(error, @"the query of metric share uses load_rate, topology, which is not a parameter of the pack (load_rate needs a load in the report)");
    }
}
