//! `deploy-heron-app`: submits a topology with its settings and waits until it is truly running.

use std::path::PathBuf;
use std::time::Instant;

use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use serde_json::Value;

use super::api::Api;
use super::build::Built;
use super::cli::Submit;
use super::events::Address;
use super::main_class::MainClass;
use super::ready::{self, Wanted};
use super::tracker::{Info, Tracker};
use super::wait::{Wait, known};
use super::way::Way;
use super::{Error, Target, dry_run, replace};
use crate::report::{App, Component};
use crate::step::{Exit, Failure, KeyValue, Seconds, Step, StepArgs, flag};

/// How long a topology must be up without a break unless the user says otherwise.
const HOLD: &str = "10s";

/// Submits a Heron topology with the settings of a commit, replaces an old one, and waits until it is truly running.
///
/// Runs the topology's main on this computer, as Heron's own command line does, and submits what main made; with --heron-cli
/// that command line itself does both.
#[derive(Debug, clap::Parser)]
#[command(name = "deploy-heron-app")]
pub struct Args {
    #[command(flatten)]
    pub(super) target: Target,

    /// The topology's jar, with all it needs in it
    #[arg(long, value_name = "FILE", help_heading = "Topology")]
    pub(super) jar: PathBuf,

    /// Class whose main makes the topology
    #[arg(long, value_name = "CLASS", value_parser = NonEmptyStringValueParser::new(), help_heading = "Topology")]
    pub(super) main_class: String,

    /// Further class path for main, as heron-api.jar where the jar lacks it; may be repeated
    #[arg(long, value_name = "PATH", help_heading = "Topology")]
    pub(super) classpath: Vec<String>,

    /// JVM system properties for main, each as key=value
    #[arg(long, value_name = "K=V", num_args = 0.., help_heading = "Topology")]
    pub(super) properties: Vec<KeyValue>,

    /// Overrides of Heron's own config for this topology, each as key=value
    #[arg(long, value_name = "K=V", num_args = 0.., help_heading = "Topology")]
    pub(super) config_properties: Vec<KeyValue>,

    /// Java runtime that runs main
    #[arg(long, value_name = "PROGRAM", default_value = "java", help_heading = "Topology")]
    pub(super) java: String,

    /// Kill a topology of the same name first
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Topology")]
    pub(super) replace: bool,

    /// Let the topology start paused, to be activated by update-heron-app
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Topology")]
    pub(super) deploy_deactivated: bool,

    /// Show what would be deployed and what it would replace, and change nothing
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Topology")]
    dry_run: bool,

    /// How long the topology must be up and well without a break
    #[arg(long, value_name = "TIME", value_parser = hold, default_value = HOLD, help_heading = "Topology")]
    ready_hold: Seconds,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,

    /// Arguments of main
    #[arg(last = true, value_name = "ARGS")]
    pub(super) main_args: Vec<String>,
}

/// A time; an empty value means that it was not given.
fn hold(text: &str) -> Result<Seconds, String> {
    if text.is_empty() { HOLD.parse() } else { text.parse() }
}

/// Submits the topology and waits until it is truly running.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    step.update_report(|report| report.begin_app(args.app()))?;
    args.check()?;
    let mut wait = Wait::within(step.timeout());
    let Args { target, .. } = &args;
    let (way, tracker) = (Way::of(target, step.stop())?, Tracker::new(target)?);
    if let Way::Api(api) = &way {
        // Not within the log line: it may be left out, and this tells a wrong address before anything is done.
        let version = api.version().await?;
        tracing::info!("Heron {version} at {}", target.service_url);
        step.update_report(|report| report.note_environment("heron", version))?;
    }
    let first = known(&tracker, target, &mut wait).await?;

    let built = Built::of(&args, &way, step.stop(), wait.request_limit()).await?;
    built.check_name(&args)?;
    update_app(step, |app| app.components.clone_from(&built.components))?;
    if args.dry_run {
        dry_run::show(&args, &built, first.as_ref(), step, wait.request_limit()).await?;
        return Ok(Exit::Done);
    }

    let old = replace::make_room(&args, &way, &tracker, first.as_ref(), &mut wait).await?;
    // From here on it may run, whatever becomes of the answer: noted first, so that it is deleted in any case.
    update_app(step, |app| app.deployed_at = Some(Timestamp::now()))?;
    if let Err(error) = replace::submit(&args, &built, &tracker, old.as_ref(), &mut wait).await {
        if error.says("already exists") || matches!(error, Error::Another { .. }) {
            update_app(step, |app| app.deployed_at = None)?;
        }
        return Err(replace::left(target, old.as_ref(), error).into());
    }
    let submitted = Timestamp::now();
    update_app(step, |app| app.deployed_at = Some(submitted))?;
    step.results().write("topology", &target.topology)?;
    step.results().write("submitted-at", &format!("{submitted:.3}"))?;

    let wanted = Wanted {
        components: &built.components,
        not_from: old.map(|old| old.submission_time),
        status: if args.deploy_deactivated { "Paused" } else { "Running" },
        hold: args.ready_hold.0,
    };
    let began = Instant::now();
    let up = ready::wait(&tracker, target, wanted, &mut wait).await?;
    let ready = Timestamp::now();
    let planned = planned(built.components, &up.info);
    let all: u32 = planned.iter().map(|component| component.parallelism).sum();
    tracing::info!(
        "topology {} is {}: {all} instances, {:.1} s after it was submitted",
        target.topology,
        if args.deploy_deactivated { "up and paused" } else { "running" },
        began.elapsed().as_secs_f64()
    );
    update_app(step, |app| {
        (app.components, app.ready_at) = (planned, Some(ready));
        app.submission_time = Some(up.info.execution_state.submission_time);
        app.address = Address::of(target, &up).to_map();
    })?;
    step.results().write("ready-at", &format!("{ready:.3}"))?;
    Ok(Exit::Done)
}

