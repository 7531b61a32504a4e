//! Runs a Flink job on a session cluster and waits until it is truly running.

use std::process::ExitCode;

use streamgauge::flink::deploy::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
