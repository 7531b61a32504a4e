//! Following a child process to its end: a topology's main, or Heron's own command line.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::Child;

use crate::step::{Exit, Stop, terminate};

/// How long a child that is asked to stop may take.
const STOP: Duration = Duration::from_secs(5);
/// How long to read on after a child's end: a process it left behind may hold its output open for ever.
const DRAIN: Duration = Duration::from_secs(1);

/// How a child came to its end.
#[derive(Debug)]
pub(super) enum End {
    /// By itself.
    Ended(std::io::Result<ExitStatus>),
    /// Because this program was asked to stop.
    Stopped(Exit),
    /// Because its time was over.
    Late,
}

/// Waits for the child's end while `reading` takes in what it says.
pub(super) async fn follow(
    child: &mut Child,
    reading: impl Future<Output = ()>,
    mut stop: Stop,
    limit: Option<Duration>,
) -> End {
    let late = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let (mut reading, mut late) = (std::pin::pin!(reading), std::pin::pin!(late));
    let mut read = false;
    let end = loop {
        tokio::select! {
            status = child.wait() => break End::Ended(status),
            () = &mut reading, if !read => read = true,
            exit = stop.wait() => break End::Stopped(exit),
            () = &mut late => break End::Late,
        }
    };
    match end {
        End::Ended(_) if !read => {
            let _ = tokio::time::timeout(DRAIN, reading).await;
        }
        End::Ended(_) => {}
        End::Stopped(_) | End::Late => {
            let _ = terminate(child, STOP).await;
        }
    }
    end
}
