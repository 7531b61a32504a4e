//! Which fields of tekton.dev/v1 a run on one computer knows, which it refuses, and which nobody knows.

use serde_json::Value;

/// What is said of a field.
enum Rule {
    /// Known, whatever it holds: read later, or of meaning only in a cluster.
    Any,
    /// An object with these fields.
    One(&'static [(&'static str, Rule)]),
    /// A list of objects with these fields.
    Each(&'static [(&'static str, Rule)]),
    /// Valid in Tekton, but a run without a cluster would not do what it says.
    Refused,
}

use Rule::{Any, Each, One, Refused};

type Fields = &'static [(&'static str, Rule)];

const METADATA: Fields =
    &[("name", Any), ("generateName", Any), ("namespace", Any), ("labels", Any), ("annotations", Any)];

const PARAM_SPEC: Fields =
    &[("name", Any), ("type", Any), ("description", Any), ("default", Any), ("properties", Any), ("enum", Refused)];

const PARAM: Fields = &[("name", Any), ("value", Any)];

const RESULT: Fields = &[("name", Any), ("type", Any), ("description", Any), ("properties", Any), ("value", Refused)];

const ENV: Fields = &[("name", Any), ("value", Any), ("valueFrom", One(VALUE_FROM))];

const VALUE_FROM: Fields = &[
    ("fieldRef", One(&[("fieldPath", Any), ("apiVersion", Any)])),
    ("secretKeyRef", Refused),
    ("configMapKeyRef", Refused),
    ("resourceFieldRef", Refused),
    ("fileKeyRef", Refused),
];

const STEP: Fields = &[
    ("name", Any),
    ("displayName", Any),
    ("image", Any),
    ("imagePullPolicy", Any),
    ("command", Any),
    ("args", Any),
    ("env", Each(ENV)),
    ("workingDir", Any),
    ("timeout", Any),
    ("onError", Any),
    ("computeResources", Any),
    ("securityContext", Any),
    ("volumeMounts", Each(&[("name", Any), ("mountPath", Any), ("readOnly", Any), ("subPath", Refused)])),
    ("script", Refused),
    ("ref", Refused),
    ("params", Refused),
    ("results", Refused),
    ("when", Refused),
    ("workspaces", Refused),
    ("envFrom", Refused),
    ("stdoutConfig", Refused),
    ("stderrConfig", Refused),
    ("volumeDevices", Refused),
];

const WORKSPACE_SPEC: Fields =
    &[("name", Any), ("description", Any), ("optional", Any), ("readOnly", Any), ("mountPath", Any)];

const TASK_SPEC: Fields = &[
    ("displayName", Any),
    ("description", Any),
    ("metadata", Any),
    ("params", Each(PARAM_SPEC)),
    ("workspaces", Each(WORKSPACE_SPEC)),
    ("results", Each(RESULT)),
    ("stepTemplate", One(STEP)),
    ("steps", Each(STEP)),
    (
        "volumes",
        Each(&[
            ("name", Any),
            ("emptyDir", Any),
            ("secret", Refused),
            ("configMap", Refused),
            ("projected", Refused),
            ("persistentVolumeClaim", Refused),
            ("csi", Refused),
        ]),
    ),
    ("sidecars", Refused),
    ("apiVersion", Refused),
    ("kind", Refused),
    ("spec", Refused),
];

const REFERENCE: Fields = &[
    ("name", Any),
    ("kind", Any),
    ("apiVersion", Any),
    ("resolver", Refused),
    ("params", Refused),
    ("bundle", Refused),
];

const WHEN: Fields = &[("input", Any), ("operator", Any), ("values", Any), ("cel", Refused)];

const PIPELINE_TASK: Fields = &[
    ("name", Any),
    ("displayName", Any),
    ("description", Any),
    ("taskRef", One(REFERENCE)),
    ("taskSpec", One(TASK_SPEC)),
    ("params", Each(PARAM)),
    ("workspaces", Each(&[("name", Any), ("workspace", Any), ("subPath", Any)])),
    ("runAfter", Any),
    ("when", Each(WHEN)),
    ("retries", Any),
    ("timeout", Any),
    ("onError", Any),
    ("matrix", Refused),
    ("pipelineRef", Refused),
    ("pipelineSpec", Refused),
];

const PIPELINE_SPEC: Fields = &[
    ("displayName", Any),
    ("description", Any),
    ("params", Each(PARAM_SPEC)),
    ("workspaces", Each(&[("name", Any), ("description", Any), ("optional", Any)])),
    ("tasks", Each(PIPELINE_TASK)),
    ("finally", Each(PIPELINE_TASK)),
    ("results", Each(&[("name", Any), ("type", Any), ("description", Any), ("value", Any)])),
];

const RUN_SPEC: Fields = &[
    ("pipelineRef", One(REFERENCE)),
    ("pipelineSpec", One(PIPELINE_SPEC)),
    ("params", Each(PARAM)),
    (
        "workspaces",
        Each(&[
            ("name", Any),
            ("emptyDir", Any),
            ("subPath", Any),
            ("volumeClaimTemplate", Any),
            ("persistentVolumeClaim", Any),
            ("secret", Any),
            ("configMap", Any),
            ("projected", Any),
            ("csi", Any),
        ]),
    ),
    ("timeouts", One(&[("pipeline", Any), ("tasks", Any), ("finally", Any)])),
    ("taskRunTemplate", Any),
    ("taskRunSpecs", Refused),
    ("status", Refused),
    ("managedBy", Refused),
];

const STEP_ACTION_SPEC: Fields = &[
    ("description", Any),
    ("params", Each(PARAM_SPEC)),
    ("results", Each(&[("name", Any), ("type", Any), ("description", Any), ("properties", Any)])),
    ("image", Any),
    ("command", Any),
    ("args", Any),
    ("env", Each(ENV)),
    ("workingDir", Any),
    ("securityContext", Any),
    ("volumeMounts", Each(&[("name", Any), ("mountPath", Any), ("readOnly", Any), ("subPath", Any)])),
];

macro_rules! document {
    ($spec:expr) => {
        &[("apiVersion", Any), ("kind", Any), ("metadata", One(METADATA)), ("spec", One($spec))]
    };
}

/// The fields of a whole document of this kind.
fn document(kind: &str) -> Option<Fields> {
    match kind {
        "Task" => Some(document!(TASK_SPEC)),
        "Pipeline" => Some(document!(PIPELINE_SPEC)),
        "PipelineRun" => Some(document!(RUN_SPEC)),
        "StepAction" => Some(document!(STEP_ACTION_SPEC)),
        _ => None,
    }
}

/// All fields of a document that a run cannot take: the path and what is wrong with it.
pub fn problems(kind: &str, document_value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(fields) = document(kind) {
        object(fields, document_value, "", &mut found);
    }
    found
}

fn object(fields: Fields, value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    let Some(map) = value.as_object() else {
        found.push((path.to_owned(), "must be an object".to_owned()));
        return;
    };
    for (key, value) in map {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match fields.iter().find(|(known, _)| known == key).map(|(_, rule)| rule) {
            Some(Any) => {}
            Some(One(fields)) => object(fields, value, &path, found),
            Some(Each(fields)) => match value.as_array() {
                Some(items) => {
                    for (index, item) in items.iter().enumerate() {
                        object(fields, item, &format!("{path}[{index}]"), found);
                    }
                }
                None => found.push((path, "must be a list".to_owned())),
            },
            Some(Refused) => {
                found.push((path, "not supported by streamgauge run; run it on a cluster".to_owned()));
            }
            None => found.push((path, "Tekton knows no such field; correct or remove it".to_owned())),
        }
    }
}
