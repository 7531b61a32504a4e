//! A step as a local process: its own process group, its output line by line, its end in time.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::watch;

use crate::step::ProcessGroup;

/// The time between SIGTERM and SIGKILL, as Kubernetes gives it to a pod that is deleted.
const GRACE: Duration = Duration::from_secs(30);

/// How long output may come after the step's end: from a process that left its group.
const LATE_OUTPUT: Duration = Duration::from_secs(2);

/// A line that a step wrote.
#[derive(Debug, Clone)]
pub struct Line {
    /// The task in the pipeline.
    pub task: String,
    /// The step.
    pub step: String,
    /// The line, without its end.
    pub text: String,
}

/// Takes the lines of all steps as they come.
pub type Sink = Arc<dyn Fn(&Line) + Send + Sync>;

/// Why running tasks must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Halt {
    /// They need not.
    No,
    /// Their time is over.
    Timeout,
    /// The run was cancelled.
    Cancel,
    /// At once, without a chance to clean up.
    Kill,
}

/// Waits until there is at least this reason to end.
pub async fn halted(halt: &mut watch::Receiver<Halt>, least: Halt) -> Halt {
    let heard = halt.wait_for(|now| *now >= least).await.map(|now| *now);
    match heard {
        Ok(now) => now,
        Err(_) => std::future::pending().await,
    }
}

/// What to start.
#[derive(Debug)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// All of its environment.
    pub env: Vec<(String, String)>,
    /// Where it runs.
    pub dir: PathBuf,
    /// The step's `timeout`.
    pub timeout: Option<Duration>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code; 255 when a signal ended it.
    Exit(i32),
    /// It could not be started.
    NotStarted,
    /// Killed by its own `timeout`.
    StepTimeout,
    /// Ended from outside.
    Halted(Halt),
}

/// Where a step's program is: beside the running program, where its image would have it in `/usr/local/bin`; else as it
/// stands.
pub fn locate(beside: &Path, program: &str) -> PathBuf {
    let here = Path::new(program).file_name().map(|name| beside.join(name)).filter(|path| path.is_file());
    here.unwrap_or_else(|| PathBuf::from(program))
}

/// Runs a program to its end and hands over its lines; stdout and stderr come in the order they were written.
pub async fn run(
    program: &Program,
    mut line: impl FnMut(String) + Send,
    halt: &mut watch::Receiver<Halt>,
) -> io::Result<End> {
    let (reader, writer) = io::pipe()?;
    let [name, args @ ..] = program.command.as_slice() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
    };
    let mut child = Command::new(name)
        .args(args)
        .env_clear()
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&program.dir)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let group = ProcessGroup::of(&child);
    let output = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into())?;
    let mut output = BufReader::new(output);
    let mut read = std::pin::pin!(async move {
        let mut buffer = Vec::new();
        while output.read_until(b'\n', &mut buffer).await.unwrap_or(0) > 0 {
            line(String::from_utf8_lossy(&buffer).trim_end_matches(['\n', '\r']).to_owned());
            buffer.clear();
        }
    });
    let mut read_all = false;
    let timeout = async {
        match program.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let mut timeout = std::pin::pin!(timeout);
    let mut kill_at: Option<tokio::time::Instant> = None;
    let mut reason = Halt::No;
    let mut timed_out = false;
    let status = loop {
        let next = match reason {
            Halt::No => Halt::Timeout,
            _ => Halt::Kill,
        };
        let hard = async {
            match kill_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            status = child.wait() => break status?,
            () = &mut read, if !read_all => read_all = true,
            () = &mut timeout, if !timed_out => {
                timed_out = true;
                group.signal(Signal::SIGKILL);
            }
            now = halted(halt, next), if reason < Halt::Kill => {
                reason = now;
                group.signal(if now == Halt::Kill { Signal::SIGKILL } else { Signal::SIGTERM });
                kill_at = Some(tokio::time::Instant::now() + GRACE);
            }
            () = hard => {
                kill_at = None;
                group.signal(Signal::SIGKILL);
            }
        }
    };
    // A container's end is the end of all its processes.
    drop(group);
    if !read_all {
        let _ = tokio::time::timeout(LATE_OUTPUT, read).await;
    }
    Ok(match (timed_out, reason) {
        (true, _) => End::StepTimeout,
        (false, Halt::No) => End::Exit(code(status)),
        (false, reason) => End::Halted(reason),
    })
}

/// Tekton's entrypoint is the container's process, and exits with -1 for a process that a signal ended.
fn code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or(255)
}
