//! Runs, checks and documents the catalog on this computer.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use streamgauge::local::{check, docs, run};
use streamgauge::step::{self, Exit, Failure, Step, StepArgs};
use streamgauge::{capacity, claim, demo, github, heron, history, loader, prometheus, report, sandbox, slack, trigger};

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
    Demo(demo::Args),
    Sandbox(sandbox::Args),
    History(history::program::Args),
    Check(check::Args),
    Docs(docs::Args),
    Trigger(trigger::Args),
}

impl Command {
    fn step(&self) -> &StepArgs {
        match self {
            Self::Run(args) => &args.step,
            Self::Demo(args) => &args.step,
            Self::Sandbox(args) => &args.step,
            Self::History(args) => &args.step,
            Self::Check(args) => &args.step,
            Self::Docs(args) => &args.step,
            Self::Trigger(args) => &args.step,
        }
    }
}

/// The programs of this package, whose flags `check` compares with those that Tasks pass.
fn programs() -> Vec<clap::Command> {
    vec![
        capacity::Args::command(),
        claim::Args::command(),
        github::comment::Args::command(),
        github::status::Args::command(),
        heron::delete::Args::command(),
        heron::deploy::Args::command(),
        history::keep::Args::command(),
        loader::Args::command(),
        prometheus::Args::command(),
        report::begin::Args::command(),
        slack::Args::command(),
        Args::command(),
    ]
}

async fn dispatch(args: Args, step: &Step) -> Result<Exit, Failure> {
    match args.command {
        Command::Run(args) => run::run(args, step).await,
        Command::Demo(args) => demo::run(args, step).await,
        Command::Sandbox(args) => sandbox::run(args, step).await,
        Command::History(args) => history::program::run(args, step).await,
        Command::Check(args) => check::run(args, &programs()),
        Command::Docs(args) => docs::run(args, step).await,
        Command::Trigger(args) => trigger::run(args, step).await,
    }
}

fn main() -> ExitCode {
    step::main_with_grace(|args: &Args| args.command.step(), run::GRACE, dispatch)
}