impl Args {
    /// Refuses all that can be known to be wrong before anything is done.
    fn check(&self) -> Result<(), Error> {
        self.target.check()?;
        std::fs::File::open(&self.jar).map_err(|source| Error::File {
            what: "the topology's jar",
            path: self.jar.clone(),
            source,
        })?;
        self.main().check(&self.target)?;
        check_properties(&self.properties)?;
        if !self.target.heron_cli.is_empty() {
            self.for_cli().check()?;
        }
        Api::check_config(&self.config_properties)
    }

    /// Main as this program runs it.
    pub(super) fn main(&self) -> MainClass {
        MainClass {
            java: if self.java.is_empty() { "java".to_owned() } else { self.java.clone() },
            jar: self.jar.clone(),
            classpath: self.classpath.clone(),
            class: self.main_class.clone(),
            properties: self.properties.clone(),
            args: self.main_args.clone(),
            deactivated: self.deploy_deactivated,
        }
    }

    /// Main as Heron's command line runs it.
    pub(super) fn for_cli(&self) -> Submit<'_> {
        Submit {
            jar: &self.jar,
            class: &self.main_class,
            classpath: &self.classpath,
            properties: &self.properties,
            config: &self.config_properties,
            deactivated: self.deploy_deactivated,
            args: &self.main_args,
        }
    }

    /// What is known of the application before anything can fail.
    fn app(&self) -> App {
        let properties = self.properties.iter().map(|p| (p.key.clone(), Value::from(p.shown()))).collect();
        App { engine: "heron".to_owned(), name: self.target.topology.clone(), properties, ..App::default() }
    }
}

/// The JVM would take the last of two values of a property, and nobody would know which one was tested.
fn check_properties(properties: &[KeyValue]) -> Result<(), Error> {
    let refuse = |property: &KeyValue, why: String| Err(Error::Property { key: property.key.clone(), why });
    for (number, property) in properties.iter().enumerate() {
        if property.key.contains(char::is_whitespace) {
            return refuse(property, "its name holds white space".to_owned());
        }
        let other = properties[..number].iter().find(|p| p.key == property.key && p.value != property.value);
        if let Some(other) = other {
            return refuse(
                property,
                format!("it is given twice, as {:?} and as {:?}", other.shown(), property.shown()),
            );
        }
    }
    Ok(())
}

/// The components with what the packing plan gives one instance where main left that to Heron: the least of it, for what a
/// container has to spare is shared out unevenly.
pub(super) fn planned(components: Vec<Component>, info: &Info) -> Vec<Component> {
    let complete = |component: Component| {
        let kind = match component.kind.as_str() {
            "" if info.physical_plan.spouts.contains_key(&component.name) => "spout".to_owned(),
            "" => "bolt".to_owned(),
            kind => kind.to_owned(),
        };
        let resources: Vec<_> = info.packing_plan.of(&component.name).map(|packed| packed.instance_resources).collect();
        Component {
            kind,
            cpu: component.cpu.or_else(|| resources.iter().map(|r| r.cpu).reduce(f64::min)),
            ram_bytes: component.ram_bytes.or_else(|| resources.iter().map(|r| r.ram).min()),
            disk_bytes: component.disk_bytes.or_else(|| resources.iter().map(|r| r.disk).min()),
            ..component
        }
    };
    let mut components = components;
    for (name, count) in info.packing_plan.counts() {
        // What really runs counts, whatever was asked for.
        match components.iter_mut().find(|component| component.name == name) {
            Some(component) => component.parallelism = count as u32,
            None => {
                components.push(Component { name: name.to_owned(), parallelism: count as u32, ..Component::default() })
            }
        }
    }
    components.into_iter().map(complete).collect()
}

pub(super) fn update_app(step: &Step, change: impl FnOnce(&mut App)) -> Result<(), Failure> {
    Ok(step.update_report(|report| change(report.app.get_or_insert_with(App::default)))?)
}
