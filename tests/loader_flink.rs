//! The data loader as a job on a real Flink, from and to a real Kafka broker: what it does must be what the built-in one does.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails where it stands")]

mod common;
#[path = "common/loading.rs"]
mod loading;
#[path = "common/plain.rs"]
mod plain;
#[expect(dead_code, reason = "every test program uses its own part of it")]
#[path = "common/process.rs"]
mod process;
#[path = "common/ran.rs"]
mod ran;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use common::{DEADLINE, Record, broker, create_topic, create_topic_with, producer, read_all, unique, write};
use jiff::Timestamp;
use plain::{read_plain, write_timestamps};
use process::{Node, free_ports};
use ran::{Ran, assert_done, load, odd_records, records, source, target, total};
use rdkafka::producer::Producer;
use streamgauge::flink::Rest;
use streamgauge::flink::job::{State, Summary};
use streamgauge::report::{self, Load};

/// One test after the other: two jobs that each hold a part of the slots they need would wait for one another.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The REST API of the real Flink that `hack/test` has started.
fn flink() -> String {
    std::env::var("STREAMGAUGE_TEST_FLINK").unwrap_or_else(|_| {
        panic!("STREAMGAUGE_TEST_FLINK is not set: name a real Flink's REST API, or run hack/test, which starts one")
    })
}

/// Runs a load as a Flink job over two subtasks.
async fn load_by_flink(source: &str, target: &str, more: &[&str]) -> Ran {
    let url = format!("--flink-url={}", flink());
    load(source, target, &[&["--engine=flink", "--flink-parallelism=2", &url, "--late-after=30s"], more].concat()).await
}

/// Runs the same load by both engines, each into a target of its own with so many partitions.
async fn load_by_both(source: &str, partitions: i32, more: &[&str]) -> [(Ran, String); 2] {
    let (one, other) = (target(partitions).await, target(partitions).await);
    let builtin = load(source, &one, &[&["--late-after=30s"], more].concat()).await;
    let by_flink = load_by_flink(source, &other, more).await;
    assert_done(&builtin);
    assert_done(&by_flink);
    [(builtin, one), (by_flink, other)]
}

/// What both engines must say alike.
fn numbers(load: &Load) -> impl PartialEq + std::fmt::Debug {
    let verdict = load.verdict.as_ref().map(|verdict| (verdict.status, verdict.cause.clone()));
    let counts = (load.planned, load.read, load.acked, load.visible, load.late, load.repeated);
    let told = (load.rate, load.warm_up, load.profile.clone(), load.run_header.clone(), load.compression.clone());
    let seconds = load.per_second.iter().map(|(_, records)| records).sum::<u64>();
    (counts, told, verdict, seconds)
}

/// A source of three partitions with gaps: transactions, of which some were aborted, among odd records.
async fn eventful_source() -> String {
    let topic = create_topic(&broker(), "source", 3).await;
    write(&producer(&broker(), &[]), &topic, &odd_records());
    let writer = producer(&broker(), &[("transactional.id", &unique("writer"))]);
    writer.init_transactions(DEADLINE).unwrap();
    for round in 0..30 {
        writer.begin_transaction().unwrap();
        let some: Vec<Record> =
            (0..3).flat_map(|number| [0, 1, 1].map(|p| Record::new(p, 10 * round + number))).collect();
        write(&writer, &topic, &some);
        match round % 3 {
            0 => writer.abort_transaction(DEADLINE).unwrap(),
            _ => writer.commit_transaction(DEADLINE).unwrap(),
        }
    }
    write(&producer(&broker(), &[("compression.type", "zstd")]), &topic, &records(2, 15));
    topic
}

