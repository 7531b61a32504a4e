//! How a history is named, and how its store is reached.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreScheme, RetryConfig};
use reqwest::Url;

use super::crypto::OpenSsl;
use super::{Error, History};

/// How long a request is tried again: nobody waits for the history but at a run's end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which history, and how its store is reached.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "History")]
pub struct Place {
    /// Where reports are kept: a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or Azure's
    /// https address; of several the first that is not empty
    #[arg(long, value_name = "URL", global = true)]
    history: Vec<String>,

    /// Folder with the settings of its store, each in a file named as the environment variable it would be:
    /// AWS_SECRET_ACCESS_KEY, AZURE_STORAGE_ACCOUNT_KEY, GOOGLE_SERVICE_ACCOUNT; mount it from a Secret
    #[arg(long, value_name = "FOLDER", default_value = "", hide_default_value = true, global = true)]
    history_credentials: String,
}

impl Place {
    /// The history; none when nobody named one.
    pub fn open(&self) -> Result<Option<History>, Error> {
        let credentials = Some(Path::new(&self.history_credentials)).filter(|path| !path.as_os_str().is_empty());
        self.url().map(|url| open(url, credentials)).transpose()
    }

    /// Whether somebody named a history.
    pub(super) fn is_given(&self) -> bool {
        self.url().is_some()
    }

    fn url(&self) -> Option<&str> {
        self.history.iter().map(String::as_str).find(|url| !url.is_empty())
    }
}

/// The history at an address: a folder, or the object store of a cloud, whose settings come from the environment and, before
/// that, from the files of a folder. Nothing is asked of it yet.
pub fn open(url: &str, credentials: Option<&Path>) -> Result<History, Error> {
    let wrong = |reason: String| Error::Address { value: url.to_owned(), reason };
    if !url.contains("://") {
        // A slip of the pen for an address, such as s3:/bucket: a folder of that name would keep the reports from everybody.
        if url.split('/').next().is_some_and(|first| first.contains(':')) {
            return Err(wrong(
                "it is neither a folder nor an address as s3://BUCKET/PREFIX; ./ before it makes it a folder"
                    .to_owned(),
            ));
        }
        return folder(Path::new(url), url);
    }
    let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    if parsed.password().is_some() || parsed.query().is_some() {
        // Not shown: it would be in every log.
        let value = format!("{}://…", parsed.scheme());
        let reason = "it holds a secret; give that in a file of the folder --history-credentials instead".to_owned();
        return Err(Error::Address { value, reason });
    }
    if parsed.scheme() == "file" {
        let path = parsed.to_file_path().map_err(|()| wrong("it names no folder of this computer".to_owned()))?;
        return folder(&path, url);
    }
    let unknown = || wrong("it is neither a folder nor an address as s3://BUCKET/PREFIX, gs://… or az://…".to_owned());
    let (scheme, prefix) = ObjectStoreScheme::parse(&parsed).map_err(|_| unknown())?;
    let settings = credentials.map(Settings::read).transpose()?.unwrap_or_default();
    let store = match scheme {
        ObjectStoreScheme::AmazonS3 => s3(url, &settings),
        ObjectStoreScheme::GoogleCloudStorage => gcs(url, &settings),
        ObjectStoreScheme::MicrosoftAzure => azure(url, &settings),
        _ => return Err(unknown()),
    };
    Ok(History::new(store.map_err(|error| wrong(error.to_string()))?, prefix, url))
}

fn folder(path: &Path, shown: &str) -> Result<History, Error> {
    let wrong = |reason: String| Error::Address { value: shown.to_owned(), reason };
    let path = std::path::absolute(path).map_err(|error| wrong(error.to_string()))?;
    if path.is_file() {
        return Err(wrong("it is a file, a folder is meant".to_owned()));
    }
    let prefix = ObjectPath::from_absolute_path(&path).map_err(|error| wrong(error.to_string()))?;
    Ok(History::new(Arc::new(LocalFileSystem::new().with_fsync(true)), prefix, shown))
}

type Store = Result<Arc<dyn ObjectStore>, object_store::Error>;

fn s3(url: &str, settings: &Settings) -> Store {
    let mut builder = AmazonS3Builder::from_env();
    for (key, value, _) in settings.of::<AmazonS3ConfigKey>("S3") {
        builder = builder.with_config(key, value);
    }
    let endpoints = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    if endpoints.iter().any(|key| is_plain(builder.get_config_value(key))) {
        builder = builder.with_allow_http(true);
    }
    let builder = builder.with_url(url).with_retry(retry()).with_crypto_provider(Arc::new(OpenSsl));
    Ok(Arc::new(builder.build()?))
}

fn gcs(url: &str, settings: &Settings) -> Store {
    let mut builder = GoogleCloudStorageBuilder::from_env();
    for (key, value, file) in settings.of::<GoogleConfigKey>("GCS") {
        // Both name a file; in a Secret it is the file itself.
        let named = matches!(key, GoogleConfigKey::ServiceAccount | GoogleConfigKey::ApplicationCredentials);
        let value = if named && value.starts_with('{') { file.display().to_string() } else { value };
        builder = builder.with_config(key, value);
    }
    let builder = builder.with_url(url).with_retry(retry()).with_crypto_provider(Arc::new(OpenSsl));
    Ok(Arc::new(builder.build()?))
}

