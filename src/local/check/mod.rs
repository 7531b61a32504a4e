//! `streamgauge check`: is a catalog right, before a cluster or a run finds out?

mod catalog;
mod pipeline;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::fields;
use super::load::{self, Raw};
use super::model::{Document, Metadata, Resource, StepSpec, TaskSpec};
use crate::step::{Exit, Failure, StepArgs};

pub(super) use task::param_of;

/// Check Tasks, StepActions and Pipelines: names, parameters, results, workspaces, references, and the flags of our own programs
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// YAML files, or folders of them
    #[arg(default_values = ["tasks", "stepactions", "pipelines"])]
    pub paths: Vec<PathBuf>,

    /// Take our house style (annotations, security context, requests, timeouts) for rules too
    #[arg(long)]
    pub strict: bool,

    /// What all programs have
    #[command(flatten)]
    pub step: StepArgs,
}

/// What is wrong, or against the house style, with a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether it is only a matter of style.
    pub style: bool,
}

/// Checks and tells; exit code 2 when something is wrong.
pub fn run(args: Args, programs: &[clap::Command]) -> Result<Exit, Failure> {
    let (findings, resources) = check(&args.paths, programs)?;
    let mut out = String::new();
    for finding in &findings {
        let level = if finding.style && !args.strict { "warning: " } else { "" };
        out.push_str(&format!("{}: {}: {level}{}\n", finding.file.display(), finding.path, finding.message));
    }
    let wrong = findings.iter().filter(|finding| args.strict || !finding.style).count();
    out.push_str(&format!("{resources} resources checked: {wrong} errors, {} warnings\n", findings.len() - wrong));
    // A closed stdout does not change what is right.
    let _ = std::io::stdout().write_all(out.as_bytes());
    Ok(if wrong > 0 { Exit::Usage } else { Exit::Done })
}

/// All findings in these files and folders, sorted, and the number of resources that were read.
pub fn check(paths: &[PathBuf], programs: &[clap::Command]) -> Result<(Vec<Finding>, usize), Error> {
    let mut files = BTreeSet::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    let mut findings = Vec::new();
    let mut documents = Vec::new();
    let mut actions = 0;
    for file in &files {
        for raw in load::read(file)? {
            if raw.kind() == "StepAction" {
                actions += 1;
                step_action(&raw, programs, &mut findings);
            } else if raw.api_version().starts_with("tekton.dev/") {
                documents.extend(shape(&raw, &mut findings));
            }
        }
    }
    let tasks: BTreeMap<&str, &TaskSpec> = documents
        .iter()
        .filter_map(|document| match &document.resource {
            Resource::Task(spec) => Some((document.metadata.name.as_str(), spec)),
            _ => None,
        })
        .collect();
    for document in &documents {
        let mut notes = Notes { file: &document.file, findings: &mut findings };
        match &document.resource {
            Resource::Task(spec) => {
                catalog::entry(&document.metadata, &spec.description, &spec.params, &mut notes);
                task::task(spec, "spec", programs, &mut notes);
            }
            Resource::Pipeline(spec) => {
                catalog::entry(&document.metadata, &spec.description, &spec.params, &mut notes);
                pipeline::pipeline(spec, &tasks, programs, &mut notes);
            }
            Resource::Run(_) => {}
        }
    }
    findings.sort();
    findings.dedup();
    Ok((findings, documents.len() + actions))
}

/// The YAML files at a path; `samples/` and `tests/` hold runs, not catalog entries.
fn collect(path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    if !path.is_dir() {
        std::fs::metadata(path).map_err(failed)?;
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let yaml = entry.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if (entry.is_dir() && !["samples", "tests"].contains(&name)) || (entry.is_file() && yaml) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

struct Notes<'a> {
    file: &'a Path,
    findings: &'a mut Vec<Finding>,
}

impl Notes<'_> {
    fn wrong(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(path.into(), message.into(), false);
    }

    fn style(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(path.into(), message.into(), true);
    }

    fn add(&mut self, path: String, message: String, style: bool) {
        self.findings.push(Finding { file: self.file.to_owned(), path, message, style });
    }
}

