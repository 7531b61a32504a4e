//! Every way to log in to a broker that the Kafka client knows, against a real broker of its own, and what is said when
//! it does not work.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails where it stands")]

#[expect(dead_code, reason = "every test program uses its own part of it")]
mod common;
#[expect(dead_code, reason = "this broker is neither killed nor stopped")]
#[path = "common/process.rs"]
mod process;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use common::{Record, producer, read_all, write};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use process::{Node, free_ports};
use streamgauge::kafka::{Cluster, Connection, Error};
use streamgauge::loader::{self, Args};
use streamgauge::report::{self, Status};
use streamgauge::step::{Exit, Step};
use tempfile::TempDir;

/// How long the broker may take to start: machines are slow and busy.
const READY: Duration = Duration::from_secs(120);
/// How long a question may take that gets an answer.
const ANSWERED: Duration = Duration::from_secs(30);
/// How long a question is repeated that never gets one.
const UNANSWERED: Duration = Duration::from_millis(500);

const TOPIC: &str = "ads-events";
/// The listeners, and the protocol of each.
const LISTENERS: [(&str, &str); 8] = [
    ("PLAINTEXT", "PLAINTEXT"),
    // What it advertises leads nowhere.
    ("LOST", "PLAINTEXT"),
    ("TLS", "SSL"),
    ("MTLS", "SSL"),
    ("SCRAM", "SASL_SSL"),
    ("PLAIN", "SASL_PLAINTEXT"),
    ("BRIEF", "SASL_PLAINTEXT"),
    ("OAUTH", "SASL_PLAINTEXT"),
];

/// Port 1 is nobody's on a computer of today.
const NOWHERE: &str = "LOST://127.0.0.1:1";

const SERVER_PROPERTIES: &str = r#"process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
offsets.topic.replication.factor=1
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:alice;User:CN=alice
ssl.keystore.type=PEM
ssl.truststore.type=PEM
listener.name.mtls.ssl.client.auth=required
listener.name.scram.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.scram.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.scram.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.plain.sasl.enabled.mechanisms=PLAIN
listener.name.plain.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice=1" user_bob="bob;2";
listener.name.brief.sasl.enabled.mechanisms=PLAIN
listener.name.brief.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice=1";
listener.name.brief.plain.connections.max.reauth.ms=1500
listener.name.oauth.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.oauth.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
"#;

/// A certificate and its key.
struct Signed {
    certificate: X509,
    key: PKey<Private>,
}

impl Signed {
    /// A certificate for this name, signed by the authority or, without one, an authority itself.
    fn new(name: &str, authority: Option<&Signed>) -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let mut certificate = X509::builder().unwrap();
        certificate.set_version(2).unwrap();
        let mut serial = BigNum::new().unwrap();
        serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
        certificate.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        certificate.set_subject_name(&subject).unwrap();
        certificate.set_issuer_name(authority.map_or(&subject, |by| by.certificate.subject_name())).unwrap();
        certificate.set_pubkey(&key).unwrap();
        certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
        let extension = match authority {
            None => BasicConstraints::new().critical().ca().build().unwrap(),
            Some(_) => {
                SubjectAlternativeName::new().ip("127.0.0.1").build(&certificate.x509v3_context(None, None)).unwrap()
            }
        };
        certificate.append_extension(extension).unwrap();
        certificate.sign(authority.map_or(&key, |by| &by.key), MessageDigest::sha256()).unwrap();
        Self { certificate: certificate.build(), key }
    }

    fn pem(&self) -> Vec<u8> {
        [self.key.private_key_to_pem_pkcs8().unwrap(), self.certificate.to_pem().unwrap()].concat()
    }
}

