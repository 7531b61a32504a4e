//! `streamgauge trigger`: which Pipelines of a repository run for an event of GitHub's, and with what.
//!
//! A Pipeline says when it runs in its annotation `pipe.linecorp.com/event`, in the words of a workflow of GitHub Actions, and which of
//! its parameters a commit's message may set in `streamgauge.dev/commit-parameters`. Nearly all of an event is chosen by strangers:
//! what becomes a parameter is checked to be a commit, a number or a name, and text goes into annotations only, for Tekton takes
//! `$(…)` in a parameter for a variable.

mod error;
mod event;
mod git;
mod on;
mod parameters;
mod pattern;
mod pipelines;
mod plan;
mod program;
mod signature;
mod start;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use program::{Args, run};
