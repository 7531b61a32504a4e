//! Starts a run: as a PipelineRun in a cluster, or on this computer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::error::Error;
use super::event::Event;
use super::pipelines::Pipeline;
use super::plan::Given;
use crate::kubernetes::{self, Cluster, Kind, Object};
use crate::local::{Request, Type, Value, read_documents};
use crate::step::KeyValue;

/// A PipelineRun of the user's: what all runs of a Pipeline are like.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub file: PathBuf,
    pub run: Json,
}

/// The PipelineRuns in these files.
pub(super) fn templates(files: &[PathBuf]) -> Result<Vec<Template>, Error> {
    let mut found = Vec::new();
    for file in files {
        let runs = read_documents(file)?.into_iter().filter(|raw| raw.kind() == "PipelineRun");
        let before = found.len();
        found.extend(runs.map(|raw| Template { file: file.clone(), run: raw.value }));
        if found.len() == before {
            return Err(Error::Resource { path: file.clone(), why: "it has no PipelineRun".to_owned() });
        }
    }
    Ok(found)
}

impl Template {
    /// Whether it is of this Pipeline: by its name, or by what a resolver is asked for.
    fn is_of(&self, pipeline: &str) -> bool {
        let reference = &self.run["spec"]["pipelineRef"];
        let param = |name: &str| {
            let params = reference["params"].as_array();
            params.and_then(|all| all.iter().find(|one| one["name"] == name)?["value"].as_str())
        };
        let path = param("pathInRepo").and_then(|path| path.rsplit('/').next());
        [reference["name"].as_str(), param("name"), path.and_then(|file| file.strip_suffix(".yaml"))]
            .contains(&Some(pipeline))
    }

    /// The parameters that it gives.
    pub fn params(&self) -> Result<BTreeMap<String, Value>, Error> {
        let wrong = |why: &str| Error::Resource { path: self.file.clone(), why: format!("spec.params: {why}") };
        let mut params = BTreeMap::new();
        for param in self.run["spec"]["params"].as_array().into_iter().flatten() {
            let name = param["name"].as_str().ok_or_else(|| wrong("one has no name"))?;
            let value =
                serde_json::from_value(param["value"].clone()).map_err(|error| wrong(&format!("{name}: {error}")))?;
            params.insert(name.to_owned(), value);
        }
        Ok(params)
    }
}

/// The template of a Pipeline.
pub(super) fn template_of<'a>(templates: &'a [Template], pipeline: &Pipeline) -> Option<&'a Template> {
    templates.iter().find(|template| template.is_of(&pipeline.name))
}

/// The run of a Pipeline for an event. Its name is made of the Pipeline, the pull request and the commit, so that what GitHub sends
/// twice starts one run.
pub(super) fn pipeline_run(
    pipeline: &Pipeline,
    template: Option<&Template>,
    given: &Given,
    event: &Event,
) -> Result<Json, Error> {
    complete(pipeline, template, given)?;
    let reference =
        json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "spec": {"pipelineRef": {"name": pipeline.name}}});
    let mut run = template.map_or(reference, |template| template.run.clone());
    if let Some(metadata) = run["metadata"].as_object_mut() {
        metadata.remove("generateName");
    }
    run["metadata"]["name"] = json!(name(&pipeline.name, event));
    for (name, text) in &given.annotations {
        run["metadata"]["annotations"][name] = json!(text);
    }
    run["spec"]["params"] = given.params.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    Ok(run)
}

/// Refuses now what Tekton would only refuse after it has taken the run.
fn complete(pipeline: &Pipeline, template: Option<&Template>, given: &Given) -> Result<(), Error> {
    let bound = |name: &str| {
        let workspaces = template.and_then(|template| template.run["spec"]["workspaces"].as_array());
        workspaces.is_some_and(|all| all.iter().any(|one| one["name"] == name))
    };
    let spec = &pipeline.spec;
    let params = spec.params.iter().filter(|param| param.default.is_none() && !given.params.contains_key(&param.name));
    let workspaces = spec.workspaces.iter().filter(|one| !one.optional && !bound(&one.name));
    let missing: Vec<&str> =
        params.map(|param| param.name.as_str()).chain(workspaces.map(|one| one.name.as_str())).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Given(format!(
        "a run of {} needs {}: give --template, a PipelineRun of yours with its parameters and workspaces, or --param",
        pipeline.name,
        missing.join(", ")
    )))
}

/// Not longer than a label's value, in which Tekton repeats it.
fn name(pipeline: &str, event: &Event) -> String {
    let commit: String = event.commit.iter().flat_map(|commit| commit.chars().take(12)).collect();
    let tail = event.pull_request().map_or(commit.clone(), |pull| format!("{}-{commit}", pull.number));
    let head = &pipeline[..pipeline.floor_char_boundary(62 - tail.len())];
    format!("{}-{tail}", head.trim_end_matches(['-', '.']))
}

/// Makes the PipelineRun, unless it is there already, and says what came of it.
pub(super) async fn create(cluster: &Cluster, run: &Json) -> Result<Started, kubernetes::Error> {
    let namespace = run["metadata"]["namespace"].as_str().unwrap_or(cluster.namespace());
    let name = run["metadata"]["name"].as_str().unwrap_or_default();
    let object = Object::new(Kind::pipeline_run(), namespace, name);
    let new = match cluster.create(&object, run).await {
        Ok(_) => true,
        Err(error) if error.is_conflict() => false,
        Err(error) => return Err(error),
    };
    Ok(Started { namespace: namespace.to_owned(), name: name.to_owned(), new })
}

/// A PipelineRun that is there.
#[derive(Debug)]
pub(super) struct Started {
    pub namespace: String,
    pub name: String,
    /// Whether it is of this event, and was not there before.
    pub new: bool,
}

/// The same run on this computer.
pub(super) fn request(pipeline: &Pipeline, given: Given, tasks: &[PathBuf], workspaces: &[KeyValue]) -> Request {
    let spec = &pipeline.spec;
    let value = |value: Value| match value.kind() {
        Type::String => value.strings().concat(),
        Type::Array | Type::Object => value.to_string(),
    };
    let pair = |key: String, value: String| KeyValue { key, value };
    let known = |name: &str| spec.workspaces.iter().any(|one| one.name == name);
    Request {
        file: pipeline.file.clone(),
        tasks: tasks.to_vec(),
        params: given.params.into_iter().map(|(name, given)| pair(name, value(given))).collect(),
        workspaces: workspaces.iter().filter(|one| known(&one.key)).cloned().collect(),
        annotations: given.annotations.into_iter().map(|(name, text)| pair(name, text)).collect(),
        ..Request::default()
    }
}
