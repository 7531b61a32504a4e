//! The data loader on a cluster of real brokers that die, stall, grow and forget while it loads.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails where it stands")]

#[expect(dead_code, reason = "every test program uses its own part of it")]
mod common;
#[path = "common/loading.rs"]
mod loading;
#[path = "common/process.rs"]
mod process;

use std::process::Child;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::{DEADLINE, OLD_RECORDS, Record, producer, read_all, write};
use nix::sys::signal::Signal;
use process::{Node, free_ports};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use streamgauge::report::{self, Load, Status};
use tempfile::TempDir;

/// What all brokers have. The first is the controller too, and stays alive: the others are missed after three seconds,
/// and lead what they are preferred for as soon as they are back.
const PROPERTIES: &str = "\
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
leader.imbalance.check.interval.seconds=1
leader.imbalance.per.broker.percentage=0
min.insync.replicas=1
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=2097152
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
auto.create.topics.enable=false
";

/// How long brokers may take to start: machines are slow and busy.
const READY: Duration = Duration::from_secs(120);

struct Cluster {
    nodes: Vec<Mutex<Node>>,
    /// Where each node listens.
    addresses: Vec<String>,
    _dir: TempDir,
}

impl Cluster {
    /// Three brokers, numbered from 1.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ports = free_ports(4);
        let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let start = |number: usize| {
            let (own, controller) = (&addresses[number - 1], &addresses[3]);
            let (roles, listeners) = match number {
                1 => ("broker,controller", format!("PLAINTEXT://{own},CONTROLLER://{controller}")),
                _ => ("broker", format!("PLAINTEXT://{own}")),
            };
            let properties = format!(
                "{PROPERTIES}node.id={number}\nprocess.roles={roles}\nlisteners={listeners}\n\
                 controller.quorum.voters=1@{controller}"
            );
            let dir = dir.path().join(number.to_string());
            std::fs::create_dir(&dir).unwrap();
            Mutex::new(Node::start(&dir, "256m", &properties, &[]))
        };
        let nodes: Vec<_> = (1..=3).map(start).collect();
        let cluster = Self { nodes, addresses, _dir: dir };
        let client = cluster.client();
        let brokers = || client.fetch_metadata(None, Duration::from_secs(1)).map_or(0, |found| found.brokers().len());
        let log = || cluster.nodes.iter().map(|node| node.lock().unwrap().log()).collect::<String>();
        wait_until(READY, &|| format!("three brokers: {}", log()), || brokers() == 3);
        cluster
    }

    fn node(&self, number: usize) -> &Mutex<Node> {
        &self.nodes[number - 1]
    }

    /// The one that never fails.
    fn first(&self) -> &str {
        &self.addresses[0]
    }

    /// Bootstrap servers, this node before the others.
    fn servers(&self, number: usize) -> String {
        let mut addresses = self.addresses[..3].to_vec();
        addresses.rotate_left(number - 1);
        addresses.join(",")
    }

    fn client(&self) -> BaseConsumer {
        ClientConfig::new().set("bootstrap.servers", self.first()).set("log_level", "0").create().unwrap()
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.first()).create().unwrap()
    }

    /// Creates a topic whose partitions have these replicas, the preferred leader first.
    fn create_topic(&self, name: &str, replicas: &[&[i32]]) {
        let new = NewTopic::new(name, replicas.len() as i32, TopicReplication::Variable(replicas));
        let new = OLD_RECORDS.into_iter().fold(new, |new, (key, value)| new.set(key, value));
        for result in wait(self.admin().create_topics([&new], &AdminOptions::new())).unwrap() {
            result.unwrap();
        }
        let led: Vec<i32> = replicas.iter().map(|replicas| replicas[0]).collect();
        wait_until(DEADLINE, &|| format!("{name} to be led"), || self.leaders(name) == led);
    }

    /// Who leads the topic's partitions; -1 where nobody does.
    fn leaders(&self, topic: &str) -> Vec<i32> {
        let Ok(found) = self.client().fetch_metadata(Some(topic), Duration::from_secs(5)) else { return Vec::new() };
        found.topics()[0].partitions().iter().map(|partition| partition.leader()).collect()
    }

    /// Waits until a topic's partition 0 holds so many records.
    fn wait_for_records(&self, topic: &str, count: i64) {
        let client = self.client();
        let there = || client.fetch_watermarks(topic, 0, Duration::from_secs(1)).is_ok_and(|(_, high)| high >= count);
        wait_until(DEADLINE, &|| format!("{count} records in {topic}"), there);
    }
}