/// A broker with all the listeners; it ends with this.
struct Broker {
    node: Node,
    dir: TempDir,
    ports: Vec<(&'static str, u16)>,
}

impl Broker {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let names = LISTENERS.map(|(name, _)| name).into_iter().chain(["CONTROLLER"]);
        let ports: Vec<_> = names.zip(free_ports(LISTENERS.len() + 1)).collect();
        certificates(dir.path());
        let settings = settings(dir.path(), &ports);
        let users = [
            "--add-scram",
            "SCRAM-SHA-256=[name=alice,password=alice256]",
            "--add-scram",
            "SCRAM-SHA-512=[name=alice,password=alice512]",
        ];
        let node = Node::start(dir.path(), "384m", &settings, &users);
        Self { node, dir, ports }
    }

    fn port(&self, listener: &str) -> u16 {
        self.ports.iter().find(|(name, _)| *name == listener).unwrap().1
    }

    fn path(&self, file: &str) -> String {
        self.dir.path().join(file).display().to_string()
    }

    /// A cluster that is reached through a listener with these properties.
    fn through(&self, listener: &str, properties: &str, timeout: Duration) -> Result<Cluster, Error> {
        self.at(&format!("127.0.0.1:{}", self.port(listener)), properties, timeout)
    }

    fn at(&self, servers: &str, properties: &str, timeout: Duration) -> Result<Cluster, Error> {
        let file = self.dir.path().join("client.properties");
        std::fs::write(&file, properties).unwrap();
        Cluster::new(&Connection::new("source", servers, Some(&file))?, timeout)
    }

    /// What is said when the topic is asked for through a listener with these properties.
    async fn refusal(&self, listener: &str, properties: &str) -> String {
        let cluster = self.through(listener, properties, UNANSWERED).unwrap();
        let outcome = tokio::time::timeout(ANSWERED, cluster.topic(TOPIC)).await.expect("it ends in time");
        outcome.expect_err(&format!("{listener} must refuse {properties}")).to_string()
    }
}

fn certificates(dir: &Path) {
    let authority = Signed::new("test authority", None);
    let other = Signed::new("another authority", None);
    let write = |name: &str, content: &[u8]| std::fs::write(dir.join(name), content).unwrap();
    write("ca.pem", &authority.certificate.to_pem().unwrap());
    write("other-ca.pem", &other.certificate.to_pem().unwrap());
    write("broker.pem", &Signed::new("broker", Some(&authority)).pem());
    write("alice.pem", &Signed::new("alice", Some(&authority)).pem());
    write("mallory.pem", &Signed::new("mallory", Some(&other)).pem());
    // Java's own tools make the stores that Java's clients have.
    keytool(dir, "-importcert -noprompt -alias ca -file ca.pem -keystore ca.p12 -storetype PKCS12 -storepass secret");
    keytool(dir, "-importcert -noprompt -alias ca -file ca.pem -keystore ca.jks -storetype JKS -storepass secret");
}

fn keytool(dir: &Path, arguments: &str) {
    let done = Command::new("keytool").current_dir(dir).args(arguments.split(' ')).output().unwrap();
    assert!(done.status.success(), "keytool {arguments}: {}", String::from_utf8_lossy(&done.stdout));
}