fn azure(url: &str, settings: &Settings) -> Store {
    let mut builder = MicrosoftAzureBuilder::from_env();
    for (key, value, _) in settings.of::<AzureConfigKey>("Azure") {
        builder = builder.with_config(key, value);
    }
    if is_plain(builder.get_config_value(&AzureConfigKey::Endpoint)) {
        builder = builder.with_allow_http(true);
    }
    let builder = builder.with_url(url).with_retry(retry()).with_crypto_provider(Arc::new(OpenSsl));
    Ok(Arc::new(builder.build()?))
}

/// Whether somebody named an endpoint without TLS: that says enough, the store wants it said twice.
fn is_plain(endpoint: Option<String>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: 4, retry_timeout: PATIENCE, ..RetryConfig::default() }
}

/// The settings of a store, as (name, value, file). They may be secret, so they do not show themselves.
#[derive(Default)]
struct Settings(Vec<(String, String, PathBuf)>);

impl Settings {
    fn read(folder: &Path) -> Result<Self, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Credentials { path, source }
        };
        let mut settings = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Kubernetes keeps the versions of a Secret beside its files, as ..data.
            if name.starts_with('.') || path.is_dir() {
                continue;
            }
            let value = std::fs::read_to_string(&path).map_err(failed(&path))?;
            settings.push((name, value.trim().to_owned(), path));
        }
        settings.sort();
        Ok(Self(settings))
    }

    /// Those that a store knows; the others are told, for a slip of the pen looks the same.
    fn of<K: std::str::FromStr>(&self, store: &str) -> Vec<(K, String, &Path)> {
        let mut known = Vec::new();
        for (name, value, file) in &self.0 {
            match name.to_ascii_lowercase().parse() {
                Ok(key) => known.push((key, value.clone(), file.as_path())),
                Err(_) => tracing::warn!("{} is no setting of {store}, it is left out", file.display()),
            }
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in entries {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn every_form_of_address_opens_its_store() {
        let folder = files(&[
            ("AWS_ACCESS_KEY_ID", "me\n"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2\n"),
            ("AWS_ENDPOINT", "http://minio:9000\n"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "aHVudGVyMg=="),
            ("GOOGLE_SKIP_SIGNATURE", "true"),
        ]);
        for (url, store) in [
            ("out/history", "LocalFileSystem(file:///)"),
            ("file:///mnt/history", "LocalFileSystem(file:///)"),
            ("s3://bucket/perf", "AmazonS3(bucket)"),
            ("gs://bucket/perf", "GoogleCloudStorage(bucket)"),
            ("az://container/perf", "MicrosoftAzure { account: account, container: container }"),
            (
                "https://other.blob.core.windows.net/container/perf",
                "MicrosoftAzure { account: other, container: container }",
            ),
        ] {
            let history = open(url, Some(folder.path())).unwrap();
            let shown = format!("{history:?}");
            assert!(shown.contains(store) && !shown.contains("hunter2"), "{url}: {shown}");
        }
    }

    #[test]
    fn what_is_no_history_says_what_would_be_one() {
        let say = |url: &str| open(url, None).unwrap_err().to_string();
        insta::assert_snapshot!(
            [
                say("ftp://host/history"),
                say("https://example.com/history"),
                say("s3:/bucket/history"),
                say("s3://me:hunter2@bucket/history"),
                say("https://account.blob.core.windows.net/container?sig=hunter2"),
                open("s3://bucket", Some(Path::new("/none"))).unwrap_err().to_string(),
                open("Cargo.toml", None).unwrap_err().to_string(),
            ]
            .join("\n"),
            @r#"
            --history "ftp://host/history" is not usable: it is neither a folder nor an address as s3://BUCKET/PREFIX, gs://… or az://…
            --history "https://example.com/history" is not usable: it is neither a folder nor an address as s3://BUCKET/PREFIX, gs://… or az://…
            --history "s3:/bucket/history" is not usable: it is neither a folder nor an address as s3://BUCKET/PREFIX; ./ before it makes it a folder
            --history "s3://…" is not usable: it holds a secret; give that in a file of the folder --history-credentials instead
            --history "https://…" is not usable: it holds a secret; give that in a file of the folder --history-credentials instead
            cannot read /none, a setting of the history's store: mount the Secret or name the right folder with --history-credentials
            --history "Cargo.toml" is not usable: it is a file, a folder is meant
            "#
        );
    }

    #[test]
    fn the_key_of_a_service_account_is_the_file_of_the_secret() {
        let rsa = openssl::rsa::Rsa::generate(2048).unwrap();
        let pem = String::from_utf8(rsa.private_key_to_pem().unwrap()).unwrap();
        let key = serde_json::json!({
            "private_key": pem, "private_key_id": "1", "client_email": "perf@project.iam.gserviceaccount.com"
        });
        for name in ["GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"] {
            let folder = files(&[(name, &key.to_string())]);
            open("gs://bucket/perf", Some(folder.path())).unwrap();
        }
        let folder = files(&[("GOOGLE_SERVICE_ACCOUNT", "{\"no\": \"key\"}")]);
        let error = open("gs://bucket/perf", Some(folder.path())).unwrap_err();
        assert!(error.to_string().contains("missing field"), "{error}");
    }
}
