//! The data loader against a real Kafka broker.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails where it stands")]

mod common;
#[path = "common/plain.rs"]
mod plain;
#[path = "common/ran.rs"]
mod ran;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use common::{Record, broker, create_topic, create_topic_with, producer, read_all, write};
use jiff::Timestamp;
use plain::{read_plain, write_timestamps};
use ran::{Ran, assert_done, flags, load, load_with, odd_records, records, source, target, total};

#[tokio::test]
async fn records_arrive_untouched_whatever_they_look_like() {
    let source = create_topic(&broker(), "source", 2).await;
    let target = target(2).await;
    write(&producer(&broker(), &[]), &source, &odd_records());
    let ran = load(&source, &target, &["--duration-min=0.05", "--data-count-per-second=1.6666666"]).await;
    assert_done(&ran);
    assert_eq!(read_all(&broker(), &target), read_all(&broker(), &source));
    assert_eq!(total(&read_all(&broker(), &target)), 5);
}

/// A source topic of two partitions whose batches are compressed so. It holds odd records among 90.
async fn compressed_source(codec: &str) -> String {
    let topic = create_topic(&broker(), codec, 2).await;
    let plain = [records(0, 42), records(1, 43)].concat();
    // Long enough for records to share a batch.
    let producer = producer(&broker(), &[("compression.type", codec), ("linger.ms", "50")]);
    write(&producer, &topic, &[odd_records(), plain].concat());
    topic
}

/// Replays all of such a topic, and gives both topics' records.
async fn replay_compressed(codec: &str, more: &str) -> [BTreeMap<i32, Vec<Record>>; 2] {
    let source = compressed_source(codec).await;
    let target = target(2).await;
    let ran =
        load(&source, &target, &["--duration-min=0.01", "--data-count-per-second=150", "--run-id=r-1", more]).await;
    assert_done(&ran);
    assert_eq!(ran.load().acked, 90, "{codec}");
    // One value is 300,000 times the same byte: the target's batches are compressed exactly when the source's are.
    assert_eq!(ran.load().bytes < 100_000, codec != "none", "{codec}: {} bytes", ran.load().bytes);
    [&source, &target].map(|topic| read_all(&broker(), topic))
}

#[tokio::test]
async fn compressed_records_arrive_untouched_without_a_run_header() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let [written, copied] = replay_compressed(codec, "--no-run-header").await;
        assert!(copied == written, "{codec}: other records than in the source");
    }
}

#[tokio::test]
async fn the_run_header_is_the_last_one_and_all_else_is_untouched() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let [written, mut copied] = replay_compressed(codec, "--no-run-header=false").await;
        for record in copied.values_mut().flatten() {
            assert_eq!(record.headers.pop(), Some(("streamgauge-run".to_owned(), Some(b"r-1".to_vec()))), "{codec}");
        }
        assert!(copied == written, "{codec}: other records than in the source");
    }
}