fn settings(dir: &Path, ports: &[(&'static str, u16)]) -> String {
    let at = |(name, port): &(&str, u16)| format!("{name}://127.0.0.1:{port}");
    let protocols = LISTENERS.iter().map(|(name, protocol)| format!("{name}:{protocol}"));
    let protocols: Vec<String> = protocols.chain(["CONTROLLER:PLAINTEXT".to_owned()]).collect();
    let listeners: Vec<String> = ports.iter().map(at).collect();
    let (controller, brokers) = listeners.split_last().unwrap();
    let mut text = SERVER_PROPERTIES.to_owned();
    let dir = dir.display();
    writeln!(text, "listeners={}", listeners.join(",")).unwrap();
    let advertised = brokers.iter().map(|broker| if broker.starts_with("LOST") { NOWHERE } else { broker });
    writeln!(text, "advertised.listeners={}", advertised.collect::<Vec<_>>().join(",")).unwrap();
    writeln!(text, "listener.security.protocol.map={}", protocols.join(",")).unwrap();
    writeln!(text, "controller.quorum.voters=1@{}", controller.trim_start_matches("CONTROLLER://")).unwrap();
    writeln!(text, "ssl.keystore.location={dir}/broker.pem").unwrap();
    writeln!(text, "ssl.truststore.location={dir}/ca.pem").unwrap();
    text
}

#[tokio::test]
async fn a_broker_is_reached_by_every_way_to_log_in_and_refusals_are_explained() {
    let broker = Broker::start();
    let cluster = broker.through("PLAINTEXT", "", READY).unwrap();
    cluster.create_topic(TOPIC, 2, 1).await.unwrap_or_else(|error| panic!("{error}\n{}", broker.node.log()));
    every_way_to_log_in_leads_to_the_topic(&broker).await;
    refusals_say_what_to_do(&broker).await;
    names_are_checked(&broker).await;
    a_principal_without_rights_is_named_with_what_it_may_not_do(&broker).await;
    a_topic_of_nearly_that_name_is_named(&broker).await;
    a_session_that_ends_is_followed_by_another(&broker).await;
    an_advertised_address_that_leads_nowhere_is_named(&broker).await;
    a_load_goes_from_scram_to_mutual_tls(&broker).await;
}

fn plain(user: &str, password: &str) -> String {
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
    format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n\
         sasl.jaas.config={module} required username=\"{user}\" password=\"{password}\";\n"
    )
}

fn scram(broker: &Broker, mechanism: &str, password: &str) -> String {
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
    format!(
        "security.protocol=SASL_SSL\nsasl.mechanism={mechanism}\nssl.truststore.type=PEM\n\
         ssl.truststore.location={}\nsasl.jaas.config={module} required username=\"alice\" password=\"{password}\";\n",
        broker.path("ca.pem")
    )
}

fn oauth(subject: &str) -> String {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
    format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n\
         sasl.jaas.config={module} required unsecuredLoginStringClaim_sub=\"{subject}\";\n"
    )
}

/// TLS that trusts what is in this file.
fn tls(broker: &Broker, trusted: &str) -> String {
    format!("security.protocol=SSL\nssl.truststore.location={}\nssl.truststore.password=secret\n", broker.path(trusted))
}

async fn every_way_to_log_in_leads_to_the_topic(broker: &Broker) {
    let one_line = std::fs::read_to_string(broker.path("ca.pem")).unwrap().replace('\n', " ");
    let key = format!("ssl.keystore.type=PEM\nssl.keystore.location={}\n", broker.path("alice.pem"));
    let librdkafka = format!(
        "security.protocol=ssl\nssl.ca.location={}\nssl.certificate.location={2}\nssl.key.location={2}\n{1}",
        broker.path("ca.pem"),
        "enable.ssl.certificate.verification=true\n",
        broker.path("alice.pem")
    );
    let ways = [
        ("PLAINTEXT", String::new()),
        ("TLS", tls(broker, "ca.pem")),
        ("TLS", tls(broker, "ca.p12")),
        ("TLS", format!("security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.certificates={one_line}\n")),
        ("TLS", "security.protocol=SSL\nenable.ssl.certificate.verification=false\n".to_owned()),
        ("TLS", tls(broker, "ca.pem") + "ssl.enabled.protocols=TLSv1.2\n"),
        ("MTLS", tls(broker, "ca.pem") + &key),
        ("MTLS", librdkafka),
        ("SCRAM", scram(broker, "SCRAM-SHA-256", "alice256")),
        ("SCRAM", scram(broker, "SCRAM-SHA-512", "alice512")),
        ("PLAIN", plain("alice", "alice=1")),
        ("OAUTH", oauth("alice")),
    ];
    for (listener, properties) in ways {
        let cluster = broker.through(listener, &properties, ANSWERED).unwrap();
        let topic = cluster.topic(TOPIC).await.unwrap_or_else(|error| panic!("{listener}: {properties}: {error}"));
        assert_eq!(cluster.bounds(&topic).await.unwrap().len(), 2, "{listener}: {properties}");
    }
}

