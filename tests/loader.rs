//! The data loader against a real Kafka broker.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails where it stands")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use clap::Parser;
use common::{Record, broker, create_topic, producer, read_all, write};
use streamgauge::loader::{Args, run};
use streamgauge::report::{self, Load};
use streamgauge::step::{Exit, Failure, Step};

/// What a run of the loader left behind.
struct Ran {
    outcome: Result<Exit, Failure>,
    load: Option<Load>,
    results: BTreeMap<&'static str, String>,
}

impl Ran {
    fn load(&self) -> &Load {
        self.load.as_ref().unwrap_or_else(|| panic!("no load in the report: {:?}", self.outcome))
    }

    /// The exit code and the message, without the names that differ from run to run.
    fn failure(&self, names: &[(&str, &str)]) -> String {
        let failure = self.outcome.as_ref().unwrap_err();
        let message = names.iter().fold(failure.to_string(), |text, (name, word)| text.replace(name, word));
        format!("{}: {message}", failure.exit().code())
    }
}

const RESULTS: [&str; 5] = ["window-start", "window-end", "records", "rate", "load-verdict"];

fn flags(folder: &Path, source: &str, target: &str, more: &[&str]) -> Vec<String> {
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
async fn load(source: &str, target: &str, more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    load_with(folder.path(), flags(folder.path(), source, target, more)).await
}

async fn load_with(folder: &Path, flags: Vec<String>) -> Ran {
    let args = Args::try_parse_from(flags).unwrap();
    let step = Step::new(args.step.clone());
    let outcome = run(args, &step).await;
    let result = |name| (name, std::fs::read_to_string(folder.join(name)).unwrap_or_default());
    let load = report::read(&folder.join("report.json")).unwrap().and_then(|report| report.load);
    Ran { outcome, load, results: RESULTS.into_iter().map(result).collect() }
}

fn records(partition: i32, count: usize) -> Vec<Record> {
    (0..count).map(|number| Record::new(partition, number)).collect()
}

/// A source topic that holds so many records in each partition.
async fn source(counts: &[usize]) -> String {
    let topic = create_topic(&broker(), "source", counts.len() as i32).await;
    let producer = producer(&broker(), &[]);
    for (partition, &count) in (0..).zip(counts) {
        write(&producer, &topic, &records(partition, count));
    }
    topic
}

async fn target(partitions: i32) -> String {
    create_topic(&broker(), "target", partitions).await
}

fn total(read: &BTreeMap<i32, Vec<Record>>) -> usize {
    read.values().map(Vec::len).sum()
}

#[tokio::test]
async fn records_arrive_untouched_whatever_they_look_like() {
    let source = create_topic(&broker(), "source", 2).await;
    let target = target(2).await;
    let odd =
        |partition, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)], timestamp| Record {
            partition,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers: headers.iter().map(|(key, value)| ((*key).to_owned(), value.map(<[u8]>::to_vec))).collect(),
            timestamp: Some(timestamp),
        };
    let written = [
        odd(0, None, None, &[], 1),
        odd(0, Some(b""), Some(b""), &[("", Some(b""))], 1_600_000_000_000),
        odd(0, Some(b"k"), None, &[("b", Some(b"1")), ("a", None), ("b", Some(b"2")), ("b", Some(b"1"))], 5),
        odd(1, None, Some(b"\x00\xff\xfe"), &[("h", Some(b"\xff\x00"))], 1_700_000_000_001),
        odd(1, Some(&[0; 3000]), Some(&[7; 300_000]), &[], 1_700_000_000_000),
    ];
    write(&producer(&broker(), &[]), &source, &written);
    let ran = load(&source, &target, &["--duration-min=0.05", "--data-count-per-second=1.6666666"]).await;
    assert_eq!(ran.outcome.as_ref().map_err(ToString::to_string), Ok(&Exit::Done));
    assert_eq!(read_all(&broker(), &target), read_all(&broker(), &source));
    assert_eq!(total(&read_all(&broker(), &target)), 5);
}

#[tokio::test]
async fn the_last_records_of_uneven_partitions_are_sent_exactly_and_in_order() {
    let source = source(&[5000, 0, 1234, 17]).await;
    let target = target(4).await;
    let ran = load(&source, &target, &["--duration-min=0.03", "--data-count-per-second=1000"]).await;
    assert_eq!(ran.outcome.as_ref().map_err(ToString::to_string), Ok(&Exit::Done));
    let load = ran.load();
    assert_eq!((load.planned, load.read, load.acked, load.visible), (1800, 1800, 1800, 1800));
    assert_eq!((ran.results["records"].as_str(), ran.results["load-verdict"].as_str()), ("1800", "pass"));
    // 1800 × 5000/6251 = 1439.8, × 1234/6251 = 355.3, × 17/6251 = 4.9
    let last = |partition, all: usize, count| (partition, records(partition, all).split_off(all - count));
    let expected: BTreeMap<_, _> = [last(0, 5000, 1440), last(2, 1234, 355), last(3, 17, 5)].into();
    assert!(read_all(&broker(), &target) == expected, "other records, or in another order");
}

