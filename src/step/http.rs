//! HTTP as all programs speak it.

use std::time::Duration;

/// A client with this time limit for a whole request, and 10 s to connect.
pub fn client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    client_builder(timeout).build()
}

/// Such a client before it is built, for one that needs more.
pub fn client_builder(timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("streamgauge/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .timeout(timeout)
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
    plain(&cause.to_string()).to_owned()
}

/// The reason in an error of OpenSSL, which gives its code, library, function, reason, file and line between colons.
fn plain(text: &str) -> &str {
    let reason = text.strip_prefix("error:").and_then(|parts| parts.split(':').nth(3));
    reason.filter(|reason| !reason.is_empty()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssl_is_quoted_without_the_places_in_its_source() {
        let told = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:ssl/statem/statem_clnt.c:2125:";
        assert_eq!(plain(told), "certificate verify failed");
        assert_eq!(plain("Connection refused (os error 111)"), "Connection refused (os error 111)");
    }
}
