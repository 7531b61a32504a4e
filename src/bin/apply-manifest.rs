//! Applies Kubernetes manifests and waits until they are ready, or deletes them.

use std::process::ExitCode;

use streamgauge::manifest::program::{Args, run};
use streamgauge::step;

pub(crate) fn main() -> ExitCode {
    step::main(|args: &Args| &args.step, run)
}
