//! Flink: runs, watches and ends jobs of a session cluster through the JobManager's REST API.
//!
//! | module | job |
//! |---|---|
//! | [`rest`] | the REST API |
//! | [`job`] | what it tells about jobs |
//! | [`stack`] | the useful line of a Java stack trace |
//! | [`ready`] | when a job is truly running |
//! | [`end`] | ends a job, with a savepoint or without |
//! | [`deploy`], [`delete`] | the programs |

pub mod delete;
pub mod deploy;
pub mod end;
pub mod job;
pub mod ready;
pub mod rest;
pub mod stack;

mod error;
mod events;
mod wait;

pub use error::Error;
pub use events::events;
pub use rest::Rest;
