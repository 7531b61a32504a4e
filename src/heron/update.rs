//! `update-heron-app`: changes a running topology: how many instances components have, whether spouts emit, a fresh start.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::deploy::{planned, update_app};
use super::events::Address;
use super::ready::{self, Ready, Wanted};
use super::tracker::{Answer, Info, Tracker};
use super::wait::{Wait, known};
use super::way::Way;
use super::{Error, Target};
use crate::report::Component;
use crate::step::{Exit, Failure, Seconds, Step, StepArgs, flag};

/// How long a topology must be up without a break unless the user says otherwise.
const HOLD: &str = "10s";
/// How often the log tells how far an update is.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// How long after a restart the tracker may still show the processes before it. On Kubernetes new ones can look like them.
const RESTART_SHOWS: Duration = Duration::from_secs(30);
/// What the server says of a topology that is not up yet.
const NOT_YET: [&str; 2] = ["Failed to get scheduler location", "Failed to get physical plan"];
/// What the server says to an update that changes nothing.
const SAME: &str = "is the same as the current topology parallelism";

/// Changes a running Heron topology, without deploying it anew, and waits until the change is truly there.
///
/// First the components' parallelism, then a restart, then activation or deactivation. What is so already is done.
#[derive(Debug, clap::Parser)]
#[command(name = "update-heron-app")]
pub struct Args {
    #[command(flatten)]
    target: Target,

    /// New number of instances of components, each as component:number, at least 1
    #[arg(long, value_name = "COMPONENT:N", num_args = 0.., help_heading = "Change")]
    component_parallelism: Vec<Parallelism>,

    /// Let the topology's spouts emit
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Change")]
    activate: bool,

    /// Hold the topology's spouts
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Change")]
    deactivate: bool,

    /// Start the processes of this container anew, or of all
    #[arg(long, value_name = "CONTAINER", num_args = 0..=1, default_value = "none", default_missing_value = "all",
          help_heading = "Change")]
    restart: Restart,

    /// Show the packing plan that new numbers of instances would lead to, and change nothing
    #[arg(long, value_name = "BOOL", value_parser = flag, num_args = 0..=1, default_value = "false",
          default_missing_value = "true", help_heading = "Change")]
    dry_run: bool,

    /// How long the topology must be up and well without a break
    #[arg(long, value_name = "TIME", value_parser = hold, default_value = HOLD, help_heading = "Topology")]
    ready_hold: Seconds,

    /// What all steps have.
    #[command(flatten)]
    pub step: StepArgs,
}

/// How many instances a component is to have: `transformer:30`. Heron takes 0 and less too, and destroys the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parallelism {
    /// The component.
    pub component: String,
    /// Its number of instances.
    pub instances: NonZeroU32,
}

impl FromStr for Parallelism {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not component:number, the number at least 1");
        let (component, number) = text.rsplit_once(':').ok_or_else(wrong)?;
        // Heron takes several in one value, parted by commas.
        if component.is_empty() || component.contains([',', ':']) || component.contains(char::is_whitespace) {
            return Err(wrong());
        }
        // Heron counts in Java's int.
        let instances = number.parse::<NonZeroU32>().ok().filter(|number| i32::try_from(number.get()).is_ok());
        let instances = instances.ok_or_else(|| {
            format!("{text:?} cannot be used: the number must be at least 1, or Heron would destroy the topology")
        })?;
        Ok(Self { component: component.to_owned(), instances })
    }
}

impl fmt::Display for Parallelism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.component, self.instances)
    }
}

/// What is to be started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restart {
    None,
    All,
    Container(u32),
}

impl FromStr for Restart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" | "none" | "false" => Ok(Self::None),
            "all" | "true" => Ok(Self::All),
            number => number
                .parse()
                .map(Self::Container)
                .map_err(|_| format!("{text:?} is neither all nor a container's number")),
        }
    }
}

/// A time; an empty value means that it was not given.
fn hold(text: &str) -> Result<Seconds, String> {
    if text.is_empty() { HOLD.parse() } else { text.parse() }
}

/// A change under way.
struct Change<'a> {
    args: &'a Args,
    way: Way,
    tracker: Tracker,
    /// The topology as it was.
    before: Info,
}

/// Changes the topology and waits until it is as wanted.
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    args.check()?;
    let mut wait = Wait::within(step.timeout());
    let (way, tracker) = (Way::of(&args.target, step.stop())?, Tracker::new(&args.target)?);
    let Some(before) = known(&tracker, &args.target, &mut wait).await? else {
        let (topology, environment) = (args.target.topology.clone(), args.target.environment.clone());
        return Err(Error::Missing { topology, environment }.into());
    };
    args.check_components(&before)?;
    let change = Change { args: &args, way, tracker, before };
    if args.dry_run {
        return change.show(wait.request_limit()).await;
    }
    let began = Instant::now();
    let up = change.make(&mut wait).await?;
    let (ready, components) = (Timestamp::now(), components(step, &up.info)?);
    tracing::info!("topology {} is as wanted after {:.1} s", args.target.topology, began.elapsed().as_secs_f64());
    update_app(step, |app| {
        if app.name.is_empty() {
            (app.engine, app.name) = ("heron".to_owned(), args.target.topology.clone());
        }
        if app.name == args.target.topology {
            (app.components, app.ready_at) = (components, Some(ready));
            app.submission_time = Some(up.info.execution_state.submission_time);
            app.address = Address::of(&args.target, &up).to_map();
        }
    })?;
    step.results().write("ready-at", &format!("{ready:.3}"))?;
    Ok(Exit::Done)
}

