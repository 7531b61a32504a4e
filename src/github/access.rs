//! Which repository, on which server, with which secret: the arguments that the programs for GitHub share.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde_json::json;

use super::error::Error;
use crate::step::{Failure, Secret};

/// GitHub.com's API.
const GITHUB_COM: &str = "https://api.github.com";

/// How long before now a JSON Web Token begins, in seconds: clocks differ.
const JWT_BEFORE: i64 = 60;

/// How long it holds from now on, in seconds; GitHub takes ten minutes at most.
const JWT_FOR: i64 = 540;

/// The arguments that all programs for GitHub have.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "GitHub")]
pub struct Access {
    /// Repository, as OWNER/NAME or by its address; the report's when it is empty
    #[arg(long, value_name = "REPOSITORY", default_value = "", allow_hyphen_values = true)]
    pub repository: String,

    /// Base of GitHub's REST API; https://HOST/api/v3 of an Enterprise Server, GitHub.com's when it is empty
    #[arg(long, value_name = "URL", default_value = "")]
    pub api_url: String,

    /// File with a token: fine-grained, classic or of an App's installation
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// File with the ID or client ID of a GitHub App, used with its private key when there is no token file
    #[arg(long, value_name = "FILE")]
    pub app_id_file: Option<PathBuf>,

    /// File with the private key of the GitHub App, in PEM
    #[arg(long, value_name = "FILE")]
    pub private_key_file: Option<PathBuf>,
}

/// A repository's owner and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The user or organization.
    pub owner: String,
    /// The name.
    pub name: String,
    /// The server that its address names.
    pub host: Option<String>,
}

/// What a connection is opened with.
#[derive(Debug)]
pub enum Credentials {
    /// A token, used as it is.
    Token(Secret),
    /// A GitHub App: what it signs is exchanged for a token.
    App {
        /// Its ID or client ID.
        id: String,
        /// Its private key.
        key: Secret,
        /// The key's file.
        path: PathBuf,
    },
}

impl Access {
    /// The repository, and the address of the API that it is on.
    pub fn target(&self, of_report: &str) -> Result<(Repository, String), Error> {
        let text = if self.repository.is_empty() { of_report } else { &self.repository };
        let repository = Repository::parse(text)?;
        let url = match (self.api_url.trim_end_matches('/'), repository.host.as_deref()) {
            ("", None | Some("github.com" | "www.github.com" | "ssh.github.com")) => GITHUB_COM.to_owned(),
            ("", Some(host)) => return Err(Error::WhichApi { host: host.to_owned() }),
            (url, _) => url.to_owned(),
        };
        match reqwest::Url::parse(&url) {
            Ok(parsed) if parsed.has_host() => Ok((repository, url)),
            _ => Err(Error::Address { url }),
        }
    }

    /// The secret to use: of the files named, the one that is there. A Task names all, and a Secret holds a token or an App.
    pub fn credentials(&self) -> Result<Credentials, Failure> {
        let there = |file: &Option<PathBuf>| file.clone().filter(|path| path.exists());
        if let Some(path) = there(&self.token_file) {
            return Ok(Credentials::Token(Secret::read(&path)?));
        }
        match (there(&self.app_id_file), there(&self.private_key_file)) {
            (Some(id), Some(path)) => {
                Ok(Credentials::App { id: Secret::read(&id)?.expose().to_owned(), key: Secret::read(&path)?, path })
            }
            (id, _) => {
                let wanted = match id {
                    Some(_) => vec![&self.private_key_file],
                    None => vec![&self.token_file, &self.app_id_file],
                };
                let files = wanted.into_iter().flatten().map(|path| path.display().to_string()).collect();
                Err(Error::NoSecret { files }.into())
            }
        }
    }
}

impl Repository {
    /// Reads OWNER/NAME, or an address of any form that git takes.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Repository { text: text.to_owned() };
        if text.is_empty() {
            return Err(Error::NoRepository);
        }
        let (host, path) = match text.split_once("://") {
            Some((_, rest)) => {
                let (server, path) = rest.split_once('/').ok_or_else(wrong)?;
                (Some(server), path)
            }
            // git@github.com:owner/name.git
            None => match text.split_once(':') {
                Some((server, path)) => (Some(server), path),
                None => (None, text),
            },
        };
        let host = host.map(|server| server.rsplit('@').next().unwrap_or(server));
        let host = host.map(|server| server.split(':').next().unwrap_or(server).to_lowercase());
        let path = path.trim_matches('/');
        let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/').ok_or_else(wrong)?;
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let good = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(letter);
        match good(owner) && good(name) {
            true => Ok(Self { owner: owner.to_owned(), name: name.to_owned(), host }),
            false => Err(wrong()),
        }
    }
}

