//! What keeps a report from being begun, read or written.

use std::path::PathBuf;

use super::SCHEMA_VERSION;
use crate::step::{Exit, ExitClass};

/// Why a report could not be begun, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the report {}", path.display())]
    Read {
        /// The report.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file is not a report.
    #[error("{} is not a report of version {SCHEMA_VERSION}", path.display())]
    Form {
        /// The report.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file is a report of a later version.
    #[error("{} is a report of version {version}, this program knows up to {SCHEMA_VERSION}: use one image for all steps", path.display())]
    Version {
        /// The report.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Text that Tekton would take for a variable.
    #[error(
        "{flag} {value:?} cannot be used: Tekton takes $(…) in a parameter for a variable of its own and ends the run without its finally tasks; give such text as an annotation of the run (streamgauge.dev/commit-message, streamgauge.dev/author), or outside Tekton in $COMMIT_MESSAGE and $COMMIT_AUTHOR"
    )]
    Variable {
        /// The argument.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// Nothing would measure the application.
    #[error(
        "app-engine {engine} has no metric pack of its own: give metric-pack one of yours, or the load would be for nothing"
    )]
    WhichPack {
        /// What the application runs on.
        engine: String,
    },
    /// The file could not be written.
    #[error("cannot write the report {}: is the workspace writable?", path.display())]
    Write {
        /// The report.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
