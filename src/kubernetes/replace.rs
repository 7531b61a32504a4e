//! Puts an object in the place of an old one of the same name: nothing of the old one is left when the new one is made.

use serde_json::Value;

use super::gone::{Old, gone};
use super::object::text;
use super::{Cluster, Error, Object, Wait};

/// Deletes the object with all that belongs to it and waits until it is gone. False when it was not there.
pub async fn remove(cluster: &Cluster, object: &Object, wait: &mut Wait) -> Result<bool, Error> {
    let Some(found) = patiently(wait, object, || cluster.get(object)).await? else { return Ok(false) };
    let uid = text(&found, "/metadata/uid").to_owned();
    patiently(wait, object, || cluster.delete(object, Some(&uid))).await?;
    gone(cluster, &[Old::Exactly(object.clone(), uid)], wait).await?;
    Ok(true)
}

/// Removes the old object of this name, if there is one, and makes the new one. A FlinkDeployment that is changed in place would
/// be upgraded, with the state of its old job. Returns the new object.
pub async fn replace(cluster: &Cluster, object: &Object, content: &Value, wait: &mut Wait) -> Result<Value, Error> {
    remove(cluster, object, wait).await?;
    // A second attempt to make it would meet what the first has made, if only its answer was lost.
    cluster.create(object, content).await
}

async fn patiently<T, F>(wait: &mut Wait, object: &Object, ask: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        let words = match wait.forgive(ask().await)? {
            Ok(answer) => return Ok(answer),
            Err(words) => words,
        };
        if !wait.pause(|| format!("trying again: {words}")).await {
            return Err(Error::NotGone { waited: wait.elapsed(), left: format!("{object}: {words}") });
        }
    }
}