fn wait_until(limit: Duration, what: &dyn Fn() -> String, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {limit:?} for {}", what());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A load under way.
struct Running {
    child: Child,
    folder: TempDir,
}

/// How a load ended.
struct Ended {
    code: Option<i32>,
    said: String,
    load: Load,
}

impl Running {
    /// Loads from the first records of a topic on; `servers` are both sides' bootstrap servers.
    fn start(servers: &str, source: &str, target: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let more = [&["--from=beginning"], more].concat();
        let child = loading::start_load((servers, source), (servers, target), folder.path(), &more);
        Self { child, folder }
    }

    fn end(self) -> Ended {
        let (code, said) = loading::end(self.child, "no servers");
        let report = report::read(&self.folder.path().join("report.json")).unwrap();
        let load = report.and_then(|report| report.load).unwrap_or_else(|| panic!("no load: {said}"));
        Ended { code, said, load }
    }
}

impl Ended {
    /// Nothing is lost, nothing doubled.
    fn assert_exact(&self, records: u64) {
        let Self { code, said, load } = self;
        assert_eq!((*code, said.as_str()), (Some(0), ""), "{load:?}");
        assert_eq!((load.planned, load.read, load.acked, load.visible), (records, records, records, records));
    }

    /// It ended early, with these words.
    fn assert_failed(&self, words: &str) {
        let Self { code, said, load } = self;
        assert_eq!(*code, Some(4), "{said}");
        assert!(said.contains(words), "{said}");
        let counts = format!("{} planned, {} read, {} acknowledged", load.planned, load.read, load.acked);
        assert!(said.contains(&counts) && load.read < load.planned && load.acked == load.read, "{said}\n{load:?}");
        assert_eq!(load.verdict.as_ref().unwrap().status, Status::Inconclusive);
    }

    /// The longest time from handing over to the acknowledgement.
    fn longest(&self) -> Duration {
        Duration::from_secs_f64(self.load.ack_latency.unwrap().max / 1000.0)
    }
}

/// So many records in each partition.
fn records(partitions: i32, each: usize) -> Vec<Record> {
    (0..partitions).flat_map(|partition| (0..each).map(move |number| Record::new(partition, number))).collect()
}

/// Records of 700 kB in one partition: a hundred are more than a loader reads ahead.
fn large_records() -> Vec<Record> {
    (0..100).map(|number| Record { value: Some(vec![number as u8; 700_000]), ..Record::new(0, number) }).collect()
}

/// Each once and in the order of its partition.
fn assert_copied(cluster: &Cluster, source: &str, target: &str) {
    let [source, copied] = [source, target].map(|topic| read_all(cluster.first(), topic));
    assert!(copied == source, "{target}: records are lost, doubled, changed or in another order");
}

type Test = fn(&Cluster);

/// One cluster for all, because starting one takes longer than what is tested on it. Nobody uses what another one breaks.
#[test]
fn loads_are_exact_or_end_clearly_whatever_happens_to_the_cluster() {
    let cluster = &Cluster::start();
    let tests: [(&str, Test); 4] = [
        ("a leader that dies", a_leader_that_dies_and_comes_back_costs_no_record),
        ("a broker that stalls", a_broker_that_stalls_costs_time_and_no_record),
        ("partitions that are added", partitions_that_are_added_change_nothing),
        ("records that are deleted", records_that_are_deleted_before_they_are_read_end_the_load),
    ];
    std::thread::scope(|scope| {
        for (name, test) in tests {
            std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, move || test(cluster)).unwrap();
        }
    });
}

fn a_leader_that_dies_and_comes_back_costs_no_record(cluster: &Cluster) {
    let replicas: [&[i32]; 3] = [&[2, 1], &[1, 2], &[2, 1]];
    for topic in ["dies-source", "dies-target"] {
        cluster.create_topic(topic, &replicas);
    }
    write(&producer(cluster.first(), &[]), "dies-source", &records(3, 2000));
    let load = ["--duration-min=0.25", "--data-count-per-second=400"];
    let load = Running::start(&cluster.servers(2), "dies-source", "dies-target", &load);
    cluster.wait_for_records("dies-target", 50);
    cluster.node(2).lock().unwrap().kill();
    wait_until(DEADLINE, &|| "another leader".to_owned(), || cluster.leaders("dies-target") == [1, 1, 1]);
    cluster.node(2).lock().unwrap().restart();
    wait_until(DEADLINE, &|| "the leader of before".to_owned(), || cluster.leaders("dies-target") == [2, 1, 2]);
    let ended = load.end();
    ended.assert_exact(6000);
    assert!(ended.longest() > Duration::from_secs(1), "the outage must be seen: {:?}", ended.longest());
    assert_copied(cluster, "dies-source", "dies-target");
}

