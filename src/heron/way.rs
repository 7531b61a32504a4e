//! The two ways to make Heron act: its API server, and its own command line. Both do the same with the same words.

use std::time::Duration;

use super::api::Api;
use super::cli::Cli;
use super::packing::Plan;
use super::update::Parallelism;
use super::{Error, Target};
use crate::step::Stop;

/// How Heron is made to act.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// By its API server.
    Api(Api),
    /// By its command line.
    Cli(Cli),
}

impl Way {
    /// The way that the target names.
    pub fn of(target: &Target, stop: Stop) -> Result<Self, Error> {
        match target.heron_cli.as_str() {
            "" => Ok(Self::Api(Api::new(target)?)),
            program => Ok(Self::Cli(Cli::new(program, stop))),
        }
    }

    /// Kills the topology.
    pub async fn kill(&self, target: &Target, limit: Duration) -> Result<(), Error> {
        match self {
            Self::Api(api) => api.kill(target, limit).await,
            Self::Cli(cli) => cli.act("kill", target, limit).await,
        }
    }

    /// Lets its spouts emit.
    pub async fn activate(&self, target: &Target, limit: Duration) -> Result<(), Error> {
        match self {
            Self::Api(api) => api.activate(target, limit).await,
            Self::Cli(cli) => cli.act("activate", target, limit).await,
        }
    }

    /// Holds its spouts.
    pub async fn deactivate(&self, target: &Target, limit: Duration) -> Result<(), Error> {
        match self {
            Self::Api(api) => api.deactivate(target, limit).await,
            Self::Cli(cli) => cli.act("deactivate", target, limit).await,
        }
    }

    /// Starts a container's processes anew, or those of all.
    pub async fn restart(&self, target: &Target, container: Option<u32>, limit: Duration) -> Result<(), Error> {
        match self {
            Self::Api(api) => api.restart(target, container, limit).await,
            Self::Cli(cli) => cli.restart(target, container, limit).await,
        }
    }

    /// Changes how many instances components have.
    pub async fn update(&self, target: &Target, wanted: &[Parallelism], limit: Duration) -> Result<(), Error> {
        match self {
            Self::Api(api) => api.update(target, wanted, limit).await,
            Self::Cli(cli) => cli.update(target, wanted, false, limit).await.map(|_| ()),
        }
    }

    /// The packing plan that such an update would lead to.
    pub async fn update_plan(&self, target: &Target, wanted: &[Parallelism], limit: Duration) -> Result<Plan, Error> {
        match self {
            Self::Api(api) => api.update_plan(target, wanted, limit).await,
            Self::Cli(cli) => Ok(Plan::parse(&cli.update(target, wanted, true, limit).await?)),
        }
    }
}
