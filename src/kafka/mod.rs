//! Kafka as the programs meet it: how to connect, what a topic holds, and errors in the broker's own words.
//!
//! Everything here blocks and belongs on a thread of its own. What moves records is in [`crate::loader`].

mod cluster;
mod connection;
mod words;

use std::path::PathBuf;

pub use cluster::{Bounds, Cluster};
pub use connection::Connection;
pub use words::{Words, describe};

use crate::step::{Exit, ExitClass};

/// Why Kafka could not be asked. `side` says which cluster is meant: `source` or `target`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client properties could not be read.
    #[error("cannot read the client properties {}: mount the Secret or name the right file", path.display())]
    PropertiesRead {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A line of the client properties is wrong. Its value is never shown: it may be a password.
    #[error("{}, line {line}: {problem}", path.display())]
    PropertiesLine {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// librdkafka did not take the settings.
    #[error("cannot make a Kafka client for the {side} {servers}: {words}")]
    Client {
        /// `source` or `target`.
        side: &'static str,
        /// Its bootstrap servers.
        servers: String,
        /// librdkafka's words.
        words: String,
    },
    /// No broker answered.
    #[error("no answer from the {side} {servers} ({asked}): {words}; is the address right and the broker up?")]
    Unreachable {
        /// `source` or `target`.
        side: &'static str,
        /// Its bootstrap servers.
        servers: String,
        /// What it was asked.
        asked: String,
        /// What went wrong underneath.
        words: String,
    },
    /// There is no such topic.
    #[error("the {side} {servers} has no topic {topic:?}")]
    UnknownTopic {
        /// `source` or `target`.
        side: &'static str,
        /// Its bootstrap servers.
        servers: String,
        /// The topic.
        topic: String,
    },
    /// The broker answered with a refusal.
    #[error("the {side} {servers} refused ({asked}): {words}")]
    Refused {
        /// `source` or `target`.
        side: &'static str,
        /// Its bootstrap servers.
        servers: String,
        /// What it was asked.
        asked: String,
        /// The broker's words.
        words: String,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::PropertiesRead { .. } | Self::PropertiesLine { .. } | Self::UnknownTopic { .. } => Exit::Usage,
            Self::Client { .. } | Self::Unreachable { .. } | Self::Refused { .. } => Exit::Refused,
        }
    }
}
