//! `deploy-heron-app`: submits a topology with its settings and waits until it is truly running.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use serde_json::Value;

use super::api::{Api, Submission};
use super::main_class::{Made, MainClass};
use super::ready::{self, Wanted};
use super::tracker::{Answer, Info, Tracker};
use super::wait::Wait;
use super::{Error, Target, delete};
use crate::report::{App, Component};
use crate::step::{Exit, Failure, KeyValue, Seconds, Step, StepArgs, flag};

/// How long a topology must be up without a break unless the user says otherwise.
const HOLD: &str = "10s";
/// How long a tracker that answers, but cannot say, is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Submits a Heron topology with the settings of a commit, replaces an old one, and waits until it is truly running.
///
/// Runs the topology's main on this computer, as Heron's own command line does, and submits what main made.
#[derive(Debug, clap::Parser)]
#[command(name = "deploy-heron-app")]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// The topology's jar, with all it needs in it
    #[arg(long, value_name = "FILE", help_heading = "Topology")]
    jar: PathBuf,

    /// Class whose main makes the topology
    #[arg(long, value_name = "CLASS", value_parser = NonEmptyStringValueParser::new(), help_heading = "Topology")]
    main_class: String,

    /// Further class path for main, as heron-api.jar where the jar lacks it; may be repeated
    #[arg(long, value_name = "PATH", help_heading = "Topology")]
    classpath: Vec<String>,

    /// JVM system properties for main, each as key=value
    #[arg(long, value_name = "K=V", num_args = 0.., help_heading = "Topology")]
    properties: Vec<KeyValue>,

    /// Overrides of Heron's own config for this topology, each as key=value
    #[arg(long, value_name = "K=V", num_args = 0.., help_heading = "Topology")]
    config_properties: Vec<KeyValue>,

    /// Java runtime that runs main
    #[arg(long, value_name = "PROGRAM", default_value = "java", help_heading = "Topology")]
    java: String,

    /// Kill a topology of the same name first
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Topology")]
    replace: bool,

    /// How long the topology must be up and well without a break
    #[arg(long, value_name = "TIME", value_parser = hold, default_value = HOLD, help_heading = "Topology")]
    ready_hold: Seconds,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,

    /// Arguments of main
    #[arg(last = true, value_name = "ARGS")]
    main_args: Vec<String>,
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
    let (api, tracker) = (Api::new(target)?, Tracker::new(target)?);
    let version = api.version().await?;
    tracing::info!("Heron {version} at {}", target.service_url);
    known(&tracker, target, &mut wait).await?;

    let made = args.main().run(target, step.stop()).await?;
    let components = made.topology.components();
    args.check_name(&made)?;
    update_app(step, |app| app.components.clone_from(&components))?;

    let old = args.make_room(&api, &tracker, &mut wait).await?;
    // From here on it may run, whatever becomes of the answer: noted first, so that it is deleted in any case.
    update_app(step, |app| app.deployed_at = Some(Timestamp::now()))?;
    if let Err(error) = args.submit(&api, &made, old.is_some(), &mut wait).await {
        if error.says("already exists") {
            update_app(step, |app| app.deployed_at = None)?;
        }
        return Err(error.into());
    }
    let submitted = Timestamp::now();
    update_app(step, |app| app.deployed_at = Some(submitted))?;
    step.results().write("topology", &target.topology)?;
    step.results().write("submitted-at", &format!("{submitted:.3}"))?;

    let wanted = Wanted { components: &components, not_from: old, hold: args.ready_hold.0 };
    let began = Instant::now();
    let info = ready::wait(&tracker, target, wanted, &mut wait).await?;
    let ready = Timestamp::now();
    let planned = planned(components, &info);
    let all: u32 = planned.iter().map(|component| component.parallelism).sum();
    tracing::info!(
        "topology {} is running: {all} instances, {:.1} s after it was submitted",
        target.topology,
        began.elapsed().as_secs_f64()
    );
    update_app(step, |app| {
        (app.components, app.ready_at) = (planned, Some(ready));
        app.submission_time = Some(info.execution_state.submission_time);
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
        Api::check_config(&self.config_properties)
    }

    fn main(&self) -> MainClass {
        MainClass {
            java: if self.java.is_empty() { "java".to_owned() } else { self.java.clone() },
            jar: self.jar.clone(),
            classpath: self.classpath.clone(),
            class: self.main_class.clone(),
            properties: self.properties.clone(),
            args: self.main_args.clone(),
        }
    }

    /// Compares the name that main gave with the one that was asked for. Heron would take a submission under another name,
    /// and then neither run nor kill it.
    fn check_name(&self, made: &Made) -> Result<(), Error> {
        let (made, asked) = (&made.topology.name, &self.target.topology);
        match made == asked {
            true => Ok(()),
            false => Err(Error::WrongName { class: self.main_class.clone(), made: made.clone(), asked: asked.clone() }),
        }
    }

    /// Kills a topology of the same name where that is wanted; returns when that one was submitted, in Unix seconds.
    async fn make_room(&self, api: &Api, tracker: &Tracker, wait: &mut Wait) -> Result<Option<i64>, Error> {
        let Self { target, .. } = self;
        let Some(old) = known(tracker, target, wait).await?.map(|info| info.execution_state) else {
            return Ok(None);
        };
        if !self.replace {
            return Err(Error::Exists {
                topology: target.topology.clone(),
                environment: target.environment.clone(),
                at: old.submitted_at(),
                by: old.submission_user,
            });
        }
        tracing::info!("killing topology {} of {}", target.topology, old.submitted_at());
        let began = Instant::now();
        delete::remove(api, tracker, target, wait).await?;
        tracing::info!("topology {} is gone after {:.1} s", target.topology, began.elapsed().as_secs_f64());
        Ok(Some(old.submission_time))
    }

    /// Submits the topology. That it "already exists" is repeated only right after a kill of our own: Heron may know of the
    /// old one's end a moment later than the tracker.
    async fn submit(&self, api: &Api, made: &Made, replaced: bool, wait: &mut Wait) -> Result<(), Error> {
        let Self { target, .. } = self;
        let submission = Submission { definition: &made.file, jar: &self.jar, config: &self.config_properties };
        let began = Instant::now();
        loop {
            match api.submit(target, submission, wait.request_limit()).await {
                Err(error) if replaced && error.says("already exists") => {
                    let waiting = || format!("waiting to submit topology {}: {error}", target.topology);
                    if !wait.pause(waiting).await {
                        return Err(error);
                    }
                }
                outcome => {
                    outcome?;
                    let place = format!("{}/{}/{}", target.cluster, target.role, target.environment);
                    tracing::info!(
                        "submitted topology {} to {place} in {:.1} s",
                        target.topology,
                        began.elapsed().as_secs_f64()
                    );
                    return Ok(());
                }
            }
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

/// What the tracker knows about a topology of this name. A tracker that cannot say is asked again for a while.
async fn known(tracker: &Tracker, target: &Target, wait: &mut Wait) -> Result<Option<Info>, Error> {
    let began = Instant::now();
    loop {
        match tracker.info(target).await? {
            Answer::Known(info) => return Ok(Some(info)),
            Answer::Unknown => return Ok(None),
            Answer::Unclear(words) => {
                let waiting = || format!("waiting for the tracker: {words}");
                if began.elapsed() > PATIENCE || !wait.pause(waiting).await {
                    return Err(Error::Unclear { topology: target.topology.clone(), words });
                }
            }
        }
    }
}

/// The components with what the packing plan gives one instance where main left that to Heron: the least of it, for what a
/// container has to spare is shared out unevenly.
fn planned(components: Vec<Component>, info: &Info) -> Vec<Component> {
    let complete = |component: Component| {
        let resources: Vec<_> = info.packing_plan.of(&component.name).map(|packed| packed.instance_resources).collect();
        Component {
            cpu: component.cpu.or_else(|| resources.iter().map(|r| r.cpu).reduce(f64::min)),
            ram_bytes: component.ram_bytes.or_else(|| resources.iter().map(|r| r.ram).min()),
            disk_bytes: component.disk_bytes.or_else(|| resources.iter().map(|r| r.disk).min()),
            ..component
        }
    };
    components.into_iter().map(complete).collect()
}

fn update_app(step: &Step, change: impl FnOnce(&mut App)) -> Result<(), Failure> {
    Ok(step.update_report(|report| change(report.app.get_or_insert_with(App::default)))?)
}
