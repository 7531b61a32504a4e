//! Runs and checks Tasks and Pipelines on this computer, without a cluster.
//!
//! [`run`] is `streamgauge run`; [`execute`] is the same in-process. A step is a local process; what the Tekton
//! controller does around it (variables, order, conditions, retries, timeouts, results) is done here, by its rules.

pub mod check;
mod describe;
pub mod docs;
mod engine;
mod error;
mod fields;
mod given;
mod load;
mod model;
mod outcome;
mod plan;
mod process;
mod rules;
pub mod run;
mod task;
mod value;
mod vars;

pub use describe::describe;
pub use engine::{Cancel, execute};
pub use error::Error;
pub(crate) use given::read as read_param;
pub(crate) use load::{Raw, read as read_documents};
pub(crate) use model::{Metadata, ParamSpec, PipelineSpec};
pub use outcome::{RunReport, RunStatus, Skipped, TaskReport, TaskState};
pub use plan::Request;
pub use process::{Line, Sink};
pub use value::{Type, Value};
