//! What can be wrong before a run starts.

use std::path::PathBuf;

use crate::step::{Exit, ExitClass};

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file is not YAML.
    #[error("{}: not valid YAML: {message}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// Resources hold what cannot be run.
    #[error("{}", .0.join("\n"))]
    Resources(Vec<String>),
    /// What was asked for does not fit the resource.
    #[error("{0}")]
    Request(String),
    /// The computer refused what every run needs.
    #[error("cannot {doing}")]
    System {
        /// What was tried.
        doing: String,
        /// The system's words.
        source: std::io::Error,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::System { .. } => Exit::Refused,
            _ => Exit::Usage,
        }
    }
}
