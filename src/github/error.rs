//! Why GitHub was not told.

use crate::step::{Exit, ExitClass};

/// Why GitHub was not told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody said which repository.
    #[error("which repository? give --repository as OWNER/NAME, or begin-report the repository")]
    NoRepository,
    /// It is none.
    #[error("{text:?} is not a repository: give OWNER/NAME or its address")]
    Repository {
        /// What was given.
        text: String,
    },
    /// A token goes only to a server that was named on purpose: a repository's address may come from a stranger's event.
    #[error(
        "the repository is on {host}: give its API with --api-url https://{host}/api/v3, the token goes nowhere else"
    )]
    WhichApi {
        /// The repository's server.
        host: String,
    },
    /// The API's address is none.
    #[error("--api-url {url:?} is not a URL")]
    Address {
        /// What was given.
        url: String,
    },
    /// The commit is no full SHA.
    #[error("{sha:?} is not a commit's full SHA of 40 hex digits: give --commit, or begin-report the commit")]
    Sha {
        /// What was given.
        sha: String,
    },
    /// The pull request is no number.
    #[error("{number:?} is not a pull request's number: give --pull-request, or begin-report the pull request")]
    PullRequest {
        /// What was given.
        number: String,
    },
    /// No secret.
    #[error("no GitHub secret: {}", missing(files))]
    NoSecret {
        /// The files that were looked for.
        files: Vec<String>,
    },
    /// The App's key cannot sign.
    #[error("the private key {path} cannot be used: it has to be the RSA key in PEM that the GitHub App was given")]
    Key {
        /// The key's file.
        path: String,
        /// OpenSSL's words.
        source: openssl::error::ErrorStack,
    },
    /// GitHub could not be reached or broke off.
    #[error("GitHub did not answer at {host}: {reason}")]
    Unreachable {
        /// The server asked.
        host: String,
        /// The system's words.
        reason: String,
        /// Whether the call may have arrived.
        sent: bool,
    },
    /// GitHub refused a call.
    #[error("GitHub refused to {operation}: HTTP {status}, {message}{}", hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
    Refused {
        /// What was to be done.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// GitHub's own words.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The repository has another name or place.
    #[error("GitHub has moved the repository: it answers from {to}; give its new name with --repository")]
    Moved {
        /// Where it answers from.
        to: String,
    },
    /// The limit leaves nothing for as long as this step may take, or however often it is waited for.
    #[error(
        "GitHub lets nobody {operation} for another {seconds} s, and has said so too often or for longer than --timeout: too many calls with this token"
    )]
    RateLimited {
        /// What was to be done.
        operation: String,
        /// How long GitHub asks to wait.
        seconds: u64,
    },
    /// What came is no answer of GitHub's API.
    #[error("{host} answered HTTP {status}, not as GitHub does: {body}")]
    NotGitHub {
        /// The server asked.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The answer's beginning.
        body: String,
    },
    /// Others wrote at every try.
    #[error(
        "the comment of pull request {number} changed at each of {tries} tries: are other runs writing into it all the time?"
    )]
    Contended {
        /// The pull request.
        number: u64,
        /// How often it was tried.
        tries: u32,
    },
}

fn missing(files: &[String]) -> String {
    match files {
        [] => "give --token-file, or --app-id-file and --private-key-file".to_owned(),
        files => format!("{} is not there; mount the Secret", files.join(" or ")),
    }
}

impl Error {
    /// Whether GitHub may have done it all the same.
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::Unreachable { sent, .. } => *sent,
            Self::NotGitHub { status, .. } | Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// The HTTP status with which GitHub refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::NoRepository
            | Self::Repository { .. }
            | Self::WhichApi { .. }
            | Self::Address { .. }
            | Self::Sha { .. }
            | Self::PullRequest { .. }
            | Self::NoSecret { .. }
            | Self::Key { .. } => Exit::Usage,
            _ => Exit::Refused,
        }
    }
}
