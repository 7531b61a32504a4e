//! What can go wrong with a Flink job.

use std::path::PathBuf;

use crate::step::{Exit, ExitClass};

/// Why a job was not deployed, or not deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address.
    #[error("{flag} {value:?} is not an address such as http://flink-jobmanager:8081")]
    Address {
        /// The argument.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// A file that was named is not there.
    #[error("cannot read {what} {}", path.display())]
    File {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// There is no answer.
    #[error("cannot {operation}: no answer from Flink's REST API at {url}: {words}; check {flag}")]
    Unreachable {
        /// What was wanted.
        operation: String,
        /// Its address.
        url: String,
        /// The system's words.
        words: String,
        /// The argument that says the address.
        flag: &'static str,
    },
    /// Flink answers, but says no.
    #[error("cannot {operation}: Flink says ({status}): {words}{hint}")]
    Refused {
        /// What was wanted.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        words: String,
        /// What to do, after a semicolon; empty when its words say all.
        hint: &'static str,
    },
    /// The answer is not Flink's.
    #[error("cannot {operation}: what answers at {url} is not Flink's REST API: {words}; check {flag}")]
    Strange {
        /// What was wanted.
        operation: String,
        /// Its address.
        url: String,
        /// The beginning of the answer.
        words: String,
        /// The argument that says the address.
        flag: &'static str,
    },
    /// The HTTP client could not be made.
    #[error("cannot speak HTTP on this computer")]
    Client(#[source] reqwest::Error),
}

impl Error {
    /// Whether Flink knows no such job (or jar, or savepoint).
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } | Self::File { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Strange { .. } | Self::Client(_) => Exit::Refused,
        }
    }
}
