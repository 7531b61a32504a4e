//! The program `plan-capacity`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

use super::graph::Edge;
use super::model::Demand;
use super::plan::Plan;
use super::{Error, files, output};
use crate::step::{Exit, Failure, Optional, Seconds, Step, StepArgs};

/// The most characters of the result `summary`: many combinations may have been asked for.
const SUMMARY: usize = 300;

/// Say how many instances of each component carry a rate without back-pressure, from what runs have measured of one instance.
///
/// A component that kept its load from being carried counts with its TPS an instance; any other with its TPS an instance by the
/// share of its time that it was busy. Several runs give an interval. Exit code 1 when no number of instances within the limits
/// carries the rate.
#[derive(Debug, clap::Parser)]
#[command(name = "plan-capacity")]
pub struct Args {
    /// Reports to plan from: report.json files, or folders that are searched for them, as a history; beside that of --report
    #[arg(long, value_name = "PATH", num_args(0..))]
    reports: Vec<String>,

    /// A component's records/s an instance by hand, as transformer=350; goes before what reports say. Without reports give all, in
    /// the order in which they feed each other
    #[arg(long, value_name = "NAME=RATE", num_args(0..))]
    component: Vec<Named<Above>>,

    /// The rate to plan for, in records/s; that of the newest report's load when it is not given
    #[arg(long, value_name = "RATE", default_value = "", hide_default_value = true)]
    rate: Optional<Above>,

    /// Who feeds whom, and how many records it gives on for each it takes in, as splitter->counter=20; give all of them or none.
    /// Without a ratio that of the reports; without any, the components are a chain
    #[arg(long, value_name = "FROM->TO[=RATIO]", num_args(0..))]
    edge: Vec<Edge>,

    /// A combination to tell about, one number for each component in their order, as 1:28:3; may be repeated
    #[arg(long, value_name = "N:N:…", num_args(0..))]
    parallelism: Vec<Counts>,

    /// How busy, in percent, an instance may be; what is left is headroom
    #[arg(long, value_name = "PERCENT", default_value = "100", help_heading = "Demand")]
    utilisation: Percent,

    /// The same for sources: what a source does not take waits in Kafka and stops nobody
    #[arg(long, value_name = "PERCENT", default_value = "100", help_heading = "Demand")]
    source_utilisation: Percent,

    /// Records that wait already and are to be worked off within --catch-up-time, beside the rate
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Demand")]
    catch_up_records: u64,

    /// A time without work, as a restart takes, what comes in which is to be worked off within --catch-up-time
    #[arg(long, value_name = "TIME", default_value = "0s", help_heading = "Demand")]
    restart_time: Seconds,

    /// Within which time what waits is to be worked off
    #[arg(long, value_name = "TIME", default_value = "", hide_default_value = true, help_heading = "Demand")]
    catch_up_time: Optional<Seconds>,

    /// What the busiest instance of a component is given over what a mean one is, as counter=1.3; the report's metric skew when it
    /// has one
    #[arg(long, value_name = "NAME=RATIO", num_args(0..), help_heading = "Limits")]
    skew: Vec<Named<Ratio>>,

    /// How many parts a component's records come in that no two instances can share: 12 is the Kafka partitions of every source,
    /// counter=128 the key groups of a keyed Flink operator
    #[arg(long, value_name = "[NAME=]N", num_args(0..), help_heading = "Limits")]
    partitions: Vec<Limit>,

    /// The most instances a component may have; without a name, each
    #[arg(long, value_name = "[NAME=]N", num_args(0..), help_heading = "Limits")]
    max_parallelism: Vec<Limit>,

    /// CPU cores and RAM of an instance, as transformer=0.5/2GB, where the reports do not say
    #[arg(long, value_name = "NAME=CPU/RAM", num_args(0..), help_heading = "Resources")]
    resources: Vec<Named<Resources>>,

    /// How many instances a container holds, or slots a TaskManager, to say how many of them it takes
    #[arg(long, value_name = "N", default_value = "", hide_default_value = true, help_heading = "Resources")]
    instances_per_container: Optional<NonZeroU32>,

    /// How the plan is shown
    #[arg(long, value_enum, default_value_t)]
    output: Form,

    /// The arguments that all programs have
    #[command(flatten)]
    pub step: StepArgs,
}

/// How the plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Form {
    /// For a terminal
    #[default]
    Table,
    /// As plan.json has it
    Json,
    /// As plan.md has it
    Md,
}

