//! `streamgauge docs`: the README of every Task and Pipeline, made from its YAML, so that nothing is said twice.

use std::path::{Path, PathBuf};

use minijinja::Environment;
use serde_json::Value;

use crate::step::{Exit, ExitClass, Failure, Step, StepArgs};

/// The form of a README; what it shows comes from the YAML beside it.
const TEMPLATE: &str = include_str!("docs.md.j2");

/// Write the README.md of every Task and Pipeline from its YAML
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders with a folder for every Task or Pipeline
    #[arg(default_values = ["tasks", "pipelines"])]
    pub paths: Vec<PathBuf>,

    /// Change nothing; fail when a README is not what its YAML says
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub step: StepArgs,
}

/// Why the READMEs could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The YAML could not be understood.
    #[error("{}: {reason}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The template could not be filled.
    #[error("cannot write the README of {}", path.display())]
    Template {
        /// The YAML it was made from.
        path: PathBuf,
        /// What is missing.
        source: minijinja::Error,
    },
    /// READMEs that are not what their YAML says.
    #[error("not in step with the YAML, run `streamgauge docs`: {0}")]
    Stale(String),
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Writes or checks the READMEs.
pub async fn run(args: Args, _step: &Step) -> Result<Exit, Failure> {
    let mut stale = Vec::new();
    for folder in folders(&args.paths)? {
        let path = folder.join("README.md");
        let text = readme(&folder)?;
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if args.check {
            stale.push(path.display().to_string());
            continue;
        }
        std::fs::write(&path, text).map_err(|source| Error::File { action: "write", path, source })?;
    }
    if stale.is_empty() { Ok(Exit::Done) } else { Err(Error::Stale(stale.join(", ")).into()) }
}

/// The folders below these that hold a Task or Pipeline of their own name, sorted.
fn folders(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut folders = Vec::new();
    for path in paths {
        let entries =
            std::fs::read_dir(path).map_err(|source| Error::File { action: "read", path: path.clone(), source })?;
        let found = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|folder| manifest(folder).is_some_and(|file| file.exists()));
        folders.extend(found);
    }
    folders.sort();
    Ok(folders)
}

fn manifest(folder: &Path) -> Option<PathBuf> {
    let name = folder.file_name()?.to_str()?;
    Some(folder.join(format!("{name}.yaml")))
}

fn readme(folder: &Path) -> Result<String, Error> {
    let path = manifest(folder).unwrap_or_default();
    let text =
        std::fs::read_to_string(&path).map_err(|source| Error::File { action: "read", path: path.clone(), source })?;
    let manifest: Value =
        serde_saphyr::from_str(&text).map_err(|error| Error::Yaml { path: path.clone(), reason: error.to_string() })?;
    let mut environment = Environment::new();
    environment.add_filter("cell", cell);
    let context = minijinja::context! { manifest => minijinja::value::Serde(manifest), sample => folder.join("samples").is_dir() };
    environment.render_str(TEMPLATE, context).map_err(|source| Error::Template { path, source })
}

/// A value as a cell of a Markdown table.
fn cell(value: minijinja::Value) -> String {
    value.to_string().replace('|', "\\|").replace('\n', " ")
}
