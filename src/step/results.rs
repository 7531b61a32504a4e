//! Tekton results: small strings, each in a file of its own.

use std::path::PathBuf;

use super::{Exit, ExitClass, KeyValue};

/// The most that all results of a step may hold together, in bytes. Tekton carries them in the container's termination
/// message of 4096 bytes, JSON-escaped and shared with its own fields, and fails a step that goes over.
pub const RESULTS_LIMIT: usize = 1500;

/// Where a step's results go: a file for each result that was asked for with `--result NAME=FILE`.
#[derive(Debug)]
pub struct Results {
    files: Vec<(String, PathBuf)>,
}

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be written.
    #[error("cannot write result {name} to {}", path.display())]
    Write {
        /// The result.
        name: String,
        /// Its file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Tekton would refuse this much.
    #[error("results hold {bytes} bytes, {RESULTS_LIMIT} fit: {name} is too long")]
    TooLong {
        /// The result that went over.
        name: String,
        /// What all results hold with it.
        bytes: usize,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Results {
    /// Results that go to the files of these `NAME=FILE` pairs.
    pub fn new(pairs: &[KeyValue]) -> Self {
        Self { files: pairs.iter().map(|pair| (pair.key.clone(), PathBuf::from(&pair.value))).collect() }
    }

    /// Empties every result, so that each exists however the step ends: a `finally` task that uses a result
    /// nobody wrote would be skipped.
    pub fn clear(&self) -> Result<(), Error> {
        self.files.iter().try_for_each(|(name, _)| self.write(name, ""))
    }

    /// Writes a result, without a final newline; does nothing when it was not asked for.
    pub fn write(&self, name: &str, value: &str) -> Result<(), Error> {
        let Some((_, path)) = self.files.iter().find(|(known, _)| known == name) else {
            return Ok(());
        };
        let others: usize = self.files.iter().filter(|(known, _)| known != name).map(|(_, path)| length(path)).sum();
        if others + value.len() > RESULTS_LIMIT {
            return Err(Error::TooLong { name: name.to_owned(), bytes: others + value.len() });
        }
        std::fs::write(path, value).map_err(|source| Error::Write { name: name.to_owned(), path: path.clone(), source })
    }
}

fn length(path: &std::path::Path) -> usize {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(dir: &tempfile::TempDir, names: &[&str]) -> Results {
        let pairs: Vec<KeyValue> = names
            .iter()
            .map(|name| KeyValue { key: (*name).to_owned(), value: dir.path().join(name).display().to_string() })
            .collect();
        Results::new(&pairs)
    }

    #[test]
    fn every_result_exists_from_the_start_and_has_no_final_newline() {
        let dir = tempfile::tempdir().unwrap();
        let results = results(&dir, &["a", "b"]);
        results.clear().unwrap();
        results.write("a", "1").unwrap();
        results.write("unasked", "2").unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("a")).unwrap(), "1");
        assert_eq!(std::fs::read_to_string(dir.path().join("b")).unwrap(), "");
        assert!(!dir.path().join("unasked").exists());
    }

    #[test]
    fn results_that_tekton_would_refuse_are_refused_here_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let results = results(&dir, &["a", "b"]);
        results.write("a", &"x".repeat(1000)).unwrap();
        let error = results.write("b", &"y".repeat(501)).unwrap_err();
        assert_eq!(error.to_string(), "results hold 1501 bytes, 1500 fit: b is too long");
    }
}
