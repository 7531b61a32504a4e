//! Waiting for Kubernetes: polls up to a deadline, and a log line now and then.

use std::time::{Duration, Instant};

use super::Error;

/// How often the API server is asked, where nothing else is said.
const POLL: Duration = Duration::from_millis(500);
/// How often the log tells what is waited for.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How long an API server may give no useful answer while something is waited for: restarts are forgiven, wrong addresses are not.
const SILENCE: Duration = Duration::from_secs(30);

/// A wait with an end.
#[derive(Debug)]
pub struct Wait {
    began: Instant,
    end: Instant,
    last_line: Instant,
    silent_since: Option<Instant>,
    poll: Duration,
}

impl Wait {
    /// A wait that ends a little before the program's own deadline, so that there is time to say what is missing.
    pub fn within(timeout: Duration) -> Self {
        let now = Instant::now();
        let margin = (timeout / 10).min(Duration::from_secs(10));
        Self { began: now, end: now + (timeout - margin), last_line: now, silent_since: None, poll: POLL }
    }

    /// The same, but the API server is asked only so often: for what may take hours.
    pub fn asking_every(self, poll: Duration) -> Self {
        Self { poll, ..self }
    }

    /// The time since the wait began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The answer, or the words of a failure that may pass. A server that has been of no use for too long is an error.
    pub fn forgive<T>(&mut self, answer: Result<T, Error>) -> Result<Result<T, String>, Error> {
        match answer {
            Ok(answer) => {
                self.silent_since = None;
                Ok(Ok(answer))
            }
            Err(error)
                if error.may_pass() && self.silent_since.get_or_insert_with(Instant::now).elapsed() < SILENCE =>
            {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until the next poll. False when there is no time left for one. `what` is told every 10 s.
    pub async fn pause(&mut self, what: impl FnOnce() -> String) -> bool {
        if self.end.saturating_duration_since(Instant::now()) < self.poll {
            return false;
        }
        if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            tracing::info!("{} ({} s)", what(), self.elapsed().as_secs());
        }
        tokio::time::sleep(self.poll).await;
        true
    }
}