/// What runs now; what main asked for an instance stands in the report already.
fn components(step: &Step, info: &Info) -> Result<Vec<Component>, Failure> {
    Ok(planned(step.read_report()?.app.unwrap_or_default().components, info))
}

impl Args {
    fn check(&self) -> Result<(), Error> {
        self.target.check()?;
        let refuse = |words: &str| Err(Error::Arguments(words.to_owned()));
        if self.activate && self.deactivate {
            return refuse("give --activate or --deactivate, not both");
        }
        if self.component_parallelism.is_empty() {
            if self.dry_run {
                return refuse("--dry-run needs --component-parallelism: nothing else has a plan to show");
            }
            if !self.activate && !self.deactivate && self.restart == Restart::None {
                return refuse("nothing to do: give --component-parallelism, --restart, --activate or --deactivate");
            }
        }
        for (number, wanted) in self.component_parallelism.iter().enumerate() {
            if self.component_parallelism[..number].iter().any(|other| other.component == wanted.component) {
                return Err(Error::Arguments(format!("--component-parallelism names {:?} twice", wanted.component)));
            }
        }
        Ok(())
    }

    /// Refuses a component that the topology has not got, before Heron is asked.
    fn check_components(&self, info: &Info) -> Result<(), Error> {
        let counts = info.packing_plan.counts();
        match self.component_parallelism.iter().find(|wanted| !counts.contains_key(wanted.component.as_str())) {
            // Without a packing plan nobody knows yet; then Heron judges.
            Some(wanted) if !counts.is_empty() => Err(Error::UnknownComponent {
                topology: self.target.topology.clone(),
                component: wanted.component.clone(),
                known: counts.into_keys().collect::<Vec<_>>().join(", "),
            }),
            _ => Ok(()),
        }
    }
}

