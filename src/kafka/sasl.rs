//! SASL: proves to a broker who we are.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::link::Versions;
use super::oauth::Tokens;
use super::scram::{self, Digest, Scram};
use super::{Failure, code, wire, words};

/// How we prove who we are. What it holds is secret.
#[derive(Clone)]
pub enum Mechanism {
    /// The password itself.
    Plain {
        /// Who.
        username: String,
        /// The password.
        password: String,
    },
    /// A proof that we know the password.
    Scram {
        /// The digest.
        digest: Digest,
        /// Who.
        username: String,
        /// The password.
        password: String,
        /// Whether they are a delegation token's id and key.
        token: bool,
    },
    /// A bearer's token.
    OAuth {
        /// Where it comes from.
        tokens: Tokens,
        /// What goes with it to the broker.
        extensions: Vec<(String, String)>,
    },
}

impl Mechanism {
    /// Its name in SASL.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain { .. } => "PLAIN",
            Self::Scram { digest: Digest::Sha256, .. } => "SCRAM-SHA-256",
            Self::Scram { digest: Digest::Sha512, .. } => "SCRAM-SHA-512",
            Self::OAuth { .. } => "OAUTHBEARER",
        }
    }

    /// The user we say that we are, when it is us who say it.
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Plain { username, .. } | Self::Scram { username, .. } => Some(username),
            Self::OAuth { .. } => None,
        }
    }

    /// Authenticates on a new connection; returns how long that is good, when the broker limits it.
    pub async fn authenticate<S>(&self, stream: &mut S, versions: &Versions) -> Result<Option<Duration>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.agree(stream, versions).await?;
        let mut turn = Turn { stream, version: versions.pick::<SaslAuthenticateRequest>()? };
        let last = match self {
            Self::Plain { username, password } => turn.send(format!("\0{username}\0{password}")).await?,
            Self::Scram { digest, username, password, token } => {
                let scram = Scram::new(*digest, username, *token, nonce()?);
                let first = turn.send(scram.first()).await?;
                let (second, expected) = scram.second(&text(&first), password).map_err(Failure::Credentials)?;
                let last = turn.send(second).await?;
                scram::check(&text(&last), &expected).map_err(Failure::Credentials)?;
                last
            }
            Self::OAuth { tokens, extensions } => {
                let token = tokens.token().await.map_err(Failure::Credentials)?;
                let last = turn.send(bearer(&token, extensions)).await?;
                if !last.auth_bytes.is_empty() {
                    // The broker says what is wrong with the token, and waits for this before it ends it (RFC 7628).
                    let said = text(&last);
                    return Err(turn.send("\u{1}".to_owned()).await.err().unwrap_or(Failure::Credentials(said)));
                }
                last
            }
        };
        Ok(u64::try_from(last.session_lifetime_ms).ok().filter(|millis| *millis > 0).map(Duration::from_millis))
    }

    /// Agrees on the mechanism with the broker.
    async fn agree<S>(&self, stream: &mut S, versions: &Versions) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let version = versions.pick::<SaslHandshakeRequest>()?;
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(self.name()));
        let frame = wire::exchange(stream, &request, version).await?;
        let answer = wire::decode::<SaslHandshakeRequest>(frame, version)?;
        match code(answer.error_code) {
            None => Ok(()),
            Some(ResponseError::UnsupportedSaslMechanism) => {
                let taken: Vec<&str> = answer.mechanisms.iter().map(|name| &**name).collect();
                Err(Failure::Credentials(format!(
                    "the listener takes {}; set sasl.mechanism to what you have credentials for",
                    taken.join(", ")
                )))
            }
            Some(ResponseError::IllegalSaslState) => Err(Failure::Credentials(
                "the listener asks for no SASL; set security.protocol to PLAINTEXT or SSL".to_owned(),
            )),
            Some(error) => Err(Failure::Credentials(words(&error))),
        }
    }
}

/// The two ends of the conversation.
struct Turn<'a, S> {
    stream: &'a mut S,
    version: i16,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Turn<'_, S> {
    async fn send(&mut self, message: String) -> Result<SaslAuthenticateResponse, Failure> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
        let frame = wire::exchange(self.stream, &request, self.version).await?;
        let answer = wire::decode::<SaslAuthenticateRequest>(frame, self.version)?;
        let said = answer.error_message.as_deref().filter(|said| !said.is_empty());
        match code(answer.error_code) {
            None => Ok(answer),
            Some(error) => Err(Failure::Credentials(said.map_or_else(|| words(&error), str::to_owned))),
        }
    }
}

/// The client's message of OAUTHBEARER (RFC 7628): fields between control-A.
fn bearer(token: &str, extensions: &[(String, String)]) -> String {
    let fields = extensions.iter().map(|(name, value)| format!("{name}={value}\u{1}"));
    format!("n,,\u{1}auth=Bearer {token}\u{1}{}\u{1}", fields.collect::<String>())
}

fn nonce() -> Result<String, io::Error> {
    let mut bytes = [0; 24];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(BASE64.encode(bytes))
}

fn text(answer: &SaslAuthenticateResponse) -> String {
    String::from_utf8_lossy(&answer.auth_bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearers_message_is_the_one_of_rfc_7628() {
        assert_eq!(bearer("abc", &[]), "n,,\u{1}auth=Bearer abc\u{1}\u{1}");
        let extensions = [("logicalCluster".to_owned(), "lkc-1".to_owned())];
        assert_eq!(bearer("abc", &extensions), "n,,\u{1}auth=Bearer abc\u{1}logicalCluster=lkc-1\u{1}\u{1}");
    }
}
