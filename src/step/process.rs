//! Ending processes that a program started, with all that they started in turn.

use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;

/// The process group that a child leads, which must have been started as its leader. The group does not outlive this value: what
/// is left of it is killed.
#[derive(Debug)]
pub struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// The group of this child; none when the child has been waited for already.
    pub fn of(leader: &Child) -> Self {
        Self(id(leader))
    }

    /// Sends a signal to all of the group.
    pub fn signal(&self, signal: Signal) {
        send(self.0, signal);
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Ends a child and its process group politely: SIGTERM, and SIGKILL for what is left after `grace`. The child must have
/// been started as the leader of its own process group.
pub async fn terminate(child: &mut Child, grace: Duration) -> std::io::Result<std::process::ExitStatus> {
    let group = id(child);
    send(group, Signal::SIGTERM);
    if let Ok(status) = tokio::time::timeout(grace, child.wait()).await {
        return status;
    }
    send(group, Signal::SIGKILL);
    child.wait().await
}

fn id(leader: &Child) -> Option<Pid> {
    leader.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw)
}

fn send(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // All of it may have ended; then there is nothing to signal.
        let _ = killpg(group, signal);
    }
}
