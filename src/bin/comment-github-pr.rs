//! Keeps a pull request's comment up to date.

use std::process::ExitCode;

use streamgauge::github::comment::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
