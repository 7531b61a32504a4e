//! Heron: submits, watches, changes and kills topologies through the API server, or Heron's own command line, and the tracker.
//!
//! | module | job |
//! |---|---|
//! | [`definition`] | the `.defn` file: what a topology's main made |
//! | [`main_class`] | runs the topology's main |
//! | [`api`], [`cli`], `way` | the two ways to make Heron act, and which of them it is |
//! | [`tracker`] | the server that knows |
//! | [`packing`] | the answer to a dry run |
//! | [`ready`] | when a topology is truly running |
//! | [`mod@events`] | what happened to it since |
//! | [`deploy`], `build`, `replace`, `dry_run` | the program that deploys, and its parts |
//! | [`update`], [`delete`] | the programs that change and delete |

pub mod api;
pub mod cli;
pub mod definition;
pub mod delete;
pub mod deploy;
pub mod events;
pub mod main_class;
pub mod packing;
pub mod ready;
pub mod tracker;
pub mod update;

mod answer;
mod build;
mod child;
mod dry_run;
mod error;
mod replace;
mod target;
mod wait;
mod way;

pub use error::Error;
pub use events::events;
pub use target::Target;