fn a_broker_that_stalls_costs_time_and_no_record(cluster: &Cluster) {
    let topics: [(&str, &[&[i32]]); 6] = [
        ("stalls-source", &[&[1], &[1]]),
        ("stalls-target", &[&[3], &[3]]),
        ("stalls-replaced", &[&[3, 1], &[3, 1]]),
        ("stalls-large", &[&[3]]),
        ("stalls-read", &[&[1]]),
        ("stalls-given-up", &[&[1]]),
    ];
    for (topic, replicas) in topics {
        cluster.create_topic(topic, replicas);
    }
    let producer = producer(cluster.first(), &[]);
    write(&producer, "stalls-source", &records(2, 1500));
    write(&producer, "stalls-large", &large_records());
    let servers = cluster.servers(3);
    let load = |source, target, [minutes, rate, patience]: [&str; 3]| {
        let load = ["--duration-min", minutes, "--data-count-per-second", rate, "--give-up-after", patience];
        Running::start(&servers, source, target, &load)
    };
    let written = load("stalls-source", "stalls-target", ["0.1", "500", "16s"]);
    let replaced = load("stalls-source", "stalls-replaced", ["0.1", "500", "10s"]);
    let read = load("stalls-large", "stalls-read", ["0.1", "16.66667", "16s"]);
    // Slow, so that there is something left to read when the source falls silent.
    let given_up = load("stalls-large", "stalls-given-up", ["0.5", "3.33334", "2s"]);
    for (topic, count) in [("stalls-target", 10), ("stalls-replaced", 10), ("stalls-read", 2), ("stalls-given-up", 2)] {
        cluster.wait_for_records(topic, count);
    }
    let (stalled, node) = (Instant::now(), cluster.node(3).lock().unwrap());
    node.signal(Signal::SIGSTOP);
    let given_up = given_up.end();
    given_up.assert_failed("cannot read stalls-large, partition 0: nothing came for 2 s");
    // The other replica took over.
    replaced.end().assert_exact(3000);
    // Longer than half of the patience, after which what has no answer is sent again over another link.
    std::thread::sleep(Duration::from_secs(9).saturating_sub(stalled.elapsed()));
    node.signal(Signal::SIGCONT);
    let stalled = stalled.elapsed();
    let [written, read] = [written, read].map(Running::end);
    written.assert_exact(3000);
    read.assert_exact(100);
    let longest = written.longest();
    assert!(longest > stalled.mul_f64(0.9), "a stall of {stalled:?} must be seen: {longest:?}");
    assert_copied(cluster, "stalls-source", "stalls-target");
    assert_copied(cluster, "stalls-source", "stalls-replaced");
    assert_copied(cluster, "stalls-large", "stalls-read");
}

fn partitions_that_are_added_change_nothing(cluster: &Cluster) {
    for topic in ["grows-source", "grows-target", "grows-spread"] {
        cluster.create_topic(topic, &[&[1], &[1]]);
    }
    let producer = producer(cluster.first(), &[]);
    write(&producer, "grows-source", &records(2, 1000));
    let load = |target, partitioner| {
        let load = ["--duration-min=0.066667", "--data-count-per-second=500", partitioner];
        Running::start(cluster.first(), "grows-source", target, &load)
    };
    let same = load("grows-target", "--partitioner=same");
    let spread = load("grows-spread", "--partitioner=murmur2");
    cluster.wait_for_records("grows-target", 50);
    cluster.wait_for_records("grows-spread", 50);
    for topic in ["grows-source", "grows-target", "grows-spread"] {
        let more = NewPartitions::new(topic, 4).assign(&[&[1], &[1]]);
        wait(cluster.admin().create_partitions([&more], &AdminOptions::new())).unwrap()[0].clone().unwrap();
        wait_until(DEADLINE, &|| format!("{topic} to grow"), || cluster.leaders(topic) == [1, 1, 1, 1]);
    }
    for load in [same, spread] {
        load.end().assert_exact(2000);
    }
    assert_copied(cluster, "grows-source", "grows-target");
    let spread = read_all(cluster.first(), "grows-spread");
    assert!(spread.keys().eq(&[0, 1]), "keys stay where they were: {:?}", spread.keys());
    assert_eq!(spread.values().map(Vec::len).sum::<usize>(), 2000);
}

fn records_that_are_deleted_before_they_are_read_end_the_load(cluster: &Cluster) {
    for topic in ["forgets-source", "forgets-target"] {
        cluster.create_topic(topic, &[&[1]]);
    }
    write(&producer(cluster.first(), &[]), "forgets-source", &large_records());
    let load = ["--duration-min=0.5", "--data-count-per-second=3.33334"];
    let load = Running::start(cluster.first(), "forgets-source", "forgets-target", &load);
    cluster.wait_for_records("forgets-target", 3);
    let mut gone = TopicPartitionList::new();
    gone.add_partition_offset("forgets-source", 0, Offset::Offset(99)).unwrap();
    wait(cluster.admin().delete_records(&gone, &AdminOptions::new())).unwrap();
    let since = Instant::now();
    let ended = load.end();
    let words = "cannot read forgets-source, partition 0: records that were there are gone";
    ended.assert_failed(words);
    assert!(since.elapsed() < Duration::from_secs(10), "it took {:?}", since.elapsed());
}
