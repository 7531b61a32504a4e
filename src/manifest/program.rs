//! `apply-manifest`: applies objects from files with a run's settings, waits until they are ready, and deletes them again.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::apply::Applier;
use super::documents::{self, Manifest};
use super::setting::Setting;
use super::{Error, delete, order};
use crate::kubernetes::ready::{self, Limits};
use crate::kubernetes::{Cluster, Connection, Wait};
use crate::report::App;
use crate::step::{Exit, Failure, Seconds, Step, StepArgs, flag};

/// How long something may fail unless the user says otherwise.
const PATIENCE: &str = "2m";

/// Applies Kubernetes manifests with this run's settings and waits until every object is ready, or deletes what was applied.
///
/// Everything is tried first (server-side dry run): when one object would be refused, none is applied. Fields are owned by
/// the field manager streamgauge; a field that another manager owns is left alone unless --force-conflicts is given. Objects
/// that this program makes carry the label streamgauge.dev/run; --delete removes only these, with the report of a run only those
/// of that run, and never a CustomResourceDefinition, with which all objects of its kind would go.
#[derive(Debug, clap::Parser)]
#[command(name = "apply-manifest")]
pub struct Args {
    /// Files, and folders with all that is in them (.yaml, .yml, .json): plain manifests, or what kustomize or helm printed
    #[arg(long, value_name = "PATH", num_args = 1.., required = true, help_heading = "Manifests")]
    manifests: Vec<PathBuf>,

    /// Values to set, each as path=value, Kind:path=value or Kind/name:path=value; the path must be there, and null takes it away
    #[arg(long, value_name = "PATH=VALUE", num_args = 0.., help_heading = "Manifests")]
    set: Vec<String>,

    /// Values to set where nothing has to be there yet, in the same form; [+] is a new item of a list
    #[arg(long, value_name = "PATH=VALUE", num_args = 0.., help_heading = "Manifests")]
    add: Vec<String>,

    /// Name of the application that the manifests are, for the report; when empty they only are something it needs
    #[arg(long, value_name = "NAME", default_value = "", help_heading = "Manifests")]
    name: String,

    #[command(flatten)]
    connection: Connection,

    /// Take over fields that other managers own
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Kubernetes")]
    force_conflicts: bool,

    /// Tell what would change, and change nothing
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Kubernetes")]
    dry_run: bool,

    /// Delete the objects and wait until they are gone; those that are missing are no error
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Kubernetes")]
    delete: bool,

    /// Delete first what this program has made under these names, and wait until it is gone: nothing of an older one goes on. A
    /// FlinkDeployment that is changed in place would be upgraded, with the state of its old job
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Kubernetes")]
    replace: bool,

    /// How long an object may be failing before it is given up: its image cannot be pulled, its container crashes again and again
    #[arg(long, value_name = "TIME", value_parser = patience, default_value = PATIENCE, help_heading = "Kubernetes")]
    patience: Seconds,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// A time; an empty value means that it was not given.
fn patience(text: &str) -> Result<Seconds, String> {
    if text.is_empty() { PATIENCE.parse() } else { text.parse() }
}

/// Applies the manifests and waits until they are ready, or deletes them.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let reports = !args.name.is_empty() && !args.delete && !args.dry_run;
    if reports {
        let app = App { engine: "manifest".to_owned(), name: args.name.clone(), ..App::default() };
        step.update_report(|report| report.begin_app(app))?;
    }
    let tell = |change: &dyn Fn(&mut App)| match reports {
        true => step.update_report(|report| change(report.app.get_or_insert_default())),
        false => Ok(()),
    };
    let (manifests, properties) = args.manifests()?;
    let cluster = Cluster::connect(&args.connection).await?;
    tracing::info!("{} objects for {}, namespace {}", manifests.len(), cluster.server(), cluster.namespace());
    let mut wait = Wait::within(step.timeout());
    let run = step.read_report()?.run.map(|run| run.id).filter(|id| !id.is_empty());
    let applier = Applier::new(&cluster, &manifests, run.as_deref(), args.force_conflicts);
    if args.delete {
        delete::run(&applier, step.report_path().is_some(), args.dry_run, &mut wait).await?;
        return Ok(Exit::Done);
    }
    let changed = applier.rehearse(args.dry_run, &mut wait).await?;
    if args.dry_run {
        step.results().write("objects", &manifests.len().to_string())?;
        step.results().write("changed", &changed.to_string())?;
        return Ok(Exit::Done);
    }
    if args.replace {
        delete::run(&applier, false, false, &mut wait).await?;
    }
    tell(&|app| (app.properties, app.deployed_at) = (properties.clone(), Some(Timestamp::now())))?;
    let limits = Limits { patience: args.patience.0 };
    let (objects, changed) = applier.apply(limits, &mut wait).await?;
    step.results().write("objects", &manifests.len().to_string())?;
    step.results().write("changed", &changed.to_string())?;
    ready::wait(&cluster, &objects, limits, &mut wait).await?;
    let ready = Timestamp::now();
    tracing::info!("all {} objects are ready after {:.1} s", objects.len(), wait.elapsed().as_secs_f64());
    tell(&|app| app.ready_at = Some(ready))?;
    step.results().write("ready-at", &format!("{ready:.3}"))?;
    Ok(Exit::Done)
}

impl Args {
    /// The objects with this run's settings, in the order in which they are applied, and the settings for the report.
    fn manifests(&self) -> Result<(Vec<Manifest>, Map<String, Value>), Error> {
        let mut manifests = documents::read(&self.manifests)?;
        let mut properties = Map::new();
        for (given, make) in [(&self.set, false), (&self.add, true)] {
            for setting in given {
                let setting: Setting = setting.parse()?;
                let secret = setting.apply(&mut manifests, make)?;
                let (place, value) = setting.shown(secret);
                tracing::info!("{setting} is set to {value:?}");
                properties.insert(place, Value::String(value));
            }
        }
        self.settle_namespaces(&mut manifests)?;
        documents::check_once(&manifests)?;
        order::sort(&mut manifests);
        Ok((manifests, properties))
    }

    /// As kubectl has it: an object goes where it says; one that says something else than --namespace is a mistake.
    fn settle_namespaces(&self, manifests: &mut [Manifest]) -> Result<(), Error> {
        let given = &self.connection.namespace;
        match manifests.iter().find(|manifest| !given.is_empty() && !["", given].contains(&manifest.namespace())) {
            Some(manifest) => Err(Error::Namespace {
                object: manifest.to_string(),
                origin: manifest.origin.clone(),
                its: manifest.namespace().to_owned(),
                given: given.clone(),
            }),
            None => Ok(()),
        }
    }
}
