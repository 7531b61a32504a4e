//! What makes a resource a good catalog entry: the conventions of Tekton's catalogs and of Artifact Hub, and our own for Steps.

use std::path::Path;

use super::Notes;
use crate::local::model::{Metadata, ParamSpec, StepSpec};

/// The categories that Tekton's Hub knows.
const CATEGORIES: [&str; 20] = [
    "Automation",
    "Build Tools",
    "CLI",
    "Cloud",
    "Code Quality",
    "Continuous Integration",
    "Deployment",
    "Developer Tools",
    "Git",
    "Image Build",
    "Integration & Delivery",
    "Kubernetes",
    "Messaging",
    "Monitoring",
    "Networking",
    "Openshift",
    "Publishing",
    "Security",
    "Storage",
    "Testing",
];

/// The categories that Artifact Hub knows.
const HUB_CATEGORIES: [&str; 9] = [
    "ai-machine-learning",
    "database",
    "integration-delivery",
    "monitoring-logging",
    "networking",
    "security",
    "storage",
    "streaming-messaging",
    "skip-prediction",
];

/// What makes a resource a good catalog entry.
pub fn entry(metadata: &Metadata, description: &str, params: &[ParamSpec], notes: &mut Notes) {
    names(metadata, notes);
    match metadata.labels.get("app.kubernetes.io/version") {
        None => notes.style("metadata.labels", "app.kubernetes.io/version is missing"),
        Some(version) if !is_version(version) => {
            let message = format!("app.kubernetes.io/version {version:?} is not a version such as 1.2.3");
            notes.wrong("metadata.labels", message);
        }
        Some(_) => {}
    }
    annotation(metadata, "tekton.dev/displayName", notes, |_| None);
    annotation(metadata, "tekton.dev/tags", notes, |_| None);
    annotation(metadata, "tekton.dev/pipelines.minVersion", notes, |version| {
        (!is_version(version)).then(|| format!("{version:?} is not a version such as 1.2.3"))
    });
    annotation(metadata, "tekton.dev/categories", notes, |list| {
        let unknown = parts(list).find(|part| !CATEGORIES.contains(part))?;
        Some(format!("Tekton's Hub knows no {unknown:?}; it knows {}", CATEGORIES.join(", ")))
    });
    annotation(metadata, "tekton.dev/platforms", notes, |list| {
        let wrong = parts(list).find(|part| part.split('/').filter(|word| !word.is_empty()).count() < 2)?;
        Some(format!("{wrong:?} is not a platform such as linux/amd64"))
    });
    annotation(metadata, "artifacthub.io/license", notes, |_| None);
    annotation(metadata, "artifacthub.io/category", notes, |category| {
        let known = HUB_CATEGORIES.contains(&category);
        (!known).then(|| format!("Artifact Hub knows no {category:?}; it knows {}", HUB_CATEGORIES.join(", ")))
    });
    described("spec.description", description, notes);
    images(params, notes);
}

/// The resource's name is a Kubernetes name, and the file's and the folder's.
fn names(metadata: &Metadata, notes: &mut Notes) {
    let name = &metadata.name;
    dns_name("metadata.name", name, notes);
    let stem = notes.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let folder = notes.file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    if stem != name || folder != name {
        let message = format!("{name:?} must also be the file's and the folder's name: {name}/{name}.yaml");
        notes.style("metadata.name", message);
    }
}

/// An annotation that has to be there, and to be what `problem` finds nothing to say of.
fn annotation(metadata: &Metadata, key: &str, notes: &mut Notes, problem: impl Fn(&str) -> Option<String>) {
    match metadata.annotations.get(key).map(|value| value.trim()).filter(|value| !value.is_empty()) {
        None => notes.style("metadata.annotations", format!("{key} is missing")),
        Some(value) => {
            if let Some(problem) = problem(value) {
                notes.style("metadata.annotations", format!("{key}: {problem}"));
            }
        }
    }
}

/// The parts of a list with commas.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '+']).next().unwrap_or_default().split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
}

/// An image that a parameter names by default must be the same one tomorrow.
fn images(params: &[ParamSpec], notes: &mut Notes) {
    for (index, param) in params.iter().enumerate().filter(|(_, param)| param.name.ends_with("image")) {
        let default = param.default.as_ref().map(ToString::to_string).unwrap_or_default();
        let tag = default.rsplit('/').next().unwrap_or_default().split_once([':', '@']).map(|(_, tag)| tag);
        if !default.is_empty() && tag.is_none_or(|tag| tag == "latest") {
            let message = format!("{default:?} needs a tag or digest, and not the tag latest");
            notes.style(format!("spec.params[{index}].default"), message);
        }
    }
}

/// Whether this says what it is for.
pub fn described(path: &str, text: &str, notes: &mut Notes) {
    if text.trim().is_empty() {
        notes.style(path, "has no description");
    }
}

/// A Kubernetes name in kebab-case (RFC 1123 label).
pub fn dns_name(path: &str, name: &str, notes: &mut Notes) {
    let inside = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if name.is_empty() || name.len() > 63 || !inside || name.starts_with('-') || name.ends_with('-') {
        notes.wrong(path, format!("{name:?} must be lower-case letters, digits and dashes, at most 63"));
    }
}

/// What every step must say of its rights.
pub fn secure(step: &StepSpec, template: Option<&StepSpec>, at: &str, notes: &mut Notes) {
    if step.command.is_empty() && template.is_none_or(|template| template.command.is_empty()) {
        notes.wrong(format!("{at}.command"), "is missing: without it a cluster asks the image's registry");
    }
    let context = |pointer: &str| {
        let find =
            |step: &StepSpec| step.security_context.as_ref().and_then(|context| context.pointer(pointer)).cloned();
        find(step).or_else(|| template.and_then(find))
    };
    let wanted = [
        ("/runAsNonRoot", serde_json::json!(true)),
        ("/readOnlyRootFilesystem", serde_json::json!(true)),
        ("/allowPrivilegeEscalation", serde_json::json!(false)),
        ("/capabilities/drop", serde_json::json!(["ALL"])),
        ("/seccompProfile/type", serde_json::json!("RuntimeDefault")),
    ];
    for (pointer, value) in wanted {
        if context(pointer).as_ref() != Some(&value) {
            let name = pointer[1..].replace('/', ".");
            notes.style(format!("{at}.securityContext"), format!("{name} must be {value}, here or in stepTemplate"));
        }
    }
}

/// What a Task's step must say of the time and the resources it takes.
pub fn limited(step: &StepSpec, template: Option<&StepSpec>, at: &str, notes: &mut Notes) {
    let requests =
        |step: &StepSpec| step.compute_resources.as_ref().is_some_and(|value| value.get("requests").is_some());
    if !requests(step) && !template.is_some_and(requests) {
        notes.style(format!("{at}.computeResources"), "requests are missing");
    }
    if step.timeout.is_none() {
        notes.style(format!("{at}.timeout"), "is missing");
    }
}
