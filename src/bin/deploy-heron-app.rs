//! Submits a Heron topology and waits until it is truly running.

use std::process::ExitCode;

use streamgauge::heron::deploy::{Args, run};
use streamgauge::step;

pub fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