/// The document, when it has the shape of one.
fn shape(raw: &Raw, findings: &mut Vec<Finding>) -> Option<Document> {
    let mut notes = Notes { file: &raw.file, findings };
    if raw.api_version() != "tekton.dev/v1" {
        notes.wrong("apiVersion", format!("{:?} is out of date; write tekton.dev/v1", raw.api_version()));
        return None;
    }
    for (path, message) in fields::problems(raw.kind(), &raw.value) {
        let style = message.starts_with("not supported");
        notes.add(path, message, style);
    }
    match raw.typed() {
        Ok(document) => Some(document),
        Err(problem) => {
            let place = format!("{}: ", raw.file.display());
            let rest = problem.strip_prefix(&place).unwrap_or(&problem);
            let (path, message) = rest.split_once(": ").unwrap_or(("spec", rest));
            notes.wrong(path, message);
            None
        }
    }
}

/// A StepAction holds, in one, what a Task and its step hold.
fn step_action(raw: &Raw, programs: &[clap::Command], findings: &mut Vec<Finding>) {
    let mut notes = Notes { file: &raw.file, findings };
    if raw.api_version() != "tekton.dev/v1beta1" {
        notes.wrong("apiVersion", format!("{:?} is not that of StepActions, tekton.dev/v1beta1", raw.api_version()));
    }
    for (path, message) in fields::problems(raw.kind(), &raw.value) {
        notes.wrong(path, message);
    }
    let parts = (raw.part::<Metadata>("metadata"), raw.part::<TaskSpec>("spec"), raw.part::<StepSpec>("spec"));
    match parts {
        (Ok(metadata), Ok(spec), Ok(step)) => {
            catalog::entry(&metadata, &spec.description, &spec.params, &mut notes);
            task::step_action(&spec, &step, programs, &mut notes);
        }
        (Err(why), ..) => notes.wrong("metadata", why),
        (_, Err(why), _) | (.., Err(why)) => notes.wrong("spec", why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in this repository's StepAction, with one thing in it replaced by another.
    fn found(old: &str, new: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("send-slack/send-slack.yaml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = include_str!("../../../stepactions/send-slack/send-slack.yaml");
        assert!(text.contains(old), "{old}");
        std::fs::write(&file, text.replace(old, new)).unwrap();
        let (findings, _) = check(&[dir.path().to_owned()], &[]).unwrap();
        findings.into_iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
    }

    #[test]
    fn a_stepaction_of_ours_is_right() {
        assert_eq!(found("", ""), [""; 0]);
    }

    #[test]
    fn a_stepaction_may_not_hold_what_only_a_task_has() {
        let with = |field: &str| found("  image: $(params.image)\n", &format!("  image: $(params.image)\n  {field}\n"));
        assert_eq!(with("timeout: 5m"), ["spec.timeout: Tekton knows no such field; correct or remove it"]);
        assert_eq!(
            with("volumeMounts: [{name: tmp, mountPath: /tmp}]"),
            ["spec.volumeMounts[0].name: must be a parameter: the Task has the volumes"]
        );
        assert_eq!(found("$(step.results.ts.path)", "x"), ["spec.results[0]: no step is given $(results.ts.path)"]);
    }

    #[test]
    fn a_catalog_entry_keeps_the_conventions() {
        let of = |old: &str, new: &str| found(old, new).join("\n");
        assert!(of("categories: Messaging", "categories: Chat").contains("Tekton's Hub knows no \"Chat\""));
        assert!(of("category: integration-delivery", "category: chat").contains("Artifact Hub knows no \"chat\""));
        assert!(
            of("platforms: linux/amd64", "platforms: linux")
                .contains("\"linux\" is not a platform such as linux/amd64")
        );
        assert!(of("minVersion: \"1.0.0\"", "minVersion: \"1\"").contains("\"1\" is not a version such as 1.2.3"));
        assert!(of("    artifacthub.io/license: Apache-2.0\n", "").contains("artifacthub.io/license is missing"));
        for image in ["streamgauge", "streamgauge:latest", "registry:5000/streamgauge"] {
            let default = format!("default: streamgauge:{}", env!("CARGO_PKG_VERSION"));
            let found = of(&default, &format!("default: {image}"));
            assert!(found.contains("needs a tag or digest"), "{image}: {found}");
        }
    }
}
