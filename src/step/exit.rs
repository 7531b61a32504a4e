//! The exit codes of all programs, and the errors that lead to them.

use std::fmt;
use std::process::ExitCode;

/// How a program ends. A Tekton step sees the same codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done and, where there is a verdict, it is pass or warn.
    Done,
    /// The verdict is fail.
    VerdictFail,
    /// Wrong arguments or input.
    Usage,
    /// The verdict is inconclusive: there was not enough to judge by.
    Inconclusive,
    /// The other side refused or failed.
    Refused,
    /// The deadline passed.
    Deadline,
    /// Ended by SIGINT after cleaning up.
    Interrupted,
    /// Ended by SIGTERM after cleaning up.
    Terminated,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::VerdictFail => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::Refused => 4,
            Self::Deadline => 5,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that knows its exit code. Each module's error enum implements it, variant by variant.
pub trait ExitClass: std::error::Error + Send + Sync + 'static {
    /// The exit code this error leads to.
    fn exit(&self) -> Exit;
}

/// Why a program did not do its job: what a person reads, and the exit code.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    source: anyhow::Error,
}

impl Failure {
    /// A failure with this exit code and cause.
    pub fn new(exit: Exit, source: impl Into<anyhow::Error>) -> Self {
        Self { exit, source: source.into() }
    }

    /// A failure that this sentence explains in full.
    pub fn msg(exit: Exit, message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self { exit, source: anyhow::Error::msg(message) }
    }

    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl<E: ExitClass> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: error.exit(), source: error.into() }
    }
}

/// The message on the first line, each further cause on a line of its own; a cause that repeats what the line
/// above already says is left out.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.source.to_string();
        f.write_str(&said)?;
        for cause in self.source.chain().skip(1) {
            let cause = cause.to_string();
            if !said.contains(&cause) {
                write!(f, "\n  because: {cause}")?;
                said = cause;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_own_line_and_is_said_once() {
        let error = anyhow::anyhow!("connection refused")
            .context("asking http://x: connection refused")
            .context("cannot submit");
        let failure = Failure::new(Exit::Refused, error);
        assert_eq!(failure.to_string(), "cannot submit\n  because: asking http://x: connection refused");
        assert_eq!(failure.exit().code(), 4);
    }
}
