//! Tasks, Pipelines and PipelineRuns as far as they matter on one computer, named after the API's own words
//! (tekton.dev/v1). What they may hold is checked before, in `fields`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::value::{Type, Value};

/// `metadata`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Stands in for the name in runs.
    pub generate_name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A declared parameter.
#[derive(Debug, Clone, Deserialize)]
pub struct ParamSpec {
    /// Its name.
    pub name: String,
    /// Its type; a default or properties tell it where it is left out.
    #[serde(default, rename = "type")]
    pub declared: Option<Type>,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Its value when none is given.
    #[serde(default)]
    pub default: Option<Value>,
    /// The keys of an object.
    #[serde(default)]
    pub properties: Option<BTreeMap<String, serde_json::Value>>,
}

impl ParamSpec {
    /// Its type, declared or told by its default.
    pub fn kind(&self) -> Type {
        match (&self.declared, &self.default, &self.properties) {
            (Some(kind), _, _) => *kind,
            (None, Some(default), _) => default.kind(),
            (None, None, Some(_)) => Type::Object,
            (None, None, None) => Type::String,
        }
    }

    /// The keys that an object must have.
    pub fn keys(&self) -> std::collections::BTreeSet<String> {
        let default = match &self.default {
            Some(Value::Object(map)) => map.keys().cloned().collect(),
            _ => Vec::new(),
        };
        self.properties.iter().flat_map(|keys| keys.keys().cloned()).chain(default).collect()
    }
}

/// A parameter that is given.
#[derive(Debug, Clone, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// A declared workspace.
#[derive(Debug, Clone, Deserialize)]
pub struct WorkspaceSpec {
    /// Its name.
    pub name: String,
    /// What it holds.
    #[serde(default)]
    pub description: String,
    /// Whether a run may leave it unbound.
    #[serde(default)]
    pub optional: bool,
}

/// A Task's declared result.
#[derive(Debug, Clone, Deserialize)]
pub struct ResultSpec {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(default, rename = "type")]
    pub kind: Type,
    /// What it tells.
    #[serde(default)]
    pub description: String,
    /// The keys of an object.
    #[serde(default)]
    pub properties: Option<BTreeMap<String, serde_json::Value>>,
}

/// An environment variable of a step.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where its value comes from instead.
    pub value_from: Option<ValueFrom>,
}

/// Where the value of an environment variable comes from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom {
    /// A field of the pod.
    pub field_ref: FieldRef,
}

/// A field of the pod. The ones known here are annotations: `metadata.annotations['NAME']`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    /// Where it is.
    pub field_path: String,
}

impl FieldRef {
    /// The annotation's name, when it is one.
    pub fn annotation(&self) -> Option<&str> {
        self.field_path.strip_prefix("metadata.annotations['")?.strip_suffix("']")
    }
}

/// A volume in a step.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct VolumeMount {
    /// The volume's name.
    pub name: String,
}

/// A step, or what all steps share (`stepTemplate`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepSpec {
    /// Its name; Tekton names nameless ones `unnamed-0`, `unnamed-1` …
    pub name: String,
    /// The image: for clusters.
    pub image: String,
    /// The program and its first arguments.
    pub command: Vec<String>,
    /// Its further arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<EnvVar>,
    /// Where it runs.
    pub working_dir: String,
    /// The volumes it sees: for clusters.
    pub volume_mounts: Vec<VolumeMount>,
    /// The longest that it may take.
    pub timeout: Option<String>,
    /// `continue` or `stopAndFail`.
    pub on_error: Option<String>,
    /// Requests and limits: for clusters.
    pub compute_resources: Option<serde_json::Value>,
    /// Rights of the process: for clusters.
    pub security_context: Option<serde_json::Value>,
}

impl StepSpec {
    /// All texts that may hold variables and reach its process, and where they stand in the step.
    pub fn texts(&self) -> impl Iterator<Item = (String, &str)> {
        let command = self.command.iter().enumerate().map(|(index, text)| (format!("command[{index}]"), text.as_str()));
        let args = self.args.iter().enumerate().map(|(index, text)| (format!("args[{index}]"), text.as_str()));
        let env = self.env.iter().map(|var| (format!("env[{}]", var.name), var.value.as_str()));
        command.chain(args).chain(env).chain([("workingDir".to_owned(), self.working_dir.as_str())])
    }
}

