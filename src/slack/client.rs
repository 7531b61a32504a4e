//! The calls to Slack. Slack answers errors with HTTP 200 and `"ok": false`: the body decides.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::message::Message;
use crate::step::{self, Exit, ExitClass, Secret};

/// How often a call is tried before Slack counts as not there.
const TRIES: u32 = 5;

/// The wait between tries when Slack does not say how long.
const PAUSE: Duration = Duration::from_secs(1);

/// What Slack says of blocks that it does not take, whatever their text: the text alone is sent then.
const BLOCKS_REFUSED: [&str; 4] =
    ["invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "cannot_parse_attachment"];

/// A connection to Slack's Web API.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    api_url: String,
    token: Secret,
    deadline: Instant,
}

/// A message as Slack has taken it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The channel's ID.
    pub channel: String,
    /// The message's timestamp, which is its name within the channel.
    pub ts: String,
}

/// A file for a thread.
#[derive(Debug)]
pub struct Upload {
    /// Its name, with the ending that says what it is.
    pub name: &'static str,
    /// What stands above it.
    pub title: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// Its content.
    pub bytes: Vec<u8>,
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
        /// Whether the call may have arrived.
        sent: bool,
    },
    /// Slack refused the call.
    #[error("Slack refused the message: {error}{}", hint(error, needed).map(|hint| format!(" ({hint})")).unwrap_or_default())]
    Refused {
        /// Slack's own word.
        error: String,
        /// The scope that is missing; empty when it is something else.
        needed: String,
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

impl Error {
    /// Slack's own word for what it refused; empty for any other error.
    pub fn word(&self) -> &str {
        match self {
            Self::Refused { error, .. } => error,
            _ => "",
        }
    }

    /// Whether Slack may have taken the message all the same: no answer came, or one of those of which Slack's reference says that
    /// part of the work may have been done.
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::Unreachable { sent, .. } => *sent,
            Self::Refused { error, .. } => matches!(error.as_str(), "internal_error" | "fatal_error"),
            Self::NotSlack { status, .. } => *status == 200 || *status >= 500,
            Self::Address => false,
        }
    }

    fn refused(error: &str) -> Self {
        Self::Refused { error: error.to_owned(), needed: String::new() }
    }
}

/// What a person can do about one of Slack's error words.
fn hint(error: &str, needed: &str) -> Option<String> {
    let known = match error {
        "channel_not_found" | "no_service" => "is the channel's name or ID right, and can the bot see it?",
        "not_in_channel" => "invite the bot to the channel, or give it the scope chat:write.public",
        "is_archived" | "channel_is_archived" => "the channel is archived",
        "invalid_auth" | "not_authed" | "token_revoked" | "account_inactive" | "invalid_token" => {
            "the token is not valid any more: renew the Secret"
        }
        "missing_scope" if !needed.is_empty() => return Some(format!("give the bot the scope {needed}")),
        "missing_scope" => "give the bot the scope chat:write",
        "ratelimited" => {
            "too many messages at the time: Slack asks to wait longer than --timeout allows, or again and again"
        }
        "internal_error" | "fatal_error" => "a fault of Slack's own",
        _ => return None,
    };
    Some(known.to_owned())
}

/// Whether a call may be sent again when nobody knows whether it arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// It comes to the same.
    Safe,
    /// It would do the work twice.
    Doubles,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    ok: bool,
    error: String,
    needed: String,
    channel: String,
    ts: String,
    permalink: String,
    upload_url: String,
    file_id: String,
}

impl Client {
    /// A connection to the Web API at this address. Slack is waited for until the deadline.
    pub fn new(api_url: &str, token: Secret, deadline: Instant) -> Result<Self, Error> {
        host(api_url)?;
        Ok(Self { http: http(api_url)?, api_url: api_url.trim_end_matches('/').to_owned(), token, deadline })
    }

    /// Posts a message, into the thread of the message that is named. It is repeated only where it cannot have been posted.
    pub async fn post(&self, channel: &str, thread_ts: &str, message: &Message) -> Result<Posted, Error> {
        let mut body = json!({ "channel": channel, "unfurl_links": false, "unfurl_media": false });
        if !thread_ts.is_empty() {
            body["thread_ts"] = thread_ts.into();
        }
        let answer = with_blocks(message, body, async |body| {
            self.call("chat.postMessage", Repeat::Doubles, |url| self.http.post(url).json(&body)).await
        });
        let answer = answer.await?;
        Ok(Posted { channel: answer.channel, ts: answer.ts })
    }

    /// Puts another message in the place of one: its channel by ID.
    pub async fn update(&self, posted: &Posted, message: &Message) -> Result<(), Error> {
        let body = json!({ "channel": posted.channel, "ts": posted.ts });
        let answer = with_blocks(message, body, async |body| {
            self.call("chat.update", Repeat::Safe, |url| self.http.post(url).json(&body)).await
        });
        answer.await.map(|_| ())
    }

    /// The message's address. The message is out, so not getting its address is no error.
    pub async fn permalink(&self, posted: &Posted) -> String {
        let query = [("channel", &posted.channel), ("message_ts", &posted.ts)];
        let answer = self.call("chat.getPermalink", Repeat::Safe, |url| self.http.get(url).query(&query)).await;
        answer.map(|answer| answer.permalink).unwrap_or_default()
    }

