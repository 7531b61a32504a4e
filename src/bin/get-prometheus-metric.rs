//! Measures an application over the window of a load and judges the numbers.

use std::process::ExitCode;

use streamgauge::prometheus::{Args, run};
use streamgauge::step;

pub fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