#[tokio::test]
async fn the_window_and_the_rate_are_what_was_asked_for() {
    let source = source(&[3000, 3000]).await;
    let ran = load(&source, &target(2).await, &["--duration-min=0.05", "--data-count-per-second=2000"]).await;
    assert_eq!(ran.outcome.as_ref().map_err(ToString::to_string), Ok(&Exit::Done));
    let load = ran.load();
    let window = load.window.unwrap();
    let seconds = window.end.duration_since(window.start).as_secs_f64();
    // The last record is due after 2.9995 s; a busy machine may take longer, but never less.
    assert!((2.9995..2.9995 + 1.0).contains(&seconds), "{seconds} s");
    assert!(load.achieved_rate <= 2000.0 && load.achieved_rate > 1500.0, "{load:?}");
    let shape = |text: &str| text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
    assert_eq!(shape(&ran.results["window-start"]), "0000-00-00T00:00:00.000Z");
    assert_eq!(shape(&ran.results["window-end"]), "0000-00-00T00:00:00.000Z");
    assert!(load.send_delay.unwrap().max > 0.0 && load.ack_latency.unwrap().p50 > 0.0, "{load:?}");
}

#[tokio::test]
async fn aborted_records_and_markers_are_not_records() {
    let source = create_topic(&broker(), "source", 2).await;
    let id = common::unique("writer");
    let writer = producer(&broker(), &[("transactional.id", &id)]);
    use rdkafka::producer::Producer;
    writer.init_transactions(common::DEADLINE).unwrap();
    for round in 0..20 {
        writer.begin_transaction().unwrap();
        write(&writer, &source, &[Record::new(0, round), Record::new(1, round), Record::new(0, 100 + round)]);
        if round % 3 == 0 {
            writer.abort_transaction(common::DEADLINE).unwrap();
        } else {
            writer.commit_transaction(common::DEADLINE).unwrap();
        }
    }
    let there = read_all(&broker(), &source);
    assert_eq!(total(&there), 39);
    let all = target(2).await;
    let ran = load(&source, &all, &["--duration-min=0.065", "--data-count-per-second=10"]).await;
    assert_eq!(ran.outcome.as_ref().map_err(ToString::to_string), Ok(&Exit::Done));
    assert_eq!(read_all(&broker(), &all), there);
    let ran = load(&source, &all, &["--duration-min=0.066667", "--data-count-per-second=10"]).await;
    insta::assert_snapshot!(ran.failure(&[(&source, "SOURCE")]), @r#"2: source topic "SOURCE" holds at most 39 records, 40 are asked for; --duration-min 0.065 would fit at 10 records/s, or send some twice with --repeat"#);
}

#[tokio::test]
async fn records_spread_by_key_when_the_target_has_other_partitions() {
    let source = source(&[60]).await;
    let target = target(3).await;
    let ran = load(&source, &target, &["--duration-min=0.01", "--data-count-per-second=100"]).await;
    assert_eq!(ran.outcome.as_ref().map_err(ToString::to_string), Ok(&Exit::Done));
    let read = read_all(&broker(), &target);
    let found = |key: &str| {
        let mut partitions = read
            .iter()
            .filter(|(_, records)| records.iter().any(|record| record.key.as_deref() == Some(key.as_bytes())));
        *partitions.next().unwrap().0
    };
    assert_eq!(total(&read), 60);
    // As org.apache.kafka.common.utils.Utils.toPositive(murmur2(key)) % 3 has it.
    assert_eq!(["key-0", "key-1", "key-2", "key-3", "key-4"].map(found), [1, 0, 2, 2, 0]);
}

#[tokio::test]
async fn a_load_that_cannot_be_is_refused_before_anything_is_sent() {
    let source = source(&[30, 20]).await;
    let empty = create_topic(&broker(), "empty", 3).await;
    let target = target(2).await;
    let load_60 = &["--duration-min=1", "--data-count-per-second=1"][..];
    let names = [(&*source, "SOURCE"), (&*target, "TARGET"), (&*empty, "EMPTY")];
    let servers = broker();
    let names = [&names[..], &[(&*servers, "BROKER")]].concat();

    insta::assert_snapshot!(load(&source, &target, load_60).await.failure(&names), @r#"2: source topic "SOURCE" holds at most 50 records, 60 are asked for; --duration-min 0.833 would fit at 1 records/s, or send some twice with --repeat"#);
    insta::assert_snapshot!(load(&empty, &target, load_60).await.failure(&names), @r#"2: source topic "EMPTY" holds no records in the range asked for"#);
    insta::assert_snapshot!(load(&source, &source, load_60).await.failure(&names), @r#"2: --target-topic "SOURCE" is the source topic itself, on the same cluster: name another target"#);
    insta::assert_snapshot!(load("no-such-topic", &target, load_60).await.failure(&names), @r#"2: the source BROKER has no topic "no-such-topic""#);
    insta::assert_snapshot!(load(&source, "no-such-target", load_60).await.failure(&names), @r#"2: the target BROKER has no topic "no-such-target"; create it first: kafka-topics.sh --bootstrap-server BROKER --create --topic no-such-target --partitions 2"#);
    assert_eq!(total(&read_all(&broker(), &target)), 0);
    // Asking for a topic has not created it, though this broker would create one for a producer.
    insta::assert_snapshot!(load(&source, "no-such-target", load_60).await.failure(&names), @r#"2: the target BROKER has no topic "no-such-target"; create it first: kafka-topics.sh --bootstrap-server BROKER --create --topic no-such-target --partitions 2"#);
}

#[tokio::test]
async fn records_of_another_writer_are_seen() {
    let source = source(&[300]).await;
    let target = target(1).await;
    let stranger = producer(&broker(), &[]);
    let (ran, ()) =
        tokio::join!(load(&source, &target, &["--duration-min=0.05", "--data-count-per-second=100"]), async {
            common::wait_for_records(&broker(), &target, 10).await;
            write(&stranger, &target, &records(0, 7));
        });
    insta::assert_snapshot!(ran.failure(&[]), @"3: load inconclusive: somebody else wrote 7 records to the target during the load: 300 planned, 300 read, 300 acknowledged, 300 visible");
    assert_eq!((ran.load().acked, ran.load().visible), (300, 300));
}
