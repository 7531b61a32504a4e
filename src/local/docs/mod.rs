//! `streamgauge docs`: what can be made from the YAML of the Tasks and Pipelines is made from it, so that nothing is said
//! twice: READMEs, StepActions, Pipelines whose Tasks come by a resolver, and the version everywhere; and from the report's
//! schema the page about its fields.

mod readme;
mod resolver;
mod schema;
mod stepaction;
mod tkn;
mod version;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::step::{Exit, ExitClass, Failure, Step, StepArgs};

/// Where the form of `report.json` is said, for programs.
const REPORT_SCHEMA: &str = "schemas/report.schema.json";

/// Write what follows from the Tasks and Pipelines of a catalog: READMEs, StepActions, samples, the version
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder with tasks/ and pipelines/
    #[arg(default_value = ".")]
    pub root: PathBuf,

    /// Change nothing; fail when a file is not what follows from the YAML
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined; a text here would replace the help heading")]
    pub step: StepArgs,
}

/// Why the files could not be made.
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
    /// The YAML or a schema could not be understood.
    #[error("{}: {reason}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The template could not be filled.
    #[error("cannot write the README of {name}")]
    Template {
        /// What it is about.
        name: String,
        /// What is missing.
        source: minijinja::Error,
    },
    /// Files that are not what follows from the YAML or a schema.
    #[error("not in step with what they are made from, run `streamgauge docs`: {0}")]
    Stale(String),
    /// Files that follow from nothing any more.
    #[error("there is no Task for {0}: delete what is left of it")]
    Orphan(String),
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Writes or checks the files.
pub async fn run(args: Args, _step: &Step) -> Result<Exit, Failure> {
    let pages = pages(&args.root)?;
    orphans(&args.root.join("stepactions"), &pages)?;
    let mut stale = Vec::new();
    for (path, text) in pages {
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if args.check {
            stale.push(path.display().to_string());
            continue;
        }
        write(&path, &text).map_err(|source| Error::File { action: "write", path, source })?;
    }
    if stale.is_empty() { Ok(Exit::Done) } else { Err(Error::Stale(stale.join(", ")).into()) }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(path, text)
}

/// Files and what they have to hold.
type Pages = BTreeMap<PathBuf, String>;

/// A Task or Pipeline with its samples, at the version of this program.
struct Entry {
    name: String,
    manifest: Value,
    /// Runs by their file names.
    samples: BTreeMap<String, Value>,
}

/// All that follows from the catalog in this folder.
fn pages(root: &Path) -> Result<Pages, Error> {
    let mut pages = Pages::new();
    for part in ["tasks", "pipelines", "config"] {
        versions(&root.join(part), &mut pages)?;
    }
    for file in ["README.md", "kustomization.yaml"].map(|name| root.join(name)).into_iter().filter(|path| path.exists())
    {
        let text = version::stamp(&read(&file)?);
        pages.insert(file, text);
    }
    let form = root.join(REPORT_SCHEMA);
    if form.exists() {
        pages.insert(root.join("docs/report.md"), schema::page("report.json", REPORT_SCHEMA, &read(&form)?)?);
    }
    for folder in folders(&root.join("tasks"))? {
        let task = entry(&folder, &pages)?;
        pages.insert(folder.join("README.md"), readme::of(&task)?);
        let Some(action) = stepaction::of(&task) else { continue };
        let folder = root.join("stepactions").join(&task.name);
        let origin = format!("tasks/{0}/{0}.yaml", task.name);
        pages.insert(folder.join(format!("{}.yaml", task.name)), yaml::made_from(&origin, &action.manifest));
        pages.insert(folder.join("README.md"), readme::of(&action)?);
        for (file, run) in &action.samples {
            let origin = format!("tasks/{}/samples/{file}", task.name);
            pages.insert(folder.join("samples").join(file), yaml::made_from(&origin, run));
        }
    }
    for folder in folders(&root.join("pipelines"))? {
        let pipeline = entry(&folder, &pages)?;
        pages.insert(folder.join("README.md"), readme::of(&pipeline)?);
        let origin = format!("pipelines/{0}/{0}.yaml", pipeline.name);
        for from in resolver::ALL {
            let file = root.join(from.pipeline_path(&pipeline.name));
            pages.insert(file, yaml::made_from(&origin, &from.pipeline(&pipeline.manifest)));
            if let Some(run) = pipeline.samples.get(&format!("{}.yaml", pipeline.name)) {
                let origin = format!("{}.yaml", pipeline.name);
                let run = from.run(&pipeline.name, run);
                pages.insert(folder.join("samples").join(from.sample()), yaml::made_from(&origin, &run));
            }
        }
    }
    Ok(pages)
}

/// Every YAML file below this folder, with this program's version in it.
fn versions(folder: &Path, pages: &mut Pages) -> Result<(), Error> {
    for path in entries(folder)? {
        if path.is_dir() {
            versions(&path, pages)?;
        } else if path.extension().is_some_and(|end| end == "yaml") {
            let text = version::stamp(&read(&path)?);
            pages.insert(path, text);
        }
    }
    Ok(())
}

/// What lies in a folder, sorted; nothing when there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let failed = |source| Error::File { action: "read", path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// The folders in this one that hold a Task or Pipeline of their own name.
fn folders(parent: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut folders = entries(parent)?;
    folders.retain(|folder| folder.join(format!("{}.yaml", name(folder))).is_file());
    Ok(folders)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File { action: "read", path: path.to_owned(), source })
}

/// A Task or Pipeline and its hand-written samples: those with its name in front.
fn entry(folder: &Path, pages: &Pages) -> Result<Entry, Error> {
    let name = name(folder);
    let parse = |path: &Path| {
        let text = pages.get(path).map(String::as_str).unwrap_or_default();
        serde_saphyr::from_str::<Value>(text)
            .map_err(|error| Error::Yaml { path: path.to_owned(), reason: error.to_string() })
    };
    let manifest = parse(&folder.join(format!("{name}.yaml")))?;
    let mut samples = BTreeMap::new();
    for path in entries(&folder.join("samples"))? {
        let file = self::name(&path);
        if file.starts_with(&name) && file.ends_with(".yaml") {
            samples.insert(file, parse(&path)?);
        }
    }
    Ok(Entry { name, manifest, samples })
}

/// StepActions whose Task is gone.
fn orphans(folder: &Path, pages: &Pages) -> Result<(), Error> {
    let mut left = entries(folder)?;
    left.retain(|path| path.is_dir() && !pages.keys().any(|page| page.starts_with(path)));
    let names: Vec<_> = left.iter().map(|path| path.display().to_string()).collect();
    if names.is_empty() { Ok(()) } else { Err(Error::Orphan(names.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stepaction_without_its_task_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("gone")).unwrap();
        let error = orphans(dir.path(), &Pages::new()).unwrap_err().to_string();
        assert!(error.contains("gone: delete what is left of it"), "{error}");
    }

    #[tokio::test]
    async fn the_catalog_of_this_repository_is_in_step() {
        let args = Args { root: env!("CARGO_MANIFEST_DIR").into(), check: true, step: StepArgs::default() };
        let step = Step::new(args.step.clone());
        assert_eq!(run(args, &step).await.map_err(|failure| failure.to_string()), Ok(Exit::Done));
    }
}
