//! Ending processes that a program started.

use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;

/// Ends a child and its process group politely: SIGTERM, and SIGKILL for what is left after `grace`. The child must have
/// been started as the leader of its own process group.
pub async fn terminate(child: &mut Child, grace: Duration) -> std::io::Result<std::process::ExitStatus> {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    if let Some(group) = group {
        // The group may be gone already; then there is nothing to end.
        let _ = killpg(group, Signal::SIGTERM);
    }
    if let Ok(status) = tokio::time::timeout(grace, child.wait()).await {
        return status;
    }
    if let Some(group) = group {
        let _ = killpg(group, Signal::SIGKILL);
    }
    child.wait().await
}
