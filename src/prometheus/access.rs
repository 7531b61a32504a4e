//! How Prometheus, or what answers as it does, is reached: address, credentials, headers, TLS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::pkey::PKey;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Identity};

use super::Error;
use super::client::{Auth, Client};
use crate::step::{self, Failure, KeyValue, Secret, mounted};

/// A query may take Prometheus two minutes (`--query.timeout`).
const ANSWER: Duration = Duration::from_secs(150);

/// How Prometheus is reached.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Prometheus")]
pub struct Access {
    /// Address of Prometheus, Thanos, Mimir or VictoriaMetrics, as http://prometheus:9090, with a path prefix where it has one
    #[arg(long, value_name = "URL")]
    pub endpoint: String,

    /// File with a bearer token
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub token_file: String,

    /// File with user:password
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub basic_auth_file: String,

    /// Tenant to ask as (the header X-Scope-OrgID of Mimir); several as a|b
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub tenant: String,

    /// Header of every request, as X-Team=ads; may be repeated. Secret ones belong into --header-file
    #[arg(long, value_name = "NAME=VALUE", num_args(0..))]
    pub header: Vec<KeyValue>,

    /// File with headers of every request, NAME=VALUE a line
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub header_file: String,

    /// File with certificates (PEM) of authorities to trust beside the system's
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub ca_file: String,

    /// File with the certificate (PEM) to show Prometheus, and those between it and its authority
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub cert_file: String,

    /// File with the key (PEM) of that certificate
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub key_file: String,

    /// Folder of a Secret with what of these is needed: token, basic-auth, headers, ca.crt, tls.crt, tls.key
    #[arg(long, value_name = "FOLDER", default_value = "", hide_default_value = true)]
    pub secret_dir: String,
}

/// The files of a Secret, in the order of the flags that they stand for.
const FILES: [&str; 6] = ["token", "basic-auth", "headers", "ca.crt", "tls.crt", "tls.key"];

impl Access {
    /// A client; nothing is asked yet.
    pub fn client(&self) -> Result<Client, Failure> {
        let [token, pair, headers, authorities, certificate, key] = self.files()?;
        let auth = match (token, pair) {
            (None, None) => Auth::None,
            (Some(token), None) => Auth::Bearer(Secret::read(&token)?),
            (None, Some(pair)) => Auth::Basic(Secret::read(&pair)?),
            (Some(_), Some(_)) => return Err(wrong("give --token-file or --basic-auth-file, not both").into()),
        };
        let mut http = step::client_builder(ANSWER).default_headers(self.headers(headers.as_deref())?);
        if let Some(path) = authorities {
            let found = Certificate::from_pem_bundle(&read("--ca-file", &path)?).ok().filter(|found| !found.is_empty());
            let found =
                found.ok_or_else(|| wrong(format!("--ca-file {} holds no certificate (PEM)", path.display())))?;
            http = found.into_iter().fold(http, reqwest::ClientBuilder::add_root_certificate);
        }
        match (certificate, key) {
            (None, None) => {}
            (Some(certificate), Some(key)) => http = http.identity(identity(&certificate, &key)?),
            (Some(_), None) => return Err(wrong("--cert-file needs its --key-file").into()),
            (None, Some(_)) => return Err(wrong("--key-file needs its --cert-file").into()),
        }
        Ok(Client::new(&self.endpoint, auth, http)?)
    }

    /// The files to read, in the order of [`FILES`]: those named, else those of the Secret's folder that are there.
    fn files(&self) -> Result<[Option<PathBuf>; 6], Error> {
        let folder = (!self.secret_dir.is_empty()).then(|| Path::new(&self.secret_dir));
        let mut files = FILES.map(|name| folder.map(|folder| folder.join(name)).filter(|path| path.exists()));
        if let Some(folder) = folder
            && files.iter().all(Option::is_none)
        {
            return Err(wrong(format!("--secret-dir {} holds none of {}", folder.display(), FILES.join(", "))));
        }
        let named = [
            &self.token_file,
            &self.basic_auth_file,
            &self.header_file,
            &self.ca_file,
            &self.cert_file,
            &self.key_file,
        ];
        for (file, named) in files.iter_mut().zip(named) {
            *file = mounted(named).map(Path::to_owned).or(file.take());
        }
        Ok(files)
    }

    fn headers(&self, file: Option<&Path>) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        if !self.tenant.is_empty() {
            add(&mut headers, "--tenant", "X-Scope-OrgID", &self.tenant)?;
        }
        for pair in &self.header {
            let name = pair.key.to_lowercase();
            if pair.shown() == "***" || matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie") {
                return Err(
                    wrong(format!("--header {name} is a secret that logs would show: use --header-file")).into()
                );
            }
            add(&mut headers, "--header", &name, &pair.value)?;
        }
        if let Some(path) = file {
            let secret = Secret::read(path)?;
            for line in secret.expose().lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (name, value) = line
                    .split_once('=')
                    .ok_or_else(|| wrong(format!("a line of --header-file {} is not NAME=VALUE", path.display())))?;
                add(&mut headers, "--header-file", name.trim(), value.trim())?;
            }
        }
        Ok(headers)
    }
}

fn add(headers: &mut HeaderMap, flag: &str, name: &str, value: &str) -> Result<(), Error> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
    // The value is not shown: it may be a secret.
    let (key, mut value) = parsed.ok_or_else(|| wrong(format!("{flag} {name:?} is no header that HTTP can carry")))?;
    value.set_sensitive(true);
    headers.insert(key, value);
    Ok(())
}

/// A certificate and its key, whichever way the key is written: reqwest takes PKCS #8 only.
fn identity(certificate: &Path, key: &Path) -> Result<Identity, Error> {
    let unusable = |path: &Path, flag: &str, what: &str| wrong(format!("{flag} {} is no {what} (PEM)", path.display()));
    let pem = PKey::private_key_from_pem(&read("--key-file", key)?).and_then(|key| key.private_key_to_pem_pkcs8());
    let pem = pem.map_err(|_| unusable(key, "--key-file", "private key without a password"))?;
    Identity::from_pkcs8_pem(&read("--cert-file", certificate)?, &pem)
        .map_err(|_| unusable(certificate, "--cert-file", "certificate of that key"))
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| wrong(format!("{flag} {} cannot be read: {error}", path.display())))
}

fn wrong(reason: impl Into<String>) -> Error {
    Error::Access { reason: reason.into() }
}
