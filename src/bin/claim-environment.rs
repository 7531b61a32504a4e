//! Keeps an environment for one run at a time.

use std::process::ExitCode;

use streamgauge::claim::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