/// A Task's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskSpec {
    /// What it does.
    pub description: String,
    /// Its parameters.
    pub params: Vec<ParamSpec>,
    /// Its workspaces.
    pub workspaces: Vec<WorkspaceSpec>,
    /// Its results.
    pub results: Vec<ResultSpec>,
    /// What all steps share.
    pub step_template: Option<StepSpec>,
    /// Its steps, one after the other.
    pub steps: Vec<StepSpec>,
}

/// `taskRef` or `pipelineRef`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// The name.
    pub name: String,
    /// The kind; Task when left out.
    pub kind: Option<String>,
}

/// A condition of a task.
#[derive(Debug, Clone, Deserialize)]
pub struct When {
    /// What is compared.
    pub input: String,
    /// `in` or `notin`.
    pub operator: String,
    /// With what.
    pub values: Vec<String>,
}

/// A workspace that a pipeline hands to a task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceBinding {
    /// The task's name for it.
    pub name: String,
    /// The pipeline's name for it; the task's when left out.
    pub workspace: String,
    /// A folder in it.
    pub sub_path: String,
}

impl WorkspaceBinding {
    /// The pipeline's name for it.
    pub fn source(&self) -> &str {
        if self.workspace.is_empty() { &self.name } else { &self.workspace }
    }
}

/// A task of a pipeline.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineTask {
    /// Its name in the pipeline.
    pub name: String,
    /// The Task it runs …
    pub task_ref: Option<Reference>,
    /// … or the Task itself.
    pub task_spec: Option<TaskSpec>,
    /// The parameters it gives.
    pub params: Vec<Param>,
    /// The workspaces it gives.
    pub workspaces: Vec<WorkspaceBinding>,
    /// Tasks that end before it starts.
    pub run_after: Vec<String>,
    /// Its conditions; all must hold.
    pub when: Vec<When>,
    /// How often it is tried again.
    pub retries: u32,
    /// The longest that one attempt may take.
    pub timeout: Option<String>,
    /// `continue` or `stopAndFail`.
    pub on_error: Option<String>,
}

/// A pipeline's declared result.
#[derive(Debug, Clone, Deserialize)]
pub struct PipelineResult {
    /// Its name.
    pub name: String,
    /// What it tells.
    #[serde(default)]
    pub description: String,
    /// Where it comes from.
    pub value: Value,
}

/// A Pipeline's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineSpec {
    /// What it does.
    pub description: String,
    /// Its parameters.
    pub params: Vec<ParamSpec>,
    /// Its workspaces.
    pub workspaces: Vec<WorkspaceSpec>,
    /// Its tasks, in any order.
    pub tasks: Vec<PipelineTask>,
    /// Its tasks that run at the end, however the others ended.
    pub finally: Vec<PipelineTask>,
    /// Its results.
    pub results: Vec<PipelineResult>,
}

/// How long a run may take.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Timeouts {
    /// All of it.
    pub pipeline: Option<String>,
    /// The tasks but `finally`.
    pub tasks: Option<String>,
    /// `finally`.
    pub finally: Option<String>,
}

/// A workspace of a run.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunWorkspace {
    /// The pipeline's name for it.
    pub name: String,
    /// A new folder for each task.
    #[serde(default)]
    pub empty_dir: Option<serde_json::Value>,
    /// A new folder for all tasks.
    #[serde(default)]
    pub volume_claim_template: Option<serde_json::Value>,
    /// A folder in it.
    #[serde(default)]
    pub sub_path: String,
}

impl RunWorkspace {
    /// What it is bound to, when that is to be had without a cluster.
    pub fn source(&self) -> Option<&'static str> {
        let claim = self.volume_claim_template.as_ref().map(|_| "volumeClaimTemplate");
        self.empty_dir.as_ref().map(|_| "emptyDir").or(claim)
    }
}

/// A PipelineRun's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunSpec {
    /// The Pipeline it runs …
    pub pipeline_ref: Option<Reference>,
    /// … or the Pipeline itself.
    pub pipeline_spec: Option<PipelineSpec>,
    /// The parameters it gives.
    pub params: Vec<Param>,
    /// The workspaces it gives.
    pub workspaces: Vec<RunWorkspace>,
    /// How long it may take.
    pub timeouts: Timeouts,
}

/// What a document is.
#[derive(Debug, Clone)]
pub enum Resource {
    /// A Task.
    Task(TaskSpec),
    /// A Pipeline.
    Pipeline(PipelineSpec),
    /// A PipelineRun.
    Run(RunSpec),
}

/// A document of a YAML file.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file.
    pub file: std::path::PathBuf,
    /// Its metadata.
    pub metadata: Metadata,
    /// What it is.
    pub resource: Resource,
}
