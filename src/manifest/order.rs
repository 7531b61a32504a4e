//! What has to be there before what.

use super::documents::Manifest;
use crate::kubernetes::object::BUILT_IN;

/// A stage of applying: all of it is applied before the next one begins. Deleting goes the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What others live in.
    Namespaces,
    /// New kinds; they have to be served before objects of them are taken.
    Definitions,
    /// What others only refer to: settings, accounts, rights, volumes.
    Groundwork,
    /// Whom others call.
    Services,
    /// What runs.
    Workloads,
    /// Objects of kinds that do not come with Kubernetes; who looks after them may be among the workloads.
    Custom,
}

impl Stage {
    /// The stage of an object.
    pub fn of(manifest: &Manifest) -> Self {
        match (manifest.group(), manifest.kind()) {
            ("", "Namespace") => Self::Namespaces,
            ("apiextensions.k8s.io", _) => Self::Definitions,
            ("", "Service") => Self::Services,
            ("", "Pod" | "ReplicationController") | ("apps" | "batch", _) => Self::Workloads,
            (group, _) if BUILT_IN.contains(&group) => Self::Groundwork,
            _ => Self::Custom,
        }
    }
}

/// Sorts objects by their stages; within one they stay in the order of the files.
pub fn sort(manifests: &mut [Manifest]) {
    manifests.sort_by_key(Stage::of);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let given = [
            ("flink.apache.org/v1beta1", "FlinkDeployment"),
            ("apps/v1", "Deployment"),
            ("v1", "Service"),
            ("v1", "ConfigMap"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("batch/v1", "Job"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("v1", "Namespace"),
        ];
        let object = |(version, kind)| Manifest {
            origin: String::new(),
            content: json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}}),
        };
        let mut manifests = given.map(object);
        sort(&mut manifests);
        let kinds = manifests.each_ref().map(Manifest::kind);
        assert_eq!(
            kinds,
            [
                "Namespace",
                "CustomResourceDefinition",
                "ConfigMap",
                "Role",
                "Service",
                "Deployment",
                "Job",
                "FlinkDeployment"
            ]
        );
    }
}
