//! Kills a Heron topology and waits until it is gone.

use std::process::ExitCode;

use streamgauge::heron::delete::{Args, run};
use streamgauge::step;

pub fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
