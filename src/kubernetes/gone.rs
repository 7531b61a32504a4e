//! Waits until objects that somebody has deleted are gone.

use super::object::text;
use super::{Cluster, Error, Kind, Object, Wait};

/// Objects that are to be gone.
#[derive(Debug, Clone)]
pub enum Old {
    /// The one of this name.
    Named(Object),
    /// The one of this name and this uid; another of the name does not matter.
    Exactly(Object, String),
    /// All of a kind in a namespace that this label selector chooses.
    Labelled {
        /// Their kind.
        kind: Kind,
        /// Where they live.
        namespace: String,
        /// The label selector, as `topology=wordcount`.
        labels: String,
    },
}

/// Waits until none of them is there. One that is made again in the meantime is waited for too.
pub async fn gone(cluster: &Cluster, old: &[Old], wait: &mut Wait) -> Result<(), Error> {
    loop {
        let left = match wait.forgive(left(cluster, old).await)? {
            Ok(left) if left.is_empty() => return Ok(()),
            Ok(left) => left.join(", "),
            Err(words) => words,
        };
        if !wait.pause(|| format!("waiting for the end of {left}")).await {
            return Err(Error::NotGone { waited: wait.elapsed(), left });
        }
    }
}

async fn left(cluster: &Cluster, old: &[Old]) -> Result<Vec<String>, Error> {
    let mut left = Vec::new();
    for one in old {
        match one {
            Old::Named(object) => {
                if let Some(found) = cluster.get(object).await? {
                    left.push(format!("{object}{}", held(&found)));
                }
            }
            Old::Exactly(object, uid) => {
                if let Some(found) = cluster.get(object).await?.filter(|found| text(found, "/metadata/uid") == uid) {
                    left.push(format!("{object}{}", held(&found)));
                }
            }
            Old::Labelled { kind, namespace, labels } => {
                let found = cluster.list(kind, namespace, labels, "").await?;
                let name = |one| format!("{}/{}{}", kind.resource.kind, text(one, "/metadata/name"), held(one));
                left.extend(found.iter().map(name));
            }
        }
    }
    Ok(left)
}

/// What keeps an object that is on its way out, beside what belongs to it.
fn held(object: &serde_json::Value) -> String {
    let finalizers = object.pointer("/metadata/finalizers").and_then(serde_json::Value::as_array);
    let names: Vec<&str> = finalizers
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .filter(|name| *name != "foregroundDeletion")
        .collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" (held by the finalizer {})", names.join(", ")),
    }
}
