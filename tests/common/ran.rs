//! Loads in this process, and what they leave behind.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Parser;
use streamgauge::loader::{Args, run};
use streamgauge::report::{self, Environment, Load};
use streamgauge::step::{Exit, Failure, Step};

use crate::common::{Record, broker, create_topic, producer, write};

/// What a run of the loader left behind.
pub struct Ran {
    pub outcome: Result<Exit, Failure>,
    pub load: Option<Load>,
    pub environment: Environment,
    pub results: BTreeMap<&'static str, String>,
}

impl Ran {
    pub fn load(&self) -> &Load {
        self.load.as_ref().unwrap_or_else(|| panic!("no load in the report: {:?}", self.outcome))
    }

    /// The exit code and the message, without the names that differ from run to run.
    pub fn failure(&self, names: &[(&str, &str)]) -> String {
        let failure = self.outcome.as_ref().unwrap_err();
        let message = names.iter().fold(failure.to_string(), |text, (name, word)| text.replace(name, word));
        format!("{}: {message}", failure.exit().code())
    }
}

pub const RESULTS: [&str; 5] = ["window-start", "window-end", "records", "rate", "load-verdict"];

pub fn flags(folder: &Path, source: &str, target: &str, more: &[&str]) -> Vec<String> {
    let mut flags = vec![
        "deploy-dataloader".to_owned(),
        format!("--source-bootstrap-servers={}", broker()),
        format!("--source-topic={source}"),
        format!("--target-bootstrap-servers={}", broker()),
        format!("--target-topic={target}"),
        format!("--report={}", folder.join("report.json").display()),
    ];
    flags.extend(RESULTS.map(|name| format!("--result={name}={}", folder.join(name).display())));
    flags.extend(more.iter().map(|&flag| flag.to_owned()));
    flags
}

/// Runs the loader in this process. Of flags that are given twice, the tests give only one.
pub async fn load(source: &str, target: &str, more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    load_with(folder.path(), flags(folder.path(), source, target, more)).await
}

pub async fn load_with(folder: &Path, flags: Vec<String>) -> Ran {
    let args = Args::try_parse_from(flags).unwrap();
    let step = Step::new(args.step.clone());
    let outcome = run(args, &step).await;
    let result = |name| (name, std::fs::read_to_string(folder.join(name)).unwrap_or_default());
    let report = report::read(&folder.join("report.json")).unwrap().unwrap_or_default();
    let environment = report.environment.unwrap_or_default();
    Ran { outcome, load: report.load, environment, results: RESULTS.into_iter().map(result).collect() }
}

pub fn records(partition: i32, count: usize) -> Vec<Record> {
    (0..count).map(|number| Record::new(partition, number)).collect()
}

/// A source topic that holds so many records in each partition.
pub async fn source(counts: &[usize]) -> String {
    let topic = create_topic(&broker(), "source", counts.len() as i32).await;
    let producer = producer(&broker(), &[]);
    for (partition, &count) in (0..).zip(counts) {
        write(&producer, &topic, &records(partition, count));
    }
    topic
}

pub async fn target(partitions: i32) -> String {
    create_topic(&broker(), "target", partitions).await
}

pub fn total(read: &BTreeMap<i32, Vec<Record>>) -> usize {
    read.values().map(Vec::len).sum()
}

/// Records with all that a record may have or lack.
pub fn odd_records() -> Vec<Record> {
    let odd =
        |partition, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)], timestamp| Record {
            partition,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers: headers.iter().map(|(key, value)| ((*key).to_owned(), value.map(<[u8]>::to_vec))).collect(),
            timestamp: Some(timestamp),
        };
    vec![
        odd(0, None, None, &[], 1),
        odd(0, Some(b""), Some(b""), &[("", Some(b""))], 1_600_000_000_000),
        odd(0, Some(b"k"), None, &[("b", Some(b"1")), ("a", None), ("b", Some(b"2")), ("b", Some(b"1"))], 5),
        odd(1, None, Some(b"\x00\xff\xfe"), &[("h", Some(b"\xff\x00"))], 9_999_999_999_999),
        odd(1, Some(&[0; 3000]), Some(&[7; 300_000]), &[], 1_700_000_000_000),
    ]
}

pub fn assert_done(ran: &Ran) {
    assert_eq!(ran.outcome.as_ref().map_err(ToString::to_string), Ok(&Exit::Done));
}
