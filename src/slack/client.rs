//! The calls to Slack. Slack answers errors with HTTP 200 and `"ok": false`: the body decides.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::step::{self, Exit, ExitClass, Secret};

/// How often a message is tried again when Slack asks to wait or cannot be reached: both times it was not posted.
const TRIES: u32 = 5;

/// The wait between tries when Slack does not say how long.
const PAUSE: Duration = Duration::from_secs(2);

/// What a message is sent with.
#[derive(Debug)]
pub enum Credentials {
    /// A bot token, for the Web API.
    Token(Secret),
    /// The secret address of an incoming webhook.
    Webhook(Secret),
}

/// A connection to Slack.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    api_url: String,
    credentials: Credentials,
}

/// A message as Slack has taken it. Both are empty when it went through a webhook.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// The message's timestamp, which is its name within the channel.
    pub ts: String,
    /// The message's address.
    pub permalink: String,
}

/// Why Slack did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Slack could not be reached or broke off.
    #[error("Slack did not answer at {host}: {reason}")]
    Unreachable {
        /// The server asked; never the whole address, since a webhook's is a secret.
        host: String,
        /// The system's words.
        reason: String,
    },
    /// Slack refused the message.
    #[error("Slack refused the message: {error}{}", hint(error).map(|hint| format!(" ({hint})")).unwrap_or_default())]
    Refused {
        /// Slack's own word.
        error: String,
    },
    /// Slack answered with something that is no answer of its API.
    #[error("{host} answered HTTP {status}, not as Slack does: {body}")]
    NotSlack {
        /// The server asked.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The answer's beginning.
        body: String,
    },
    /// The address is none.
    #[error("the Slack address is not a URL")]
    Address,
}

impl ExitClass for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Address => Exit::Usage,
            _ => Exit::Refused,
        }
    }
}

/// What a person can do about one of Slack's error words.
fn hint(error: &str) -> Option<&'static str> {
    Some(match error {
        "channel_not_found" | "no_service" => "is the channel's name or ID right, and can the bot see it?",
        "not_in_channel" => "invite the bot to the channel, or give it the scope chat:write.public",
        "is_archived" | "channel_is_archived" => "the channel is archived",
        "invalid_auth" | "not_authed" | "token_revoked" | "account_inactive" | "invalid_token" => {
            "the token is not valid any more: renew the Secret"
        }
        "missing_scope" => "give the bot the scope chat:write",
        "ratelimited" => "too many messages",
        _ => return None,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    ok: bool,
    error: String,
    channel: String,
    ts: String,
    permalink: String,
}

impl Client {
    /// A connection to the Web API at this address, or to the webhook among the credentials.
    pub fn new(api_url: &str, credentials: Credentials) -> Result<Self, Error> {
        let http = step::client(Duration::from_secs(30))
            .map_err(|error| Error::Unreachable { host: api_url.to_owned(), reason: error.to_string() })?;
        Ok(Self { http, api_url: api_url.trim_end_matches('/').to_owned(), credentials })
    }

    /// Posts a message of mrkdwn text.
    pub async fn post(&self, channel: &str, text: &str) -> Result<Posted, Error> {
        match &self.credentials {
            Credentials::Webhook(url) => {
                self.send(url.expose(), None, &json!({ "text": text, "unfurl_links": false })).await?;
                Ok(Posted::default())
            }
            Credentials::Token(token) => {
                let url = format!("{}/chat.postMessage", self.api_url);
                let message = json!({ "channel": channel, "text": text, "unfurl_links": false, "unfurl_media": false });
                let body = self.send(&url, Some(token), &message).await?;
                let answer = self.accepted(&url, &body)?;
                let permalink = self.permalink(token, &answer).await;
                Ok(Posted { ts: answer.ts, permalink })
            }
        }
    }

    /// The message's address. The message is out, so not getting its address is no error.
    async fn permalink(&self, token: &Secret, message: &Answer) -> String {
        let request = self
            .http
            .get(format!("{}/chat.getPermalink", self.api_url))
            .query(&[("channel", &message.channel), ("message_ts", &message.ts)])
            .bearer_auth(token.expose());
        match request.send().await {
            Ok(response) => response.json().await.map(|answer: Answer| answer.permalink).unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Sends a message until Slack has taken or refused it. It is repeated only where it cannot have been posted.
    async fn send(&self, url: &str, token: Option<&Secret>, message: &serde_json::Value) -> Result<String, Error> {
        let host = host(url)?;
        let mut tries = 1;
        loop {
            let mut request = self.http.post(url).json(message);
            if let Some(token) = token {
                request = request.bearer_auth(token.expose());
            }
            let pause = match request.send().await {
                Ok(response) if response.status() == 429 => retry_after(&response),
                Ok(response) => return self.body(host, response).await,
                Err(error) if error.is_connect() && tries < TRIES => PAUSE,
                Err(error) => return Err(Error::Unreachable { host, reason: step::describe_http_error(&error) }),
            };
            if tries == TRIES {
                return Err(Error::Refused { error: "ratelimited".to_owned() });
            }
            tracing::info!("Slack asks to wait, or is not there: trying again in {} s", pause.as_secs());
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    /// The body of an answer. The Web API says errors in a 200; a webhook says them as text with a 4xx.
    async fn body(&self, host: String, response: reqwest::Response) -> Result<String, Error> {
        let status = response.status();
        let body = response
            .text()
            .await
            .map_err(|error| Error::Unreachable { host: host.clone(), reason: step::describe_http_error(&error) })?;
        let word = body.trim();
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        match (status.is_success(), &self.credentials) {
            (true, Credentials::Webhook(_)) if word != "ok" => Err(self.not_slack(host, status.as_u16(), word)),
            (true, _) => Ok(body),
            (false, _) if is_word => Err(Error::Refused { error: word.to_owned() }),
            (false, _) => Err(self.not_slack(host, status.as_u16(), word)),
        }
    }

    fn accepted(&self, url: &str, body: &str) -> Result<Answer, Error> {
        let host = host(url)?;
        match serde_json::from_str::<Answer>(body) {
            Ok(answer) if answer.ok => Ok(answer),
            Ok(answer) if !answer.error.is_empty() => Err(Error::Refused { error: answer.error }),
            _ => Err(self.not_slack(host, 200, body)),
        }
    }

    fn not_slack(&self, host: String, status: u16, body: &str) -> Error {
        let secret = match &self.credentials {
            Credentials::Token(secret) | Credentials::Webhook(secret) => secret,
        };
        let body = secret.redact(body).chars().take(200).collect();
        Error::NotSlack { host, status, body }
    }
}

/// The server's name and port in an address: what may be shown of it.
fn host(url: &str) -> Result<String, Error> {
    let url = reqwest::Url::parse(url).map_err(|_| Error::Address)?;
    let host = url.host_str().ok_or(Error::Address)?;
    Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// How long Slack asks to wait before the next try (header Retry-After, in seconds).
fn retry_after(response: &reqwest::Response) -> Duration {
    let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs)
}