impl Change<'_> {
    /// The new numbers that are not the old ones.
    fn new_numbers(&self) -> Vec<Parallelism> {
        let counts = self.before.packing_plan.counts();
        let differs =
            |wanted: &&Parallelism| counts.get(wanted.component.as_str()) != Some(&(wanted.instances.get() as usize));
        self.args.component_parallelism.iter().filter(differs).cloned().collect()
    }

    async fn show(&self, limit: Duration) -> Result<Exit, Failure> {
        let wanted = self.new_numbers();
        let text = match wanted.is_empty() {
            true => format!("topology {} has these numbers of instances already", self.args.target.topology),
            false => self.way.update_plan(&self.args.target, &wanted, limit).await?.text,
        };
        print(&text);
        Ok(Exit::Done)
    }

    async fn make(&self, wait: &mut Wait) -> Result<Ready, Error> {
        let Args { target, .. } = self.args;
        let wanted = self.new_numbers();
        if !wanted.is_empty() {
            self.update(&wanted, wait).await?;
        } else if !self.args.component_parallelism.is_empty() {
            tracing::info!("topology {} has these numbers of instances already", target.topology);
        }
        match self.args.restart {
            Restart::None => {}
            Restart::All => self.restart(None, wait).await?,
            Restart::Container(id) => self.restart(Some(id), wait).await?,
        }
        if self.args.activate {
            self.once_up(wait, async |limit| self.way.activate(target, limit).await).await?;
            tracing::info!("topology {} was activated", target.topology);
        }
        if self.args.deactivate {
            self.once_up(wait, async |limit| self.way.deactivate(target, limit).await).await?;
            tracing::info!("topology {} was deactivated", target.topology);
        }
        self.settle(wait).await
    }

    /// Does what Heron can do only to a topology that is up: one that is only just coming up is waited for.
    async fn once_up(&self, wait: &mut Wait, act: impl AsyncFn(Duration) -> Result<(), Error>) -> Result<(), Error> {
        loop {
            match act(wait.request_limit()).await {
                Err(error) if NOT_YET.iter().any(|words| error.says(words)) => {
                    if !wait.pause(|| format!("waiting for topology {}: {error}", self.args.target.topology)).await {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// The status that the topology is to have in the end: an update or restart leaves it as it was.
    fn status(&self) -> &'static str {
        match (self.args.activate, self.args.deactivate) {
            (true, _) => "Running",
            (_, true) => "Paused",
            _ if self.before.execution_state.status == "Paused" => "Paused",
            _ => "Running",
        }
    }

    async fn settle(&self, wait: &mut Wait) -> Result<Ready, Error> {
        let components: Vec<Component> = self
            .args
            .component_parallelism
            .iter()
            .map(|wanted| Component {
                name: wanted.component.clone(),
                parallelism: wanted.instances.get(),
                ..Component::default()
            })
            .collect();
        let wanted =
            Wanted { components: &components, not_from: None, status: self.status(), hold: self.args.ready_hold.0 };
        match ready::wait(&self.tracker, &self.args.target, wanted, wait).await {
            Err(Error::NotReady { topology, waited, missing }) => Err(Error::NotUpdated { topology, waited, missing }),
            outcome => outcome,
        }
    }

    /// Sends the update. The server answers when all is done, so the log tells meanwhile how far it is. What comes between
    /// (a proxy that waits no longer) does not end it: whether it was done, the tracker tells.
    async fn update(&self, wanted: &[Parallelism], wait: &mut Wait) -> Result<(), Error> {
        let Args { target, .. } = self.args;
        let words: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        tracing::info!("updating topology {} to {}", target.topology, words.join(", "));
        let began = Instant::now();
        let mut update = std::pin::pin!(self.way.update(target, wanted, wait.request_limit()));
        let outcome = loop {
            tokio::select! {
                outcome = &mut update => break outcome,
                () = tokio::time::sleep(PROGRESS_EVERY) => {
                    tracing::info!("{} ({} s)", self.progress(wanted).await, began.elapsed().as_secs());
                }
            }
        };
        match outcome {
            Ok(()) => tracing::info!("Heron has updated it after {:.1} s", began.elapsed().as_secs_f64()),
            Err(error) if error.says(SAME) => tracing::info!("topology {} is so already", target.topology),
            Err(error @ (Error::Unreachable { .. } | Error::Refused { status: 502..=504, .. }))
                if self.has_begun(wanted).await =>
            {
                tracing::warn!("{error}; Heron goes on with the update all the same");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether the packing plan is the new one, as it is soon after an update began, or the topology is held for it.
    async fn has_begun(&self, wanted: &[Parallelism]) -> bool {
        let Ok(Answer::Known(info)) = self.tracker.info(&self.args.target).await else { return false };
        let counts = info.packing_plan.counts();
        let planned =
            wanted.iter().all(|one| counts.get(one.component.as_str()) == Some(&(one.instances.get() as usize)));
        planned || info.execution_state.status != self.before.execution_state.status
    }

    async fn progress(&self, wanted: &[Parallelism]) -> String {
        match self.tracker.info(&self.args.target).await {
            Ok(Answer::Known(info)) => {
                let of = |one: &Parallelism| {
                    let instances = info.physical_plan.instances.values();
                    let up = instances.filter(|instance| instance.name == one.component).count();
                    format!("{}: {up} of {} instances", one.component, one.instances)
                };
                let parts: Vec<String> = wanted.iter().map(of).collect();
                format!("updating: {}, {}", parts.join(", "), info.execution_state.status)
            }
            Ok(Answer::Unknown) => "updating: the tracker does not know the topology".to_owned(),
            Ok(Answer::Unclear(words)) => format!("updating: the tracker says: {words}"),
            Err(error) => format!("updating: {error}"),
        }
    }

    /// Restarts, and waits until the tracker shows other processes: the old ones would be taken for a topology that is up.
    async fn restart(&self, container: Option<u32>, wait: &mut Wait) -> Result<(), Error> {
        let Args { target, .. } = self.args;
        self.once_up(wait, async |limit| self.way.restart(target, container, limit).await).await?;
        tracing::info!("topology {} was restarted", target.topology);
        let asked = Instant::now();
        let shows = |info: &Info| {
            let before = &self.before.physical_plan.stmgrs;
            let meant = |id: &&String| container.is_none_or(|number| id.as_str() == format!("stmgr-{number}"));
            before.keys().filter(meant).all(|id| info.physical_plan.stmgrs.get(id) != before.get(id))
        };
        while asked.elapsed() < RESTART_SHOWS {
            if matches!(self.tracker.info(target).await, Ok(Answer::Known(info)) if shows(&info)) {
                return Ok(());
            }
            if !wait.pause(|| "waiting for the restarted processes".to_owned()).await {
                break;
            }
        }
        tracing::warn!("the tracker shows no new processes {} s after the restart", asked.elapsed().as_secs());
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "it is what a dry run is for")]
fn print(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_instances_that_would_destroy_the_topology_is_not_taken() {
        let read = |text: &str| text.parse::<Parallelism>().map(|wanted| wanted.to_string());
        assert_eq!(read("transformer:30"), Ok("transformer:30".to_owned()));
        insta::assert_snapshot!(read("count:0").unwrap_err(), @r#""count:0" cannot be used: the number must be at least 1, or Heron would destroy the topology"#);
        for wrong in ["count", "count:-1", "count:abc", ":3", "a:1,b:2", "count:3000000000", "count:"] {
            assert!(read(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_restart_is_of_all_or_of_a_container() {
        let read = |text: &str| text.parse::<Restart>();
        assert_eq!(
            (read(""), read("all"), read("3")),
            (Ok(Restart::None), Ok(Restart::All), Ok(Restart::Container(3)))
        );
        assert!(read("stmgr-1").is_err());
    }
}
