//! Flink: runs, watches and ends jobs of a session cluster through the JobManager's REST API.
//!
//! | module | job |
//! |---|---|
//! | [`rest`] | the REST API |
//! | [`job`] | what it tells about jobs |
//! | [`stack`] | the useful line of a Java stack trace |

pub mod job;
pub mod rest;
pub mod stack;

mod error;

pub use error::Error;
pub use rest::Rest;
