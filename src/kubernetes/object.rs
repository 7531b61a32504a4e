//! Which object of which kind is meant.

use std::fmt;

use kube::core::ApiResource;
use serde_json::Value;

/// The groups that come with Kubernetes 1.35; other groups that end in .k8s.io are installed like anybody's.
pub(crate) const BUILT_IN: [&str; 20] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// A kind of objects, as the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Its names and its version.
    pub resource: ApiResource,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether somebody writes a status into its objects.
    pub has_status: bool,
}

impl Kind {
    /// Pods.
    pub fn pod() -> Self {
        Self::known("", "v1", "Pod", "pods")
    }

    /// Events, which tell in words what happened to other objects.
    pub fn event() -> Self {
        Self { has_status: false, ..Self::known("", "v1", "Event", "events") }
    }

    /// StatefulSets.
    pub fn stateful_set() -> Self {
        Self::known("apps", "v1", "StatefulSet", "statefulsets")
    }

    /// Leases, which say who holds something.
    pub fn lease() -> Self {
        Self { has_status: false, ..Self::known("coordination.k8s.io", "v1", "Lease", "leases") }
    }

    /// Tekton's PipelineRuns.
    pub fn pipeline_run() -> Self {
        Self::known("tekton.dev", "v1", "PipelineRun", "pipelineruns")
    }

    /// A namespaced kind with a status, known without asking the API server.
    pub fn known(group: &str, version: &str, kind: &str, plural: &str) -> Self {
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let resource = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        Self { resource, namespaced: true, has_status: true }
    }

    /// The kind as rights name it: `deployments.apps`, `pods`.
    pub fn plural(&self) -> String {
        match self.resource.group.as_str() {
            "" => self.resource.plural.clone(),
            group => format!("{}.{group}", self.resource.plural),
        }
    }

    /// Whether Kubernetes itself brings it.
    pub fn built_in(&self) -> bool {
        BUILT_IN.contains(&self.resource.group.as_str())
    }
}

/// One object: its kind, its name and where it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; none for a kind that belongs to the whole cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Object {
    /// The object of this name, in the namespace when its kind lives in one.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = kind.namespaced.then(|| namespace.to_owned());
        Self { kind, namespace, name: name.to_owned() }
    }

    /// Its kind, in one word.
    pub fn kind_name(&self) -> &str {
        &self.kind.resource.kind
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.resource.kind, self.name)
    }
}

/// The string at this JSON pointer, empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
