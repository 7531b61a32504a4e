//! Changes a running Heron topology.

use std::process::ExitCode;

use streamgauge::heron::update::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
