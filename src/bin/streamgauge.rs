//! Runs and checks the catalog on this computer.

fn main() {}
