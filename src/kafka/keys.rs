//! The keys of client properties: which have an effect here, which have none, and which must be refused.

use super::properties::Property;
use super::settings::Problem;
use crate::step::near;

/// A property that has no effect.
#[derive(Debug, PartialEq, Eq)]
pub enum Remark {
    /// It has no meaning here.
    Unused(String),
    /// No client of Kafka knows it.
    Unknown(String),
}

/// All keys of the clients, one a line.
const KNOWN_KEYS: &str = include_str!("known_keys.txt");

/// The keys that have an effect here.
const HONOURED: &[&str] = &[
    "enable.ssl.certificate.verification",
    "sasl.jaas.config",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.client.credentials.client.id",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.header.urlencode",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Keys, or what keys begin with, that change who is trusted or how, in a way we cannot follow: leaving them out would
/// be less safe than what was asked for, or end in an error that says nothing.
const REFUSED: &[(&str, &str)] = &[
    ("config.providers", "values from config providers are not resolved here"),
    ("https.ca.", "name the token endpoint's authority by the environment variable SSL_CERT_FILE"),
    ("oauthbearer_token_refresh_cb", "code cannot be loaded here"),
    ("sasl.client.callback.handler.class", "Java classes cannot be loaded here"),
    ("sasl.kerberos.", "Kerberos is not spoken here"),
    ("sasl.login.callback.handler.class", "Java classes cannot be loaded here"),
    ("sasl.login.class", "Java classes cannot be loaded here"),
    ("sasl.oauthbearer.assertion.", "tokens are got by client credentials only"),
    ("sasl.oauthbearer.config", "set unsecuredLoginStringClaim_sub in sasl.jaas.config"),
    ("sasl.oauthbearer.grant.type", "tokens are got by client credentials only"),
    ("sasl.oauthbearer.jwt.", "Java classes cannot be loaded here"),
    ("sasl.oauthbearer.metadata.", "tokens are got by client credentials only"),
    ("security.providers", "Java classes cannot be loaded here"),
    ("ssl.ca.certificate.stores", "set ssl.ca.location"),
    ("ssl.certificate.verify_cb", "code cannot be loaded here"),
    ("ssl.crl.location", "revocation lists are not read here"),
    ("ssl.curves.list", "the curves are OpenSSL's own choice here"),
    ("ssl.engine.", "TLS engines cannot be loaded here"),
    ("ssl.provider", "TLS providers cannot be loaded here"),
    ("ssl.sigalgs.list", "the signature algorithms are OpenSSL's own choice here"),
    ("ssl_", "code cannot be loaded here"),
];

/// Java classes under the refused keys that do what is done here anyway.
const OWN_CLASSES: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.FileJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.ClientJwtValidator",
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
    "client_credentials",
    "none",
];

/// Whether a property has an effect here, none, or one that we must refuse.
pub fn judge(property: &Property) -> Result<Option<Remark>, Problem> {
    let (key, value) = (property.key.as_str(), property.value.trim());
    if HONOURED.contains(&key) {
        return Ok(None);
    }
    let refused = REFUSED.iter().find(|(start, _)| key.starts_with(start));
    if let Some((_, why)) = refused
        && !value.is_empty()
        && !OWN_CLASSES.contains(&value)
    {
        return Err((property.line, format!("{key} cannot be honoured: {why}")));
    }
    let known = || KNOWN_KEYS.lines().filter(|line| !line.starts_with('#'));
    if key == "bootstrap.servers" || key == "metadata.broker.list" {
        return Ok(Some(Remark::Unused(format!("{key} is not used: the servers are named by an argument"))));
    }
    if known().any(|known| known == key) || refused.is_some() {
        return Ok(Some(Remark::Unused(format!("{key} has no meaning here"))));
    }
    // A line that is not a property at all may be a secret, as one of a key that was pasted.
    let a_key = key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c));
    if value.is_empty() || !a_key {
        return Ok(Some(Remark::Unknown(format!("line {} is not a property of a Kafka client", property.line))));
    }
    let near = near(key, known());
    let hint = near.first().map_or(String::new(), |near| format!("; did you mean {near}?"));
    Ok(Some(Remark::Unknown(format!("no Kafka client knows the property {key} (line {}){hint}", property.line))))
}
