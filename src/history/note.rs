//! Notes beside the reports: a few words that must be known before the run they are of has a report to keep.

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode};

use super::{Error, History};

impl History {
    /// What a note says; none where there is none. `folder` and `name` are of letters, digits and `-`.
    pub async fn note(&self, folder: &str, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let read = async || self.store.get(&self.note_path(folder, name)?).await?.bytes().await;
        match read().await {
            Ok(text) => Ok(Some(text.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read a note", error)),
        }
    }

    /// Writes a note where there is none; whether there was none.
    pub async fn begin_note(&self, folder: &str, name: &str, text: Vec<u8>) -> Result<bool, Error> {
        match self.put_note(folder, name, text, PutMode::Create).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed("keep a note", error)),
        }
    }

    /// Writes a note, whatever there is.
    pub async fn change_note(&self, folder: &str, name: &str, text: Vec<u8>) -> Result<(), Error> {
        self.put_note(folder, name, text, PutMode::Overwrite).await.map_err(|error| self.failed("keep a note", error))
    }

    async fn put_note(
        &self,
        folder: &str,
        name: &str,
        text: Vec<u8>,
        mode: PutMode,
    ) -> Result<(), object_store::Error> {
        self.store.put_opts(&self.note_path(folder, name)?, text.into(), mode.into()).await.map(|_| ())
    }

    /// Not as deep as a report and not called like one, so that nobody takes it for one.
    fn note_path(&self, folder: &str, name: &str) -> Result<Path, object_store::path::Error> {
        Path::parse(format!("{}/{folder}/{name}", self.prefix))
    }
}
