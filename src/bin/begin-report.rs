//! Starts a run's report.

use std::process::ExitCode;

use streamgauge::report::begin::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
