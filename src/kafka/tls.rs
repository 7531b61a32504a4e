//! TLS to a broker.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;

use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, SslConnector, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509VerifyResult};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::Failure;
use super::stores::{Identity, words};

/// How TLS is spoken.
#[derive(Clone)]
pub struct Tls {
    connector: SslConnector,
    check_name: bool,
    has_identity: bool,
}

/// What TLS is made of.
pub struct Material {
    /// Whom to trust; none: the computer's authorities.
    pub trusted: Option<Vec<X509>>,
    /// Who we are, when the broker asks.
    pub identity: Option<Identity>,
    /// Whether the broker's certificate is checked at all.
    pub check: bool,
    /// Whether it must be made out to the host we connect to.
    pub check_name: bool,
    /// The lowest and the highest version of TLS.
    pub versions: (SslVersion, Option<SslVersion>),
    /// The only ciphers to use, by their names.
    pub ciphers: Option<Vec<String>>,
}

impl Tls {
    /// TLS of this make. An error is in OpenSSL's words.
    pub fn new(material: Material) -> Result<Self, String> {
        Self::build(material).map_err(|error| words(&error))
    }

    fn build(material: Material) -> Result<Self, ErrorStack> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(material.versions.0))?;
        builder.set_max_proto_version(material.versions.1)?;
        match material.trusted {
            Some(trusted) => {
                let mut store = X509StoreBuilder::new()?;
                for certificate in trusted {
                    store.add_cert(certificate)?;
                }
                // As in Java, whatever is in a truststore is trusted: it need not be a root.
                store.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
                builder.set_cert_store(store.build());
            }
            None => {
                // OpenSSL is built in, and looks for the computer's authorities where this computer does not have them.
                let found = openssl_probe::probe();
                if found.cert_file.is_some() || !found.cert_dir.is_empty() {
                    let dir = found.cert_dir.first().map(std::path::PathBuf::as_path);
                    builder.load_verify_locations(found.cert_file.as_deref(), dir)?;
                }
            }
        }
        let has_identity = material.identity.is_some();
        if let Some(identity) = material.identity {
            let mut chain = identity.chain.into_iter();
            if let Some(certificate) = chain.next() {
                builder.set_certificate(&certificate)?;
            }
            builder.set_private_key(&identity.key)?;
            builder.check_private_key()?;
            for certificate in chain {
                builder.add_extra_chain_cert(certificate)?;
            }
        }
        if let Some(ciphers) = material.ciphers {
            let (suites, ciphers): (Vec<_>, Vec<_>) = ciphers.into_iter().partition(|name| is_tls_1_3(name));
            if !suites.is_empty() {
                builder.set_ciphersuites(&suites.join(":"))?;
            }
            if !ciphers.is_empty() {
                builder.set_cipher_list(&ciphers.join(":"))?;
            }
        }
        if !material.check {
            builder.set_verify(SslVerifyMode::NONE);
        }
        Ok(Self { connector: builder.build(), check_name: material.check && material.check_name, has_identity })
    }

    /// Speaks TLS on a connection to this host.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> Result<SslStream<TcpStream>, Failure> {
        let local = |error: ErrorStack| Failure::Tls(words(&error));
        let named = host.parse::<IpAddr>().is_err();
        let configured = self.connector.configure().map_err(local)?;
        let configured = configured.use_server_name_indication(named).verify_hostname(self.check_name);
        let ssl = configured.into_ssl(host).map_err(local)?;
        let mut stream = SslStream::new(ssl, stream).map_err(local)?;
        match Pin::new(&mut stream).connect().await {
            Ok(()) => Ok(stream),
            Err(error) => Err(self.failed(host, &error, stream.ssl().verify_result())),
        }
    }

    /// What a failed handshake means.
    fn failed(&self, host: &str, error: &openssl::ssl::Error, verified: X509VerifyResult) -> Failure {
        if verified != X509VerifyResult::OK {
            return Failure::Tls(format!("{}: {}", verified.error_string(), distrust(verified, host)));
        }
        let stack = error.ssl_error().map(words).unwrap_or_default();
        if error.code() == ErrorCode::SYSCALL || stack.contains("unexpected eof") {
            let words = error.io_error().map_or("the broker closed it".to_owned(), ToString::to_string);
            return Failure::Network(format!(
                "the connection ended in the TLS handshake: {words}; does this listener speak TLS?"
            ));
        }
        if stack.contains("wrong version number") || stack.contains("packet length too long") {
            return Failure::Tls(format!("what came back is not TLS ({stack}); does this listener speak TLS?"));
        }
        self.alert(&stack).unwrap_or(Failure::Tls(stack))
    }

    /// What it means that a connection failed right after the handshake: with TLS 1.3 the broker judges our certificate
    /// only then.
    pub fn failed_after(&self, error: io::Error) -> Failure {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<openssl::ssl::Error>());
        let alert = inner.and_then(openssl::ssl::Error::ssl_error).and_then(|stack| self.alert(&words(stack)));
        alert.unwrap_or_else(|| error.into())
    }

    fn alert(&self, words: &str) -> Option<Failure> {
        let alert = words.contains("alert");
        let certificate = alert && (words.contains("certificate") || words.contains("unknown ca"));
        match (alert, certificate, self.has_identity) {
            (false, ..) => None,
            (true, true, false) => Some(Failure::Tls(format!(
                "the broker wants to see a certificate ({words}): set ssl.keystore.location to one that it trusts"
            ))),
            (true, true, true) => {
                Some(Failure::Tls(format!("the broker does not accept the certificate of ssl.keystore.* ({words})")))
            }
            (true, false, _) => Some(Failure::Tls(format!("the broker ended the handshake ({words})"))),
        }
    }
}

/// What to do about a certificate that was not accepted.
fn distrust(verified: X509VerifyResult, host: &str) -> String {
    match verified.error_string() {
        words if words.contains("mismatch") => format!(
            "the broker's certificate is not made out to {host}; connect by a name that it has, or set \
             ssl.endpoint.identification.algorithm to nothing"
        ),
        words if words.contains("expired") || words.contains("not yet valid") => {
            "the broker's certificate is out of its time".to_owned()
        }
        _ => "the broker's certificate is not signed by anybody trusted here; set ssl.truststore.location to the \
              certificate of the authority that signed it"
            .to_owned(),
    }
}

/// The suites of TLS 1.3 are set apart from older ones, and named unlike them.
fn is_tls_1_3(name: &str) -> bool {
    ["TLS_AES_", "TLS_CHACHA20_POLY1305_SHA256"].iter().any(|start| name.starts_with(start))
}
