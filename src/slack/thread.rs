//! Threads that go on from run to run: the first message of each is noted in the history, before its run has a report there.

use std::time::Duration;

use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

use crate::history::{Error, History};
use crate::step::hex;

/// The history's folder of these notes.
const FOLDER: &str = "slack-threads";
/// How often another run that posts a thread's first message is looked for, and how long: posting takes about a second.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: u32 = 10;

/// The first message of a thread, as its note has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct First {
    /// What the thread is about.
    key: String,
    /// The channel, as `--channel` gave it.
    channel: String,
    /// The first message's timestamp; empty while a run posts it.
    ts: String,
}

/// A thread that is known, or that is this run's to begin.
#[derive(Debug)]
pub struct Thread {
    history: History,
    note: String,
    first: First,
}

impl Thread {
    /// The thread about `key` in a channel. Of runs that look for a new one at a time one begins it, and the others wait for its first
    /// message.
    pub async fn find(history: History, key: &str, channel: &str) -> Result<Self, Error> {
        let digest = sha256(format!("{channel}\n{key}").as_bytes());
        let note = hex(&digest[..16]);
        let first = First { key: key.to_owned(), channel: channel.to_owned(), ts: String::new() };
        let mut thread = Self { history, note, first };
        for _ in 0..LOOKS {
            // Read first: a history that may only be read has its threads too.
            thread.first.ts = thread.noted().await?;
            if !thread.ts().is_empty() || thread.history.begin_note(FOLDER, &thread.note, thread.text()).await? {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        // Whose first message does not come has failed: a thread more is better than nobody told.
        Ok(thread)
    }

    /// The first message's timestamp; empty as long as there is none.
    pub fn ts(&self) -> &str {
        &self.first.ts
    }

    /// Notes the first message.
    pub async fn begin(&mut self, ts: &str) -> Result<(), Error> {
        self.first.ts = ts.to_owned();
        self.history.change_note(FOLDER, &self.note, self.text()).await
    }

    fn text(&self) -> Vec<u8> {
        serde_json::to_vec(&self.first).unwrap_or_default()
    }

    /// The first message's timestamp in the note; what cannot be read has none.
    async fn noted(&self) -> Result<String, Error> {
        let text = self.history.note(FOLDER, &self.note).await?.unwrap_or_default();
        Ok(serde_json::from_slice::<First>(&text).unwrap_or_default().ts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history;

    async fn find(folder: &tempfile::TempDir, key: &str, channel: &str) -> Thread {
        let history = history::open(&folder.path().display().to_string(), None).unwrap();
        Thread::find(history, key, channel).await.unwrap()
    }

    #[tokio::test]
    async fn a_thread_is_found_again_by_its_key_and_channel() {
        let folder = tempfile::tempdir().unwrap();
        let mut thread = find(&folder, "ads/app#12", "#perf").await;
        assert_eq!(thread.ts(), "");
        thread.begin("1.1").await.unwrap();
        assert_eq!(find(&folder, "ads/app#12", "#perf").await.ts(), "1.1");
        assert_eq!(find(&folder, "ads/app#13", "#perf").await.ts(), "");
        assert_eq!(find(&folder, "ads/app#12", "#ads").await.ts(), "");
    }

    #[tokio::test]
    async fn who_comes_second_waits_for_the_first_message() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = find(&folder, "12", "#perf").await;
        let (second, begun) = tokio::join!(find(&folder, "12", "#perf"), first.begin("1.1"));
        begun.unwrap();
        assert_eq!(second.ts(), "1.1");
    }

    #[tokio::test]
    async fn the_notes_are_no_reports() {
        let folder = tempfile::tempdir().unwrap();
        let thread = find(&folder, "12", "#perf").await;
        let reports = thread.history.reports("", &history::Filter::default()).await.unwrap();
        assert!(reports.is_empty());
        let notes: Vec<_> =
            std::fs::read_dir(folder.path().join(FOLDER)).unwrap().map(|note| note.unwrap().path()).collect();
        assert_eq!(
            (notes.len(), notes[0].extension()),
            (1, None),
            "what searches a folder for reports looks for .json"
        );
    }
}
