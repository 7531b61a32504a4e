//! Prometheus: metric packs, evaluated over exactly the window of the load, and the report on them.
//!
//! A metric's query is an expression that holds at one moment. It is asked at each scrape of the window and the
//! answers are reduced to one number here, so that the number and the chart come from the same samples and a pack needs
//! no window functions, which count every repetition of an exported value again.

mod access;
mod check;
mod client;
mod detect;
mod events;
mod measure;
mod over;
mod pack;
mod packs;
mod program;
mod promql;
mod query;
mod trend;
mod window;

pub use access::Access;
pub use client::{Auth, Client};
pub use pack::Pack;
pub use program::{Args, run};
pub use query::Query;

use std::path::PathBuf;

use jiff::Timestamp;

use crate::report::Window;
use crate::step::{Exit, ExitClass};

/// Why the application could not be measured at all. What could be asked but not answered is no error: it makes the
/// verdict inconclusive.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint is no address of a Prometheus.
    #[error("--endpoint is not usable: {reason}")]
    Endpoint {
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers.
    #[error(
        "no answer from Prometheus at {endpoint} after {tries} tries: {reason}; is it running, and reachable from here?"
    )]
    Connect {
        /// The address.
        endpoint: String,
        /// How often it was tried.
        tries: u32,
        /// The system's words.
        reason: String,
    },
    /// One side does not trust the other's certificate.
    #[error(
        "no TLS with Prometheus at {endpoint}: {reason}; --ca-file names the authority of its certificate, --cert-file and --key-file the certificate that it may want to see"
    )]
    Tls {
        /// The address.
        endpoint: String,
        /// OpenSSL's words.
        reason: String,
    },
    /// A certificate, key or header cannot be used.
    #[error("{reason}")]
    Access {
        /// Which, and what to do.
        reason: String,
    },
    /// Prometheus refuses the credentials.
    #[error(
        "Prometheus at {endpoint} refuses access ({status}, {said}): give --token-file, --basic-auth-file or, where there are tenants, --tenant"
    )]
    Refused {
        /// The address.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        said: String,
    },
    /// Something else than Prometheus' API answered.
    #[error(
        "{endpoint} does not answer as Prometheus' API does ({status}, {content_type}): {said}; is a proxy or a missing path prefix in the way?"
    )]
    Foreign {
        /// The address.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// The kind of the answer.
        content_type: String,
        /// Its beginning.
        said: String,
    },
    /// Prometheus could not answer.
    #[error("Prometheus at {endpoint} failed ({kind}): {said}\n  query: {query}")]
    Failed {
        /// The address.
        endpoint: String,
        /// Prometheus' own kind of error.
        kind: String,
        /// Prometheus' own words.
        said: String,
        /// The query as it was sent.
        query: String,
    },
    /// The query is wrong.
    #[error("Prometheus does not understand a query of the metric pack: {said}\n  query: {query}")]
    Query {
        /// Prometheus' own words.
        said: String,
        /// The query as it was sent.
        query: String,
    },
    /// Nobody said what to measure, and the application does not tell.
    #[error("which metric pack? the report's application has none of its own: give --pack or --query")]
    WhichPack,
    /// There is no such pack.
    #[error(
        "no metric pack {name:?}: it is neither a built-in one (heron, flink, kafka, none) nor a file that can be read"
    )]
    NoPack {
        /// The name or path.
        name: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// The pack's file is not a metric pack.
    #[error("{} is not a metric pack: {reason}", path.display())]
    Pack {
        /// The file or built-in name.
        path: PathBuf,
        /// What is wrong, with its line.
        reason: String,
    },
    /// A parameter is missing, unknown or no number.
    #[error("{reason}")]
    Param {
        /// Which, and what to do.
        reason: String,
    },
    /// A query template uses a variable that nobody gave.
    #[error("the query of metric {metric} uses {}, which is not a parameter of the pack{}", variables.join(", "), hint(variables))]
    Undefined {
        /// The metric.
        metric: String,
        /// The variables.
        variables: Vec<String>,
    },
    /// A query template cannot be rendered.
    #[error("the query of metric {metric} cannot be filled in: {reason}")]
    Template {
        /// The metric.
        metric: String,
        /// The template engine's words, with the line.
        reason: String,
    },
    /// A function takes a count of the last export for a counter.
    #[error(
        "the query of metric {metric} takes {function}() of {name}, which is no counter: Heron counts from one export to the next, and every scrape finds that count again until then; write last_over_time({name}{{…}}[1m]) / {{{{ export_interval }}}} for a rate, as the pack heron does (docs/metrics.md)"
    )]
    NoCounter {
        /// The metric.
        metric: String,
        /// The function.
        function: String,
        /// What it is taken of, as a name or a regular expression for one.
        name: String,
    },
    /// Nobody said what time to measure.
    #[error("no window to measure: the report has no load, so give --window-start and --window-end")]
    NoWindow,
    /// The window is none.
    #[error("the window ends ({end}) before it starts ({start})")]
    Backwards {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
    /// The window is not the load's.
    #[error("the window, {start} to {end}, is not within the load's, {} to {}: that load says nothing of it", .load.start, .load.end)]
    Elsewhere {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
        /// The load's.
        load: Window,
    },
    /// The window is not over within the time that the program has.
    #[error("the window ends at {end}, which is further away than --timeout")]
    Future {
        /// Its end.
        end: Timestamp,
    },
}

fn hint(variables: &[String]) -> &'static str {
    if variables.iter().any(|name| name == "load_rate") { " (load_rate needs a load in the report)" } else { "" }
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Refused { .. }
            | Self::Foreign { .. }
            | Self::Failed { .. } => Exit::Refused,
            _ => Exit::Usage,
        }
    }
}
