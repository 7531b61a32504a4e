//! What Thanos, Mimir and VictoriaMetrics want and answer, over TLS too. Their answers are written from their documentation.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use clap::Parser;
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use streamgauge::prometheus::{Args, run};
use streamgauge::report::{self, Status};
use streamgauge::step::{Exit, Failure, Step};
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;

use crate::{before, epoch};

/// What a server was asked: headers, path with query, body.
type Asked = Arc<Mutex<Vec<(HeaderMap, String, String)>>>;

/// A server that gives every request the same answer.
struct Stub {
    address: SocketAddr,
    asked: Asked,
}

impl Stub {
    async fn with(status: u16, body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (app, asked) = Self::app(status, body);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, asked }
    }

    /// The same over TLS, with this certificate; with the other it lets nobody in who does not show that.
    async fn over_tls(own: &Certificate, wanted: Option<&Certificate>) -> Self {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_private_key(&own.key).unwrap();
        acceptor.set_certificate(&own.certificate).unwrap();
        if let Some(wanted) = wanted {
            acceptor.cert_store_mut().add_cert(wanted.certificate.clone()).unwrap();
            acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (app, asked) = Self::app(200, ONE);
        let listener = Tls { listener, acceptor: acceptor.build() };
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, asked }
    }

    fn app(status: u16, body: &'static str) -> (Router, Asked) {
        let asked = Asked::default();
        let heard = Arc::clone(&asked);
        let answer = move |headers: HeaderMap, uri: Uri, body_sent: String| async move {
            heard.lock().unwrap().push((headers, uri.to_string(), body_sent));
            (StatusCode::from_u16(status).unwrap(), body)
        };
        (Router::new().fallback(answer), asked)
    }

    fn header(&self, name: &str) -> String {
        let asked = self.asked.lock().unwrap();
        asked[0].0.get(name).map_or("none", |value| value.to_str().unwrap()).to_owned()
    }
}

struct Tls {
    listener: TcpListener,
    acceptor: SslAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = SslStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            let mut stream = SslStream::new(Ssl::new(self.acceptor.context()).unwrap(), stream).unwrap();
            if std::pin::Pin::new(&mut stream).accept().await.is_ok() {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A certificate that signs itself, for 127.0.0.1.
struct Certificate {
    certificate: X509,
    key: PKey<Private>,
}

impl Certificate {
    fn new(name: &str) -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&subject).unwrap();
        builder.set_issuer_name(&subject).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        let context = builder.x509v3_context(None, None);
        let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&context).unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    fn write(&self, folder: &Path, certificate: &str, key: &str) {
        std::fs::write(folder.join(certificate), self.certificate.to_pem().unwrap()).unwrap();
        // PKCS #1, as older tools write it.
        let pem = self.key.rsa().unwrap().private_key_to_pem().unwrap();
        std::fs::write(folder.join(key), pem).unwrap();
    }
}

/// A value at every moment, whatever is asked.
const ONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}"#;

/// Measures one query after a load of some hours ago; what the verdict says.
async fn measure(endpoint: &str, more: &[&str]) -> Result<(Exit, String), Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    report::update(&path, |file| *file = before(epoch(), 1000.0, &[])).unwrap();
    let flag = format!("--report={}", path.display());
    let words = [
        "get-prometheus-metric",
        "--endpoint",
        endpoint,
        &flag,
        "--pack=none",
        "--query=ups=sum(up)",
        "--slo=ups >= 1",
    ];
    let args = Args::parse_from([&words, more].concat());
    let step = Step::new(args.step.clone());
    let exit = run(args, &step).await?;
    let verdict = report::read(&path).unwrap().unwrap().verdict.unwrap();
    assert_eq!(verdict.status, Status::Inconclusive, "{}", verdict.cause);
    Ok((exit, verdict.cause))
}

#[tokio::test]
async fn partial_answers_are_refused_whatever_a_dialect_calls_them() {
    // Thanos, were it to ignore partial_response=false.
    let warned = r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["fetch series for {region=\"eu\"}: rpc error: code = Unavailable"]}"#;
    let stub = Stub::with(200, warned).await;
    let (_, cause) = measure(&format!("http://{}", stub.address), &[]).await.unwrap();
    assert!(cause.contains("Prometheus warns: fetch series for {region=\"eu\"}"), "{cause}");
    let asked = stub.asked.lock().unwrap().clone();
    assert!(!asked.is_empty());
    for (_, path, form) in asked {
        assert!(path.starts_with("/api/v1/query"), "{path}");
        for parameter in ["partial_response=false", "dedup=true", "nocache=1"] {
            assert!(form.split('&').any(|pair| pair == parameter), "{path}: {form}");
        }
    }
    // VictoriaMetrics' cluster, with a storage node gone.
    let partial = r#"{"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}}"#;
    let stub = Stub::with(200, partial).await;
    let (_, cause) = measure(&format!("http://{}/select/0/prometheus", stub.address), &[]).await.unwrap();
    assert!(cause.contains("the answer is partial"), "{cause}");
    assert!(stub.asked.lock().unwrap()[0].1.starts_with("/select/0/prometheus/api/v1/query"));
}

