//! How the trackers answer on the wire.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

/// An answer of the server that calls itself so.
pub fn respond(status: u16, server: &'static str, content_type: &'static str, body: String) -> Response {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::SERVER, HeaderValue::from_static(server));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// The envelope of 0.20.4: a result, or a status and a message.
pub fn envelope(outcome: Result<Value, (u16, String)>) -> Response {
    let wrap = |status: &str, message: &str| json!({"status": status, "tracker_version": "", "executiontime": 0.0005, "message": message});
    let (status, body) = match outcome {
        Ok(result) => {
            let mut body = wrap("success", "");
            body["result"] = result;
            (200, body)
        }
        Err((status, message)) => (status, wrap("failure", &message)),
    };
    let mut answer = respond(status, "TornadoServer/4.0.2", "application/json", python(&body));
    answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer
}

/// JSON as Python's `json.dumps` writes it: a blank behind commas and colons.
fn python(value: &Value) -> String {
    struct Blanks;
    impl serde_json::ser::Formatter for Blanks {
        fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
            if first { Ok(()) } else { out.write_all(b", ") }
        }
        fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
            if first { Ok(()) } else { out.write_all(b", ") }
        }
        fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
            out.write_all(b": ")
        }
    }
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Blanks));
    String::from_utf8_lossy(&text).into_owned()
}
