//! What Heron's servers say when they say no: JSON in several forms, HTML from Jetty, or nothing.

use reqwest::StatusCode;
use serde_json::Value;

/// The most of the other side's words that go into an error.
const LONGEST: usize = 1000;

/// The other side's own words in an answer that is not what was asked for.
pub(super) fn words(status: StatusCode, body: &str) -> String {
    let said = match serde_json::from_str::<Value>(body) {
        Ok(Value::String(text)) => text,
        Ok(json) => json_words(&json).unwrap_or_else(|| json.to_string()),
        Err(_) => html_words(body).unwrap_or(body).trim().to_owned(),
    };
    match said.char_indices().nth(LONGEST) {
        _ if said.is_empty() => status.canonical_reason().unwrap_or("no words").to_owned(),
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    }
}

/// `message` is the API server's and the old tracker's word, `detail` the new tracker's.
fn json_words(json: &Value) -> Option<String> {
    if let Some(message) = json.get("message").and_then(Value::as_str) {
        return Some(message.to_owned());
    }
    match json.get("detail")? {
        Value::String(detail) => Some(detail.clone()),
        detail => {
            let first = detail.get(0)?;
            let place = first.get("loc")?.as_array()?.last()?.as_str()?;
            Some(format!("{place}: {}", first.get("msg")?.as_str()?))
        }
    }
}

/// Jetty's reason stands in its title.
fn html_words(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("<title>")?;
    Some(rest.split_once("</title>")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status and body of a recorded answer; an upload's interim `100 Continue` is passed over.
    fn said(recorded: &str) -> String {
        let answer = recorded.rsplit_once("HTTP/1.1 ").unwrap().1;
        let status = StatusCode::from_bytes(&answer.as_bytes()[..3]).unwrap();
        words(status, answer.split_once("\n\n").unwrap().1.trim())
    }

    macro_rules! recorded {
        ($name:literal) => {
            said(include_str!(concat!("../../tests/data/heron/", $name, ".txt")))
        };
    }

    #[test]
    fn the_other_sides_words_are_found_in_every_form_of_answer() {
        assert_eq!(recorded!("apiserver/submit-badcluster"), "Unknown cluster nope expecting 'local'");
        assert_eq!(
            recorded!("apiserver/submit-missing-def"),
            "Validation failed missing required params: [definition]"
        );
        assert_eq!(recorded!("apiserver/submit-name-slash"), "Error 500 Request failed.");
        assert_eq!(recorded!("apiserver/submit-nonmultipart"), "Error 415 Unsupported Media Type");
        assert_eq!(recorded!("tracker-0.20.4/info-missing-param"), "Missing argument environ");
        assert_eq!(recorded!("tracker-0.20.5/info-missing-param"), "environ: field required");
        assert_eq!(
            recorded!("tracker-0.20.5/info-missing"),
            "request failed: 'Topology not found for local, default, nope'"
        );
        assert_eq!(words(StatusCode::BAD_GATEWAY, ""), "Bad Gateway");
    }

    #[test]
    fn very_long_words_are_cut() {
        assert_eq!(words(StatusCode::BAD_GATEWAY, &"ä".repeat(5000)).chars().count(), LONGEST + 1);
    }
}
