//! Keeps a run's report in the history.

use std::process::ExitCode;

use streamgauge::history::keep::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
