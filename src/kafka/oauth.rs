//! OAUTHBEARER: where the token comes from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::step;

/// How long the token endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a token that we make ourselves is valid, in seconds, as in Java clients.
const UNSECURED_LIFETIME: i64 = 3600;

/// Where tokens come from. One that is still good is used again.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    origin: Origin,
    /// The last token, and until when it is used.
    kept: Mutex<Option<(String, Instant)>>,
}

/// Where a token comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is made here and not signed: for tests of Kafka itself.
    Unsecured {
        /// Its claims besides its times; `sub` is the principal.
        claims: Vec<(String, String)>,
    },
    /// It stands in a file, and is read anew for each connection.
    File(PathBuf),
    /// An OpenID Connect endpoint hands it out for the client's credentials.
    Endpoint {
        /// Where.
        url: reqwest::Url,
        /// The client's id.
        client: String,
        /// The client's secret.
        secret: String,
        /// What is asked for.
        scope: Option<String>,
        /// Whether id and secret are escaped before they become the header, as RFC 6749 wants it.
        escape: bool,
    },
}

impl Tokens {
    /// Tokens from there.
    pub fn new(origin: Origin) -> Self {
        Self(Arc::new(Inner { origin, kept: Mutex::default() }))
    }

    /// A token that is good now. An error does not show it, nor the credentials.
    pub async fn token(&self) -> Result<String, String> {
        match &self.0.origin {
            Origin::Unsecured { claims } => Ok(unsecured(claims, jiff::Timestamp::now().as_second())),
            Origin::File(path) => {
                let text = tokio::fs::read_to_string(path).await;
                let text = text.map_err(|error| format!("cannot read the token file {}: {error}", path.display()))?;
                Ok(text.trim().to_owned())
            }
            Origin::Endpoint { url, client, secret, scope, escape } => {
                let mut kept = self.0.kept.lock().await;
                if let Some((token, until)) = kept.as_ref()
                    && Instant::now() < *until
                {
                    return Ok(token.clone());
                }
                let credentials =
                    if *escape { (escaped(client), escaped(secret)) } else { (client.clone(), secret.clone()) };
                let (token, lifetime) = fetch(url, &credentials, scope.as_deref()).await?;
                // Renewed in time, as in Java clients.
                *kept = Some((token.clone(), Instant::now() + lifetime.mul_f64(0.8)));
                Ok(token)
            }
        }
    }
}

/// Asks a token endpoint (RFC 6749, section 4.4): the token and how long it is good.
async fn fetch(
    url: &reqwest::Url,
    (client, secret): &(String, String),
    scope: Option<&str>,
) -> Result<(String, Duration), String> {
    let failed = |words: String| format!("no token from {}: {words}", shown(url));
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(scope.map(|scope| ("scope", scope)));
    let http = step::client(TIMEOUT).map_err(|error| failed(step::describe_http_error(&error)))?;
    let request = http.post(url.clone()).basic_auth(client, Some(secret)).form(&form);
    let answer = request.send().await.map_err(|error| failed(step::describe_http_error(&error)))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| failed(step::describe_http_error(&error)))?;
    let body: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if !status.is_success() {
        let words: Vec<&str> = ["error", "error_description"].into_iter().filter_map(text).collect();
        return Err(failed(format!("it answers {status} {}", words.join(": ")).trim_end().to_owned()));
    }
    let token = text("access_token").ok_or_else(|| failed("its answer has no access_token".to_owned()))?;
    let lifetime = body.get("expires_in").and_then(Value::as_u64).unwrap_or_default();
    Ok((token.to_owned(), Duration::from_secs(lifetime)))
}

/// A token that nobody signed (RFC 7515, `alg` is `none`).
fn unsecured(claims: &[(String, String)], now: i64) -> String {
    let mut body: Map<String, Value> = claims.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    body.insert("iat".to_owned(), json!(now));
    body.insert("exp".to_owned(), json!(now + UNSECURED_LIFETIME));
    let part = |value: Value| BASE64.encode(value.to_string());
    format!("{}.{}.", part(json!({ "alg": "none" })), part(Value::Object(body)))
}

/// An address without what may be secret in it.
fn shown(url: &reqwest::Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// As forms escape it (application/x-www-form-urlencoded).
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._".contains(&byte);
    let one = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        _ if plain(byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode};
    use axum::{Json, Router, routing::post};

    use super::*;

    async fn hand_out(
        State(asked): State<Arc<AtomicUsize>>,
        headers: HeaderMap,
        body: String,
    ) -> (StatusCode, Json<Value>) {
        asked.fetch_add(1, Ordering::Relaxed);
        // "me" and "s%2Fcret", as a Basic header.
        let known = headers["authorization"] == "Basic bWU6cyUyRmNyZXQ=";
        assert_eq!(body, "grant_type=client_credentials&scope=kafka");
        match known {
            true => (StatusCode::OK, Json(json!({ "access_token": "abc", "expires_in": 300 }))),
            false => (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))),
        }
    }

    async fn endpoint(asked: Arc<AtomicUsize>) -> reqwest::Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let router = Router::new().route("/token", post(hand_out)).with_state(asked);
        tokio::spawn(async move { axum::serve(listener, router).await });
        url.parse().unwrap()
    }

    fn tokens(url: reqwest::Url, secret: &str) -> Tokens {
        let (client, secret, scope) = ("me".to_owned(), secret.to_owned(), Some("kafka".to_owned()));
        Tokens::new(Origin::Endpoint { url, client, secret, scope, escape: true })
    }

    #[tokio::test]
    async fn a_token_is_fetched_once_while_it_is_good() {
        let asked = Arc::default();
        let tokens = tokens(endpoint(Arc::clone(&asked)).await, "s/cret");
        assert_eq!(tokens.token().await.unwrap(), "abc");
        assert_eq!(tokens.token().await.unwrap(), "abc");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_refusal_is_in_the_endpoints_words_and_shows_no_secret() {
        let url = endpoint(Arc::default()).await;
        let error = tokens(url.clone(), "hunter2").token().await.unwrap_err();
        assert_eq!(error, "no token from http://127.0.0.1/token: it answers 401 Unauthorized invalid_client");
    }

    #[test]
    fn a_token_of_our_own_has_the_claims_and_its_times() {
        let token = unsecured(&[("sub".to_owned(), "alice".to_owned())], 1000);
        let parts: Vec<_> =
            token.split('.').map(|part| String::from_utf8(BASE64.decode(part).unwrap()).unwrap()).collect();
        assert_eq!(parts, [r#"{"alg":"none"}"#, r#"{"sub":"alice","iat":1000,"exp":4600}"#, ""]);
    }
}
