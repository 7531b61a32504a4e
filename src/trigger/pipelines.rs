//! The Pipelines of a repository that say when they run.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::on::On;
use super::parameters::Allowed;
use crate::local::{Metadata, PipelineSpec, Raw, read_documents};

/// The annotation that says when a Pipeline runs.
const EVENT: &str = "pipe.linecorp.com/event";
/// The annotation that says which parameters a commit's message may set.
const COMMIT_PARAMETERS: &str = "streamgauge.dev/commit-parameters";
/// The parameters that the event sets, where a Pipeline has them.
pub(super) const OF_EVENT: [&str; 6] = ["commit", "branch", "base-branch", "fork-point", "repository", "pull-request"];
/// Folders that hold what others have made.
const SKIPPED: [&str; 3] = [".git", "target", "node_modules"];

/// A Pipeline that says when it runs.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub name: String,
    pub file: PathBuf,
    pub spec: PipelineSpec,
    pub on: On,
    /// What a commit's message may set, when the Pipeline says anything of that.
    pub allowed: Option<Allowed>,
}

/// All of them in a folder and those below it, or in a file, by name.
pub(super) fn find(place: &Path) -> Result<Vec<Pipeline>, Error> {
    let mut files = Vec::new();
    collect(place, &mut files)?;
    files.sort();
    let mut found: Vec<Pipeline> = Vec::new();
    for file in files {
        for raw in read_documents(&file)? {
            found.extend(read(&raw)?);
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    match found.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some([first, second]) => {
            Err(Error::Twice { name: first.name.clone(), first: first.file.clone(), second: second.file.clone() })
        }
        _ => Ok(found),
    }
}

/// YAML files in which the annotation's name stands: a repository has others, which may be templates and no YAML.
fn collect(place: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |source| Error::Read { path: place.to_owned(), source };
    if !place.is_dir() {
        let bytes = std::fs::read(place).map_err(failed)?;
        if String::from_utf8_lossy(&bytes).contains(EVENT) {
            files.push(place.to_owned());
        }
        return Ok(());
    }
    for entry in std::fs::read_dir(place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
        // A link could lead out of the repository.
        if (kind.is_dir() && !skipped) || (kind.is_file() && yaml) {
            collect(&path, files)?;
        }
    }
    Ok(())
}

fn read(raw: &Raw) -> Result<Option<Pipeline>, Error> {
    if raw.kind() != "Pipeline" || !raw.api_version().starts_with("tekton.dev/") {
        return Ok(None);
    }
    let wrong = |why: String| Error::Resource { path: raw.file.clone(), why };
    let metadata: Metadata = raw.part("metadata").map_err(|why| wrong(format!("metadata: {why}")))?;
    let Some(event) = metadata.annotations.get(EVENT) else { return Ok(None) };
    let spec: PipelineSpec = raw.part("spec").map_err(|why| wrong(format!("spec: {why}")))?;
    let on = On::read(event).map_err(|why| wrong(format!("annotation {EVENT}: {why}")))?;
    let allowed = metadata.annotations.get(COMMIT_PARAMETERS);
    let allowed = allowed.map(|text| Allowed::read(text, &spec.params, &OF_EVENT)).transpose();
    let allowed = allowed.map_err(|why| wrong(format!("annotation {COMMIT_PARAMETERS}: {why}")))?;
    Ok(Some(Pipeline { name: metadata.name, file: raw.file.clone(), spec, on, allowed }))
}
