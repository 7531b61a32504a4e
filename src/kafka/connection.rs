//! How to connect to a cluster: bootstrap servers, and client properties from a file.

use std::io;
use std::path::Path;

use kafka_protocol::ResponseError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::address::Address;
use super::keys::Remark;
use super::link::{self, Broker, Place, Versions};
use super::properties;
use super::sasl::Mechanism;
use super::settings::{self, Security};
use super::{Error, Failure, code, words};

/// How to connect to a cluster. What it holds may be secret, so it does not show itself.
#[derive(Clone)]
pub struct Connection {
    side: &'static str,
    servers: String,
    addresses: Vec<Address>,
    security: Security,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.side, self.servers)
    }
}

impl Connection {
    /// A connection to the cluster called `side` in errors (`source`, `target`). The file holds client properties as Java's
    /// clients take them, or librdkafka's; the files it names are read here. Properties without effect go to the log.
    pub fn new(side: &'static str, servers: &str, properties: Option<&Path>) -> Result<Self, Error> {
        let addresses =
            Address::list(servers).map_err(|problem| Error::Servers { side, servers: servers.to_owned(), problem })?;
        let security = properties.map(read).transpose()?.unwrap_or_default();
        Ok(Self { side, servers: servers.to_owned(), addresses, security })
    }

    /// Which cluster is meant, in errors: `source` or `target`.
    pub fn side(&self) -> &'static str {
        self.side
    }

    /// The bootstrap servers.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// Whether the way to the brokers takes more than their addresses.
    pub fn is_secured(&self) -> bool {
        self.security.tls.is_some() || self.security.sasl.is_some()
    }

    /// The bootstrap servers, one by one.
    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Opens a link to the broker of this number at an address.
    pub(super) async fn open(&self, id: i32, address: &Address) -> Result<Broker, Failure> {
        let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.security.tls else {
            let mut stream = tcp;
            let versions = link::versions(&mut stream).await.map_err(|error| plainly(&error))?;
            return self.log_in(id, address, stream, versions).await;
        };
        let mut stream = tls.connect(&address.host, tcp).await?;
        let versions = link::versions(&mut stream).await.map_err(|error| tls.failed_after(error))?;
        self.log_in(id, address, stream, versions).await
    }

    /// Proves who we are on a new connection, and makes a link of it.
    async fn log_in<S>(&self, id: i32, address: &Address, mut stream: S, versions: Versions) -> Result<Broker, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let lifetime = match &self.security.sasl {
            None => None,
            Some(mechanism) => {
                mechanism.authenticate(&mut stream, &versions).await.map_err(|failure| match failure {
                    Failure::Credentials(words) => Failure::Credentials(format!("{}: {words}", who(mechanism))),
                    failure => failure,
                })?
            }
        };
        Ok(Broker::new(id, self.place(address), stream, versions, lifetime))
    }

    /// An address of this cluster, as errors name it.
    pub(super) fn place(&self, address: &Address) -> Place {
        Place { side: self.side, address: address.to_string() }
    }

    /// What it means that a broker answered `asked` (the operation, with its object: "write topic x") with this error.
    pub fn refused(&self, asked: impl Into<String>, error: &ResponseError) -> Error {
        self.refused_saying(asked, error, None)
    }

    /// Like [`Connection::refused`], with what the broker itself has to say about it.
    pub fn refused_saying(&self, asked: impl Into<String>, error: &ResponseError, detail: Option<&str>) -> Error {
        if matches!(error, ResponseError::TopicAuthorizationFailed | ResponseError::ClusterAuthorizationFailed) {
            return Error::Unauthorized {
                side: self.side,
                servers: self.servers.clone(),
                principal: self.principal(),
                asked: asked.into(),
                name: code::name(error),
            };
        }
        let said = detail.filter(|detail| !detail.is_empty()).map(|detail| format!(": {detail}"));
        Error::Refused {
            side: self.side,
            servers: self.servers.clone(),
            asked: asked.into(),
            words: words(error) + &said.unwrap_or_default(),
            heals: error.is_retriable(),
        }
    }

    /// Who we are to the brokers, as far as that is known here.
    fn principal(&self) -> String {
        let username = self.security.sasl.as_ref().and_then(Mechanism::username);
        username.map_or("the principal".to_owned(), |username| format!("user {username}"))
    }

    /// What it means that nobody answered `asked`.
    pub fn unreachable(&self, asked: impl Into<String>, words: impl Into<String>) -> Error {
        Error::Unreachable { side: self.side, servers: self.servers.clone(), asked: asked.into(), words: words.into() }
    }
}

/// Reads a properties file, and says in the log which of its properties have no effect.
fn read(path: &Path) -> Result<Security, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::PropertiesRead { path: path.to_owned(), source })?;
    let wrong = |(line, problem)| Error::PropertiesLine { path: path.to_owned(), line, problem };
    let properties = properties::parse(&properties::text(bytes)).map_err(wrong)?;
    let (security, remarks) = settings::settle(&properties).map_err(wrong)?;
    for remark in remarks {
        match remark {
            Remark::Unused(words) => tracing::debug!("{}: {words}", path.display()),
            Remark::Unknown(words) => tracing::warn!("{}: {words}", path.display()),
        }
    }
    Ok(security)
}

/// What it means that a connection without TLS failed at the first question.
fn plainly(error: &io::Error) -> Failure {
    let words = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the broker closed the connection at the first question".to_owned(),
        _ => error.to_string(),
    };
    Failure::Network(format!("{words}; does this listener speak TLS? set security.protocol=SSL or SASL_SSL"))
}

fn who(mechanism: &Mechanism) -> String {
    match mechanism.username() {
        Some(username) => format!("{} as {username}", mechanism.name()),
        None => mechanism.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_never_shows_its_properties() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "sasl.password=hunter2\n").unwrap();
        let connection = Connection::new("source", "kafka:9092", Some(file.path())).unwrap();
        assert_eq!(format!("{connection:?}"), "source kafka:9092");
    }
}
