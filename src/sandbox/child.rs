//! Processes of the sandbox: each in a process group of its own, ended with the sandbox whatever ends it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};

use super::Error;
use crate::step;

/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// A process of the sandbox. Dropping it kills its whole group; [`Child::stop`] ends it politely.
#[derive(Debug)]
pub struct Child {
    what: &'static str,
    process: Process,
}

impl Child {
    /// Starts a process whose stderr goes to `log`; stdout goes there too unless the caller wants to read it.
    ///
    /// Linux sends it SIGTERM when the thread that started it ends, so that not even a SIGKILL of this program leaves it
    /// behind: call this from a thread that lives as long as the sandbox.
    pub fn start(what: &'static str, command: &[String], log: &Path, piped: bool) -> Result<Self, Error> {
        let failed = |source| Error::Start { what, command: command.join(" "), source };
        let errors = std::fs::File::create(log).map_err(failed)?;
        let output = if piped { Stdio::piped() } else { Stdio::from(errors.try_clone().map_err(failed)?) };
        let (program, args) = command.split_first().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
        let mut process = match on_path("setpriv") {
            true => {
                let mut process = Command::new("setpriv");
                process.args(["--pdeathsig", "TERM", "--", program]);
                process
            }
            false => Command::new(program),
        };
        process
            .args(args)
            .stdin(if piped { Stdio::piped() } else { Stdio::null() })
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true);
        Ok(Self { what, process: process.spawn().map_err(failed)? })
    }

    /// The process's id.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Its stdin and stdout, once, when it was started with them piped.
    pub fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        Some((self.process.stdin.take()?, self.process.stdout.take()?))
    }

    /// An error when the process has ended by itself.
    pub fn check(&mut self, log: &Path) -> Result<(), Error> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Error::Ended { what: self.what, status: status.to_string(), log: log.to_owned() }),
            Err(source) => Err(Error::Start { what: self.what, command: "waiting for it".to_owned(), source }),
        }
    }

    /// Waits until the process ends by itself.
    pub async fn wait(&mut self) -> String {
        match self.process.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Ends the process and its group.
    pub async fn stop(&mut self) {
        if let Err(error) = step::terminate(&mut self.process, GRACE).await {
            tracing::warn!("cannot end {}: {error}", self.what);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Nobody waits here any more, so there is no time to be polite.
        drop(step::ProcessGroup::of(&self.process));
    }
}

/// Whether a program of this name can be started.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// An address with a port that is free at this moment.
pub fn free_port(address: IpAddr) -> Result<SocketAddr, Error> {
    let listener = std::net::TcpListener::bind((address, 0));
    listener.and_then(|listener| listener.local_addr()).map_err(|source| Error::Port { address, source })
}
