//! What can go wrong before a run is started.

use std::path::PathBuf;

use crate::local;
use crate::step::{Exit, ExitClass};

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The payload is more than GitHub sends.
    #[error("the payload has {bytes} bytes; GitHub sends {limit} at most")]
    TooLarge {
        /// How much it is.
        bytes: usize,
        /// How much it may be.
        limit: usize,
    },
    /// The payload is not signed with the webhook's secret.
    #[error("the payload's signature is not that of the webhook's secret: {why}")]
    Signature {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The payload is not one of GitHub's.
    #[error("the payload cannot be understood: {why}")]
    Payload {
        /// What is wrong with it.
        why: String,
    },
    /// A value of the payload is not what it has to be.
    #[error("the payload's {name} is {value:?}, not {wanted}")]
    Value {
        /// Where it is.
        name: &'static str,
        /// It.
        value: String,
        /// What it has to be.
        wanted: &'static str,
    },
    /// A Pipeline's annotation or a PipelineRun is not as it should be.
    #[error("{}: {why}", path.display())]
    Resource {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Two Pipelines of one name would start.
    #[error(
        "Pipeline {name} is in {} and in {}, and a run could only be of one of them: name the folder that is meant",
        first.display(), second.display()
    )]
    Twice {
        /// The name.
        name: String,
        /// A file that has it.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
    },
    /// A Pipeline looks at the changed files, and nobody knows them.
    #[error(
        "Pipeline {name} runs for some files only, and the changed files are not known: give --changed-files, or a clone that has the commits"
    )]
    NoFiles {
        /// The Pipeline.
        name: String,
    },
    /// A Pipeline takes parameters from the commit's message, and nobody knows that.
    #[error(
        "Pipeline {name} takes parameters from the commit's message, and that is not known: give --message, \
         a clone that has the commit, or --api-url"
    )]
    NoMessage {
        /// The Pipeline.
        name: String,
    },
    /// The commit's message asks for what is not allowed.
    #[error("the commit's message cannot be followed: {why}")]
    Message {
        /// Why not.
        why: String,
    },
    /// What a run was to be given does not fit the Pipelines that run.
    #[error("{0}")]
    Given(String),
    /// A YAML file cannot be read.
    #[error(transparent)]
    Local(#[from] local::Error),
    /// GitHub does not tell the commit's message.
    #[error("cannot get the commit's message from {url}: {why}")]
    Api {
        /// What was asked.
        url: String,
        /// Why not.
        why: String,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Api { .. } => Exit::Refused,
            Self::Local(error) => error.exit(),
            _ => Exit::Usage,
        }
    }
}