#[tokio::test]
async fn the_last_records_of_uneven_partitions_are_sent_exactly_and_in_order() {
    let source = source(&[5000, 0, 1234, 17]).await;
    let target = target(4).await;
    let ran = load(&source, &target, &["--duration-min=0.03", "--data-count-per-second=1000"]).await;
    assert_done(&ran);
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
    assert_done(&ran);
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
    let known = &ran.environment.fingerprint;
    assert_eq!(known.keys().collect::<Vec<_>>(), ["kafka", "kafka.partitions", "node.loader"]);
    assert!(known["kafka"].starts_with("metadata.version ") && known["kafka.partitions"] == "2", "{known:?}");
    assert!(known["node.loader"].ends_with(" cores"), "{known:?}");
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
    assert_done(&ran);
    assert_eq!(read_all(&broker(), &all), there);
    let ran = load(&source, &all, &["--duration-min=0.066667", "--data-count-per-second=10"]).await;
    insta::assert_snapshot!(ran.failure(&[(&source, "SOURCE")]), @r#"2: source topic "SOURCE" holds at most 39 records, 40 are asked for; --duration-min 0.065 would fit at 10 records/s, or send some twice with --repeat"#);
}

#[tokio::test]
async fn records_spread_by_key_when_the_target_has_other_partitions() {
    let source = source(&[60]).await;
    let target = target(3).await;
    let ran = load(&source, &target, &["--duration-min=0.01", "--data-count-per-second=100"]).await;
    assert_done(&ran);
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
    insta::assert_snapshot!(load(&source, "no-such-target", load_60).await.failure(&names), @r#"2: the target BROKER has no topic "no-such-target"; create it, or let it be created with --create-topic 2,REPLICATION"#);
    assert_eq!(total(&read_all(&broker(), &target)), 0);
    // Asking for a topic has not created it, though this broker would create one for a producer.
    insta::assert_snapshot!(load(&source, "no-such-target", load_60).await.failure(&names), @r#"2: the target BROKER has no topic "no-such-target"; create it, or let it be created with --create-topic 2,REPLICATION"#);
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

/// 400 records in two partitions, of which many have the same key; keys have every length up to 20.
fn keyed_records() -> Vec<Record> {
    let keyed = |number: usize| {
        let key = b"\x00 any \xff bytes".iter().copied().cycle().skip(number % 7).take(number % 21).collect();
        Record { key: Some(key), ..Record::new((number % 2) as i32, number) }
    };
    (0..400).map(keyed).collect()
}

/// In which partitions a key's records lie.
fn places(read: &BTreeMap<i32, Vec<Record>>) -> BTreeMap<Vec<u8>, BTreeSet<i32>> {
    let mut places: BTreeMap<_, BTreeSet<i32>> = BTreeMap::new();
    for record in read.values().flatten() {
        places.entry(record.key.clone().unwrap()).or_default().insert(record.partition);
    }
    places
}

/// The values in their order, by the key and by the partition that the value names.
fn orders<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<(Vec<u8>, u8), Vec<Vec<u8>>> {
    let mut orders: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in records {
        let value = record.value.clone().unwrap();
        orders.entry((record.key.clone().unwrap(), *value.last().unwrap())).or_default().push(value);
    }
    orders
}

#[tokio::test]
async fn keys_lie_where_other_producers_would_put_them_and_stay_in_order() {
    let (source, target, reference) =
        (create_topic(&broker(), "source", 2).await, target(5).await, create_topic(&broker(), "reference", 5).await);
    let written = keyed_records();
    write(&producer(&broker(), &[]), &source, &written);
    let anywhere: Vec<Record> = written.iter().map(|record| Record { partition: -1, ..record.clone() }).collect();
    write(&producer(&broker(), &[("partitioner", "murmur2")]), &reference, &anywhere);
    assert_done(&load(&source, &target, &["--duration-min=0.01", "--data-count-per-second=666.6667"]).await);
    let copied = read_all(&broker(), &target);
    assert_eq!(places(&copied), places(&read_all(&broker(), &reference)));
    assert!(orders(copied.values().flatten()) == orders(&written), "other records, or in another order");
}

#[tokio::test]
async fn a_range_that_is_too_short_is_begun_again() {
    let source = source(&[30, 10]).await;
    let target = target(2).await;
    let ran = load(&source, &target, &["--duration-min=0.01", "--data-count-per-second=166.66667", "--repeat"]).await;
    assert_done(&ran);
    let load = ran.load();
    assert_eq!((load.planned, load.acked, load.visible, load.repeated), (100, 100, 100, 2));
    // Twice and a half: the last pass ends in the middle.
    let passes = |partition, count| {
        let all = records(partition, count);
        (partition, [&all[..], &all, &all[..count / 2]].concat())
    };
    assert!(read_all(&broker(), &target) == [passes(0, 30), passes(1, 10)].into(), "other records");
}

#[tokio::test]
async fn a_load_begins_where_it_is_told_to() {
    let source = source(&[60, 60]).await;
    for (from, expected) in [
        ("--from=beginning", &[(0, 0..20), (1, 0..20)][..]),
        ("--from=offset:10", &[(0, 10..30), (1, 10..30)]),
        ("--from=offset:1=15", &[(1, 15..55)]),
    ] {
        let target = target(2).await;
        assert_done(&load(&source, &target, &["--duration-min=0.01", "--data-count-per-second=66.66667", from]).await);
        let stretch = |(partition, stretch): &(i32, Range<usize>)| {
            (*partition, stretch.clone().map(|number| Record::new(*partition, number)).collect())
        };
        assert_eq!(read_all(&broker(), &target), expected.iter().map(stretch).collect(), "{from}");
    }
}

const LOAD_60: [&str; 2] = ["--duration-min=0.01", "--data-count-per-second=100"];

#[tokio::test]
async fn a_target_is_created_only_when_that_was_asked_for() {
    let source = source(&[30, 30]).await;
    let target = common::unique("created");
    let servers = broker();
    let names = [(&*source, "SOURCE"), (&*target, "TARGET"), (&*servers, "BROKER")];
    insta::assert_snapshot!(load(&source, &target, &LOAD_60).await.failure(&names), @r#"2: the target BROKER has no topic "TARGET"; create it, or let it be created with --create-topic 2,REPLICATION"#);
    assert_done(&load(&source, &target, &[&LOAD_60[..], &["--create-topic=3,1"]].concat()).await);
    assert_eq!(common::partitions(&servers, &target), [0, 1, 2]);
    assert_eq!(total(&read_all(&servers, &target)), 60);
}

#[tokio::test]
async fn only_an_allowed_target_is_written_to() {
    let (source, target) = (source(&[60]).await, target(1).await);
    let names = [(&*target, "TARGET")];
    let load_into = async |allowed: &str| load(&source, &target, &[&LOAD_60[..], &[allowed]].concat()).await;
    insta::assert_snapshot!(load_into("--allow-target=production-*").await.failure(&names), @r#"2: --target-topic "TARGET" is none of --allow-target production-*"#);
    assert_eq!(total(&read_all(&broker(), &target)), 0);
    assert_done(&load_into("--allow-target=target-*").await);
    assert_eq!(total(&read_all(&broker(), &target)), 60);
}

#[tokio::test]
async fn records_whose_partition_the_target_lacks_are_refused() {
    let (source, target) = (source(&[20, 20, 20]).await, target(2).await);
    let ran = load(&source, &target, &[&LOAD_60[..], &["--partitioner=same"]].concat()).await;
    insta::assert_snapshot!(ran.failure(&[(&*target, "TARGET")]), @r#"2: --partitioner same: "TARGET" has 2 partitions, none with the number 2 that records of the source have; leave the flag out to spread records by key, or create the topic with as many"#);
    assert_eq!(total(&read_all(&broker(), &target)), 0);
}

#[tokio::test]
async fn a_load_that_is_not_ready_in_time_is_refused_and_may_be_tried_again() {
    let (source, target) = (source(&[60]).await, target(1).await);
    let folder = tempfile::tempdir().unwrap();
    let load_at = async |start: &str| {
        load_with(folder.path(), flags(folder.path(), &source, &target, &[&LOAD_60[..], &[start]].concat())).await
    };
    let said = load_at("--start-at=2020-02-20T20:20:20Z").await.failure(&[]);
    assert!(said.starts_with("3: the load was to begin at 2020-02-20T20:20:20Z and was not ready before 2"), "{said}");
    assert_eq!(total(&read_all(&broker(), &target)), 0);
    assert_done(&load_at("--start-at=").await);
    assert_eq!(total(&read_all(&broker(), &target)), 60);
}

#[tokio::test]
async fn a_warm_up_is_sent_and_counts_nowhere() {
    let (source, target) = (source(&[100, 60]).await, target(2).await);
    let ran = load(&source, &target, &[&LOAD_60[..], &["--warm-up=1s"]].concat()).await;
    assert_done(&ran);
    let load = ran.load();
    assert_eq!((load.planned, load.read, load.acked, load.visible), (60, 60, 60, 60));
    assert_eq!(ran.results["records"], "60");
    assert_eq!(read_all(&broker(), &target), read_all(&broker(), &source));
}

/// A load of 600 records that is planned for two shards, and the programs that run it, one for each list of flags.
struct Shards {
    folder: tempfile::TempDir,
    source: String,
    target: String,
}

impl Shards {
    async fn plan(start_in: &str) -> Self {
        let (source, target) = (source(&[500, 0, 123, 277]).await, target(4).await);
        let shards = Self { folder: tempfile::tempdir().unwrap(), source, target };
        assert_done(&shards.run(&["--plan-only", "--shards=2", start_in]).await);
        shards
    }

    async fn run(&self, role: &[&str]) -> Ran {
        let load_600 = ["--duration-min=0.02", "--data-count-per-second=500", "--warm-up=0.2s"];
        let flags = flags(self.folder.path(), &self.source, &self.target, &[&load_600[..], role].concat());
        load_with(self.folder.path(), flags).await
    }
}

#[tokio::test]
async fn shards_share_a_load_and_their_results_are_one() {
    let shards = Shards::plan("--start-in=6s").await;
    let folder = shards.folder.path().display().to_string();
    let names = [(&*folder, "FOLDER"), (&*shards.target, "TARGET")];
    insta::assert_snapshot!(shards.run(&[]).await.failure(&names), @r#"2: FOLDER/report.json already tells of a load into "TARGET" (the load was planned for shards, and their results are not merged): two loads in one run would measure neither; give this run a report of its own"#);
    let (one, other) = tokio::join!(shards.run(&["--shard=1/2"]), shards.run(&["--shard=2/2"]));
    assert_done(&one);
    assert_done(&other);
    insta::assert_snapshot!(shards.run(&["--shard=2/2"]).await.failure(&names), @"2: FOLDER/report-shard-2.json is there: shard 2/2 of this load has begun already, and nothing may be sent twice");
    let merged = shards.run(&["--merge"]).await;
    assert_done(&merged);
    assert_eq!(merged.environment.fingerprint["kafka.partitions"], "4");
    let load = merged.load();
    assert_eq!((load.planned, load.read, load.acked, load.visible, load.shards), (600, 600, 600, 600, 2));
    assert_eq!((merged.results["records"].as_str(), merged.results["load-verdict"].as_str()), ("600", "pass"));
    let seconds = load.window.map(|window| window.end.duration_since(window.start).as_secs_f64()).unwrap();
    assert!((1.19..3.0).contains(&seconds), "{seconds} s");
    // 700 with the warm-up: 700 × 500/900 = 388.9, × 123/900 = 95.7, × 277/900 = 215.4
    let last = |partition, all: usize, count| (partition, records(partition, all).split_off(all - count));
    let expected: BTreeMap<_, _> = [last(0, 500, 389), last(2, 123, 96), last(3, 277, 215)].into();
    assert!(read_all(&broker(), &shards.target) == expected, "other records, or in another order");
}

#[tokio::test]
async fn a_load_of_which_a_shard_is_missing_is_none() {
    let shards = Shards::plan("--start-in=3s").await;
    assert_done(&shards.run(&["--shard=1/2"]).await);
    let late = shards.run(&["--shard=2/2"]).await.failure(&[]);
    assert!(late.starts_with("3: shard 2/2 was to begin at ") && late.contains("longer --start-in"), "{late}");
    let merged = shards.run(&["--merge"]).await;
    insta::assert_snapshot!(merged.failure(&[]), @"3: load inconclusive: shard 2/2: it left no result; ended early: 600 planned, 289 read, 289 acknowledged");
    assert_eq!(merged.results["load-verdict"], "inconclusive");
}

#[tokio::test]
async fn a_second_load_in_one_run_is_refused_before_anything_is_sent() {
    let (source, target) = (source(&[300]).await, target(1).await);
    let folder = tempfile::tempdir().unwrap();
    let load = async || {
        let load_300 = ["--duration-min=0.05", "--data-count-per-second=100"];
        load_with(folder.path(), flags(folder.path(), &source, &target, &load_300)).await
    };
    let (first, during) = tokio::join!(load(), async {
        common::wait_for_records(&broker(), &target, 10).await;
        load().await
    });
    let after = load().await;
    let report = folder.path().join("report.json").display().to_string();
    let names = [(&*report, "REPORT"), (&*target, "TARGET")];
    insta::assert_snapshot!(during.failure(&names), @r#"2: REPORT already tells of a load into "TARGET" (the load began and has not ended): two loads in one run would measure neither; give this run a report of its own"#);
    insta::assert_snapshot!(after.failure(&names), @r#"2: REPORT already tells of a load into "TARGET" (300 planned, 300 read, 300 acknowledged, 300 visible): two loads in one run would measure neither; give this run a report of its own"#);
    assert_done(&first);
    assert_eq!(after.load().acked, 300);
    assert_eq!(total(&read_all(&broker(), &target)), 300);
}

#[tokio::test]
async fn a_load_begins_at_the_first_records_from_a_time_on() {
    // A record each millisecond from 2023-11-14T22:13:20Z on.
    let source = source(&[60, 30]).await;
    for (from, count, expected) in [
        ("--from=2023-11-14T22:13:20.0191Z", 20, [(0, 20..36), (1, 20..24)].as_slice()),
        ("--from=2023-11-14T22:13:20.045Z", 10, &[(0, 45..55)]),
    ] {
        let target = target(2).await;
        let rate = format!("--data-count-per-second={}", f64::from(count) / 0.6);
        assert_done(&load(&source, &target, &["--duration-min=0.01", &rate, from]).await);
        let stretch = |(partition, stretch): &(i32, Range<usize>)| {
            (*partition, stretch.clone().map(|number| Record::new(*partition, number)).collect())
        };
        assert_eq!(read_all(&broker(), &target), expected.iter().map(stretch).collect(), "{from}");
    }
}

#[tokio::test]
async fn a_time_without_records_is_refused() {
    let (source, target) = (source(&[60, 30]).await, target(2).await);
    let refused = async |flags: &[&str]| load(&source, &target, flags).await.failure(&[(&source, "SOURCE")]);
    let after = "--from=2023-11-14T22:13:20.060Z";
    let scheduled = ["--duration-min=0.01", "--data-count-per-second=100"];
    insta::assert_snapshot!(refused(&[&scheduled[..], &[after]].concat()).await, @r#"2: source topic "SOURCE" holds no records in the range asked for"#);
    let short = [&scheduled[..], &["--from=2023-11-14T22:13:20.025Z"]].concat();
    insta::assert_snapshot!(refused(&short).await, @r#"2: source topic "SOURCE" holds at most 40 records, 60 are asked for; --duration-min 0.006 would fit at 100 records/s, or send some twice with --repeat"#);
    let replay = ["--duration-min=1", "--profile=replay:1"];
    insta::assert_snapshot!(refused(&[&replay[..], &[after]].concat()).await, @r#"2: source topic "SOURCE" holds no records in the range asked for"#);
    let before = "--from=2023-11-14T22:12:20Z";
    insta::assert_snapshot!(refused(&[&replay[..], &[before]].concat()).await, @r#"2: source topic "SOURCE" holds no records in the range asked for"#);
    // Years ago by now.
    insta::assert_snapshot!(refused(&replay).await, @r#"2: source topic "SOURCE" holds no records in the range asked for"#);
    let offset = [&replay[..], &["--from=offset:3"]].concat();
    insta::assert_snapshot!(refused(&offset).await, @"2: --profile replay takes the records of a stretch of time: let it begin with --from last, or with a time");
    assert_eq!(total(&read_all(&broker(), &target)), 0);
}

/// A partition's records with these timestamps.
fn timed(partition: i32, timestamps: impl Iterator<Item = i64>) -> Vec<Record> {
    let record = |(number, timestamp)| Record { timestamp: Some(timestamp), ..Record::new(partition, number) };
    timestamps.enumerate().map(record).collect()
}

/// Replays part of a topic that holds these records. Exactly those from `stretch` must come (Unix milliseconds, without
/// its end), `speed` times as fast as they were written: none too early, and none later than the load itself tells.
async fn assert_replayed(written: &[Record], stretch: Range<i64>, speed: i64, flags: &[&str]) {
    let source = create_topic(&broker(), "source", 2).await;
    // Here a record's timestamp tells when it came.
    let target = create_topic_with(&broker(), "target", 2, &[("message.timestamp.type", "LogAppendTime")]).await;
    write(&producer(&broker(), &[]), &source, written);
    let profile = format!("--profile=replay:{speed}");
    let ran = load(&source, &target, &[flags, &[&profile, "--late-after=30s"]].concat()).await;
    assert_done(&ran);
    let load = ran.load();
    let expected: Vec<&Record> = written.iter().filter(|record| stretch.contains(&record.timestamp.unwrap())).collect();
    let all = expected.len() as u64;
    assert_eq!((load.planned, load.read, load.acked, load.visible), (all, all, all, all));
    let first = expected.iter().filter_map(|record| record.timestamp).min().unwrap();
    let due = |record: &Record| (record.timestamp.unwrap() - first) / speed;
    let (window, latency) = (load.window.unwrap(), load.latency.unwrap().max.ceil() as i64);
    let start = window.start.as_millisecond();
    let arrived: Vec<Record> = read_all(&broker(), &target).into_values().flatten().collect();
    assert_eq!(arrived.len(), expected.len());
    for (copied, record) in arrived.iter().zip(&expected) {
        assert_eq!(&Record { timestamp: record.timestamp, ..copied.clone() }, *record);
        // Two clocks are read, in whole milliseconds.
        let late = copied.timestamp.unwrap() - start - due(record);
        assert!((-2..=latency + 2).contains(&late), "{record:?} came {late} ms late of {latency}");
    }
    let length = window.end.duration_since(window.start).as_millis() as i64;
    let last = expected.iter().map(|record| due(record)).max().unwrap();
    assert!((last..=last + latency).contains(&length), "{length} ms of {last}");
}

#[tokio::test]
async fn a_replay_keeps_the_distances_of_a_stretch_of_time() {
    let zero = 1_700_000_000_000;
    // One partition is steady, the other has ten records at once each second.
    let steady = timed(0, (0..200).map(|number| zero + number * 100));
    let bursts = timed(1, (0..200).map(|number| zero + number / 10 * 1000));
    // Three seconds at four times the speed.
    let stretch = zero + 5000..zero + 17_000;
    let from = format!("--from={}", Timestamp::from_millisecond(stretch.start).unwrap());
    assert_replayed(&[steady, bursts].concat(), stretch, 4, &["--duration-min=0.05", &from]).await;
}

#[tokio::test]
async fn a_replay_of_the_last_records_is_one_of_the_last_stretch_of_time() {
    let now = Timestamp::now().as_millisecond();
    // A record each minute, the partitions half a minute apart. The last 20 minutes are replayed, and the nearest records
    // lie 20 s within them and 10 s before them: the load may begin a little later than now.
    let ages = |newest: i64| (0..30).rev().map(move |number| now - newest - number * 60_000);
    let written = [timed(0, ages(10_000)), timed(1, ages(40_000))].concat();
    assert_replayed(&written, now - 1_200_000..now, 400, &["--duration-min=0.05", "--from=last"]).await;
}

#[tokio::test]
async fn records_without_a_timestamp_or_from_1970_keep_it() {
    let source = create_topic(&broker(), "source", 2).await;
    let batches: [(i32, &[i64]); 4] =
        [(0, &[-1, -1]), (0, &[0, 0]), (0, &[-1, 0, 1_700_000_000_000, -1]), (1, &[0, -1])];
    for (partition, timestamps) in batches {
        write_timestamps(&source, partition, timestamps).await;
    }
    for (flag, headers) in [("--no-run-header", 1), ("--run-id=r-1", 2)] {
        let target = target(2).await;
        let ten = ["--duration-min=0.01", "--data-count-per-second=16.66667", flag];
        assert_done(&load(&source, &target, &ten).await);
        for partition in [0, 1] {
            let (written, mut copied) = (read_plain(&source, partition).await, read_plain(&target, partition).await);
            for (.., found) in &mut copied {
                assert_eq!(found.len(), headers, "{flag}");
                found.truncate(1);
            }
            let expected = batches.iter().filter(|(number, _)| *number == partition).flat_map(|(_, times)| *times);
            assert!(written.iter().map(|(timestamp, ..)| timestamp).eq(expected), "{written:?}");
            assert_eq!(copied, written, "{flag}");
        }
    }
}
