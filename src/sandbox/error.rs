//! Why a sandbox could not start.

use std::net::IpAddr;
use std::path::PathBuf;

use rdkafka::error::KafkaError;

use crate::step::{Exit, ExitClass, describe_http_error};

/// Why a sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka's jars were not brought.
    #[error(
        "no Kafka in {}: bring it with mvn -f jvm/kafka/pom.xml dependency:copy-dependencies, or name another --kafka-lib",
        lib.display()
    )]
    KafkaMissing {
        /// Where they should be.
        lib: PathBuf,
    },
    /// Flink's jars were not brought.
    #[error(
        "no Flink in {} and {}: bring it with hack/setup, or name another --flink-lib and --flink-jar",
        lib.display(),
        jar.display()
    )]
    FlinkMissing {
        /// Where its jars should be.
        lib: PathBuf,
        /// Where our own jar for it should be.
        jar: PathBuf,
    },
    /// Prometheus is not installed.
    #[error("no prometheus on the PATH: install it with apt-get install prometheus")]
    PrometheusMissing,
    /// A process could not be started.
    #[error("cannot start {what} ({command})")]
    Start {
        /// Which.
        what: &'static str,
        /// Its command line.
        command: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// A process ended when it should have run.
    #[error("{what} ended ({status}): see {}", log.display())]
    Ended {
        /// Which.
        what: &'static str,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
    },
    /// A process runs but does not answer.
    #[error("{what} does not answer after {seconds} s: see {}", log.display())]
    NotReady {
        /// Which.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// No free port, or not this computer's address.
    #[error("cannot listen on a free port of {address}")]
    Port {
        /// Where.
        address: IpAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file or directory could not be made or removed.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Kafka refused.
    #[error("the sandbox's Kafka: {0}")]
    Kafka(KafkaError),
    /// The topic does not hold what was sent to it.
    #[error("the sandbox's Kafka holds {found} records where {wanted} were sent")]
    Seed {
        /// What was sent.
        wanted: u64,
        /// What the offsets say.
        found: u64,
    },
    /// The HTTP client could not be made.
    #[error("cannot make an HTTP client: {}", describe_http_error(.0))]
    Http(reqwest::Error),
    /// Too many sandboxes beside each other.
    #[error("sandboxes run in {} and in all of its neighbours: stop one or name another --dir", dir.display())]
    Busy {
        /// The first one's directory.
        dir: PathBuf,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::KafkaMissing { .. }
            | Self::FlinkMissing { .. }
            | Self::PrometheusMissing
            | Self::Write { .. }
            | Self::Busy { .. } => Exit::Usage,
            _ => Exit::Refused,
        }
    }
}
