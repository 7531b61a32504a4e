//! Plans how many instances of each component carry a rate.

use std::process::ExitCode;

use streamgauge::capacity::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