#[tokio::test]
async fn both_engines_send_the_same_records_and_say_so_alike() {
    let _alone = ALONE.lock().await;
    let source = eventful_source().await;
    let all = total(&read_all(&broker(), &source));
    assert_eq!(all, 5 + 20 * 9 + 15);
    // The last 200 of all partitions, with a warm-up of 20 of them.
    let flags = ["--duration-min=0.03", "--data-count-per-second=100", "--warm-up=0.2s", "--run-id=r-1"];
    let [(builtin, one), (by_flink, other)] = load_by_both(&source, 3, &flags).await;
    let (sent, copied) = (read_all(&broker(), &one), read_all(&broker(), &other));
    assert_eq!(total(&sent), 200);
    assert!(copied == sent, "other records, or in another order");
    let header = ("streamgauge-run".to_owned(), Some(b"r-1".to_vec()));
    assert!(copied.values().flatten().all(|record| record.headers.last() == Some(&header)));
    assert_eq!(numbers(by_flink.load()), numbers(builtin.load()));
    assert_eq!(by_flink.results["records"], "180");
    let load = by_flink.load();
    assert_eq!((load.engine.as_str(), load.shards), ("flink", 2));
    let known = |ran: &Ran| ran.environment.fingerprint.keys().cloned().collect::<Vec<_>>();
    assert_eq!(known(&builtin), ["kafka", "kafka.partitions", "node.loader"]);
    assert_eq!(known(&by_flink), ["kafka", "kafka.partitions"], "it did not run on this computer");
    for latency in [load.send_delay, load.ack_latency, load.latency] {
        assert!(latency.unwrap().max > 0.0, "{load:?}");
    }
    assert!(load.bytes > 0 && load.achieved_rate > 0.0, "{load:?}");
}

#[tokio::test]
async fn odd_records_arrive_untouched_and_compressed_as_in_the_source() {
    let _alone = ALONE.lock().await;
    for codec in ["none", "snappy", "lz4", "zstd"] {
        let (source, target) = (create_topic(&broker(), codec, 2).await, target(2).await);
        write(&producer(&broker(), &[("compression.type", codec)]), &source, &odd_records());
        let five = ["--duration-min=0.01", "--data-count-per-second=8.333333", "--no-run-header", "--run-id=r-1"];
        let ran = load_by_flink(&source, &target, &five).await;
        assert_done(&ran);
        assert_eq!(read_all(&broker(), &target), read_all(&broker(), &source), "{codec}");
        // One value is 300,000 times the same byte.
        assert_eq!(ran.load().bytes < 100_000, codec != "none", "{codec}: {} bytes", ran.load().bytes);
    }
}

#[tokio::test]
async fn records_without_a_timestamp_or_from_1970_keep_it() {
    let _alone = ALONE.lock().await;
    let (source, target) = (create_topic(&broker(), "source", 1).await, target(1).await);
    write_timestamps(&source, 0, &[-1, -1]).await;
    write_timestamps(&source, 0, &[0, -1, 1_700_000_000_000]).await;
    let five = ["--duration-min=0.01", "--data-count-per-second=8.333333"];
    assert_done(&load_by_flink(&source, &target, &five).await);
    assert_eq!(read_plain(&target, 0).await, read_plain(&source, 0).await);
}

#[tokio::test]
async fn keys_lie_where_the_builtin_engine_puts_them() {
    let _alone = ALONE.lock().await;
    let source = create_topic(&broker(), "source", 2).await;
    let keyed = |number: usize| {
        let key = b"\x00 any \xff bytes".iter().copied().cycle().skip(number % 7).take(number % 21).collect();
        Record { key: Some(key), ..Record::new((number % 2) as i32, number) }
    };
    write(&producer(&broker(), &[]), &source, &(0..400).map(keyed).collect::<Vec<_>>());
    let flags = ["--duration-min=0.01", "--data-count-per-second=666.6667"];
    let [(builtin, one), (by_flink, other)] = load_by_both(&source, 5, &flags).await;
    assert_eq!(numbers(by_flink.load()), numbers(builtin.load()));
    // Records of one source partition keep their order; how those of two mix is chance.
    let by_origin = |topic: &str| {
        let mut ordered: BTreeMap<_, Vec<Record>> = BTreeMap::new();
        for record in read_all(&broker(), topic).into_values().flatten() {
            let origin = *record.value.as_ref().unwrap().last().unwrap();
            ordered.entry((record.partition, origin)).or_default().push(record);
        }
        ordered
    };
    assert!(by_origin(&one) == by_origin(&other), "other partitions, or in another order");
}

