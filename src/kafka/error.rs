//! What can go wrong between us and a cluster.

use std::path::PathBuf;

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
    /// The bootstrap servers are not addresses.
    #[error("the {side}'s bootstrap servers {servers:?}: {problem}; name them as host:port, with commas between them")]
    Servers {
        /// `source` or `target`.
        side: &'static str,
        /// What was given.
        servers: String,
        /// What is wrong with it.
        problem: String,
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
    /// A broker that the cluster names cannot be reached at the address it is named with.
    #[error(
        "the {side} {servers} says that its broker {broker} is at {address}, which cannot be reached from here: {words}; \
         the address in its advertised.listeners must be one that can be reached from where this runs"
    )]
    Advertised {
        /// `source` or `target`.
        side: &'static str,
        /// Its bootstrap servers.
        servers: String,
        /// The broker's number.
        broker: i32,
        /// Where the cluster says that it is.
        address: String,
        /// What went wrong underneath.
        words: String,
    },
    /// The link to a broker is gone, and what was asked over it has no answer.
    #[error("lost the link to {address}, a broker of the {side}: {words}")]
    Broken {
        /// `source` or `target`.
        side: &'static str,
        /// The broker.
        address: String,
        /// What ended it.
        words: String,
    },
    /// TLS with a broker does not come about.
    #[error("cannot speak TLS with {address}, a broker of the {side}: {words}")]
    Tls {
        /// `source` or `target`.
        side: &'static str,
        /// The broker.
        address: String,
        /// OpenSSL's words, and what to do.
        words: String,
    },
    /// A broker does not believe who we are.
    #[error("cannot log in to {address}, a broker of the {side}: {words}")]
    Credentials {
        /// `source` or `target`.
        side: &'static str,
        /// The broker.
        address: String,
        /// The mechanism, the user and the broker's words.
        words: String,
    },
    /// The principal may not do what was asked.
    #[error(
        "{principal} may not {asked} at the {side} {servers} ({name}): have it granted there, or connect as another"
    )]
    Unauthorized {
        /// `source` or `target`.
        side: &'static str,
        /// Its bootstrap servers.
        servers: String,
        /// Who asked.
        principal: String,
        /// The operation with its object: `read topic ads`.
        asked: String,
        /// Kafka's name of the error.
        name: String,
    },
    /// The broker and we have no version of a request in common.
    #[error(
        "{address}, a broker of the {side}, speaks {call} {theirs}, and this program {ours}: is it older than Kafka 1.0?"
    )]
    Version {
        /// `source` or `target`.
        side: &'static str,
        /// The broker.
        address: String,
        /// The request's name.
        call: &'static str,
        /// The versions we speak.
        ours: String,
        /// The versions the broker speaks.
        theirs: String,
    },
    /// There is no such topic.
    #[error("the {side} {servers} has no topic {topic:?}{}", suggestion(near))]
    UnknownTopic {
        /// `source` or `target`.
        side: &'static str,
        /// Its bootstrap servers.
        servers: String,
        /// The topic.
        topic: String,
        /// Topics it has that are called much alike, the nearest first.
        near: Vec<String>,
    },
    /// The broker answered with an error.
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
        /// Whether asking again later may help.
        heals: bool,
    },
}

impl Error {
    /// Whether trying again may help: the cluster starts, elects a leader, or its network comes back.
    pub fn heals(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Advertised { .. } | Self::Broken { .. } => true,
            Self::Refused { heals, .. } => *heals,
            _ => false,
        }
    }
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::PropertiesRead { .. }
            | Self::PropertiesLine { .. }
            | Self::Servers { .. }
            | Self::UnknownTopic { .. } => Exit::Usage,
            Self::Unreachable { .. }
            | Self::Advertised { .. }
            | Self::Broken { .. }
            | Self::Tls { .. }
            | Self::Credentials { .. }
            | Self::Unauthorized { .. }
            | Self::Version { .. }
            | Self::Refused { .. } => Exit::Refused,
        }
    }
}

fn suggestion(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(" or ")),
    }
}
