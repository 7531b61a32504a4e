//! How to connect to a cluster: bootstrap servers, and client properties from a file.

use std::path::Path;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

use super::{Error, describe};

/// How to connect to a cluster. What it holds may be secret, so it does not show itself.
#[derive(Clone)]
pub struct Connection {
    side: &'static str,
    servers: String,
    properties: Vec<(String, String)>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.side, self.servers)
    }
}

impl Connection {
    /// A connection to the cluster called `side` in errors (`source`, `target`). The file holds librdkafka properties,
    /// `key=value` a line; what the program itself must set wins over it.
    pub fn new(side: &'static str, servers: &str, properties: Option<&Path>) -> Result<Self, Error> {
        let properties = properties.map(read).transpose()?.unwrap_or_default();
        Ok(Self { side, servers: servers.to_owned(), properties })
    }

    /// Which cluster is meant, in errors: `source` or `target`.
    pub fn side(&self) -> &'static str {
        self.side
    }

    /// The bootstrap servers.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// The settings every client of this cluster starts from.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        // OpenSSL is built in, and looks for the computer's authorities where this computer does not have them.
        if ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().all(|name| std::env::var_os(name).is_none()) {
            config.set("ssl.ca.location", "probe");
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.servers).set("client.id", "streamgauge");
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// What went wrong when a client was made.
    pub fn client_error(&self, error: &KafkaError) -> Error {
        Error::Client { side: self.side, servers: self.servers.clone(), words: describe(error) }
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
        let (key, value) = (key.trim(), value.trim());
        check(key, value).map_err(|problem| (number, problem))?;
        properties.push((key.to_owned(), value.to_owned()));
    }
    Ok(properties)
}

/// Asks librdkafka about one property. Its own message repeats the value, so only its code is used.
fn check(key: &str, value: &str) -> Result<(), String> {
    match ClientConfig::new().set(key, value).create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Err(format!("librdkafka knows no property {key:?}"))
        }
        Err(_) => Err(format!("librdkafka refuses this value of {key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_they_stand_in_a_secret() {
        let text = "# a comment\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b#c\n";
        let expected = [("security.protocol", "SASL_SSL"), ("sasl.password", "a=b#c")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn a_wrong_line_is_named_without_its_value() {
        let wrong = |text| parse(text).unwrap_err();
        assert_eq!(wrong("acks=all\nhunter2"), (2, "not key=value".to_owned()));
        assert_eq!(wrong("sasl.pasword=hunter2"), (1, "librdkafka knows no property \"sasl.pasword\"".to_owned()));
        assert_eq!(wrong("\nacks=hunter2"), (2, "librdkafka refuses this value of acks".to_owned()));
    }

    #[test]
    fn a_connection_never_shows_its_properties() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "sasl.password=hunter2\n").unwrap();
        let connection = Connection::new("source", "kafka:9092", Some(file.path())).unwrap();
        assert_eq!(format!("{connection:?}"), "source kafka:9092");
        assert_eq!(connection.config().get("sasl.password"), Some("hunter2"));
    }
}