#[tokio::test]
async fn a_range_that_is_too_short_is_begun_again() {
    let _alone = ALONE.lock().await;
    let source = source(&[30, 10]).await;
    let flags = ["--duration-min=0.01", "--data-count-per-second=166.66667", "--repeat"];
    let [(builtin, one), (by_flink, other)] = load_by_both(&source, 2, &flags).await;
    assert_eq!(numbers(by_flink.load()), numbers(builtin.load()));
    assert!(read_all(&broker(), &one) == read_all(&broker(), &other), "other records, or in another order");
}

/// A target that tells when each record came.
async fn stamping_target(partitions: i32) -> String {
    create_topic_with(&broker(), "target", partitions, &[("message.timestamp.type", "LogAppendTime")]).await
}

/// When the records of a topic came, earliest first, in Unix milliseconds.
fn arrivals(topic: &str) -> Vec<i64> {
    let read = read_all(&broker(), topic);
    let mut times: Vec<i64> = read.values().flatten().filter_map(|record| record.timestamp).collect();
    times.sort_unstable();
    times
}

#[tokio::test]
async fn no_record_comes_before_it_is_due_and_the_rate_is_reached() {
    let _alone = ALONE.lock().await;
    let source = source(&[1500, 700, 400]).await;
    let target = stamping_target(3).await;
    // 400 records/s for 1.5 s, then 800 for as long.
    let flags = ["--duration-min=0.05", "--data-count-per-second=800", "--profile=staircase:2"];
    let ran = load_by_flink(&source, &target, &flags).await;
    assert_done(&ran);
    let (load, arrived) = (ran.load(), arrivals(&target));
    assert_eq!((load.planned, load.visible, arrived.len()), (1800, 1800, 1800));
    let (window, latency) = (load.window.unwrap(), load.latency.unwrap().max.ceil() as i64);
    let start = window.start.as_millisecond();
    for (number, arrived) in (0..).zip(arrived) {
        let due = if number < 600 { number * 10 / 4 } else { 1500 + (number - 600) * 10 / 8 };
        // Two clocks are read, in whole milliseconds.
        let late = arrived - start - due;
        assert!((-2..=latency + 2).contains(&late), "record {number} came {late} ms late of {latency}");
    }
    let length = window.end.duration_since(window.start).as_millis() as i64;
    assert!((2998..=2999 + latency).contains(&length), "{length} ms");
}

#[tokio::test]
async fn a_replay_keeps_the_distances_of_the_timestamps() {
    let _alone = ALONE.lock().await;
    let zero = 1_700_000_000_000;
    let at = |partition, number: usize, time| Record { timestamp: Some(zero + time), ..Record::new(partition, number) };
    let steady = (0..100).map(|number| at(0, number, number as i64 * 100));
    let bursts = (0..100).map(|number| at(1, number, number as i64 / 10 * 1000));
    let written: Vec<Record> = steady.chain(bursts).collect();
    let (source, target) = (create_topic(&broker(), "source", 2).await, stamping_target(2).await);
    write(&producer(&broker(), &[]), &source, &written);
    let from = format!("--from={}", Timestamp::from_millisecond(zero).unwrap());
    let ran = load_by_flink(&source, &target, &["--duration-min=0.05", "--profile=replay:4", &from]).await;
    assert_done(&ran);
    let (load, arrived) = (ran.load(), arrivals(&target));
    assert_eq!((load.planned, load.visible), (200, 200));
    let (window, latency) = (load.window.unwrap(), load.latency.unwrap().max.ceil() as i64);
    let mut dues: Vec<i64> = written.iter().map(|record| (record.timestamp.unwrap() - zero) / 4).collect();
    dues.sort_unstable();
    for (arrived, due) in arrived.iter().zip(dues) {
        let late = arrived - window.start.as_millisecond() - due;
        assert!(
            (-2..=latency + 2).contains(&late),
            "what was due {due} ms after the start came {late} ms late of {latency}"
        );
    }
}

