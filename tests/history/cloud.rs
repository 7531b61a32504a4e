//! A stand-in for the object stores of the clouds, in this process, written from what they document: S3's PutObject with
//! If-None-Match, GetObject and ListObjectsV2 with its signature of version 4 (docs.aws.amazon.com/AmazonS3/latest/API), the XML
//! API of Google Cloud Storage (cloud.google.com/storage/docs/xml-api) and Azure's Blob service
//! (learn.microsoft.com/rest/api/storageservices). It holds a few objects to a page, so that lists have pages.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;
use openssl::ssl::{Ssl, SslAcceptor};
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;

/// The key that S3's requests have to be signed with.
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// How many objects a list gives at a time.
const PAGE: usize = 3;

/// What a cloud has, and what it was asked.
#[derive(Default)]
pub struct Held {
    /// The objects by their keys, without bucket or container.
    pub objects: BTreeMap<String, Vec<u8>>,
    /// How many lists were asked for, each page for itself.
    pub pages: usize,
    /// How many writes are still to be refused as at odds with another one.
    pub conflicts: usize,
}

/// A store that runs. It ends with the test's runtime.
#[derive(Clone)]
pub struct Cloud {
    pub address: SocketAddr,
    held: Arc<Mutex<Held>>,
}

impl Cloud {
    /// A store that speaks without TLS.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cloud = Self { address: listener.local_addr().unwrap(), held: Arc::default() };
        let app = cloud.app();
        tokio::spawn(async move { axum::serve(listener, app).await });
        cloud
    }

    /// A store that speaks TLS only.
    pub async fn start_tls(acceptor: SslAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cloud = Self { address: listener.local_addr().unwrap(), held: Arc::default() };
        let app = cloud.app();
        tokio::spawn(async move { axum::serve(Tls(listener, acceptor), app).await });
        cloud
    }

    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    pub fn keys(&self) -> Vec<String> {
        self.held().objects.keys().cloned().collect()
    }

    fn app(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
}

async fn answer(State(cloud): State<Cloud>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let authorization = header("authorization").unwrap_or_default();
    let amazon = !authorization.starts_with("SharedKey") && !authorization.starts_with("Bearer");
    if amazon && let Err(why) = check_signature(&parts, &authorization, &body) {
        return error(StatusCode::FORBIDDEN, why);
    }
    let path = parts.uri.path().trim_start_matches('/');
    let key = decoded(path.split_once('/').map_or("", |(_, key)| key));
    let mut held = cloud.held();
    match (&parts.method, key.as_str()) {
        (&Method::GET, "") => {
            held.pages += 1;
            list(&held, &parts, authorization.starts_with("SharedKey"))
        }
        (&Method::GET, key) => match held.objects.get(key) {
            Some(object) => (told(object), object.clone()).into_response(),
            None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        (&Method::PUT, key) => {
            let only_new = header("if-none-match").as_deref() == Some("*")
                || header("x-goog-if-generation-match").as_deref() == Some("0");
            assert!(only_new, "{key} was written without a condition");
            if held.conflicts > 0 {
                held.conflicts -= 1;
                return error(StatusCode::CONFLICT, "ConditionalRequestConflict");
            }
            if held.objects.contains_key(key) {
                // Azure's own word for it; S3 and GCS say that the condition failed.
                return match authorization.starts_with("SharedKey") {
                    true => error(StatusCode::CONFLICT, "BlobAlreadyExists"),
                    false => error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
                };
            }
            held.objects.insert(key.to_owned(), body.to_vec());
            (told(&body), "").into_response()
        }
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    }
}

fn told(object: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut tell = |name: &'static str, value: &str| headers.insert(name, value.parse().unwrap());
    tell("etag", &format!("\"{}\"", hex(&sha256(object)[..16])));
    tell("last-modified", "Mon, 05 Jan 2026 10:12:00 GMT");
    tell("x-goog-generation", "1");
    headers
}

fn error(status: StatusCode, code: &str) -> Response {
    (status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>")).into_response()
}

fn list(held: &Held, parts: &Parts, azure: bool) -> Response {
    let query: BTreeMap<String, String> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    let value = |name: &str| query.get(name).cloned().unwrap_or_default();
    assert_eq!(value(if azure { "comp" } else { "list-type" }), if azure { "list" } else { "2" });
    let after = value(if azure { "marker" } else { "continuation-token" });
    let found = held.objects.iter().filter(|(key, _)| key.starts_with(&value("prefix")) && **key > after);
    let mut found: Vec<(&String, &Vec<u8>)> = found.take(PAGE + 1).collect();
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|(key, _)| key.replace('&', "&amp;")).unwrap_or_default();
    let entry = |(key, object): &(&String, &Vec<u8>)| {
        let (key, size) = (key.replace('&', "&amp;"), object.len());
        match azure {
            true => format!(
                "<Blob><Name>{key}</Name><Properties><Last-Modified>Mon, 05 Jan 2026 10:12:00 GMT</Last-Modified>\
                 <Content-Length>{size}</Content-Length><Content-Type>application/json</Content-Type><Etag>\"1\"</Etag></Properties></Blob>"
            ),
            false => format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-05T10:12:00.000Z</LastModified><ETag>\"1\"</ETag>\
                 <Size>{size}</Size></Contents>"
            ),
        }
    };
    let entries: String = found.iter().map(entry).collect();
    match azure {
        true => {
            format!("<EnumerationResults><Blobs>{entries}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>")
        }
        false => {
            let token =
                if more { format!("<NextContinuationToken>{next}</NextContinuationToken>") } else { String::new() };
            format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{token}{entries}</ListBucketResult>")
        }
    }
    .into_response()
}

/// Checks a request as docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html says.
fn check_signature(parts: &Parts, authorization: &str, body: &[u8]) -> Result<(), &'static str> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("AccessDenied")?;
    let field = |name: &str| {
        rest.split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or("AuthorizationHeaderMalformed")
    };
    let (credential, signed, given) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let scope: Vec<&str> = credential.split('/').skip(1).collect();
    let content = header("x-amz-content-sha256");
    if content != hex(&sha256(body)) {
        return Err("XAmzContentSHA256Mismatch");
    }
    let mut query: Vec<&str> =
        parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", header(name).trim())).collect();
    let canonical = [parts.method.as_str(), parts.uri.path(), &query.join("&"), &headers, signed, content].join("\n");
    let text =
        ["AWS4-HMAC-SHA256", header("x-amz-date"), &scope.join("/"), &hex(&sha256(canonical.as_bytes()))].join("\n");
    let key = scope.iter().fold(format!("AWS4{SECRET}").into_bytes(), |key, part| hmac(&key, part));
    if hex(&hmac(&key, &text)) == given { Ok(()) } else { Err("SignatureDoesNotMatch") }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let key = PKey::hmac(key).unwrap();
    Signer::new(MessageDigest::sha256(), &key).unwrap().sign_oneshot_to_vec(text.as_bytes()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Without its percent-encoding.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let byte = match (first, more) {
            (b'%', [_, _, ..]) => u8::from_str_radix(std::str::from_utf8(&more[..2]).unwrap(), 16).ok(),
            _ => None,
        };
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    String::from_utf8(bytes).unwrap()
}

/// Takes connections and speaks TLS on them. One that does not is dropped.
struct Tls(TcpListener, SslAcceptor);

impl Listener for Tls {
    type Io = SslStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.0.accept().await.unwrap();
            let mut stream = SslStream::new(Ssl::new(self.1.context()).unwrap(), stream).unwrap();
            if Pin::new(&mut stream).accept().await.is_ok() {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}
