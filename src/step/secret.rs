//! Secrets: read from files, never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Exit, ExitClass};

/// A secret read from a file, as a Kubernetes Secret mounts it. It shows itself as `***`.
#[derive(Clone)]
pub struct Secret(String);

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("cannot read the secret {}: mount it or name the right file", path.display())]
    Read {
        /// The secret's file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file holds nothing but white space.
    #[error("the secret {} is empty", path.display())]
    Empty {
        /// The secret's file.
        path: PathBuf,
    },
}

impl ExitClass for SecretError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Secret {
    /// Reads a secret, without the white space around it: editors leave a newline that breaks HTTP headers.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SecretError::Read { path: path.to_owned(), source })?;
        match text.trim() {
            "" => Err(SecretError::Empty { path: path.to_owned() }),
            secret => Ok(Self(secret.to_owned())),
        }
    }

    /// A secret that was not read from a file, but exchanged for another one.
    pub fn of(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text with every occurrence of the secret replaced by `***`.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_loses_its_newline_and_never_shows_itself() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "xoxb-1\n").unwrap();
        let secret = Secret::read(file.path()).unwrap();
        assert_eq!(secret.expose(), "xoxb-1");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.redact("token xoxb-1 refused"), "token *** refused");
    }

    #[test]
    fn an_empty_secret_is_an_error_that_names_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Secret::read(file.path()).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()));
    }
}
