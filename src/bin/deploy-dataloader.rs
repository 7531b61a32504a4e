//! Replays an exact number of records from topic to topic, on schedule.

use std::process::ExitCode;

use streamgauge::loader::{Args, run};
use streamgauge::step;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
