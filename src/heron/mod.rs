//! Heron: submits, watches and kills topologies through the API server and the tracker.
//!
//! | module | job |
//! |---|---|
//! | [`definition`] | the `.defn` file: what a topology's main made |
//! | [`main_class`] | runs the topology's main |
//! | [`api`], [`tracker`] | the two servers: the one that acts, the one that knows |
//! | [`ready`] | when a topology is truly running |
//! | [`mod@events`] | what happened to it since |
//! | [`deploy`], [`delete`] | the programs |

pub mod api;
pub mod definition;
pub mod delete;
pub mod deploy;
pub mod events;
pub mod main_class;
pub mod ready;
pub mod tracker;

mod answer;
mod error;
mod target;
mod wait;

pub use error::Error;
pub use events::events;
pub use target::Target;
