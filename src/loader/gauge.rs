//! How far a load is, for those who watch it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

/// Written by the load's tasks, read by who tells people.
#[derive(Debug, Default)]
pub struct Gauge {
    start: OnceLock<Instant>,
    acked: AtomicU64,
    /// When the record that is sent next is due: nanoseconds after the start.
    next: AtomicU64,
    /// What a job that carries the load elsewhere is doing.
    words: Mutex<Option<String>>,
}

impl Gauge {
    /// The clock starts, or will at that time.
    pub fn begin(&self, start: Instant) {
        // A load begins once.
        let _ = self.start.set(start);
    }

    /// So many records are acknowledged.
    pub fn set_acked(&self, acked: u64) {
        self.acked.store(acked, Ordering::Relaxed);
    }

    /// The record that is sent next is due so many nanoseconds after the start.
    pub fn set_next(&self, due: u64) {
        self.next.store(due, Ordering::Relaxed);
    }

    /// A job elsewhere carries the load, and this is what it does.
    pub fn say(&self, words: String) {
        if let Ok(mut said) = self.words.lock() {
            *said = Some(words);
        }
    }

    /// Records acknowledged.
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// What is to be told beside the count: how late the load is, and when one that long comes to its end.
    pub fn note(&self, length: Duration) -> String {
        if let Some(words) = self.words.lock().ok().and_then(|words| words.clone()) {
            return words;
        }
        let Some(start) = self.start.get() else { return "not begun".to_owned() };
        note(start.elapsed(), Duration::from_nanos(self.next.load(Ordering::Relaxed)), length)
    }
}

/// What is to be told `elapsed` after the start of a load whose next record is due `next` after it.
fn note(elapsed: Duration, next: Duration, length: Duration) -> String {
    let behind = elapsed.saturating_sub(next);
    let left = indicatif::FormattedDuration((length + behind).saturating_sub(elapsed));
    // Records fall due between two looks at the clock.
    if behind < Duration::from_millis(100) {
        return format!("on time, {left} left");
    }
    format!("{:.1} s late, {left} left", behind.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_how_long_the_next_record_is_overdue() {
        let told = |next| note(Duration::from_secs(600), Duration::from_secs_f64(next), Duration::from_secs(3600));
        assert_eq!(told(600.0), "on time, 00:50:00 left");
        assert_eq!(told(601.0), "on time, 00:50:00 left");
        assert_eq!(told(597.5), "2.5 s late, 00:50:02 left");
    }
}
