//! The reports themselves: kept once, listed, read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

use super::Error;
use super::key::{Key, segment};
use crate::report::{Report, SCHEMA_VERSION, render};

/// The first and the longest pause before a report is written again that two wanted to write.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// The reports of earlier runs. Cheap to clone; several programs may use one at a time.
#[derive(Clone)]
pub struct History {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    address: String,
}

/// Without what the store knows of its secrets.
impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.address, self.store)
    }
}

/// Which reports are wanted; what is empty is any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The branch that was tested.
    pub branch: String,
    /// The commit that was tested, or how it begins.
    pub commit: String,
    /// How many at most, the newest first.
    pub last: Option<usize>,
}

impl History {
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: Path, address: &str) -> Self {
        Self { store, prefix, address: address.to_owned() }
    }

    /// Its address, as it was given.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Keeps a report and its page; returns the report's key. `part` is the application's name in a run that tests several.
    ///
    /// To keep the same twice is no error, as when a step is tried again. Another report of the same run is refused, and what
    /// is kept stays.
    pub async fn keep(&self, report: &Report, part: &str) -> Result<String, Error> {
        let key = Key::of(report, part)?;
        let mut text = serde_json::to_vec_pretty(report).map_err(|error| self.failed("write a report", error))?;
        text.push(b'\n');
        let mut pause = PAUSE;
        while !self.create(&key, "json", text.clone()).await? {
            match self.fetch(&key).await {
                Ok(kept) if is_same(&kept, report) => break,
                Ok(_) => return Err(Error::Other { history: self.address.clone(), key: key.path("json") }),
                // Of two that write it at a time S3 may refuse both, as long as neither is done.
                Err(object_store::Error::NotFound { .. }) if pause < LONGEST_PAUSE => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => return Err(self.failed("read what it has", error)),
            }
        }
        self.create(&key, "html", render::html(report).into_bytes()).await?;
        Ok(key.path("json"))
    }

    /// Writes an object where there is none; whether there was none.
    async fn create(&self, key: &Key, extension: &str, text: Vec<u8>) -> Result<bool, Error> {
        let path = self.path(key, extension)?;
        match self.store.put_opts(&path, text.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed(&format!("keep {}", key.path(extension)), error)),
        }
    }

    /// The reports of an application, or of all when it is empty: the newest first. One that cannot be read is left out, with
    /// a warning.
    pub async fn reports(&self, app: &str, filter: &Filter) -> Result<Vec<Report>, Error> {
        self.reports_among(&self.keys(app).await?, filter).await
    }

    /// The same, of these places.
    pub(super) async fn reports_among(&self, keys: &[Key], filter: &Filter) -> Result<Vec<Report>, Error> {
        let wanted = |key: &&Key| {
            (filter.branch.is_empty() || key.branch == segment(&filter.branch))
                && (filter.commit.is_empty() || key.commit.starts_with(&segment(&filter.commit)))
        };
        let mut found = Vec::new();
        for key in keys.iter().filter(wanted) {
            if filter.last.is_some_and(|last| found.len() >= last) {
                break;
            }
            found.extend(self.read(key).await?);
        }
        Ok(found)
    }

    /// The places of an application's reports, or of all: those of the newest runs first.
    pub(super) async fn keys(&self, app: &str) -> Result<Vec<Key>, Error> {
        let mut within = self.prefix.clone();
        if !app.is_empty() {
            let text = format!("{within}/{}", segment(app));
            within = Path::parse(text).map_err(|error| self.failed("name an application", error))?;
        }
        let listed = self.store.list(Some(&within)).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(|error| self.failed("list the reports", error))?;
        let below = listed.iter().filter_map(|object| object.location.prefix_match(&self.prefix));
        let mut keys: Vec<Key> = below.filter_map(Key::parse).collect();
        keys.sort_by(|a, b| b.name.cmp(&a.name));
        Ok(keys)
    }

    /// A report; none, with a warning, when this one cannot be read. That the store does not answer is an error.
    pub(super) async fn read(&self, key: &Key) -> Result<Option<Report>, Error> {
        let why = match self.fetch(key).await {
            Ok(text) => match serde_json::from_slice::<Report>(&text) {
                Ok(report) if report.schema_version <= SCHEMA_VERSION => return Ok(Some(report)),
                Ok(report) => {
                    format!("it is of version {}, this program knows up to {SCHEMA_VERSION}", report.schema_version)
                }
                Err(error) => error.to_string(),
            },
            Err(error) if is_everywhere(&error) => return Err(self.failed("read a report", error)),
            Err(error) => words(&error),
        };
        tracing::warn!("{} of the history cannot be read and is left out: {why}", key.path("json"));
        Ok(None)
    }

    async fn fetch(&self, key: &Key) -> Result<Bytes, object_store::Error> {
        self.store.get(&key.below(&self.prefix, "json")?).await?.bytes().await
    }

    /// The run before this one: of the same application and branch, else of the branch that this one goes into.
    pub async fn previous(&self, this: &Report) -> Result<Option<Report>, Error> {
        let keys = self.keys(this.app.as_ref().map_or("", |app| &app.name)).await?;
        self.previous_among(this, &keys).await
    }

    /// The same, among the reports of these places.
    pub(super) async fn previous_among(&self, this: &Report, keys: &[Key]) -> Result<Option<Report>, Error> {
        let own = Key::of(this, "")?;
        let base = this.run.as_ref().map_or("", |run| &run.base_branch);
        let branches = std::iter::once(own.branch.clone()).chain((!base.is_empty()).then(|| segment(base)));
        for branch in branches {
            for key in keys.iter().filter(|key| key.app == own.app && key.branch == branch && key.begin() < own.begin())
            {
                if let Some(report) = self.read(key).await?
                    && same_application(&report, this)
                {
                    return Ok(Some(report));
                }
            }
        }
        Ok(None)
    }

    fn path(&self, key: &Key, extension: &str) -> Result<Path, Error> {
        key.below(&self.prefix, extension).map_err(|error| self.failed("name a report", error))
    }

    pub(super) fn failed(&self, operation: &str, error: impl std::error::Error) -> Error {
        Error::Failed { history: self.address.clone(), operation: operation.to_owned(), words: words(&error) }
    }
}

/// Whether this text is the report. What steps said at the end, and whom they told, is no part of that: it may come later.
fn is_same(text: &[u8], report: &Report) -> bool {
    let measured = |report: &Report| {
        let mut report = Report { errors: Vec::new(), ..report.clone() };
        report.other.remove("slack");
        report
    };
    serde_json::from_slice(text).is_ok_and(|kept: Report| measured(&kept) == measured(report))
}

/// Whether an error is one of the store rather than of this object. A folder has no network between.
fn is_everywhere(error: &object_store::Error) -> bool {
    match error {
        object_store::Error::Generic { store, .. } => *store != "LocalFileSystem",
        object_store::Error::Unauthenticated { .. } => true,
        _ => false,
    }
}

/// An error and its causes in one line, each said once.
fn words(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = next.source();
    }
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether two reports are of one application, on the same engine.
pub(super) fn same_application(one: &Report, other: &Report) -> bool {
    let named = |report: &Report| report.app.as_ref().map(|app| (app.name.clone(), app.engine.clone()));
    named(one) == named(other)
}