async fn refusals_say_what_to_do(broker: &Broker) {
    let untrusted = "the broker's certificate is not signed by anybody trusted here; set ssl.truststore.location";
    let stranger = format!("ssl.keystore.location={}\n", broker.path("mallory.pem"));
    let cases = [
        ("TLS", String::new(), "it answers with a TLS alert; does this listener speak TLS? set security.protocol=SSL"),
        ("PLAINTEXT", tls(broker, "ca.pem"), "does this listener speak TLS?"),
        ("TLS", "security.protocol=SSL\n".to_owned(), untrusted),
        ("TLS", tls(broker, "other-ca.pem"), "unable to get local issuer certificate: the broker's certificate is not"),
        ("MTLS", tls(broker, "ca.pem"), "the broker wants to see a certificate (ssl/tls alert bad certificate)"),
        ("MTLS", tls(broker, "ca.pem") + &stranger, "the broker does not accept the certificate of ssl.keystore.*"),
        ("PLAIN", String::new(), "does this listener want SASL? set security.protocol"),
        ("PLAINTEXT", plain("alice", "alice=1"), "the listener asks for no SASL; set security.protocol to PLAINTEXT"),
        ("PLAIN", plain("alice", "hunter2"), "PLAIN as alice: Authentication failed: Invalid username or password"),
        ("SCRAM", scram(broker, "SCRAM-SHA-512", "hunter2"), "SCRAM-SHA-512 as alice: Authentication failed"),
        ("SCRAM", scram(broker, "PLAIN", "").replace("scram.Scram", "plain.Plain"), "the listener takes SCRAM-SHA-"),
        ("OAUTH", oauth(""), "OAUTHBEARER: "),
    ];
    for (listener, properties, expected) in cases {
        let said = broker.refusal(listener, &properties).await;
        assert!(said.contains(expected), "{listener}: {properties}\n{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let jks = broker.through("TLS", &tls(broker, "ca.jks"), UNANSWERED).err().unwrap().to_string();
    assert!(jks.contains("line 2") && jks.contains("keytool -importkeystore"), "{jks}");
}

async fn names_are_checked(broker: &Broker) {
    let servers = format!("localhost:{}", broker.port("TLS"));
    let trusting = tls(broker, "ca.pem");
    let cluster = broker.at(&servers, &trusting, UNANSWERED).unwrap();
    let said = cluster.topic(TOPIC).await.unwrap_err().to_string();
    assert!(said.contains("the broker's certificate is not made out to localhost"), "{said}");
    let unchecked = trusting + "ssl.endpoint.identification.algorithm=\n";
    let cluster = broker.at(&servers, &unchecked, ANSWERED).unwrap();
    assert_eq!(cluster.topic(TOPIC).await.unwrap().partitions.len(), 2);
}

async fn a_principal_without_rights_is_named_with_what_it_may_not_do(broker: &Broker) {
    let said = broker.refusal("PLAIN", &plain("bob", "bob;2")).await;
    let expected = format!("user bob may not describe topic {TOPIC} at the source 127.0.0.1:");
    assert!(said.starts_with(&expected) && said.contains("TOPIC_AUTHORIZATION_FAILED"), "{said}");
    let cluster = broker.through("PLAIN", &plain("bob", "bob;2"), ANSWERED).unwrap();
    let said = cluster.create_topic("new", 1, 1).await.unwrap_err().to_string();
    assert!(said.starts_with("user bob may not create topic new at the source"), "{said}");
}

async fn a_topic_of_nearly_that_name_is_named(broker: &Broker) {
    let cluster = broker.through("PLAINTEXT", "", ANSWERED).unwrap();
    let said = cluster.topic("ads-evnts").await.unwrap_err().to_string();
    assert!(said.ends_with("has no topic \"ads-evnts\"; did you mean ads-events?"), "{said}");
}

async fn a_session_that_ends_is_followed_by_another(broker: &Broker) {
    let cluster = broker.through("BRIEF", &plain("alice", "alice=1"), ANSWERED).unwrap();
    let leader = cluster.topic(TOPIC).await.unwrap().partitions[0].leader;
    let link = cluster.broker(leader).await.unwrap();
    let deadline = Instant::now() + ANSWERED;
    while !link.is_broken() {
        assert!(Instant::now() < deadline, "the session does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let topic = cluster.topic(TOPIC).await.unwrap();
    assert_eq!(cluster.bounds(&topic).await.unwrap().len(), 2);
    assert!(!cluster.broker(leader).await.unwrap().is_broken());
}

async fn an_advertised_address_that_leads_nowhere_is_named(broker: &Broker) {
    let cluster = broker.through("LOST", "", UNANSWERED).unwrap();
    let topic = cluster.topic(TOPIC).await.unwrap();
    let said = cluster.bounds(&topic).await.unwrap_err().to_string();
    assert!(
        said.contains("its broker 1 is at 127.0.0.1:1, which cannot be reached from here: Connection refused"),
        "{said}"
    );
    assert!(said.contains("advertised.listeners"), "{said}");
}

async fn a_load_goes_from_scram_to_mutual_tls(broker: &Broker) {
    let cluster = broker.through("PLAINTEXT", "", ANSWERED).unwrap();
    for topic in ["tls-source", "tls-target"] {
        cluster.create_topic(topic, 2, 1).await.unwrap();
    }
    let at = |listener| format!("127.0.0.1:{}", broker.port(listener));
    // By their timestamps, such as Record::new gives them, the broker would delete them.
    let now = jiff::Timestamp::now().as_millisecond();
    let records = (0..1000).map(|number| Record { timestamp: Some(now), ..Record::new(number as i32 % 2, number) });
    write(&producer(&at("PLAINTEXT"), &[]), "tls-source", &records.collect::<Vec<_>>());
    let file = |name: &str, properties: String| {
        std::fs::write(broker.dir.path().join(name), properties).unwrap();
        broker.path(name)
    };
    let key = format!("ssl.keystore.type=PEM\nssl.keystore.location={}\n", broker.path("alice.pem"));
    let report = broker.path("report.json");
    let args = Args::try_parse_from([
        "deploy-dataloader",
        &format!("--source-bootstrap-servers={}", at("SCRAM")),
        &format!("--source-config={}", file("source.properties", scram(broker, "SCRAM-SHA-512", "alice512"))),
        "--source-topic=tls-source",
        &format!("--target-bootstrap-servers={}", at("MTLS")),
        &format!("--target-config={}", file("target.properties", tls(broker, "ca.p12") + &key)),
        "--target-topic=tls-target",
        &format!("--report={report}"),
        "--duration-min=0.033333",
        "--data-count-per-second=500",
        "--late-after=30s",
    ]);
    let args = args.unwrap();
    let step = Step::new(args.step.clone());
    let outcome = loader::run(args, &step).await;
    assert_eq!(outcome.map_err(|failure| failure.to_string()), Ok(Exit::Done));
    let load = report::read(Path::new(&report)).unwrap().unwrap().load.unwrap();
    assert_eq!((load.planned, load.read, load.acked, load.visible), (1000, 1000, 1000, 1000));
    assert_eq!(load.verdict.unwrap().status, Status::Pass);
    let [source, target] = ["tls-source", "tls-target"].map(|topic| read_all(&at("PLAINTEXT"), topic));
    assert!(target == source, "records are lost, doubled or changed");
}
