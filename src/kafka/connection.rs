//! How to connect to a cluster: bootstrap servers, and client properties from a file.

use std::io;
use std::path::Path;

use kafka_protocol::ResponseError;
use tokio::net::TcpStream;

use super::address::Address;
use super::link::{self, Broker};
use super::{Error, words};

/// How to connect to a cluster. What it holds may be secret, so it does not show itself.
#[derive(Clone)]
pub struct Connection {
    side: &'static str,
    servers: String,
    addresses: Vec<Address>,
    properties: Vec<(String, String)>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.side, self.servers)
    }
}

impl Connection {
    /// A connection to the cluster called `side` in errors (`source`, `target`).
    pub fn new(side: &'static str, servers: &str, properties: Option<&Path>) -> Result<Self, Error> {
        let addresses =
            Address::list(servers).map_err(|problem| Error::Servers { side, servers: servers.to_owned(), problem })?;
        let properties = properties.map(read).transpose()?.unwrap_or_default();
        Ok(Self { side, servers: servers.to_owned(), addresses, properties })
    }

    /// Which cluster is meant, in errors: `source` or `target`.
    pub fn side(&self) -> &'static str {
        self.side
    }

    /// The bootstrap servers.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// The bootstrap servers, one by one.
    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The settings from the file.
    pub(super) fn properties(&self) -> &[(String, String)] {
        &self.properties
    }

    /// Opens a link to the broker of this number at an address.
    pub(super) async fn open(&self, id: i32, address: &Address) -> io::Result<Broker> {
        let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        let versions = link::versions(&mut stream).await?;
        Ok(Broker::new(id, self.side, address.to_string(), stream, versions))
    }

    /// What it means that a broker answered `asked` (the operation, with its object: "write topic x") with this error.
    pub fn refused(&self, asked: impl Into<String>, error: &ResponseError) -> Error {
        self.refused_saying(asked, error, None)
    }

    /// Like [`Connection::refused`], with what the broker itself has to say about it.
    pub fn refused_saying(&self, asked: impl Into<String>, error: &ResponseError, detail: Option<&str>) -> Error {
        let said = detail.filter(|detail| !detail.is_empty()).map(|detail| format!(": {detail}"));
        Error::Refused {
            side: self.side,
            servers: self.servers.clone(),
            asked: asked.into(),
            words: words(error) + &said.unwrap_or_default(),
            heals: error.is_retriable(),
        }
    }

    /// What it means that nobody answered `asked`.
    pub fn unreachable(&self, asked: impl Into<String>, words: impl Into<String>) -> Error {
        Error::Unreachable { side: self.side, servers: self.servers.clone(), asked: asked.into(), words: words.into() }
    }
}

fn read(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let text =
        std::fs::read_to_string(path).map_err(|source| Error::PropertiesRead { path: path.to_owned(), source })?;
    parse(&text).map_err(|(line, problem)| Error::PropertiesLine { path: path.to_owned(), line, problem })
}

/// Reads properties; an error is the line's number and what is wrong with it, without its value.
fn parse(text: &str) -> Result<Vec<(String, String)>, (usize, String)> {
    let mut properties = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| (number, "not key=value".to_owned()))?;
        properties.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(properties)
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