/// Plans, shows the plan, and writes plan.json and plan.md beside the report.
#[expect(clippy::print_stdout, reason = "the plan is what the program is for")]
pub async fn run(args: Args, step: &Step) -> Result<Exit, Failure> {
    let mut paths: Vec<PathBuf> =
        step.report_path().filter(|path| path.exists()).map(ToOwned::to_owned).into_iter().collect();
    // A workspace that is not bound has an empty path.
    paths.extend(args.reports.iter().filter(|path| !path.is_empty()).map(PathBuf::from));
    let (runs, refused) = files::runs(&paths, &args.step.part)?;
    let (form, part) = (args.output, args.step.part.clone());
    let plan = Plan::new(&Asked::from(args), runs, refused)?;
    if let Some(folder) = step.report_path().and_then(|path| path.parent()) {
        output::write(folder, &part, &plan)?;
    }
    match form {
        Form::Table => print!("{}", output::text(&plan)),
        Form::Json => println!("{}", serde_json::to_string_pretty(&plan).unwrap_or_default()),
        Form::Md => print!("{}", output::markdown(&plan)),
    }
    step.results().write("plan", &plan.plan)?;
    step.results().write("summary", &plan.answer.chars().take(SUMMARY).collect::<String>())?;
    Ok(if plan.carries { Exit::Done } else { Exit::VerdictFail })
}

/// What is asked for, as it is planned with.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The rate; none for that of the newest report.
    pub rate: Option<f64>,
    /// Components by hand, with their records/s an instance.
    pub components: Vec<(String, f64)>,
    /// Who feeds whom.
    pub edges: Vec<Edge>,
    /// How many instances a container holds.
    pub per_container: Option<NonZeroU32>,
    parallelism: Vec<Vec<u32>>,
    utilisation: f64,
    source_utilisation: f64,
    backlog: f64,
    restart: f64,
    catch_up: Option<f64>,
    skew: Vec<(String, f64)>,
    partitions: Vec<Limit>,
    most: Vec<Limit>,
    resources: Vec<(String, Resources)>,
}

impl From<Args> for Asked {
    fn from(args: Args) -> Self {
        Self {
            rate: args.rate.0.map(|rate| rate.0),
            components: args.component.into_iter().map(|given| (given.name, given.value.0)).collect(),
            edges: args.edge,
            per_container: args.instances_per_container.0,
            parallelism: args.parallelism.into_iter().map(|counts| counts.0).collect(),
            utilisation: args.utilisation.0,
            source_utilisation: args.source_utilisation.0,
            backlog: args.catch_up_records as f64,
            restart: args.restart_time.0.as_secs_f64(),
            catch_up: args.catch_up_time.0.map(|time| time.0.as_secs_f64()).filter(|seconds| *seconds > 0.0),
            skew: args.skew.into_iter().map(|given| (given.name, given.value.0)).collect(),
            partitions: args.partitions,
            most: args.max_parallelism,
            resources: args.resources.into_iter().map(|given| (given.name, given.value)).collect(),
        }
    }
}

impl Asked {
    /// Whether every name is that of a component, and given once.
    pub fn check(&self, names: &[String]) -> Result<(), Error> {
        let limits = |limits: &[Limit]| limits.iter().filter_map(|limit| limit.name.clone()).collect::<Vec<_>>();
        let named = |given: &[(String, f64)]| given.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let resources = self.resources.iter().map(|(name, _)| name.clone()).collect();
        for (flag, given) in [
            ("--component", named(&self.components)),
            ("--skew", named(&self.skew)),
            ("--partitions", limits(&self.partitions)),
            ("--max-parallelism", limits(&self.most)),
            ("--resources", resources),
        ] {
            for (at, name) in given.iter().enumerate() {
                if !names.contains(name) {
                    return Err(Error::Unknown { flag, name: name.clone(), known: names.join(", ") });
                }
                if given[..at].contains(name) {
                    return Err(Error::Twice { flag, name: name.clone() });
                }
            }
        }
        Ok(())
    }

    /// What is demanded at this rate.
    pub fn demand(&self, rate: f64) -> Result<Demand, Error> {
        let waits = self.backlog > 0.0 || self.restart > 0.0;
        if self.catch_up.is_none() && waits {
            return Err(Error::CatchUp);
        }
        Ok(Demand {
            rate,
            utilisation: self.utilisation,
            source_utilisation: self.source_utilisation,
            backlog: self.backlog,
            restart: self.restart,
            catch_up: self.catch_up.filter(|_| waits),
        })
    }

