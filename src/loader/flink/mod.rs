//! The other engine: the records are carried by a job on a Flink cluster, as many machines wide as that is.
//!
//! Which records and when, is planned here; what came of them is counted by the job, each subtask for itself in the form of
//! [`Outcome`](super::outcome::Outcome), and merged, counted again in the target and judged here as after any other load.
//!
//! `args` says which cluster, `program` writes the job's arguments, `job` runs and watches it, `parts` reads its results.

mod args;
mod job;
mod parts;
mod program;

pub use args::{Engine, Error as ArgsError, FlinkArgs, Site};
pub use job::{Carried, run};

use crate::flink;
use crate::step::{Exit, ExitClass};

/// Why Flink did not carry the load, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Flink could not be asked.
    #[error(transparent)]
    Rest(#[from] flink::Error),
    /// The job failed.
    #[error("Flink job {job} failed: {words}")]
    Failed {
        /// Its id.
        job: String,
        /// Its root cause.
        words: String,
    },
    /// The cluster is too small for it.
    #[error(
        "Flink has no room for the job: it needs {needed} slots, {free} of {total} are free: give it a smaller --flink-parallelism"
    )]
    NoSlots {
        /// How many it needs.
        needed: u32,
        /// How many are free.
        free: u32,
        /// How many there are.
        total: u32,
    },
    /// Somebody ended it.
    #[error("Flink job {job} was cancelled by somebody else")]
    Canceled {
        /// Its id.
        job: String,
    },
    /// The cluster forgot it.
    #[error("Flink knows job {job} no more: was its JobManager restarted?")]
    Forgotten {
        /// Its id.
        job: String,
    },
    /// It does not tell what it did.
    #[error(
        "Flink job {job} finished, and {told} of {of} subtasks told what they did: use a --flink-jar of this version"
    )]
    Untold {
        /// Its id.
        job: String,
        /// How many subtasks told something.
        told: u32,
        /// How many there are; 0 when nobody said.
        of: u32,
    },
    /// It still runs.
    #[error("Flink job {job} was cancelled and still ran {seconds} s later: look after it")]
    Stuck {
        /// Its id.
        job: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Rest(error) => error.exit(),
            _ => Exit::Refused,
        }
    }
}
