//! From YAML files to documents.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use super::error::Error;
use super::fields;
use super::model::{Document, Metadata, Resource};

/// A document before it is known to be one that can be run.
pub struct Raw {
    /// The file.
    pub file: PathBuf,
    /// All that it holds.
    pub value: Json,
}

impl Raw {
    fn text(&self, field: &str) -> &str {
        self.value.get(field).and_then(Json::as_str).unwrap_or_default()
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    /// Its API version.
    pub fn api_version(&self) -> &str {
        self.text("apiVersion")
    }

    /// A message about a path in it, as all messages about resources look.
    pub fn problem(&self, path: &str, message: &str) -> String {
        format!("{}: {path}: {message}", self.file.display())
    }

    /// The typed document. Fields are not judged here, only their types.
    pub fn typed(&self) -> Result<Document, String> {
        let metadata: Metadata = self.part("metadata").map_err(|why| self.problem("metadata", &why))?;
        let spec = |why: String| self.problem("spec", &why);
        let resource = match self.kind() {
            "Task" => Resource::Task(self.part("spec").map_err(spec)?),
            "Pipeline" => Resource::Pipeline(self.part("spec").map_err(spec)?),
            "PipelineRun" => Resource::Run(self.part("spec").map_err(spec)?),
            other => return Err(self.problem("kind", &format!("{other:?} is not Task, Pipeline or PipelineRun"))),
        };
        Ok(Document { file: self.file.clone(), metadata, resource })
    }

    /// One of its fields, typed.
    pub fn part<T: for<'de> Deserialize<'de>>(&self, field: &str) -> Result<T, String> {
        let value = self.value.get(field).ok_or("is missing")?;
        T::deserialize(value).map_err(|error| error.to_string())
    }
}

/// The documents of a file; other kinds than Tekton's come too.
pub fn read(path: &Path) -> Result<Vec<Raw>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let values: Vec<Json> = serde_saphyr::from_multiple(&text)
        .map_err(|error| Error::Yaml { path: path.to_owned(), message: error.to_string() })?;
    let named = |value| Raw { file: path.to_owned(), value };
    Ok(values.into_iter().filter(|value| !value.is_null()).map(named).collect())
}

/// The documents of a file that is to be run: each field is one that a run on this computer takes.
pub fn runnable(path: &Path) -> Result<Vec<Document>, Error> {
    let mut problems = Vec::new();
    let mut documents = Vec::new();
    for raw in read(path)? {
        if raw.api_version() != "tekton.dev/v1" {
            problems.push(raw.problem("apiVersion", &format!("{:?} is not tekton.dev/v1", raw.api_version())));
            continue;
        }
        let wrong = fields::problems(raw.kind(), &raw.value);
        if wrong.is_empty() {
            match raw.typed() {
                Ok(document) => documents.push(document),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(wrong.iter().map(|(path, message)| raw.problem(path, message)));
    }
    if problems.is_empty() { Ok(documents) } else { Err(Error::Resources(problems)) }
}

/// Where a resource of this name may lie in these folders: `<dir>/<name>/<name>.yaml` or `<dir>/<name>.yaml`.
pub fn find(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let file = format!("{name}.yaml");
    folders.iter().flat_map(|folder| [folder.join(name).join(&file), folder.join(&file)]).find(|path| path.is_file())
}
