//! Runs and checks the catalog on this computer.

use std::process::ExitCode;

use clap::Parser;
use streamgauge::{local, step};

/// Performance tests of streaming applications, on this computer
#[derive(Parser)]
#[command(name = "streamgauge")]
enum Args {
    Docs(local::docs::Args),
}

fn main() -> ExitCode {
    step::main(
        |args: &Args| match args {
            Args::Docs(args) => &args.step,
        },
        async |args: Args, step| match args {
            Args::Docs(args) => local::docs::run(args, step).await,
        },
    )
}
