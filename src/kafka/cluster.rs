//! What a cluster says about itself and its topics, and the way to its brokers.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use kafka_protocol::messages::metadata_response::{MetadataResponse, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::address::Address;
use super::{Broker, Call, Connection, Error, Failure, code};
use crate::step::near;

/// How long connecting to a broker may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a broker may take to answer before another one is asked.
const ANSWER: Duration = Duration::from_secs(20);
/// The pause before a question is asked again, while a cluster starts or elects a leader.
const PAUSE: Duration = Duration::from_millis(100);
/// ListOffsets' name for the end of the log, and for its beginning.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// ListOffsets as a read_committed consumer asks it.
const READ_COMMITTED: i8 = 1;
/// How long a broker is waited for before the next one is tried too.
const NEXT: Duration = Duration::from_secs(1);
/// The number under which the link for questions is kept.
const ANY: i32 = -1;

/// A topic as the cluster describes it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions, in the order of their numbers.
    pub partitions: Vec<Partition>,
}

/// A partition and who leads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub number: i32,
    /// The broker that leads it; -1 when it has no leader just now.
    pub leader: i32,
}

/// The offsets of a partition that a read_committed consumer can reach: `low` is the first, `high` the one behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The partition.
    pub partition: i32,
    /// The log's first offset.
    pub low: i64,
    /// The last stable offset: behind the last record that is committed.
    pub high: i64,
}

/// A cluster that can be asked about its topics. It never creates a topic by asking about it, and joins no group. Cheap
/// to clone.
///
/// Questions are asked until there is an answer or the time is up: while a cluster starts or elects leaders, it fails
/// what it answers a moment later.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    connection: Connection,
    timeout: Duration,
    /// Where the brokers are, as the cluster last said.
    addresses: Mutex<HashMap<i32, Address>>,
    /// One link a broker; each locked alone, so that one that does not answer keeps nobody from the others.
    links: Mutex<HashMap<i32, Slot>>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Broker>>>;

