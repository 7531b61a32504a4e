//! Runs and checks the catalog on this computer.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use streamgauge::local::{check, run};
use streamgauge::step::{self, Exit, Failure, Step, StepArgs};

/// Performance tests of streaming applications, on this computer
#[derive(Parser)]
#[command(name = "streamgauge")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
}

impl Command {
    fn step(&self) -> &StepArgs {
        match self {
            Self::Run(args) => &args.step,
            Self::Check(args) => &args.step,
        }
    }
}

/// The programs of this package, whose flags `check` compares with those that Tasks pass.
fn programs() -> Vec<clap::Command> {
    vec![<Args as clap::CommandFactory>::command()]
}

async fn dispatch(args: Args, step: &Step) -> Result<Exit, Failure> {
    match args.command {
        Command::Run(args) => run::run(args, step).await,
        Command::Check(args) => check::run(args, &programs()),
    }
}

fn main() -> ExitCode {
    step::main_with_grace(|args: &Args| args.command.step(), run::GRACE, dispatch)
}
