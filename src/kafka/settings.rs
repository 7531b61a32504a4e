//! What a properties file says about the way to the brokers, under the keys of Java's clients and of librdkafka.

use std::path::{Path, PathBuf};

use openssl::ssl::SslVersion;

use super::jaas::Login;
use super::keys::{Remark, judge};
use super::oauth::{Origin, Tokens};
use super::properties::Property;
use super::sasl::Mechanism;
use super::scram::Digest;
use super::stores::{self, Identity};
use super::tls::{Material, Tls};

/// The way to the brokers.
#[derive(Clone, Default)]
pub struct Security {
    /// TLS, when it is spoken.
    pub tls: Option<Tls>,
    /// Who we are, when that must be proven.
    pub sasl: Option<Mechanism>,
}

/// What is wrong: the line, and the words for it, without a value.
pub type Problem = (usize, String);

/// Makes of the properties what they mean, and says which have no effect.
pub fn settle(properties: &[Property]) -> Result<(Security, Vec<Remark>), Problem> {
    let mut remarks = Vec::new();
    for property in properties {
        remarks.extend(judge(property)?);
    }
    let given = Given(properties);
    let (tls, sasl) = match given.get("security.protocol").map(|(line, name)| (line, name.to_uppercase())) {
        None => (false, false),
        Some((line, name)) => match name.as_str() {
            "" | "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            _ => return Err((line, "security.protocol is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL".to_owned())),
        },
    };
    let tls = tls.then(|| given.tls()).transpose()?;
    let sasl = sasl.then(|| given.sasl()).transpose()?;
    Ok((Security { tls, sasl }, remarks))
}

/// The properties, asked by key. Java trims values, and the last of a key counts.
struct Given<'a>(&'a [Property]);

