//! The topology as its main makes it, before anything is deployed.

use std::time::Duration;

use super::Error;
use super::api::{Api, Submission};
use super::cli::Cli;
use super::deploy::Args;
use super::main_class::Made;
use super::packing::Plan;
use super::way::Way;
use crate::report::Component;
use crate::step::Stop;

/// A topology that can be submitted.
#[derive(Debug)]
pub(super) struct Built {
    /// The name that main gave it.
    pub name: String,
    /// Its components.
    pub components: Vec<Component>,
    sender: Sender,
}

/// Who submits it, and with what.
#[derive(Debug)]
enum Sender {
    /// What main made on this computer goes to the API server.
    Api(Api, Made),
    /// The command line runs main again; its dry run has shown the plan.
    Cli(Cli, Plan),
}

impl Built {
    /// Runs main: on this computer, or by a dry run of Heron's command line. That is the safest way to learn the name before
    /// anything is killed: it runs main with the class path, Java and settings that the submission itself will have.
    pub async fn of(args: &Args, way: &Way, stop: Stop, limit: Duration) -> Result<Self, Error> {
        match way {
            Way::Api(api) => {
                let made = args.main().run(&args.target, stop).await?;
                let (name, components) = (made.topology.name.clone(), made.topology.components());
                Ok(Self { name, components, sender: Sender::Api(api.clone(), made) })
            }
            Way::Cli(cli) => {
                let (name, plan) = cli.dry_run(&args.target, args.for_cli(), limit).await?;
                Ok(Self { name, components: plan.components(), sender: Sender::Cli(cli.clone(), plan) })
            }
        }
    }

    /// Compares the name that main gave with the one that was asked for. Heron would take a submission under another name,
    /// and then neither run nor kill it.
    pub fn check_name(&self, args: &Args) -> Result<(), Error> {
        let (made, asked) = (&self.name, &args.target.topology);
        match made == asked {
            true => Ok(()),
            false => Err(Error::WrongName { class: args.main_class.clone(), made: made.clone(), asked: asked.clone() }),
        }
    }

    /// Submits the topology. A success means that Heron has taken it, not that it runs.
    pub async fn submit(&self, args: &Args, limit: Duration) -> Result<(), Error> {
        match &self.sender {
            Sender::Api(api, made) => api.submit(&args.target, submission(args, made), limit).await,
            Sender::Cli(cli, _) => cli.submit(&args.target, args.for_cli(), limit).await,
        }
    }

    /// The packing plan that a submission would lead to.
    pub async fn plan(&self, args: &Args, limit: Duration) -> Result<Plan, Error> {
        match &self.sender {
            Sender::Api(api, made) => api.plan(&args.target, submission(args, made), limit).await,
            Sender::Cli(_, plan) => Ok(plan.clone()),
        }
    }
}

fn submission<'a>(args: &'a Args, made: &'a Made) -> Submission<'a> {
    Submission { definition: &made.file, jar: &args.jar, config: &args.config_properties }
}
