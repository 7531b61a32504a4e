//! Replays an exact number of records from topic to topic, on schedule.

use std::process::ExitCode;

use streamgauge::loader::{Args, run};
use streamgauge::step;

pub fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