    /// Puts a file into a message's thread, and gives the file's ID: asks where to, sends it there, says that it is done.
    pub async fn upload(&self, posted: &Posted, thread_ts: &str, file: &Upload) -> Result<String, Error> {
        let length = file.bytes.len().to_string();
        let form = [("filename", file.name), ("length", &length), ("alt_txt", &file.alt)];
        let place =
            self.call("files.getUploadURLExternal", Repeat::Safe, |url| self.http.post(url).form(&form)).await?;
        // The address itself is what allows to send there, so it gets no token and is never shown.
        let place_host = host(&place.upload_url)?;
        let send = || self.http.post(&place.upload_url).body(file.bytes.clone());
        let (status, body) = send_until_taken(&place_host, Repeat::Safe, self.deadline, send).await?;
        if status != 200 {
            return Err(not_slack(&self.token, place_host, status, &body));
        }
        let done = json!({
            "files": [{ "id": place.file_id, "title": file.title }],
            "channel_id": posted.channel,
            "thread_ts": thread_ts,
        });
        self.call("files.completeUploadExternal", Repeat::Doubles, |url| self.http.post(url).json(&done)).await?;
        Ok(place.file_id)
    }

    /// Calls a method, and reads its answer.
    async fn call(
        &self,
        method: &str,
        repeat: Repeat,
        request: impl Fn(&str) -> reqwest::RequestBuilder,
    ) -> Result<Answer, Error> {
        let url = format!("{}/{method}", self.api_url);
        let host = host(&url)?;
        let send = || request(&url).bearer_auth(self.token.expose());
        let (status, body) = send_until_taken(&host, repeat, self.deadline, send).await?;
        match serde_json::from_str::<Answer>(&body) {
            Ok(answer) if answer.ok => Ok(answer),
            Ok(answer) if !answer.error.is_empty() => {
                Err(Error::Refused { error: answer.error, needed: answer.needed })
            }
            _ => Err(not_slack(&self.token, host, status, &body)),
        }
    }
}

/// Posts a message to an incoming webhook. It answers `ok` and no more, and errors as text with a 4xx.
pub async fn post_to_webhook(url: &Secret, message: &Message, deadline: Instant) -> Result<(), Error> {
    let host = host(url.expose())?;
    let http = http(&host)?;
    with_blocks(message, json!({ "unfurl_links": false }), async |body| {
        let send = || http.post(url.expose()).json(&body);
        let (status, answer) = send_until_taken(&host, Repeat::Doubles, deadline, send).await?;
        let word = answer.trim();
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        match status {
            200 if word == "ok" => Ok(()),
            400..500 if is_word => Err(Error::refused(word)),
            _ => Err(not_slack(url, host.clone(), status, word)),
        }
    })
    .await
}

/// Sends a message with its blocks and, when Slack does not take these, once more as text alone.
async fn with_blocks<T>(
    message: &Message,
    mut body: Value,
    send: impl AsyncFn(Value) -> Result<T, Error>,
) -> Result<T, Error> {
    body["text"] = message.text.as_str().into();
    // Without the field an update would keep the blocks that a message had.
    body["blocks"] = message.blocks.clone().into();
    match send(body.clone()).await {
        Err(error) if BLOCKS_REFUSED.contains(&error.word()) && !message.blocks.is_empty() => {
            tracing::warn!("Slack does not take the message's blocks ({}): sending its text alone", error.word());
            body["blocks"] = json!([]);
            send(body).await
        }
        outcome => outcome,
    }
}

/// Sends a request until it is answered, and gives the answer's HTTP status and body.
async fn send_until_taken(
    host: &str,
    repeat: Repeat,
    deadline: Instant,
    request: impl Fn() -> reqwest::RequestBuilder,
) -> Result<(u16, String), Error> {
    let unreachable = |error: &reqwest::Error, sent: bool| Error::Unreachable {
        host: host.to_owned(),
        reason: step::describe_http_error(error),
        sent,
    };
    let mut tries = 1;
    loop {
        // What cannot be sent before the deadline is given up at once, while it is known that Slack does not have it.
        let again = |pause: Duration| tries < TRIES && pause < deadline.saturating_duration_since(Instant::now());
        let pause = match request().send().await {
            Ok(response) if response.status() == 429 => match retry_after(&response) {
                pause if again(pause) => pause,
                _ => return Err(Error::refused("ratelimited")),
            },
            Ok(response) if response.status().is_server_error() && repeat == Repeat::Safe && again(PAUSE) => PAUSE,
            Ok(response) => {
                let status = response.status().as_u16();
                match response.text().await {
                    Ok(body) => return Ok((status, body)),
                    Err(_) if repeat == Repeat::Safe && again(PAUSE) => PAUSE,
                    Err(error) => return Err(unreachable(&error, true)),
                }
            }
            Err(error) if (error.is_connect() || repeat == Repeat::Safe) && again(PAUSE) => PAUSE,
            Err(error) => return Err(unreachable(&error, !error.is_connect())),
        };
        tracing::info!("Slack asks to wait, or is not there: trying again in {} s", pause.as_secs());
        tokio::time::sleep(pause).await;
        tries += 1;
    }
}

fn http(address: &str) -> Result<reqwest::Client, Error> {
    step::client(Duration::from_secs(30)).map_err(|error| Error::Unreachable {
        host: address.to_owned(),
        reason: error.to_string(),
        sent: false,
    })
}

fn not_slack(secret: &Secret, host: String, status: u16, body: &str) -> Error {
    Error::NotSlack { host, status, body: secret.redact(body).chars().take(200).collect() }
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
