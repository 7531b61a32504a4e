//! Runs and checks Tasks and Pipelines on this computer, without a cluster.

pub mod docs;
