//! Why a connection to a broker could not be made ready.

use std::io;

/// Why a connection to a broker could not be made ready for requests.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The network or the broker's end of it; may heal.
    Network(String),
    /// TLS; stays as it is until somebody changes a setting.
    Tls(String),
    /// SASL; likewise.
    Credentials(String),
    /// A request has no version that the broker and we speak.
    Version {
        /// The request's name.
        call: &'static str,
        /// The versions we speak.
        ours: String,
        /// The versions the broker speaks.
        theirs: String,
    },
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Network(match error.kind() {
            io::ErrorKind::UnexpectedEof => "the broker closed the connection".to_owned(),
            _ => error.to_string(),
        })
    }
}
