//! What can go wrong with a claim.

use std::time::Duration;

use crate::kubernetes;
use crate::step::{Exit, ExitClass};

/// Why an environment is not this run's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The run cannot be the holder of anything.
    #[error(
        "there is no PipelineRun {run} of uid {uid} in namespace {namespace}, and only a run that is there can hold an environment. \
         A run on one's own computer holds none: leave the environment's name empty"
    )]
    NoRun {
        /// The run's name.
        run: String,
        /// Its uid.
        uid: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// A later commit's run of the same pull request has the environment.
    #[error(
        "superseded: {environment} is held by {holder}, which was started later for the same pull request ({pull_request})"
    )]
    Superseded {
        /// The environment.
        environment: String,
        /// Namespace and name of the later run.
        holder: String,
        /// The pull request.
        pull_request: String,
    },
    /// Another run still has it.
    #[error(
        "{environment} is still not free after {:.0} s: {why}. Give --timeout more time than a test takes, or end that run",
        waited.as_secs_f64()
    )]
    Held {
        /// The environment.
        environment: String,
        /// How long it was waited for.
        waited: Duration,
        /// Who has it.
        why: String,
    },
    /// The API server would not do it.
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::NoRun { .. } => Exit::Usage,
            Self::Superseded { .. } => Exit::Refused,
            Self::Held { .. } => Exit::Deadline,
            Self::Kubernetes(error) => error.exit(),
        }
    }
}
