//! Progress of long work: a bar on a terminal, a log line every 10 s elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a log line tells the progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Tells how far a piece of work of known size is.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
    last_line: Instant,
    last_done: u64,
}

impl Progress {
    /// Progress of `what` ("records copied") out of `total`.
    pub fn new(what: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix} {bar:40} {human_pos}/{human_len} {per_sec}, {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style).with_prefix(what)
        });
        Self { what, total, bar, last_line: Instant::now(), last_done: 0 }
    }

    /// Tells that `done` of the work is done, and what else there is to say of it.
    pub fn set(&mut self, done: u64, note: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(note.to_owned());
                bar.set_position(done);
            }
            None if self.last_line.elapsed() >= LINE_EVERY => {
                let rate = done.saturating_sub(self.last_done) as f64 / self.last_line.elapsed().as_secs_f64();
                self.last_line = Instant::now();
                self.last_done = done;
                tracing::info!("{}: {done} of {}, {rate:.0}/s, {note}", self.what, self.total);
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
