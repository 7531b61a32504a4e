//! Joins the reports of a run's applications into one.

use std::process::ExitCode;

use streamgauge::report::collect::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
