//! What can go wrong with manifests.

use std::path::PathBuf;

use crate::step::{Exit, ExitClass};

/// Why manifests were not applied, or not deleted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file is not YAML.
    #[error("{} is not YAML: {words}", path.display())]
    Yaml {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        words: String,
    },
    /// A document is not an object that can be applied.
    #[error("{origin} cannot be applied: {why}")]
    Document {
        /// Its file and its place there.
        origin: String,
        /// Why not.
        why: String,
    },
    /// A folder is kustomize's raw material.
    #[error("{} is read by kustomize only: give the output of `kustomize build` or `kubectl kustomize` instead", path.display())]
    Kustomization {
        /// Its kustomization.yaml.
        path: PathBuf,
    },
    /// There is nothing to do.
    #[error("no manifests in {paths}: files that end in .yaml, .yml or .json are read")]
    Nothing {
        /// What was named.
        paths: String,
    },
    /// The same object comes twice.
    #[error("{object} comes twice, from {first} and from {second}")]
    Twice {
        /// Which one.
        object: String,
        /// Where it is.
        first: String,
        /// Where it is again.
        second: String,
    },
    /// A setting cannot be understood.
    #[error("{setting:?} is not [Kind[/name]:]path=value: {why}")]
    Setting {
        /// The setting as it was given.
        setting: String,
        /// What is wrong with it.
        why: String,
    },
    /// A setting has nothing to change.
    #[error("{option} {setting:?} matches nothing: {why}")]
    Unmatched {
        /// The option.
        option: &'static str,
        /// The setting's left side.
        setting: String,
        /// Where it stops and what is there.
        why: String,
    },
    /// An object belongs elsewhere.
    #[error("{object} of {origin} is for namespace {its:?} but --namespace is {given:?}: leave one of them out")]
    Namespace {
        /// Which one.
        object: String,
        /// Its file.
        origin: String,
        /// The namespace it names.
        its: String,
        /// The namespace of the arguments.
        given: String,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
