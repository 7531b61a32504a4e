//! streamgauge tests the performance of streaming applications from a commit.
//!
//! The modules follow the way of the data: a commit's settings are deployed, records are replayed, the application
//! is measured over exactly that window, people are told. A module knows only the modules above it.
//!
//! | module | job |
//! |---|---|
//! | [`step`] | what every program shares: arguments, results, exit codes, deadline and signals, logs, secrets |
//! | [`report`] | `report.json`, the one file that carries a run from step to step, and how a person reads it |
//! | [`kubernetes`] | the API server of Kubernetes: objects applied, watched, deleted |
//! | [`claim`] | one run at a time in an environment |
//! | [`manifest`] | deploy: apply, wait for and delete manifests |
//! | [`heron`], [`flink`] | deploy: submit, watch and end Heron topologies and Flink jobs |
//! | [`kafka`], [`loader`] | load: replay an exact number of records on schedule |
//! | [`verdict`], [`history`], [`prometheus`] | measure: checks and the verdict, earlier runs to compare with, metric packs over the window |
//! | [`capacity`] | plan: how many instances of each component carry a rate, from what was measured |
//! | [`slack`], [`github`] | tell |
//! | [`local`] | runs and checks the Tasks and Pipelines on this computer, without a cluster |
//! | [`trigger`] | which Pipelines run for an event of GitHub's, and with what |
//! | [`sandbox`] | what a run needs, on this computer: Kafka, Prometheus, Flink, a stand-in for Heron, inboxes for Slack and GitHub |
//! | [`demo`] | a whole performance test in the sandbox |

pub mod capacity;
pub mod claim;
pub mod demo;
pub mod flink;
pub mod github;
pub mod heron;
pub mod history;
pub mod kafka;
pub mod kubernetes;
pub mod loader;
pub mod local;
pub mod manifest;
pub mod prometheus;
pub mod report;
pub mod sandbox;
pub mod slack;
pub mod step;
pub mod trigger;
pub mod verdict;
