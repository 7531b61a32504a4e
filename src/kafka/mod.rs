//! Kafka as the programs speak it: how to connect, what a cluster says of its topics, and links to its brokers.
//!
//! A client of our own over the messages of `kafka-protocol`, so that records can be moved as they are: a fetched
//! response's records are a slice of what came over the wire. What moves them is in [`crate::loader`].

mod address;
mod call;
mod cluster;
mod code;
mod connection;
mod error;
mod failure;
mod jaas;
mod keys;
mod link;
mod oauth;
mod properties;
mod sasl;
mod scram;
mod settings;
mod stores;
mod tls;
mod wire;

pub use call::Call;
pub use cluster::{Bounds, Cluster, Partition, Topic};
pub use code::{code, words};
pub use connection::Connection;
pub use error::Error;
use failure::Failure;
pub use link::Broker;