impl<'a> Given<'a> {
    fn get(&self, key: &str) -> Option<(usize, &'a str)> {
        let found = self.0.iter().rev().find(|property| property.key == key);
        found.map(|property| (property.line, property.value.trim()))
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.get(key).map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    /// The first of these keys that is set.
    fn first(&self, keys: &[&'static str]) -> Option<(&'static str, &'a str)> {
        keys.iter().find_map(|key| Some((*key, self.value(key)?)))
    }

    /// The line of a key, to point at.
    fn line(&self, key: &str) -> usize {
        self.get(key).map_or(1, |(line, _)| line)
    }

    fn problem(&self, key: &str, words: impl std::fmt::Display) -> Problem {
        (self.line(key), format!("{key}: {words}"))
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, Problem> {
        match self.value(key).map(str::to_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(self.problem(key, "it is true or false")),
        }
    }

    fn file(&self, key: &'static str) -> Result<Option<Vec<u8>>, Problem> {
        let read = |path: &str| {
            let failed = |error| self.problem(key, format!("cannot read {path}: {error}"));
            std::fs::read(Path::new(path)).map_err(failed)
        };
        self.value(key).map(read).transpose()
    }

    fn tls(&self) -> Result<Tls, Problem> {
        let name_check = self.get("ssl.endpoint.identification.algorithm").map(|(_, name)| name.to_lowercase());
        let check_name = match name_check.as_deref() {
            None | Some("https") => true,
            Some("" | "none") => false,
            Some(_) => return Err(self.problem("ssl.endpoint.identification.algorithm", "it is https or nothing")),
        };
        let check = self.flag("enable.ssl.certificate.verification", true)?;
        if !check {
            tracing::warn!("enable.ssl.certificate.verification=false: anybody could pass for these brokers");
        }
        let material = Material {
            trusted: self.trusted()?,
            identity: self.identity()?,
            check,
            check_name,
            versions: self.versions()?,
            ciphers: self.value("ssl.cipher.suites").map(listed),
        };
        Tls::new(material).map_err(|words| self.problem("security.protocol", format!("TLS cannot be set up: {words}")))
    }

    fn store_type(&self, key: &'static str) -> Result<(), Problem> {
        match self.value(key).map(str::to_uppercase).as_deref() {
            // A store of type JKS may hold PKCS12, as in Java; what it holds is seen when it is read.
            None | Some("JKS" | "PKCS12" | "PEM") => Ok(()),
            Some(_) => Err(self.problem(key, "stores are PEM or PKCS12 here; convert it with keytool -importkeystore")),
        }
    }

    fn trusted(&self) -> Result<Option<Vec<openssl::x509::X509>>, Problem> {
        self.store_type("ssl.truststore.type")?;
        if let Some((key, pem)) = self.first(&["ssl.truststore.certificates", "ssl.ca.pem"]) {
            let found = stores::trusted(pem.as_bytes(), "").map_err(|words| self.problem(key, words))?;
            return Ok(Some(found));
        }
        let password = self.value("ssl.truststore.password").unwrap_or_default();
        for key in ["ssl.truststore.location", "ssl.ca.location"] {
            // librdkafka's word for the places that are looked at anyway.
            if self.value(key) == Some("probe") {
                continue;
            }
            if let Some(content) = self.file(key)? {
                return Ok(Some(stores::trusted(&content, password).map_err(|words| self.problem(key, words))?));
            }
        }
        Ok(None)
    }

    fn identity(&self) -> Result<Option<Identity>, Problem> {
        self.store_type("ssl.keystore.type")?;
        let key_password = self.value("ssl.key.password");
        if let Some((chain_key, chain)) = self.first(&["ssl.keystore.certificate.chain", "ssl.certificate.pem"]) {
            let missing = || self.problem(chain_key, "there is no key to it; set ssl.keystore.key");
            let (_, key) = self.first(&["ssl.keystore.key", "ssl.key.pem"]).ok_or_else(missing)?;
            let made = stores::pem_identity(chain, key, key_password);
            return Ok(Some(made.map_err(|words| self.problem(chain_key, words))?));
        }
        if let Some(content) = self.file("ssl.keystore.location")? {
            let password = self.value("ssl.keystore.password").unwrap_or_default();
            let made = stores::identity(&content, password, key_password.or(self.value("ssl.keystore.password")));
            return Ok(Some(made.map_err(|words| self.problem("ssl.keystore.location", words))?));
        }
        let Some(chain) = self.file("ssl.certificate.location")? else { return Ok(None) };
        let missing = || self.problem("ssl.certificate.location", "there is no key to it; set ssl.key.location");
        let key = self.file("ssl.key.location")?.ok_or_else(missing)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let made = stores::pem_identity(&text(chain), &text(key), key_password);
        Ok(Some(made.map_err(|words| self.problem("ssl.certificate.location", words))?))
    }

    /// The lowest and the highest version of TLS.
    fn versions(&self) -> Result<(SslVersion, Option<SslVersion>), Problem> {
        let key = "ssl.enabled.protocols";
        let Some(names) = self.value(key) else { return Ok((SslVersion::TLS1_2, None)) };
        let names = listed(names);
        let both = ("TLSv1.2".to_owned(), "TLSv1.3".to_owned());
        match (names.contains(&both.0), names.contains(&both.1)) {
            (true, true) => Ok((SslVersion::TLS1_2, Some(SslVersion::TLS1_3))),
            (true, false) => Ok((SslVersion::TLS1_2, Some(SslVersion::TLS1_2))),
            (false, true) => Ok((SslVersion::TLS1_3, Some(SslVersion::TLS1_3))),
            (false, false) => Err(self.problem(key, "TLSv1.2 and TLSv1.3 are spoken here")),
        }
    }

    fn sasl(&self) -> Result<Mechanism, Problem> {
        let spoken = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER";
        let Some((key, name)) = self.first(&["sasl.mechanism", "sasl.mechanisms"]) else {
            let words =
                format!("sasl.mechanism is not set, and GSSAPI (Kerberos) is not spoken here; set it to {spoken}");
            return Err((self.line("security.protocol"), words));
        };
        match name {
            "PLAIN" => {
                let (username, password, _) = self.user("PlainLoginModule")?;
                Ok(Mechanism::Plain { username, password })
            }
            "SCRAM-SHA-256" | "SCRAM-SHA-512" => {
                let digest = if name == "SCRAM-SHA-256" { Digest::Sha256 } else { Digest::Sha512 };
                let (username, password, token) = self.user("ScramLoginModule")?;
                Ok(Mechanism::Scram { digest, username, password, token })
            }
            "OAUTHBEARER" => self.oauth(),
            "GSSAPI" => Err(self.problem(key, format!("GSSAPI (Kerberos) is not spoken here; {spoken} are"))),
            _ => Err(self.problem(key, format!("it must be {spoken}"))),
        }
    }

    /// The entry of sasl.jaas.config, which must be of this module.
    fn login(&self, module: &str) -> Result<Option<Login>, Problem> {
        let Some((line, text)) = self.get("sasl.jaas.config").filter(|(_, text)| !text.is_empty()) else {
            return Ok(None);
        };
        let login = Login::parse(text).map_err(|words| (line, words))?;
        let class = login.module.rsplit('.').next().unwrap_or_default();
        if class != module {
            let words = format!("sasl.jaas.config names the login module {class}, and this mechanism needs {module}");
            return Err((line, words));
        }
        Ok(Some(login))
    }

    /// Name, password, and whether they are a delegation token's.
    fn user(&self, module: &str) -> Result<(String, String, bool), Problem> {
        let login = self.login(module)?;
        let option = |name: &str| login.as_ref().and_then(|login| login.option(name));
        let username = option("username").or(self.value("sasl.username"));
        let password = option("password").or(self.value("sasl.password"));
        match (username, password) {
            (Some(username), Some(password)) => {
                Ok((username.to_owned(), password.to_owned(), option("tokenauth") == Some("true")))
            }
            _ => Err((
                self.get("sasl.jaas.config").map_or_else(|| self.line("security.protocol"), |(line, _)| line),
                format!("sasl.jaas.config needs {module} with username and password"),
            )),
        }
    }

    fn oauth(&self) -> Result<Mechanism, Problem> {
        let login = self.login("OAuthBearerLoginModule")?;
        let options = login.map(|login| login.options).unwrap_or_default();
        if let Some((name, _)) = options.iter().find(|(name, _)| name.starts_with("ssl.")) {
            let words = format!("{name} cannot be honoured; name the token endpoint's authority by SSL_CERT_FILE");
            return Err(self.problem("sasl.jaas.config", words));
        }
        let starting = |start: &str| -> Vec<(String, String)> {
            let stripped =
                |(name, value): &(String, String)| Some((name.strip_prefix(start)?.to_owned(), value.clone()));
            options.iter().filter_map(stripped).collect()
        };
        let mut extensions = starting("extension_");
        for pair in self.value("sasl.oauthbearer.extensions").map(listed).unwrap_or_default() {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| self.problem("sasl.oauthbearer.extensions", "it is name=value, with commas between"))?;
            extensions.push((name.to_owned(), value.to_owned()));
        }
        let claims = starting("unsecuredLoginStringClaim_");
        let option = |name: &str| options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str());
        let origin = match self.value("sasl.oauthbearer.token.endpoint.url") {
            Some(url) => self.endpoint(url, &option)?,
            None if claims.iter().any(|(name, _)| name == "sub") => Origin::Unsecured { claims },
            None => {
                let words = "OAUTHBEARER needs sasl.oauthbearer.token.endpoint.url, or unsecuredLoginStringClaim_sub in \
                             sasl.jaas.config";
                return Err((self.line("security.protocol"), words.to_owned()));
            }
        };
        Ok(Mechanism::OAuth { tokens: Tokens::new(origin), extensions })
    }

    fn endpoint<'b>(&'b self, url: &str, option: &impl Fn(&str) -> Option<&'b str>) -> Result<Origin, Problem> {
        let key = "sasl.oauthbearer.token.endpoint.url";
        let url: reqwest::Url = url.parse().map_err(|error| self.problem(key, error))?;
        match url.scheme() {
            "file" => {
                let path: PathBuf = url.to_file_path().map_err(|()| self.problem(key, "it names no file"))?;
                Ok(Origin::File(path))
            }
            "http" | "https" => {
                let either = |name, keys: &[&'static str]| option(name).or(self.first(keys).map(|(_, value)| value));
                let client = either(
                    "clientId",
                    &["sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"],
                );
                let secret = either(
                    "clientSecret",
                    &["sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"],
                );
                let (Some(client), Some(secret)) = (client, secret) else {
                    return Err(self.problem(key, "sasl.jaas.config needs clientId and clientSecret for it"));
                };
                Ok(Origin::Endpoint {
                    url,
                    client: client.to_owned(),
                    secret: secret.to_owned(),
                    scope: either("scope", &["sasl.oauthbearer.scope"]).map(str::to_owned),
                    escape: self.flag("sasl.oauthbearer.header.urlencode", false)?,
                })
            }
            _ => Err(self.problem(key, "it must be an http, https or file address")),
        }
    }
}

/// The names of a list, by commas or, as OpenSSL lists ciphers, colons.
fn listed(text: &str) -> Vec<String> {
    text.split([',', ':']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::properties::parse;

    fn settled(text: &str) -> (Security, Vec<Remark>) {
        settle(&parse(text).unwrap()).unwrap()
    }

    fn refused(text: &str) -> String {
        let (line, words) = settle(&parse(text).unwrap()).err().expect(text);
        assert!(!words.contains("hunter2"), "{words}");
        format!("{line}: {words}")
    }

    const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";

    #[test]
    fn a_user_is_named_in_javas_way_or_in_librdkafkas() {
        let java = format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={PLAIN} \\\n  username=\"a\" password=\"p;=\\\\\"q\";"
        );
        let librdkafka =
            "security.protocol=sasl_plaintext\nsasl.mechanisms=PLAIN\nsasl.username=a\nsasl.password=p;=\"q ";
        for text in [java.as_str(), librdkafka] {
            match settled(text).0.sasl {
                Some(Mechanism::Plain { username, password }) => {
                    assert_eq!((username.as_str(), password.as_str()), ("a", "p;=\"q"));
                }
                _ => panic!("{text}"),
            }
        }
    }

    #[test]
    fn without_a_protocol_nothing_is_encrypted_and_nobody_named() {
        for text in ["", "security.protocol=PLAINTEXT", "sasl.mechanism=PLAIN\nssl.ca.location=/none"] {
            let security = settled(text).0;
            assert!(security.tls.is_none() && security.sasl.is_none(), "{text}");
        }
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let text = "acks=all\nkey.serializer=a.b.C\nbootstrap.servers=x:1\nsasl.pasword=hunter2\nhunter2";
        let unused = |words: &str| Remark::Unused(words.to_owned());
        let unknown = |words: &str| Remark::Unknown(words.to_owned());
        let expected = [
            unused("acks has no meaning here"),
            unused("key.serializer has no meaning here"),
            unused("bootstrap.servers is not used: the servers are named by an argument"),
            unknown("no Kafka client knows the property sasl.pasword (line 4); did you mean sasl.password?"),
            unknown("line 5 is not a property of a Kafka client"),
        ];
        assert_eq!(settled(text).1, expected);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        let sasl = "security.protocol=SASL_SSL\nsasl.mechanism=";
        let cases = [
            ("sasl.kerberos.service.name=kafka".to_owned(), "1: sasl.kerberos.service.name cannot be honoured"),
            ("a.b=c\nssl.engine.factory.class=x.Y".to_owned(), "2: ssl.engine.factory.class cannot be honoured"),
            ("sasl.login.callback.handler.class=x.Y".to_owned(), "1: sasl.login.callback.handler.class cannot be"),
            ("security.protocol=hunter2".to_owned(), "1: security.protocol is PLAINTEXT, SSL,"),
            ("security.protocol=SASL_SSL".to_owned(), "1: sasl.mechanism is not set, and GSSAPI"),
            (format!("{sasl}GSSAPI"), "2: sasl.mechanism: GSSAPI (Kerberos) is not spoken here"),
            (format!("{sasl}hunter2"), "2: sasl.mechanism: it must be PLAIN, SCRAM-SHA-256"),
            (format!("{sasl}PLAIN\nsasl.username=hunter2"), "1: sasl.jaas.config needs PlainLoginModule with username"),
            (format!("{sasl}PLAIN\nsasl.jaas.config={PLAIN} hunter2;"), "3: sasl.jaas.config has an option without ="),
            (
                format!("{sasl}PLAIN\nsasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required;"),
                "3: sasl.jaas.config names the login module Krb5LoginModule, and this mechanism needs PlainLoginModule",
            ),
            (format!("{sasl}OAUTHBEARER"), "1: OAUTHBEARER needs sasl.oauthbearer.token.endpoint.url"),
            (
                format!("{sasl}OAUTHBEARER\nsasl.oauthbearer.token.endpoint.url=https://a/b"),
                "3: sasl.oauthbearer.token.endpoint.url: sasl.jaas.config needs clientId and clientSecret",
            ),
            ("security.protocol=SSL\nssl.truststore.type=BCFKS".to_owned(), "2: ssl.truststore.type: stores are PEM"),
            (
                "security.protocol=SSL\nssl.truststore.location=/none".to_owned(),
                "2: ssl.truststore.location: cannot read /none: No such file",
            ),
            ("security.protocol=SSL\nssl.enabled.protocols=TLSv1".to_owned(), "2: ssl.enabled.protocols: TLSv1.2 and"),
        ];
        for (text, expected) in cases {
            let said = refused(&text);
            assert!(said.starts_with(expected), "{said}\nexpected {expected}");
        }
    }

    #[test]
    fn a_java_class_that_does_what_is_done_here_is_no_obstacle() {
        let text = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n\
            sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler\n\
            sasl.oauthbearer.token.endpoint.url=https://id.example/token\n\
            sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
            clientId=\"me\" clientSecret=\"hunter2\" scope=\"kafka\" extension_logicalCluster=\"l\";\n";
        match settled(text).0.sasl {
            Some(Mechanism::OAuth { extensions, .. }) => {
                assert_eq!(extensions, [("logicalCluster".to_owned(), "l".to_owned())]);
            }
            _ => panic!("{text}"),
        }
    }

    #[test]
    fn ciphers_and_versions_are_taken() {
        let text = "security.protocol=SSL\nssl.enabled.protocols=TLSv1.3,TLSv1.2\n\
            ssl.cipher.suites=TLS_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,ECDHE-RSA-AES128-GCM-SHA256\n\
            ssl.endpoint.identification.algorithm=";
        assert!(settled(text).0.tls.is_some());
    }
}