impl Cluster {
    /// A cluster that gives up on a question after `timeout`, connecting and trying again included. Sends nothing yet.
    pub fn new(connection: &Connection, timeout: Duration) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner {
            connection: connection.clone(),
            timeout,
            addresses: Mutex::default(),
            links: Mutex::default(),
        })))
    }

    /// How it is connected to.
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The cluster's own id, when it has one.
    pub async fn id(&self) -> Result<Option<String>, Error> {
        let asked = "tell its id";
        let metadata = self.ask(asked, async || self.metadata(Some(&[])).await).await?;
        Ok(metadata.cluster_id.map(|id| id.to_string()))
    }

    /// A topic's partitions and their leaders, asked anew each time: leaders move.
    pub async fn topic(&self, name: &str) -> Result<Topic, Error> {
        match self.ask(&format!("describe topic {name}"), async || self.topic_once(name).await).await {
            Err(Error::UnknownTopic { side, servers, topic, .. }) => {
                let near = self.near(name).await;
                Err(Error::UnknownTopic { side, servers, topic, near })
            }
            outcome => outcome,
        }
    }

    /// Topics that are called much like this one, of those that we may see.
    async fn near(&self, name: &str) -> Vec<String> {
        let all = match timeout(self.0.timeout, self.metadata(None)).await {
            Ok(Ok(all)) => all.topics,
            _ => Vec::new(),
        };
        let names = all.iter().filter(|topic| !topic.is_internal).filter_map(|topic| topic.name.as_deref());
        near(name, names.map(|name| name.as_str())).into_iter().map(str::to_owned).collect()
    }

    /// What is known of its version, as `metadata.version 25`: no broker tells its release.
    pub async fn version(&self) -> Result<String, Error> {
        self.ask("ask for the version", async || Ok(self.any().await?.version())).await
    }

    /// Creates a topic, and waits until each of its partitions has a leader.
    pub async fn create_topic(&self, name: &str, partitions: i32, replication: i16) -> Result<(), Error> {
        let asked = format!("create topic {name}");
        let mut tried = false;
        let mut create = async || {
            let again = std::mem::replace(&mut tried, true);
            let controller = self.metadata(Some(&[])).await?.controller_id.0;
            let broker = self.broker(controller).await?;
            let topic = CreatableTopic::default()
                .with_name(topic_name(name))
                .with_num_partitions(partitions)
                .with_replication_factor(replication);
            let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(millis(ANSWER));
            let answer = self.call(&broker, request).await?;
            let result = answer.topics.first();
            match result.and_then(|topic| code(topic.error_code)) {
                None => Ok(()),
                // The answer to the first try was lost on the way.
                Some(ResponseError::TopicAlreadyExists) if again => Ok(()),
                Some(error) => {
                    let detail = result.and_then(|topic| topic.error_message.as_deref());
                    Err(self.0.connection.refused_saying(&asked, &error, detail))
                }
            }
        };
        self.ask_mut(&asked, &mut create).await?;
        let led = async || match self.topic_once(name).await {
            Ok(topic) if topic.partitions.iter().all(|partition| partition.leader >= 0) => Ok(()),
            // Not every broker has heard of it yet.
            Ok(_) | Err(Error::UnknownTopic { .. }) => {
                Err(self.0.connection.refused(asked.as_str(), &ResponseError::LeaderNotAvailable))
            }
            Err(error) => Err(error),
        };
        self.ask(&asked, led).await
    }

    /// What a read_committed consumer can reach in each partition of a topic.
    pub async fn bounds(&self, topic: &Topic) -> Result<Vec<Bounds>, Error> {
        let low = self.offsets(topic, EARLIEST).await?;
        let high = self.offsets(topic, LATEST).await?;
        let bounds = low.into_iter().zip(high).map(|((partition, low), (_, high))| Bounds { partition, low, high });
        Ok(bounds.collect())
    }

    /// For each partition of a topic the first offset whose record is from `time_ms` (milliseconds since 1970) or later;
    /// none when there is no such record.
    pub async fn offsets_at(&self, topic: &Topic, time_ms: i64) -> Result<Vec<(i32, Option<i64>)>, Error> {
        let found = self.offsets(topic, time_ms).await?;
        Ok(found.into_iter().map(|(partition, offset)| (partition, (offset >= 0).then_some(offset))).collect())
    }

    /// The link to a broker: the one there is, or a new one when there is none or it is broken.
    pub async fn broker(&self, id: i32) -> Result<Broker, Error> {
        let slot = self.slot(id);
        let mut slot = slot.lock().await;
        if let Some(broker) = slot.as_ref().filter(|broker| !broker.is_broken()) {
            return Ok(broker.clone());
        }
        let known = self.addresses().get(&id).cloned();
        let address = match known {
            Some(address) => address,
            None => {
                self.metadata(Some(&[])).await?;
                let words = format!("the cluster has no broker {id} just now");
                let unknown = || self.0.connection.unreachable(format!("find broker {id}"), words);
                self.addresses().get(&id).cloned().ok_or_else(unknown)?
            }
        };
        let broker = self.open(id, &address).await.map_err(|failure| match failure {
            Failure::Network(words) => Error::Advertised {
                side: self.0.connection.side(),
                servers: self.0.connection.servers().to_owned(),
                broker: id,
                address: address.to_string(),
                words,
            },
            failure => self.0.connection.place(&address).error(failure),
        })?;
        *slot = Some(broker.clone());
        Ok(broker)
    }

    /// The link for questions: to any broker, and to none that answers them too late. Records never go over it, so no
    /// answer waits behind them.
    async fn any(&self) -> Result<Broker, Error> {
        let slot = self.slot(ANY);
        let mut slot = slot.lock().await;
        if let Some(broker) = slot.as_ref().filter(|broker| !broker.is_broken()) {
            return Ok(broker.clone());
        }
        let mut addresses = self.0.connection.addresses().to_vec();
        let known: Vec<Address> = self.addresses().values().cloned().collect();
        addresses.extend(known.into_iter().filter(|known| !self.0.connection.addresses().contains(known)));
        let (mut addresses, mut opening) = (addresses.into_iter(), JoinSet::new());
        let mut failures = Vec::new();
        loop {
            if let Some(address) = addresses.next() {
                let cluster = self.clone();
                opening.spawn(async move { (cluster.open(ANY, &address).await, address) });
            }
            match timeout(NEXT, opening.join_next()).await {
                Ok(None) => break,
                Ok(Some(Ok((Ok(broker), _)))) => {
                    *slot = Some(broker.clone());
                    return Ok(broker);
                }
                Ok(Some(Ok((Err(Failure::Network(words)), address)))) => failures.push((address, words)),
                Ok(Some(Ok((Err(failure), address)))) => {
                    return Err(self.0.connection.place(&address).error(failure));
                }
                // It takes long, so the next one is tried beside it. Our own tasks neither panic nor are they aborted.
                Err(_) | Ok(Some(Err(_))) => {}
            }
        }
        let words: Vec<String> = match failures.as_slice() {
            [(_, words)] => vec![words.clone()],
            failures => failures.iter().map(|(address, words)| format!("{address}: {words}")).collect(),
        };
        Err(self.0.connection.unreachable("connect", words.join("; ")))
    }

    async fn open(&self, id: i32, address: &Address) -> Result<Broker, Failure> {
        let slow = || Failure::Network(format!("no connection within {} s", CONNECT.as_secs()));
        timeout(CONNECT, self.0.connection.open(id, address)).await.unwrap_or_else(|_| Err(slow()))
    }

    /// What the cluster says about itself, and about these topics; all it shows us when no names are given. Keeps the
    /// brokers' addresses.
    async fn metadata(&self, names: Option<&[&str]>) -> Result<MetadataResponse, Error> {
        let topic = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(names.map(|names| names.iter().map(topic).collect()))
            .with_allow_auto_topic_creation(false);
        let broker = self.any().await?;
        // A broker knows this by heart. One that is gone without a word must leave time to ask another.
        let limit = (self.0.timeout / 4).max(NEXT);
        let answer = broker.within(limit, broker.call(request)).await?;
        let address =
            |host: &StrBytes, port: i32| Some(Address { host: host.to_string(), port: u16::try_from(port).ok()? });
        let brokers = answer.brokers.iter();
        *self.addresses() =
            brokers.filter_map(|broker| Some((broker.node_id.0, address(&broker.host, broker.port)?))).collect();
        Ok(answer)
    }

    /// Like [`Cluster::topic`], but asked once: for those who ask again themselves.
    pub async fn topic_once(&self, name: &str) -> Result<Topic, Error> {
        let answer = self.metadata(Some(&[name])).await?;
        let found = answer.topics.iter().find(|topic| topic.name.as_deref().is_some_and(|found| &**found == name));
        match found.map(|found| (code(found.error_code), found)) {
            None | Some((Some(ResponseError::UnknownTopicOrPartition), _)) => Err(self.unknown(name)),
            Some((Some(error), _)) => Err(self.0.connection.refused(format!("describe topic {name}"), &error)),
            Some((None, found)) => Ok(described(name, found)),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        Error::UnknownTopic {
            side: self.0.connection.side(),
            servers: self.0.connection.servers().to_owned(),
            topic: name.to_owned(),
            near: Vec::new(),
        }
    }

    /// ListOffsets of every partition, each asked of its leader: partition and offset in the topic's order.
    async fn offsets(&self, topic: &Topic, time: i64) -> Result<Vec<(i32, i64)>, Error> {
        let mut current = Some(topic.clone());
        let mut list = async || {
            // The leaders may have moved since the topic was described, and between two tries.
            let topic = match current.take() {
                Some(topic) => topic,
                None => self.topic_once(&topic.name).await?,
            };
            self.offsets_once(&topic, time).await
        };
        let found = self.ask_mut(&format!("read the offsets of topic {}", topic.name), &mut list).await?;
        let of = |partition: &Partition| {
            let offset = found.get(&partition.number).copied();
            offset.map(|offset| (partition.number, offset)).ok_or_else(|| self.unknown(&topic.name))
        };
        topic.partitions.iter().map(of).collect()
    }

    async fn offsets_once(&self, topic: &Topic, time: i64) -> Result<BTreeMap<i32, i64>, Error> {
        let asked = |partition| format!("read topic {}, partition {partition}", topic.name);
        let mut leaders: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for partition in &topic.partitions {
            if partition.leader < 0 {
                let error = ResponseError::LeaderNotAvailable;
                return Err(self.0.connection.refused(asked(partition.number), &error));
            }
            leaders.entry(partition.leader).or_default().push(partition.number);
        }
        let mut answers = Vec::new();
        for (leader, partitions) in leaders {
            let broker = self.broker(leader).await?;
            let answer = broker.call(list_offsets(&topic.name, &partitions, time));
            answers.push((broker, answer));
        }
        let mut offsets = BTreeMap::new();
        for (broker, answer) in answers {
            let answer = broker.within(ANSWER, answer).await?;
            for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                if let Some(error) = code(partition.error_code) {
                    return Err(self.0.connection.refused(asked(partition.partition_index), &error));
                }
                offsets.insert(partition.partition_index, partition.offset);
            }
        }
        Ok(offsets)
    }

    async fn call<R: Call>(&self, broker: &Broker, request: R) -> Result<R::Response, Error> {
        broker.within(ANSWER, broker.call(request)).await
    }

    async fn ask<T>(&self, asked: &str, question: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
        self.ask_mut(asked, &mut async || question().await).await
    }

    /// Asks until there is an answer, an error that does not heal, or the time is up.
    async fn ask_mut<T>(&self, asked: &str, question: &mut impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
        let deadline = Instant::now() + self.0.timeout;
        let mut last: Option<Error> = None;
        loop {
            match timeout_at(deadline, question()).await {
                Ok(Err(error)) if error.heals() => {
                    tracing::debug!("{asked}: {error}");
                    last = Some(error);
                }
                Ok(outcome) => return outcome,
                Err(_) => return Err(self.gave_up(asked, last)),
            }
            if timeout_at(deadline, tokio::time::sleep(PAUSE)).await.is_err() {
                return Err(self.gave_up(asked, last));
            }
        }
    }

    fn gave_up(&self, asked: &str, last: Option<Error>) -> Error {
        match last {
            Some(Error::Unreachable { words, .. }) => self.0.connection.unreachable(asked, words),
            Some(error) => error,
            None => {
                let words = format!("nothing within {} s", self.0.timeout.as_secs_f64());
                self.0.connection.unreachable(asked, words)
            }
        }
    }

    fn slot(&self, id: i32) -> Slot {
        lock(&self.0.links).entry(id).or_default().clone()
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<i32, Address>> {
        lock(&self.0.addresses)
    }
}

fn described(name: &str, found: &MetadataResponseTopic) -> Topic {
    let partition = |number, leader: BrokerId| Partition { number, leader: leader.0 };
    let found = found.partitions.iter();
    let mut partitions: Vec<_> = found.map(|found| partition(found.partition_index, found.leader_id)).collect();
    partitions.sort_unstable_by_key(|partition| partition.number);
    Topic { name: name.to_owned(), partitions }
}

fn list_offsets(topic: &str, partitions: &[i32], time: i64) -> ListOffsetsRequest {
    let partition = |&number: &i32| {
        ListOffsetsPartition::default().with_partition_index(number).with_current_leader_epoch(-1).with_timestamp(time)
    };
    let partitions = partitions.iter().map(partition).collect();
    let topic = ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(partitions);
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(READ_COMMITTED)
        .with_topics(vec![topic])
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
