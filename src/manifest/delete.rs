//! Deletes what was applied, the other way round, and waits until it is gone.

use super::apply::{Applier, run_of};
use super::documents::Manifest;
use super::order::Stage;
use crate::kubernetes::gone::{Old, gone};
use crate::kubernetes::object::text;
use crate::kubernetes::{Error, Wait};

/// Deletes the objects, but for definitions of kinds, stage by stage: who looks after the objects of a kind must be there until they are gone. With
/// `only_own`, those that belong to another run by now are kept.
pub(super) async fn run(applier: &Applier<'_>, only_own: bool, dry_run: bool, wait: &mut Wait) -> Result<(), Error> {
    let mut left: Vec<&Manifest> = applier.manifests.iter().rev().collect();
    let mut deleted = 0;
    while let Some(stage) = left.first().map(|manifest| Stage::of(manifest)) {
        let later = left.iter().position(|manifest| Stage::of(manifest) != stage).unwrap_or(left.len());
        let mut old = Vec::new();
        for manifest in left.drain(..later) {
            old.extend(one(applier, manifest, only_own, dry_run, wait).await?);
        }
        deleted += old.len();
        gone(applier.cluster, &old, wait).await?;
    }
    if !dry_run {
        tracing::info!("{deleted} objects deleted and gone after {:.1} s", wait.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Deletes one object, and returns what is to be waited for.
async fn one(
    applier: &Applier<'_>,
    manifest: &Manifest,
    only_own: bool,
    dry_run: bool,
    wait: &mut Wait,
) -> Result<Option<Old>, Error> {
    loop {
        let words = match wait.forgive(attempt(applier, manifest, only_own, dry_run).await)? {
            Ok(old) => return Ok(old),
            Err(words) => words,
        };
        if !wait.pause(|| format!("trying again: {words}")).await {
            return Err(Error::NotGone { waited: wait.elapsed(), left: words });
        }
    }
}

async fn attempt(
    applier: &Applier<'_>,
    manifest: &Manifest,
    only_own: bool,
    dry_run: bool,
) -> Result<Option<Old>, Error> {
    if Stage::of(manifest) == Stage::Definitions {
        tracing::info!("{manifest} is kept: with it all objects of its kind would go, those of others too");
        return Ok(None);
    }
    let missing = || tracing::info!("{manifest} is not there");
    let object = match applier.object(manifest).await {
        Ok(object) => object,
        // Its definition is gone, and it with it.
        Err(Error::UnknownKind { .. }) => {
            missing();
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some(found) = applier.cluster.get(&object).await? else {
        missing();
        return Ok(None);
    };
    match run_of(&found) {
        None => {
            tracing::warn!("{manifest} is kept: it was there before it was applied; kubectl deletes it if it is to go");
            return Ok(None);
        }
        Some(run) if only_own && run != applier.run => {
            tracing::warn!("{manifest} is kept: it belongs to run {run} by now");
            return Ok(None);
        }
        Some(_) if dry_run => {
            tracing::info!("{manifest} would be deleted");
            return Ok(None);
        }
        Some(_) => {}
    }
    let uid = text(&found, "/metadata/uid").to_owned();
    if !applier.cluster.delete(&object, Some(&uid)).await? {
        missing();
        return Ok(None);
    }
    tracing::info!("{manifest} deleted");
    Ok(Some(Old::Exactly(object, uid)))
}
