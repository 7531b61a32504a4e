//! Waiting for Heron: polls up to a deadline, and a log line now and then.

use std::time::{Duration, Instant};

use super::tracker::{Answer, Info, Tracker};
use super::{Error, Target};

/// How often the tracker is asked. It reads the state itself only every 5 s.
const POLL: Duration = Duration::from_millis(500);
/// How often the log tells what is waited for.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// How long a server may give no answer at all while something is waited for: restarts are forgiven, wrong addresses are not.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a tracker that answers, but cannot say, is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// A wait with an end.
#[derive(Debug)]
pub(super) struct Wait {
    began: Instant,
    end: Instant,
    last_line: Instant,
    silent_since: Option<Instant>,
}

impl Wait {
    /// A wait that ends a little before this program's own deadline, so that there is time to say what is missing.
    pub fn within(timeout: Duration) -> Self {
        let now = Instant::now();
        let margin = (timeout / 10).min(Duration::from_secs(10));
        Self { began: now, end: now + (timeout - margin), last_line: now, silent_since: None }
    }

    /// The time since the wait began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The time left.
    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// How long a request may take: some time even when the end is near; the program's own deadline ends it then.
    pub fn request_limit(&self) -> Duration {
        self.left().max(Duration::from_secs(1))
    }

    /// The answer, or the words of a failure that may pass. A server that has been silent for too long is an error.
    pub fn forgive<T>(&mut self, answer: Result<T, Error>) -> Result<Result<T, String>, Error> {
        match answer {
            Ok(answer) => {
                self.silent_since = None;
                Ok(Ok(answer))
            }
            Err(error @ Error::Unreachable { .. })
                if self.silent_since.get_or_insert_with(Instant::now).elapsed() < SILENCE =>
            {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until the next poll. False when there is no time left for one. `what` is told every 10 s.
    pub async fn pause(&mut self, what: impl FnOnce() -> String) -> bool {
        if self.left() < POLL {
            return false;
        }
        if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            tracing::info!("{} ({} s)", what(), self.elapsed().as_secs());
        }
        tokio::time::sleep(POLL).await;
        true
    }
}

/// What the tracker knows about a topology of this name. A tracker that cannot say is asked again for a while.
pub(super) async fn known(tracker: &Tracker, target: &Target, wait: &mut Wait) -> Result<Option<Info>, Error> {
    let began = Instant::now();
    loop {
        match tracker.info(target).await? {
            Answer::Known(info) => return Ok(Some(info)),
            Answer::Unknown => return Ok(None),
            Answer::Unclear(words) => {
                let waiting = || format!("waiting for the tracker: {words}");
                if began.elapsed() > PATIENCE || !wait.pause(waiting).await {
                    return Err(Error::Unclear { topology: target.topology.clone(), words });
                }
            }
        }
    }
}
