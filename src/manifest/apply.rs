//! Applies objects stage by stage, and tells what became different.

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::Value;

use super::changes::Outcome;
use super::documents::Manifest;
use super::order::Stage;
use crate::kubernetes::client::Applying;
use crate::kubernetes::object::text;
use crate::kubernetes::ready::{self, Limits};
use crate::kubernetes::{Cluster, Error, Kind, Object, Wait};

/// Who owns the fields that are applied.
pub(super) const MANAGER: &str = "streamgauge";
/// The label of objects that this program made: the run that applied them last.
pub(super) const RUN_LABEL: &str = "streamgauge.dev/run";
/// What the label says without the report of a run.
const NO_RUN: &str = "none";

/// Objects and the cluster they are for.
pub(super) struct Applier<'a> {
    pub cluster: &'a Cluster,
    pub manifests: &'a [Manifest],
    /// The run as the label names it.
    pub run: String,
    force: bool,
    kinds: RefCell<HashMap<(String, String), Kind>>,
}

impl<'a> Applier<'a> {
    pub fn new(cluster: &'a Cluster, manifests: &'a [Manifest], run: Option<&str>, force: bool) -> Self {
        let run = run.map(label).filter(|run| !run.is_empty()).unwrap_or_else(|| NO_RUN.to_owned());
        Self { cluster, manifests, run, force, kinds: RefCell::default() }
    }

    /// Asks the API server whether it would take everything, and returns how much would be different. With `tell` the log
    /// says what. What lives in a namespace or is of a kind that this very run brings cannot be asked for yet.
    pub async fn rehearse(&self, tell: bool, wait: &mut Wait) -> Result<usize, Error> {
        let mut changed = 0;
        for manifest in self.manifests {
            let outcome = match self.one(manifest, true, wait).await {
                Ok((_, outcome)) => outcome,
                Err(error) if self.is_early(manifest, &error) => Outcome::Created,
                // A webhook with side effects says that it cannot be rehearsed.
                Err(Error::Refused { words, .. }) if words.contains("does not support dry run") => Outcome::Created,
                Err(error) => return Err(error),
            };
            changed += usize::from(outcome.changed());
            if tell {
                tracing::info!("{manifest} would be {outcome}");
            }
        }
        Ok(changed)
    }

    /// Applies everything, and returns the objects and how many are different now.
    pub async fn apply(&self, limits: Limits, wait: &mut Wait) -> Result<(Vec<Object>, usize), Error> {
        let mut objects: Vec<Object> = Vec::new();
        let (mut changed, mut stage_began) = (0, 0);
        for (index, manifest) in self.manifests.iter().enumerate() {
            let (object, outcome) = self.one(manifest, false, wait).await?;
            tracing::info!("{manifest} {outcome}");
            changed += usize::from(outcome.changed());
            objects.push(object);
            let stage = Stage::of(manifest);
            let next = self.manifests.get(index + 1).map(Stage::of);
            if next != Some(stage) {
                if stage <= Stage::Definitions {
                    ready::wait(self.cluster, &objects[stage_began..], limits, wait).await?;
                }
                stage_began = objects.len();
            }
        }
        Ok((objects, changed))
    }

    async fn one(&self, manifest: &Manifest, dry_run: bool, wait: &mut Wait) -> Result<(Object, Outcome), Error> {
        loop {
            let attempt = self.attempt(manifest, dry_run).await;
            let words = match attempt {
                Err(error) if !dry_run && self.is_early(manifest, &error) => error.to_string(),
                attempt => match wait.forgive(attempt)? {
                    Ok(done) => return Ok(done),
                    Err(words) => words,
                },
            };
            if !wait.pause(|| format!("trying again: {words}")).await {
                return Err(Error::NotReady { waited: wait.elapsed(), left: words });
            }
        }
    }

    async fn attempt(&self, manifest: &Manifest, dry_run: bool) -> Result<(Object, Outcome), Error> {
        let object = self.object(manifest).await?;
        let before = self.cluster.get(&object).await?;
        if before.as_ref().is_some_and(|before| before.pointer("/metadata/deletionTimestamp").is_some()) {
            return Err(Error::Leaving { object: manifest.to_string() });
        }
        let mut content = manifest.content.clone();
        // What was there before keeps no mark: it is not ours to delete.
        if before.as_ref().is_none_or(|before| run_of(before).is_some()) {
            mark(&mut content, &self.run);
        }
        let how = Applying { manager: MANAGER, force: self.force, dry_run };
        let after = self.cluster.apply(&object, &content, how).await?;
        Ok((object, Outcome::of(before.as_ref(), &after, RUN_LABEL)))
    }

    /// The object that a manifest is about.
    pub async fn object(&self, manifest: &Manifest) -> Result<Object, Error> {
        let key = (manifest.api_version().to_owned(), manifest.kind().to_owned());
        let known = self.kinds.borrow().get(&key).cloned();
        let kind = match known {
            Some(kind) => kind,
            None => {
                let kind = self.cluster.kind(&key.0, &key.1).await?;
                self.kinds.borrow_mut().insert(key, kind.clone());
                kind
            }
        };
        let namespace = match manifest.namespace() {
            "" => self.cluster.namespace(),
            its => its,
        };
        Ok(Object::new(kind, namespace, manifest.name()))
    }

    /// Whether an error is only that it is too early: an old object is on its way out, or what this very run brings is not
    /// there yet; a kind is served a moment after its definition is established.
    fn is_early(&self, manifest: &Manifest, error: &Error) -> bool {
        match error {
            Error::Leaving { .. } => true,
            Error::UnknownKind { .. } => self.manifests.iter().any(|other| {
                Stage::of(other) == Stage::Definitions
                    && text(&other.content, "/spec/names/kind") == manifest.kind()
                    && text(&other.content, "/spec/group") == manifest.group()
            }),
            error if error.is_not_found() => {
                let namespace = match manifest.namespace() {
                    "" => self.cluster.namespace(),
                    its => its,
                };
                let brings = |other: &Manifest| Stage::of(other) == Stage::Namespaces && other.name() == namespace;
                self.manifests.iter().any(brings)
            }
            _ => false,
        }
    }
}

/// The run that an object's label names.
pub(super) fn run_of(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("labels")?.get(RUN_LABEL)?.as_str()
}

fn mark(content: &mut Value, run: &str) {
    let Some(Value::Object(metadata)) = content.get_mut("metadata") else { return };
    let labels = metadata.entry("labels").or_insert_with(|| Value::Object(Default::default()));
    if labels.is_null() {
        *labels = Value::Object(Default::default());
    }
    if let Value::Object(labels) = labels {
        labels.insert(RUN_LABEL.to_owned(), Value::String(run.to_owned()));
    }
}

/// A run's name as a label can carry it: at most 63 letters, digits and `-_.`, the first and the last a letter or a digit.
fn label(run: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    let text: String = run.chars().map(plain).take(63).collect();
    text.trim_matches(|letter: char| !letter.is_ascii_alphanumeric()).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_runs_name_becomes_a_label_that_kubernetes_takes() {
        assert_eq!(label("performance-test-x7k2p"), "performance-test-x7k2p");
        assert_eq!(label("/a b:c/"), "a-b-c");
        assert_eq!(label(&"x".repeat(80)).len(), 63);
    }

    #[test]
    fn an_object_is_marked_whether_it_has_labels_or_not() {
        for metadata in [json!({}), json!({"labels": null}), json!({"labels": {}})] {
            let mut content = json!({"metadata": metadata});
            mark(&mut content, "run-1");
            assert_eq!(run_of(&content), Some("run-1"));
        }
    }
}
