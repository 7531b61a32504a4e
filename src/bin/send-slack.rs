//! Tells a Slack channel how a run went.

use std::process::ExitCode;

use streamgauge::slack::{Args, run};
use streamgauge::step;

pub fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