#[tokio::test]
async fn infos_are_no_warnings() {
    // Since 2.54, and from 2.48 on.
    for infos in [
        r#"{"status":"success","data":{"resultType":"matrix","result":[]},"infos":["PromQL info: metric might not be a counter"]}"#,
        r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["PromQL info: metric might not be a counter"]}"#,
    ] {
        let stub = Stub::with(200, infos).await;
        let (exit, cause) = measure(&format!("http://{}", stub.address), &[]).await.unwrap();
        assert_eq!(exit, Exit::Inconclusive);
        assert!(!cause.contains("info"), "{cause}");
    }
}

#[tokio::test]
async fn native_histograms_are_no_numbers() {
    let histogram = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"a"},"histograms":[[1,{"count":"1","sum":"2","buckets":[]}]]}]}}"#;
    let stub = Stub::with(200, histogram).await;
    let (exit, cause) = measure(&format!("http://{}", stub.address), &[]).await.unwrap();
    assert_eq!(exit, Exit::Inconclusive);
    assert!(cause.contains("native histograms are no numbers"), "{cause}");
}

#[tokio::test]
async fn a_tenant_and_headers_are_sent_and_secret_ones_come_from_a_file() {
    let stub = Stub::with(200, ONE).await;
    let endpoint = format!("http://{}/prometheus", stub.address);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("headers"), "CF-Access-Client-Secret=s3cret\n\n").unwrap();
    std::fs::write(folder.path().join("basic-auth"), "me:hunter2\n").unwrap();
    let secret = format!("--secret-dir={}", folder.path().display());
    let more = ["--tenant=staging|production", "--header", "X-Team=ads", &secret];
    let _ = measure(&endpoint, &more).await;
    assert_eq!(stub.header("x-scope-orgid"), "staging|production");
    assert_eq!(stub.header("x-team"), "ads");
    assert_eq!(stub.header("cf-access-client-secret"), "s3cret");
    assert_eq!(stub.header("authorization"), "Basic bWU6aHVudGVyMg==");

    let say = async |more: &[&str]| measure(&endpoint, more).await.unwrap_err().to_string();
    let missing = folder.path().join("nothing");
    let mut said = [
        say(&["--header", "Authorization=Bearer x"]).await,
        say(&["--header", "X-Api.Key=x"]).await,
        say(&["--header", "X Team=ads"]).await,
        say(&["--cert-file=client.pem"]).await,
        say(&[&format!("--ca-file={}", missing.display())]).await,
        say(&[&format!("--ca-file={}/headers", folder.path().display())]).await,
        say(&[&format!("--secret-dir={}", missing.display())]).await,
    ];
    let folder = folder.path().display().to_string();
    said.iter_mut().for_each(|line| *line = line.replace(&folder, "DIR"));
    insta::assert_snapshot!(said.join("\n"), @r#"
    --header authorization is a secret that logs would show: use --header-file
    --header x-api.key is a secret that logs would show: use --header-file
    --header "x team" is no header that HTTP can carry
    --cert-file needs its --key-file
    --ca-file DIR/nothing cannot be read: No such file or directory (os error 2)
    --ca-file DIR/headers holds no certificate (PEM)
    --secret-dir DIR/nothing holds none of token, basic-auth, headers, ca.crt, tls.crt, tls.key
    "#);
}

#[tokio::test]
async fn a_mimir_that_wants_a_tenant_refuses_access() {
    let stub = Stub::with(401, "no org id\n").await;
    let failure = measure(&format!("http://{}", stub.address), &[]).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused);
    insta::assert_snapshot!(failure.to_string().replace(&stub.address.to_string(), "HOST"), @"Prometheus at http://HOST refuses access (401, no org id): give --token-file, --basic-auth-file or, where there are tenants, --tenant");
}

#[tokio::test]
async fn tls_is_spoken_with_the_authority_and_the_certificate_of_a_secret() {
    let (server, client) = (Certificate::new("prometheus"), Certificate::new("streamgauge"));
    let stub = Stub::over_tls(&server, Some(&client)).await;
    let endpoint = format!("https://{}", stub.address);
    let folder = tempfile::tempdir().unwrap();
    server.write(folder.path(), "ca.crt", "unused.key");
    client.write(folder.path(), "tls.crt", "tls.key");
    let secret = format!("--secret-dir={}", folder.path().display());
    let _ = measure(&endpoint, &[&secret]).await;
    assert!(!stub.asked.lock().unwrap().is_empty());

    let failure = measure(&endpoint, &[]).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused);
    insta::assert_snapshot!(failure.to_string().replace(&stub.address.to_string(), "HOST"), @"no TLS with Prometheus at https://HOST: certificate verify failed; --ca-file names the authority of its certificate, --cert-file and --key-file the certificate that it may want to see");
}
