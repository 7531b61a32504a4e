//! Kubernetes: its API server as every program here talks to it.
//!
//! | module | job |
//! |---|---|
//! | [`client`] | the connection, and what is done over it |
//! | [`object`] | which object of which kind is meant |
//! | [`ready`] | when an object is ready, by its kind; waits for that |
//! | [`gone`] | waits until old objects are gone |

pub mod client;
pub mod gone;
pub mod object;
pub mod ready;

mod error;
#[cfg(test)]
pub(crate) mod fake;
mod wait;

pub use client::{Cluster, Connection};
pub use error::{Call, Error};
pub use object::{Kind, Object};
pub use wait::Wait;