    /// The combinations to tell about, each with a number for each component.
    pub fn combinations(&self, names: &[String]) -> Result<Vec<Vec<u32>>, Error> {
        for counts in &self.parallelism {
            if counts.len() != names.len() {
                return Err(Error::Combination {
                    given: super::plan::ratio(counts),
                    count: counts.len(),
                    wanted: names.len(),
                    known: names.join(", "),
                });
            }
        }
        Ok(self.parallelism.clone())
    }

    /// The skew given for a component.
    pub fn skew_of(&self, name: &str) -> Option<f64> {
        self.skew.iter().find(|(known, _)| known == name).map(|(_, skew)| *skew)
    }

    /// The parts that a component's records come in; a number without a name is that of sources.
    pub fn partitions_of(&self, name: &str, source: bool) -> Option<u32> {
        limit(&self.partitions, name, source)
    }

    /// The most instances a component may have.
    pub fn most_of(&self, name: &str) -> Option<u32> {
        limit(&self.most, name, true)
    }

    /// The CPU and memory given for an instance of a component.
    pub fn resources_of(&self, name: &str) -> Option<(f64, u64)> {
        self.resources.iter().find(|(known, _)| known == name).map(|(_, given)| (given.cpu, given.ram_bytes))
    }
}

/// The limit with a component's name, else, where it may have that, the one without.
fn limit(limits: &[Limit], name: &str, general: bool) -> Option<u32> {
    let named = limits.iter().find(|limit| limit.name.as_deref() == Some(name));
    let found = named.or_else(|| limits.iter().find(|limit| general && limit.name.is_none()));
    found.map(|limit| limit.count.get())
}

/// `NAME=VALUE`, with what the value is read as.
#[derive(Debug, Clone, PartialEq)]
struct Named<T> {
    name: String,
    value: T,
}

impl<T: FromStr<Err = String>> FromStr for Named<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.rsplit_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.parse()? }),
            _ => Err(format!("{text:?} is not NAME=VALUE")),
        }
    }
}

/// A number above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Above(f64);

impl FromStr for Above {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
        number.map(Self).ok_or_else(|| format!("{text:?} is not a number above 0, such as 10000"))
    }
}

/// A number from 1 on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ratio(f64);

impl FromStr for Ratio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 1.0);
        number.map(Self).ok_or_else(|| format!("{text:?} is not a number from 1 on, such as 1.3"))
    }
}

/// A share from above 0 to 100 percent, as a share of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Percent(f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().filter(|number: &f64| *number > 0.0 && *number <= 100.0);
        number
            .map(|number| Self(number / 100.0))
            .ok_or_else(|| format!("{text:?} is no percentage from above 0 to 100, such as 70"))
    }
}

/// `1:28:3`.
#[derive(Debug, Clone, PartialEq)]
struct Counts(Vec<u32>);

impl FromStr for Counts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let counts: Option<Vec<u32>> =
            text.split([':', ',']).map(|count| count.trim().parse().ok().filter(|count| *count > 0)).collect();
        counts.map(Self).ok_or_else(|| format!("{text:?} is no combination such as 1:28:3"))
    }
}

/// `12` or `kafkaSpout=12`.
#[derive(Debug, Clone, PartialEq)]
struct Limit {
    name: Option<String>,
    count: NonZeroU32,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, count) = match text.rsplit_once('=') {
            Some((name, count)) => (Some(name.to_owned()), count),
            None => (None, text),
        };
        let count = count.parse().map_err(|_| format!("{text:?} is not a number above 0, alone or as NAME=N"))?;
        Ok(Self { name, count })
    }
}

/// `0.5/2GB`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Resources {
    cpu: f64,
    ram_bytes: u64,
}

impl FromStr for Resources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not CPU/RAM such as 0.5/2GB");
        let (cpu, ram) = text.split_once('/').ok_or_else(wrong)?;
        let (number, unit) = ram.split_at(ram.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(ram.len()));
        // As Heron takes them: powers of two under either name.
        let unit = match unit {
            "" | "B" => 1_u64,
            "KB" | "Ki" => 1 << 10,
            "MB" | "Mi" => 1 << 20,
            "GB" | "Gi" => 1 << 30,
            _ => return Err(wrong()),
        };
        let above = |text: &str| text.parse::<Above>().map(|number| number.0).map_err(|_| wrong());
        Ok(Self { cpu: above(cpu)?, ram_bytes: (above(number)? * unit as f64) as u64 })
    }
}

#[cfg(test)]
mod tests;
