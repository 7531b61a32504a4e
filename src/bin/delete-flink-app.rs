//! Ends a Flink job and waits until it has ended.

use std::process::ExitCode;

use streamgauge::flink::delete::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