/// What a GitHub App shows to be itself: a JSON Web Token, signed with its key by RS256 (RFC 7515, RFC 7518).
pub fn jwt(id: &str, key: &Secret, path: &Path, now: Timestamp) -> Result<String, Error> {
    let wrong = |source| Error::Key { path: path.display().to_string(), source };
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let now = now.as_second();
    let claims = json!({ "iat": now - JWT_BEFORE, "exp": now + JWT_FOR, "iss": id });
    let signed = format!("{}.{}", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims));
    let sign = || {
        let key = PKey::from_rsa(openssl::rsa::Rsa::private_key_from_pem(key.expose().as_bytes())?)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.sign_oneshot_to_vec(signed.as_bytes())
    };
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(sign().map_err(wrong)?)))
}

#[cfg(test)]
mod tests {
    use openssl::rsa::Rsa;
    use openssl::sign::Verifier;

    use super::*;

    #[test]
    fn a_repository_is_read_from_any_address_that_git_takes() {
        let read = |text: &str| Repository::parse(text).map(|found| (found.host, found.owner, found.name));
        let on = |host: Option<&str>| (host.map(ToOwned::to_owned), "ads".to_owned(), "pre.processor".to_owned());
        for (text, host) in [
            ("ads/pre.processor", None),
            ("https://github.com/ads/pre.processor", Some("github.com")),
            ("https://x:y@GHE.example:8443/ads/pre.processor.git/", Some("ghe.example")),
            ("git@github.com:ads/pre.processor.git", Some("github.com")),
            ("ssh://git@ssh.github.com:443/ads/pre.processor.git", Some("ssh.github.com")),
        ] {
            assert_eq!(read(text).unwrap(), on(host), "{text}");
        }
        for wrong in ["ads", "ads/..", "ads/a b", "ads/a/b", "ads/a?x=1", "https://github.com", "../.."] {
            assert!(read(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn a_token_goes_only_to_a_server_that_was_named() {
        let access = |api_url: &str| Access { api_url: api_url.to_owned(), ..Access::default() };
        let url = |api_url: &str, repository: &str| access(api_url).target(repository).map(|(_, url)| url);
        assert_eq!(url("", "https://github.com/ads/app").unwrap(), "https://api.github.com");
        assert_eq!(url("https://ghe.example/api/v3/", "ads/app").unwrap(), "https://ghe.example/api/v3");
        insta::assert_snapshot!(url("", "https://evil.example/ads/app").unwrap_err(), @"the repository is on evil.example: give its API with --api-url https://evil.example/api/v3, the token goes nowhere else");
        insta::assert_snapshot!(url("ghe", "ads/app").unwrap_err(), @r#"--api-url "ghe" is not a URL"#);
        insta::assert_snapshot!(url("", "").unwrap_err(), @"which repository? give --repository as OWNER/NAME, or begin-report the repository");
    }

    #[test]
    fn an_app_signs_who_it_is_and_for_how_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let rsa = Rsa::generate(2048).unwrap();
        std::fs::write(&path, rsa.private_key_to_pem().unwrap()).unwrap();
        let key = Secret::read(&path).unwrap();
        let now: Timestamp = "2026-01-05T10:12:00Z".parse().unwrap();
        let token = jwt("12345", &key, &path, now).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        assert_eq!(String::from_utf8(decoded(parts[0])).unwrap(), r#"{"alg":"RS256","typ":"JWT"}"#);
        let claims: serde_json::Value = serde_json::from_slice(&decoded(parts[1])).unwrap();
        assert_eq!(claims, json!({"iat": 1_767_607_860, "exp": 1_767_608_460, "iss": "12345"}));
        let public = PKey::from_rsa(rsa).unwrap();
        let mut verifier = Verifier::new(MessageDigest::sha256(), &public).unwrap();
        let signed = format!("{}.{}", parts[0], parts[1]);
        assert!(verifier.verify_oneshot(&decoded(parts[2]), signed.as_bytes()).unwrap());
    }

    #[test]
    fn a_key_that_is_none_is_named_and_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "-----BEGIN NOTHING-----").unwrap();
        let key = Secret::read(file.path()).unwrap();
        let error = jwt("1", &key, Path::new("secrets/key.pem"), Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().starts_with("the private key secrets/key.pem cannot be used"), "{error}");
        assert!(!error.to_string().contains("NOTHING"));
    }
}
