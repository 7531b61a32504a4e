//! Addresses of brokers.

use std::fmt;

/// Where a broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, an IPv6 one without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Address {
    /// Reads bootstrap servers as Java clients take them: `host:port` with commas between, each with or without a
    /// listener's name before it (`SSL://host:port`). An error says what is wrong.
    pub fn list(servers: &str) -> Result<Vec<Self>, String> {
        let listed = servers.split(',').map(str::trim).filter(|server| !server.is_empty());
        let addresses = listed.map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() { Err("there is none".to_owned()) } else { Ok(addresses) }
    }

    fn parse(server: &str) -> Result<Self, String> {
        let bare = server.split_once("://").map_or(server, |(_, bare)| bare);
        let (host, port) = bare.rsplit_once(':').ok_or_else(|| format!("{server} has no port"))?;
        let port = port.parse().ok().filter(|&port| port > 0).ok_or_else(|| format!("{server} has no valid port"))?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(format!("{server} has no host"));
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_java_clients_read_them() {
        let shown = |servers| {
            let addresses = Address::list(servers)?;
            Ok::<_, String>(addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown("a:1, b.c:9092,").unwrap(), "a:1 b.c:9092");
        assert_eq!(shown("SASL_SSL://a:1,[::1]:2").unwrap(), "a:1 [::1]:2");
        assert_eq!(shown(" , ").unwrap_err(), "there is none");
        assert_eq!(shown("kafka").unwrap_err(), "kafka has no port");
        assert_eq!(shown("kafka:x").unwrap_err(), "kafka:x has no valid port");
        assert_eq!(shown(":9092").unwrap_err(), ":9092 has no host");
    }
}
