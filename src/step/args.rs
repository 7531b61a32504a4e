//! Arguments that all programs have, and the types their values are parsed into.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::report::part_path;

/// The arguments that all programs have.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Step")]
pub struct StepArgs {
    /// report.json, the file that carries the run from step to step; made when it does not exist
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Name of this application in a run that tests several; its part of the report is report-NAME.json, beside the report
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, value_parser = part_name)]
    pub part: String,

    /// Write the result NAME to FILE, as $(results.NAME.path) gives it in a Task; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    pub result: Vec<KeyValue>,

    /// Give up after this time, as 90s, 30m or 2h
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub timeout: Seconds,

    /// How log lines on stderr look
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

impl StepArgs {
    /// What can be told of the report and the results from arguments that cannot be read as a whole.
    pub(super) fn among(mut words: impl Iterator<Item = String>) -> Self {
        let mut found = Self::default();
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            match flag.as_str() {
                "--part" => {
                    found.part =
                        value.or_else(|| words.next()).and_then(|name| part_name(&name).ok()).unwrap_or_default()
                }
                "--report" => found.report = value.or_else(|| words.next()).map(PathBuf::from),
                "--result" => found.result.extend(value.or_else(|| words.next()).and_then(|pair| pair.parse().ok())),
                _ => {}
            }
        }
        found.mounted()
    }

    /// The report that this step reads and writes: the run's, or its application's part of it.
    pub fn report_path(&self) -> Option<PathBuf> {
        self.report.as_ref().map(|path| part_path(path, &self.part))
    }

    /// Without the report of a workspace that is not bound.
    pub(super) fn mounted(mut self) -> Self {
        self.report = self.report.filter(|path| path.to_str().is_none_or(|text| mounted(text).is_some()));
        self
    }
}

/// A file of an optional workspace, as a Task passes it: `--token-file=$(workspaces.slack.path)/token`. When the workspace
/// is not bound its path is empty and the file becomes `/token`, which is not there: then it was not given. Any other file
/// that is missing is the caller's mistake, to be found when it is read.
pub fn mounted(file: &str) -> Option<&Path> {
    let path = Path::new(file);
    (!file.is_empty() && (path.parent() != Some(Path::new("/")) || path.exists())).then_some(path)
}

/// A name of an application that goes into a file's; empty where the run has one application only.
pub fn part_name(text: &str) -> Result<String, String> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match text.chars().all(letter) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not a name of a-z, 0-9 and -")),
    }
}

/// Whether a flag that may be given a value is on; a Task passes it empty when nobody said.
pub fn flag(text: &str) -> Result<bool, String> {
    match text {
        "" | "false" => Ok(false),
        "true" => Ok(true),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// An argument that may be empty: a Task passes the ones that nobody gave so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

impl<T: FromStr> FromStr for Optional<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

/// How log lines on stderr look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Plain,
    /// One JSON object a line
    Json,
}

/// A `key=value` argument. The key ends at the first `=`; the value may hold more of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// What stands before the first `=`; never empty.
    pub key: String,
    /// What stands behind it; may be empty.
    pub value: String,
}

impl FromStr for KeyValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            _ => Err(format!("{text:?} is not key=value")),
        }
    }
}

/// What a key's name has in it when its value is a secret: `ssl.key.password`, `sasl.jaas.config`, `aws.secret.key`.
const SECRET_WORDS: [&str; 9] =
    ["password", "passwd", "secret", "token", "jaas", "credential", "keystore.key", "user.info", "api.key"];

impl KeyValue {
    /// The value as logs and reports may show it: `***` when the key speaks of a secret.
    pub fn shown(&self) -> &str {
        let key = self.key.to_lowercase();
        if SECRET_WORDS.iter().any(|word| key.contains(word)) { "***" } else { &self.value }
    }

    /// `key=value` as logs may show it.
    pub fn to_shown(&self) -> String {
        format!("{}={}", self.key, self.shown())
    }
}

impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// A length of time as Tekton and Prometheus write it: `90s`, `30m`, `1h30m`, `500ms`; a bare number is seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl Default for Seconds {
    fn default() -> Self {
        Self(Duration::from_secs(3600))
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a time such as 90s, 30m or 1h30m");
        if let Ok(seconds) = text.parse::<f64>() {
            return Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| wrong());
        }
        let mut rest = text;
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = match &rest[..end] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return Err(wrong()),
            };
            let part = Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            rest = &rest[end..];
        }
        if text.is_empty() { Err(wrong()) } else { Ok(Self(total)) }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_more_equal_signs() {
        let parsed: KeyValue = "sasl.jaas.config=a=b".parse().unwrap();
        assert_eq!((parsed.key.as_str(), parsed.value.as_str()), ("sasl.jaas.config", "a=b"));
        assert!("=x".parse::<KeyValue>().is_err());
        assert!("x".parse::<KeyValue>().is_err());
    }

    #[test]
    fn report_and_results_are_found_among_arguments_that_make_no_sense() {
        let words = ["program", "--nonsense", "--report", "out/report.json", "--result=ts=out/ts", "--retries", "many"];
        let found = StepArgs::among(words.into_iter().map(ToOwned::to_owned));
        assert_eq!(found.report, Some(PathBuf::from("out/report.json")));
        assert_eq!(found.result, ["ts=out/ts".parse().unwrap()]);
    }

    #[test]
    fn a_value_whose_key_speaks_of_a_secret_is_not_shown() {
        let shown = |text: &str| text.parse::<KeyValue>().unwrap().shown().to_owned();
        assert_eq!(shown("kafka.input.consumer.sasl.jaas.config=x password=y"), "***");
        assert_eq!(shown("kafka.input.consumer.ssl.key.Password=y"), "***");
        assert_eq!(shown("kafka.input.parallelism=2"), "2");
    }

    #[test]
    fn a_file_of_an_unbound_workspace_was_not_given() {
        assert_eq!(mounted("/no-such-token"), None);
        assert_eq!(mounted(""), None);
        assert_eq!(mounted("/mnt/no-such-token"), Some(Path::new("/mnt/no-such-token")));
    }

    #[test]
    fn times_are_read_as_tekton_writes_them() {
        let seconds = |text: &str| text.parse::<Seconds>().map(|time| time.0.as_secs_f64());
        assert_eq!(seconds("90s"), Ok(90.0));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert!(seconds("10000000000000000000s10000000000000000000s").is_err());
        assert_eq!(seconds("1h0m0s"), Ok(3600.0));
        assert_eq!(seconds("500ms"), Ok(0.5));
        assert_eq!(seconds("20"), Ok(20.0));
        for wrong in ["", "h", "5 m", "-3s", "5y", "1h5"] {
            assert!(seconds(wrong).is_err(), "{wrong:?} was taken");
        }
    }
}
