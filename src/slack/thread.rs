//! Threads that go on from run to run: the first message of each is kept in a folder.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

use crate::step::{Exit, ExitClass};

/// The first message of a thread, as its file keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct First {
    /// What the thread is about, as `--thread-key` gave it.
    pub key: String,
    /// The channel, as `--channel` gave it.
    pub channel: String,
    /// The first message's timestamp.
    pub ts: String,
}

/// A thread that nobody else begins as long as this is held.
#[derive(Debug)]
pub struct Thread {
    path: PathBuf,
    file: File,
    first: First,
}

/// Why a thread's file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the thread's first message in {}: may the folder be written to?", path.display())]
pub struct Error {
    /// The file.
    path: PathBuf,
    /// The system's words.
    source: std::io::Error,
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Thread {
    /// The thread about `key` in a channel, once no other run holds it: two that begin at one time would begin two.
    pub async fn hold(folder: &Path, key: &str, channel: &str) -> Result<Self, Error> {
        let digest = sha256(format!("{channel}\n{key}").as_bytes());
        let name: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(format!("slack-thread-{name}.json"));
        let first = First { key: key.to_owned(), channel: channel.to_owned(), ts: String::new() };
        let opened = tokio::task::spawn_blocking({
            let (folder, path) = (folder.to_owned(), path.clone());
            move || open(&folder, &path)
        });
        let (file, text) = opened
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|source| Error { path: path.clone(), source })?;
        // What cannot be read is begun anew: a thread more is better than nobody told.
        let kept: First = serde_json::from_str(&text).unwrap_or_default();
        let same = kept.key == first.key && kept.channel == first.channel;
        Ok(Self { path, file, first: if same { kept } else { first } })
    }

    /// The first message's timestamp; empty as long as there is none.
    pub fn ts(&self) -> &str {
        &self.first.ts
    }

    /// Notes the first message.
    pub fn begin(&mut self, ts: &str) -> Result<(), Error> {
        self.first.ts = ts.to_owned();
        let text = serde_json::to_string(&self.first).unwrap_or_default();
        let mut write = || {
            self.file.rewind()?;
            self.file.set_len(0)?;
            self.file.write_all(text.as_bytes())
        };
        write().map_err(|source| Error { path: self.path.clone(), source })
    }
}

fn open(folder: &Path, path: &Path) -> std::io::Result<(File, String)> {
    std::fs::create_dir_all(folder)?;
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((file, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_is_found_again_by_its_key_and_channel() {
        let folder = tempfile::tempdir().unwrap();
        let hold = async |key: &str, channel: &str| Thread::hold(folder.path(), key, channel).await.unwrap();
        let mut thread = hold("ads/app#12", "#perf").await;
        assert_eq!(thread.ts(), "");
        thread.begin("1.1").unwrap();
        drop(thread);
        assert_eq!(hold("ads/app#12", "#perf").await.ts(), "1.1");
        assert_eq!(hold("ads/app#13", "#perf").await.ts(), "");
        assert_eq!(hold("ads/app#12", "#ads").await.ts(), "");
    }

    #[tokio::test]
    async fn who_comes_second_waits_for_the_first_message() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Thread::hold(folder.path(), "12", "#perf").await.unwrap();
        let path = folder.path().to_owned();
        let second = tokio::spawn(async move { Thread::hold(&path, "12", "#perf").await.unwrap().ts().to_owned() });
        tokio::task::yield_now().await;
        first.begin("1.1").unwrap();
        drop(first);
        assert_eq!(second.await.unwrap(), "1.1");
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_to_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Thread::hold(file.path(), "12", "#perf").await.unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}
