//! Sets a commit's status on GitHub.

use std::process::ExitCode;

use streamgauge::github::status::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