#[tokio::test]
async fn a_load_that_flink_cannot_take_is_refused_before_anything_is_sent() {
    let _alone = ALONE.lock().await;
    let (source, target) = (source(&[60]).await, target(1).await);
    let load_60 = ["--duration-min=0.01", "--data-count-per-second=100", "--engine=flink"];
    let [free] = [std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()];
    let (nobody, somebody) = (format!("--flink-url=http://{free}"), format!("--flink-url={}", flink()));
    let refused = async |more: &[&str]| {
        let ran = load(&source, &target, &[&load_60[..], more].concat()).await;
        assert!(ran.load.is_none(), "a load that was never begun may be tried again");
        ran.failure(&[(&*free.to_string(), "FLINK"), (&*source, "SOURCE")])
    };
    insta::assert_snapshot!(refused(&[&nobody]).await, @"4: cannot list the jars: no answer from Flink's REST API at http://FLINK/: Connection refused (os error 111); check --flink-url");
    insta::assert_snapshot!(refused(&[&somebody, "--flink-jar=/none/job.jar"]).await, @r"
    2: cannot read the job's jar /none/job.jar
      because: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(refused(&[&somebody, "--start-at=2020-02-20T20:20:20Z"]).await.split(" before ").next().unwrap(), @"3: the load was to begin at 2020-02-20T20:20:20Z and was not ready");
    let too_wide = refused(&[&somebody, "--flink-parallelism=999"]).await;
    insta::assert_snapshot!(too_wide.split(" slots, ").next().unwrap(), @"4: Flink has no room for the job: it needs 999");
    assert_eq!(total(&read_all(&broker(), &target)), 0);
}

/// A broker of a test's own, which can be taken away.
struct Fragile {
    node: Node,
    folder: tempfile::TempDir,
    /// Where it asks for nothing.
    open: String,
    /// Where it asks for a password.
    guarded: String,
}

const PASSWORD: &str = "hunter2-of-the-loader";

const SERVER_PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,GUARDED:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
listener.name.guarded.sasl.enabled.mechanisms=PLAIN
offsets.topic.replication.factor=1
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=2097152
";

impl Fragile {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [open, guarded, controller] =
            free_ports(3).try_into().map(|ports: [u16; 3]| ports.map(|port| format!("127.0.0.1:{port}"))).unwrap();
        let listeners = format!("PLAINTEXT://{open},GUARDED://{guarded}");
        let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required";
        let own = format!(
            "{SERVER_PROPERTIES}listeners={listeners},CONTROLLER://{controller}\nadvertised.listeners={listeners}\n\
             controller.quorum.voters=1@{controller}\n\
             listener.name.guarded.plain.sasl.jaas.config={jaas} user_loader=\"{PASSWORD}\";\n"
        );
        let node = Node::start(folder.path(), "256m", &own, &[]);
        let client = format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n\
             sasl.jaas.config={jaas} username=\"loader\" password=\"{PASSWORD}\";\n"
        );
        std::fs::write(folder.path().join("client.properties"), client).unwrap();
        let broker = Self { node, folder, open, guarded };
        let deadline = Instant::now() + 2 * DEADLINE;
        while tokio::net::TcpStream::connect(&broker.open).await.is_err() {
            assert!(Instant::now() < deadline, "no broker: {}", broker.node.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        broker
    }

    /// The flags that name the settings of both sides, here and for the TaskManagers, which run on this machine too.
    fn settings(&self) -> Vec<String> {
        let file = self.folder.path().join("client.properties");
        let flags = ["source-config", "target-config", "flink-source-config", "flink-target-config"];
        flags.map(|flag| format!("--{flag}={}", file.display())).to_vec()
    }
}

/// Starts 7500 records in 30 s, long enough to be disturbed, as a Flink job that can be told by its run.
fn start(source: (&str, &str), target: (&str, &str), folder: &Path, run: &str, more: &[String]) -> Child {
    let (url, run) = (format!("--flink-url={}", flink()), format!("--run-id={run}"));
    let load = ["--engine=flink", &url, "--flink-parallelism=2", "--duration-min=0.5", "--data-count-per-second=250"];
    let more: Vec<&str> = more.iter().map(String::as_str).chain([&*run, "--repeat", "--give-up-after=5s"]).collect();
    loading::start_load(source, target, folder, &[&load[..], &more].concat())
}

/// The job of a run.
async fn job_of(run: &str) -> Summary {
    let jobs = Rest::new(&flink()).unwrap().jobs().await.unwrap();
    jobs.into_iter().find(|job| job.name.ends_with(run)).unwrap_or_else(|| panic!("no job of run {run}"))
}

fn report_of(folder: &Path) -> Load {
    report::read(&folder.join("report.json")).unwrap().unwrap().load.unwrap()
}

/// The end of a program, waited for where nothing else is held up.
async fn end(child: Child, servers: &str) -> (Option<i32>, String) {
    let servers = servers.to_owned();
    tokio::task::spawn_blocking(move || loading::end(child, &servers)).await.unwrap()
}

#[tokio::test]
async fn sigterm_cancels_the_job_and_tells_what_was_sent() {
    let _alone = ALONE.lock().await;
    let (source, target, run) = (source(&[3000, 2000]).await, target(2).await, unique("run"));
    let folder = tempfile::tempdir().unwrap();
    let child = start((&broker(), &source), (&broker(), &target), folder.path(), &run, &[]);
    common::wait_for_records(&broker(), &target, 50).await;
    let asked = Instant::now();
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let (code, said) = end(child, &broker()).await;
    assert_eq!(code, Some(143), "{said}");
    assert!(asked.elapsed().as_secs() < 15, "it took {:?}", asked.elapsed());
    assert_eq!(job_of(&run).await.state, State::Canceled);
    let load = report_of(folder.path());
    assert!(load.acked >= 50 && load.acked <= load.read && load.read < 7500, "{load:?}");
    assert_eq!(load.acked, total(&read_all(&broker(), &target)) as u64);
    let numbers = format!("ended early: 7500 planned, {} read, {} acknowledged", load.read, load.acked);
    assert_eq!(load.verdict.unwrap().cause, numbers);
}

#[tokio::test]
async fn a_job_whose_broker_dies_fails_with_its_root_cause_and_tells_no_password() {
    let _alone = ALONE.lock().await;
    let (mut broker, run) = (Fragile::start().await, unique("run"));
    let folder = tempfile::tempdir().unwrap();
    let (source, target) =
        (create_topic(&broker.open, "source", 2).await, create_topic(&broker.open, "target", 2).await);
    write(&producer(&broker.open, &[]), &source, &[records(0, 600), records(1, 500)].concat());
    let guarded = broker.guarded.clone();
    let child = start((&guarded, &source), (&guarded, &target), folder.path(), &run, &broker.settings());
    common::wait_for_records(&broker.open, &target, 50).await;
    broker.node.kill();
    let (code, said) = end(child, &guarded).await;
    assert_eq!(code, Some(4), "{said}");
    let job = job_of(&run).await;
    assert_eq!(job.state, State::Failed);
    assert!(said.starts_with(&format!("deploy-dataloader: Flink job {} failed: ", job.id)), "{said}");
    assert!(said.contains("did not take every record") || said.contains("it gave nothing for 5 s"), "{said}");
    let load = report_of(folder.path());
    assert!(said.contains(&format!("7500 planned, {} read, {} acknowledged", load.read, load.acked)), "{said}");
    assert!(load.acked >= 50 && load.acked <= load.read && load.read < 7500, "{load:?}");
    let http = streamgauge::step::client(DEADLINE).unwrap();
    for page in ["config", "exceptions", "accumulators", "plan"] {
        let answer = http.get(format!("{}/jobs/{}/{page}", flink(), job.id)).send().await.unwrap();
        assert!(!answer.text().await.unwrap().contains(PASSWORD), "{page} tells the password");
    }
}

#[tokio::test]
async fn a_job_that_somebody_cancels_is_no_load() {
    let _alone = ALONE.lock().await;
    let (source, target, run) = (source(&[3000, 2000]).await, target(2).await, unique("run"));
    let folder = tempfile::tempdir().unwrap();
    let child = start((&broker(), &source), (&broker(), &target), folder.path(), &run, &[]);
    common::wait_for_records(&broker(), &target, 50).await;
    Rest::new(&flink()).unwrap().cancel(&job_of(&run).await.id).await.unwrap();
    let (code, said) = end(child, &broker()).await;
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("was cancelled by somebody else"), "{said}");
    assert_eq!(report_of(folder.path()).acked, total(&read_all(&broker(), &target)) as u64);
}
