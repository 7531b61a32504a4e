//! HTTP as all programs speak it.

use std::time::Duration;

/// A client with this time limit for a whole request, and 10 s to connect.
pub fn client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("streamgauge/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .timeout(timeout)
        .build()
}

/// The innermost cause of a failed request, without its address: addresses may carry secrets, and reqwest's own text
/// ("error sending request for url …") says nothing else.
pub fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
