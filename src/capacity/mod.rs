//! Capacity: the component plan. How many instances of each component carry a rate without back-pressure, from what runs have
//! measured of one instance.
//!
//! A report says what an instance does: TPS an instance of a component that kept its load from being
//! carried, else TPS by the share of its time that it was busy. Several runs give a mean and Student's interval of it. The graph
//! says what each component is given of the load, the model how many instances that takes, and what any combination carries.

mod estimate;
mod evidence;
mod files;
mod graph;
mod model;
mod output;
mod plan;
mod program;

pub use plan::Plan;
pub use program::{Args, run};

use std::path::PathBuf;

use crate::report::{self, number};
use crate::step::{Exit, ExitClass};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to plan from.
    #[error(
        "nothing to plan from: give --reports with report.json files or folders, or --component transformer=350 for each component"
    )]
    Nothing,
    /// Nobody says for which rate.
    #[error("for which rate? give --rate in records/s: no report says it")]
    Rate,
    /// A path leads nowhere.
    #[error("--reports {}: cannot be read", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file is no report, or the plan could not be written.
    #[error(transparent)]
    Report(#[from] report::Error),
    /// Every report was refused.
    #[error("no report to plan from:{}", reasons.iter().map(|reason| format!("\n  {reason}")).collect::<String>())]
    Refused {
        /// Each report with the reason.
        reasons: Vec<String>,
    },
    /// No run says anything of a component.
    #[error("nothing is known of {name}: no run has a TPS of it above 0; give it by hand as --component {name}=RATE")]
    Unseen {
        /// The component.
        name: String,
    },
    /// An argument names a component that is not there.
    #[error("{flag} names {name:?}, which is no component: there are {known}")]
    Unknown {
        /// The argument.
        flag: &'static str,
        /// The name.
        name: String,
        /// The components.
        known: String,
    },
    /// An argument gives something twice.
    #[error("{flag} gives {name:?} twice")]
    Twice {
        /// The argument.
        flag: &'static str,
        /// What.
        name: String,
    },
    /// A combination has not as many numbers as there are components.
    #[error("--parallelism {given} has {count} numbers, there are {wanted} components: {known}")]
    Combination {
        /// The combination.
        given: String,
        /// How many numbers it has.
        count: usize,
        /// How many it should have.
        wanted: usize,
        /// The components.
        known: String,
    },
    /// The edges lead in a circle.
    #[error("the edges go round in a circle through {names}: a plan needs edges that all lead away from the sources")]
    Cycle {
        /// The components in it and behind it.
        names: String,
    },
    /// No edge leads to a component that is no source.
    #[error("no edge leads to {name}, which is no source: give all edges, as --edge from->{name}")]
    Unfed {
        /// The component.
        name: String,
    },
    /// An edge leads to a source.
    #[error("an edge leads to {name}, which is a source: sources take their records from Kafka")]
    FedSource {
        /// The component.
        name: String,
    },
    /// The ratios given contradict what was measured.
    #[error(
        "the ratios given into {name} make {} records of each of the load, the reports measured {}: give the other edges' ratios too",
        number(*given), number(*measured)
    )]
    TooMuch {
        /// The component.
        name: String,
        /// Records by the ratios given.
        given: f64,
        /// Records as measured.
        measured: f64,
    },
    /// A component had records that no edge brings to it.
    #[error(
        "the reports measured {} records of {name} for each of the load that nothing with an edge to it had: give all edges, or their ratios",
        number(*measured)
    )]
    NoInput {
        /// The component.
        name: String,
        /// Its records for each of the load.
        measured: f64,
    },
    /// What is to be caught up with is given, but not in which time.
    #[error("within which time are the records that wait to be worked off? give --catch-up-time")]
    CatchUp,
    /// More instances than anybody has.
    #[error(
        "{name} would need {} instances for {} records/s at {capacity} records/s an instance: are both in records a second?",
        number(*count), number(*needed)
    )]
    TooMany {
        /// The component.
        name: String,
        /// How many.
        count: f64,
        /// Records a second that they would have to take.
        needed: f64,
        /// What one takes.
        capacity: f64,
    },
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Refused { .. } | Self::Unseen { .. } => Exit::Inconclusive,
            Self::Report(error) => error.exit(),
            _ => Exit::Usage,
        }
    }
}
