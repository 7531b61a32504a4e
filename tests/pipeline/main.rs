//! `pipelines/performance-test` from end to end by the local runner, in the sandbox: real Kafka, real Prometheus, the
//! example topology's own code.
//!
//! Needs what `hack/setup` builds. One test after the other: each wants the whole computer.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail and tell as tests do"
)]

mod bench;
mod engines;
mod failures;
mod readme;
mod story;
