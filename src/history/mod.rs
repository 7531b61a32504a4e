//! The history: the reports of earlier runs, in a folder or in the object store of a cloud, and what a run is compared with.
//!
//! A report is one object, `<application>/<branch>/<commit>/<start>-<run>.json`, with its page beside it (`.html`). It is
//! written once and never changed, so nobody has to lock anything: two runs never have one key, and of two writers of
//! one key the second is told whether the first wrote the same. Notes are beside them, for what a run must say before it has a report.

mod address;
mod baseline;
mod crypto;
mod difference;
pub mod keep;
mod key;
mod note;
pub mod program;
mod store;
mod usable;

pub use address::{Place, open};
pub use baseline::{BaselineArgs, PACK};
pub use difference::{circumstances, settings};
pub use store::{Filter, History};

use std::path::PathBuf;

use crate::step::{Exit, ExitClass};

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no address of a history.
    #[error("--history {value:?} is not usable: {reason}")]
    Address {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The settings of its store cannot be read.
    #[error("cannot read {}, a setting of the history's store: mount the Secret or name the right folder with --history-credentials", path.display())]
    Credentials {
        /// The folder, or a file of it.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Its store fails.
    #[error("cannot {operation} in the history {history}: {words}")]
    Failed {
        /// Its address.
        history: String,
        /// What was to be done.
        operation: String,
        /// The store's words.
        words: String,
    },
    /// A run is kept already, and it is another one.
    #[error(
        "the history {history} has another report as {key}: what is kept is not changed; give the run a name of its own"
    )]
    Other {
        /// Its address.
        history: String,
        /// The report's key.
        key: String,
    },
    /// A report that does not say when it was.
    #[error("the report does not say when its run was, so it has no place in the history: let begin-report begin it")]
    NoTime,
    /// Nobody said which history.
    #[error("which history? give --history a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX")]
    WhichHistory,
    /// Nothing in it is what was asked for.
    #[error(
        "the history {history} has no run, commit or branch {wanted:?}{of}: streamgauge history list shows what it has"
    )]
    NoSuchRun {
        /// Its address.
        history: String,
        /// What was asked for.
        wanted: String,
        /// " of application …", where one was named.
        of: String,
    },
    /// What was asked for is there more than once.
    #[error("{wanted:?} is in the history for several applications: say which one with --app: {}", apps.join(", "))]
    Several {
        /// What was asked for.
        wanted: String,
        /// The applications.
        apps: Vec<String>,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Failed { .. } | Self::Other { .. } => Exit::Refused,
            _ => Exit::Usage,
        }
    }
}
