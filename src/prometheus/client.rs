//! The part of Prometheus' HTTP API that measuring needs: `POST /api/v1/query` and `/api/v1/query_range`, and to find near
//! names `GET /api/v1/labels` and `/api/v1/label/<name>/values` (Prometheus, docs/querying/api.md). Queries are sent by POST,
//! because one may be longer than an address can be.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{RequestBuilder, StatusCode, Url, header};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::Error;
use crate::report::Window;
use crate::step::{self, Secret};

/// How often a request is sent before Prometheus counts as down: 15 s in all.
const TRIES: u32 = 5;

/// What makes the relatives of Prometheus answer with all that there is and nothing made up; each ignores what the others know.
/// Thanos fails rather than leave a store out that is gone, and takes replicas for one; VictoriaMetrics does not answer from its
/// cache, which would move the moments asked for (Thanos, docs/components/query.md; VictoriaMetrics, docs: Prometheus querying API
/// enhancements).
const WHOLE: [(&str, &str); 3] = [("partial_response", "false"), ("dedup", "true"), ("nocache", "1")];

/// How Prometheus, or the proxy before it, knows who asks.
#[derive(Debug, Clone)]
pub enum Auth {
    /// It does not ask.
    None,
    /// A bearer token.
    Bearer(Secret),
    /// `user:password`.
    Basic(Secret),
}

/// A Prometheus.
#[derive(Debug)]
pub struct Client {
    endpoint: String,
    http: reqwest::Client,
    auth: Auth,
}

/// An answer, and what Prometheus found doubtful about it.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// The series.
    pub series: Vec<Series>,
    /// The series of the weights, where the metric has some.
    pub weights: Option<Vec<Series>>,
    /// Prometheus' warnings; with them, the answer may lack part of the data.
    pub warnings: Vec<String>,
    /// A selector of the query whose newest sample is this many seconds older than the end, and too old.
    pub stale: Option<(String, f64)>,
}

/// A series: its labels, and (Unix seconds, value) in order. Values may be NaN or infinite.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Series {
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The samples.
    pub values: Vec<(f64, f64)>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<D> {
    status: String,
    data: Option<D>,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    /// VictoriaMetrics' way to say that part of the data is missing.
    #[serde(default)]
    is_partial: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<VectorSample>),
    Matrix(Vec<MatrixSeries>),
    Scalar(Sample),
}

/// Prometheus writes a value as a string, since JSON has no NaN.
type Sample = (f64, String);

#[derive(Debug, Deserialize)]
struct VectorSample {
    metric: BTreeMap<String, String>,
    value: Option<Sample>,
    histogram: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct MatrixSeries {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<Sample>,
    histograms: Option<IgnoredAny>,
}

impl Client {
    /// A client of the Prometheus at this address, with or without a path prefix, by way of this HTTP.
    pub fn new(endpoint: &str, auth: Auth, http: reqwest::ClientBuilder) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Endpoint { reason };
        let url = Url::parse(endpoint).map_err(|error| wrong(format!("{error}; it looks like http://host:9090")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a password; give it with --basic-auth-file instead".to_owned()));
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("{} is neither http nor https", url.scheme())));
        }
        let http = http.build().map_err(|error| wrong(step::describe_http_error(&error)))?;
        Ok(Self { endpoint: endpoint.trim_end_matches('/').to_owned(), http, auth })
    }

    /// The value of an expression at a moment.
    pub(super) async fn query(&self, query: &str, time: Timestamp) -> Result<Answer, Error> {
        self.ask("query", query, &[("time", seconds(time))]).await
    }

    /// The samples as they were scraped that a selector has in the time before this moment.
    pub(super) async fn samples(&self, selector: &str, time: Timestamp, range: Duration) -> Result<Answer, Error> {
        self.query(&format!("{selector}[{}ms]", range.as_millis()), time).await
    }

    /// The names of the labels that series of these selectors have.
    pub(super) async fn labels(&self, selector: &str, window: Window) -> Result<Vec<String>, Error> {
        self.list("labels", selector, window).await
    }

    /// The values that a label has on series of this selector; without one on all.
    pub(super) async fn values(&self, label: &str, selector: &str, window: Window) -> Result<Vec<String>, Error> {
        self.list(&format!("label/{label}/values"), selector, window).await
    }

    /// The values of an expression from `start` to `end`, both included, every `step`.
    pub(super) async fn query_range(
        &self,
        query: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Answer, Error> {
        let step = step.as_secs_f64().to_string();
        self.ask("query_range", query, &[("start", seconds(start)), ("end", seconds(end)), ("step", step)]).await
    }

    async fn ask(&self, path: &str, query: &str, more: &[(&str, String)]) -> Result<Answer, Error> {
        let mut form = vec![("query", query.to_owned())];
        form.extend(more.iter().map(|(key, value)| (*key, value.clone())));
        form.extend(WHOLE.map(|(key, value)| (key, value.to_owned())));
        let request = || self.http.post(self.address(path)).form(&form);
        let (data, mut warnings) = self.send::<Data>(query, request).await?;
        if data.has_histograms() {
            warnings.push(
                "native histograms are no numbers: make one of them with histogram_quantile() or histogram_avg()"
                    .to_owned(),
            );
        }
        Ok(Answer { series: data.into_series(), warnings, ..Answer::default() })
    }

    async fn list(&self, path: &str, selector: &str, window: Window) -> Result<Vec<String>, Error> {
        let mut query = vec![("start", seconds(window.start)), ("end", seconds(window.end))];
        if !selector.is_empty() {
            query.push(("match[]", selector.to_owned()));
        }
        let request = || self.http.get(self.address(path)).query(&query);
        Ok(self.send::<Vec<String>>(selector, request).await?.0)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.endpoint)
    }

    async fn send<D: DeserializeOwned>(
        &self,
        query: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<(D, Vec<String>), Error> {
        let mut wait = Duration::from_secs(1);
        let mut tries = 1;
        loop {
            let outcome = self.send_once(query, request()).await;
            match outcome {
                Err(Attempt::Again(error)) if tries < TRIES => {
                    tracing::warn!("{error}; trying again in {} s", wait.as_secs());
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                    tries += 1;
                }
                Err(Attempt::Again(Error::Connect { endpoint, reason, .. })) => {
                    return Err(Error::Connect { endpoint, tries, reason });
                }
                Err(Attempt::Again(error) | Attempt::Final(error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    async fn send_once<D: DeserializeOwned>(
        &self,
        query: &str,
        request: RequestBuilder,
    ) -> Result<(D, Vec<String>), Attempt> {
        let connect = |error: reqwest::Error| {
            let (endpoint, reason) = (self.endpoint.clone(), step::describe_http_error(&error));
            // Whom one side does not trust now it will not trust in a second.
            match reason.contains("certificate") {
                true => Attempt::Final(Error::Tls { endpoint, reason }),
                false => Attempt::Again(Error::Connect { endpoint, tries: 1, reason }),
            }
        };
        let request = match &self.auth {
            Auth::None => request,
            Auth::Bearer(token) => request.bearer_auth(token.expose()),
            Auth::Basic(pair) => match pair.expose().split_once(':') {
                Some((user, password)) => request.basic_auth(user, Some(password)),
                None => request.basic_auth(pair.expose(), None::<&str>),
            },
        };
        let response = request.send().await.map_err(connect)?;
        let status = response.status();
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("no content type");
        let content_type = content_type.to_owned();
        let body = response.text().await.map_err(connect)?;
        self.understand(query, status, content_type, &body)
    }

    fn understand<D: DeserializeOwned>(
        &self,
        query: &str,
        status: StatusCode,
        content_type: String,
        body: &str,
    ) -> Result<(D, Vec<String>), Attempt> {
        let endpoint = self.endpoint.clone();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(Attempt::Final(Error::Refused { endpoint, status: status.as_u16(), said: beginning(body) }));
        }
        let Ok(envelope) = serde_json::from_str::<Envelope<D>>(body) else {
            let said = beginning(body);
            let error = Error::Foreign { endpoint, status: status.as_u16(), content_type, said };
            return Err(if status.is_server_error() { Attempt::Again(error) } else { Attempt::Final(error) });
        };
        let query = query.to_owned();
        match envelope.data {
            Some(data) if envelope.status == "success" && status.is_success() => {
                // Before Prometheus 2.54 infos were among the warnings (its CHANGELOG: "Split warnings from info annotations").
                let mut warnings = envelope.warnings;
                warnings.retain(|warning| !warning.starts_with("PromQL info:"));
                if envelope.is_partial {
                    warnings.push("the answer is partial".to_owned());
                }
                Ok((data, warnings))
            }
            _ if envelope.error_type == "bad_data" => Err(Attempt::Final(Error::Query { said: envelope.error, query })),
            _ => {
                let error = Error::Failed { endpoint, kind: envelope.error_type, said: envelope.error, query };
                // 422 says that this query fails on this data; it would fail again.
                Err(if status.is_server_error() { Attempt::Again(error) } else { Attempt::Final(error) })
            }
        }
    }
}

/// Whether a failed request may be sent again. All of them only read.
enum Attempt {
    Again(Error),
    Final(Error),
}

impl Data {
    /// Whether some of it are native histograms, which stand in fields of their own (Prometheus, docs/querying/api.md).
    fn has_histograms(&self) -> bool {
        match self {
            Self::Vector(samples) => samples.iter().any(|sample| sample.histogram.is_some()),
            Self::Matrix(series) => series.iter().any(|series| series.histograms.is_some()),
            Self::Scalar(_) => false,
        }
    }

    fn into_series(self) -> Vec<Series> {
        let number = |(time, value): Sample| (time, value.parse().unwrap_or(f64::NAN));
        match self {
            Self::Vector(samples) => samples
                .into_iter()
                .map(|sample| Series { labels: sample.metric, values: sample.value.map(number).into_iter().collect() })
                .collect(),
            Self::Matrix(series) => series
                .into_iter()
                .map(|series| Series { labels: series.metric, values: series.values.into_iter().map(number).collect() })
                .collect(),
            Self::Scalar(sample) => vec![Series { labels: BTreeMap::new(), values: vec![number(sample)] }],
        }
    }
}

fn seconds(time: Timestamp) -> String {
    format!("{:.3}", time.as_millisecond() as f64 / 1000.0)
}

/// The first line of a body, short enough for a message.
fn beginning(body: &str) -> String {
    let line = body.trim().lines().next().unwrap_or("an empty body");
    line.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn client(endpoint: &str, auth: Auth) -> Result<Client, Error> {
        Client::new(endpoint, auth, step::client_builder(Duration::from_secs(10)))
    }

    fn understand(status: u16, content_type: &str, body: &str) -> Result<Answer, String> {
        let client = client("http://127.0.0.1:9090/", Auth::None).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let understood = client.understand::<Data>("up", status, content_type.to_owned(), body);
        understood.map(|(data, warnings)| Answer { series: data.into_series(), warnings, ..Answer::default() }).map_err(
            |attempt| match attempt {
                Attempt::Again(error) => format!("again: {error}"),
                Attempt::Final(error) => error.to_string(),
            },
        )
    }

    #[test]
    fn values_are_strings_and_may_be_no_numbers() {
        let answer = understand(
            200,
            "application/json",
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1.5,"2"],[2.5,"NaN"],[3.5,"+Inf"]]}]},"warnings":["store is gone"]}"#,
        )
        .unwrap();
        assert_eq!(answer.series[0].values[0], (1.5, 2.0));
        assert!(answer.series[0].values[1].1.is_nan());
        assert!(answer.series[0].values[2].1.is_infinite());
        assert_eq!(answer.warnings, ["store is gone"]);
    }

    #[test]
    fn each_way_to_fail_has_its_own_words() {
        let say = |status, kind, body| understand(status, kind, body).unwrap_err();
        let json = "application/json";
        insta::assert_snapshot!(say(400, json, r#"{"status":"error","errorType":"bad_data","error":"1:4: parse error: unexpected <aggr:sum>"}"#), @r"
        Prometheus does not understand a query of the metric pack: 1:4: parse error: unexpected <aggr:sum>
          query: up
        ");
        insta::assert_snapshot!(say(422, json, r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}"#), @r"
        Prometheus at http://127.0.0.1:9090 failed (execution): query processing would load too many samples into memory in query execution
          query: up
        ");
        insta::assert_snapshot!(say(503, json, r#"{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#), @r"
        again: Prometheus at http://127.0.0.1:9090 failed (timeout): query timed out in expression evaluation
          query: up
        ");
        insta::assert_snapshot!(say(200, "text/html", "<html>\n<body>Sign in</body></html>"), @"http://127.0.0.1:9090 does not answer as Prometheus' API does (200, text/html): <html>; is a proxy or a missing path prefix in the way?");
        insta::assert_snapshot!(say(401, "text/plain", "Unauthorized"), @"Prometheus at http://127.0.0.1:9090 refuses access (401, Unauthorized): give --token-file, --basic-auth-file or, where there are tenants, --tenant");
    }

    /// A server that gives these answers in turn, and the Authorization headers that it was sent.
    async fn server(answers: Vec<(u16, &'static str)>) -> (String, Arc<Mutex<Vec<String>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (heard, mut answers) = (Arc::clone(&seen), answers.into_iter());
        let next = Arc::new(Mutex::new(move || answers.next().unwrap()));
        let answer = move |headers: axum::http::HeaderMap| async move {
            let authorization = headers.get(header::AUTHORIZATION).map_or("none", |value| value.to_str().unwrap());
            heard.lock().unwrap().push(authorization.to_owned());
            let (status, body) = (next.lock().unwrap())();
            (StatusCode::from_u16(status).unwrap(), body)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().route("/prefix/api/v1/query", axum::routing::post(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (endpoint + "/prefix/", seen)
    }

    fn secret(text: &str) -> Secret {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Secret::read(file.path()).unwrap()
    }

    #[tokio::test]
    async fn a_server_that_fails_for_a_moment_is_asked_again_with_the_token() {
        let good = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"42"]}}"#;
        let (endpoint, seen) = server(vec![(502, "<html>Bad Gateway</html>"), (200, good)]).await;
        let client = client(&endpoint, Auth::Bearer(secret("t0ken\n"))).unwrap();
        let answer = client.query("42", Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(answer.series[0].values, [(1.0, 42.0)]);
        assert_eq!(*seen.lock().unwrap(), ["Bearer t0ken", "Bearer t0ken"]);
    }

    #[tokio::test]
    async fn a_wrong_query_is_not_sent_twice_and_the_password_is_basic_authentication() {
        let bad = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        let (endpoint, seen) = server(vec![(400, bad)]).await;
        let client = client(&endpoint, Auth::Basic(secret("me:hunter2"))).unwrap();
        let error = client.query("sum(", Timestamp::UNIX_EPOCH).await.unwrap_err();
        assert!(matches!(error, Error::Query { .. }), "{error}");
        assert_eq!(*seen.lock().unwrap(), ["Basic bWU6aHVudGVyMg=="]);
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_shown() {
        let error = client("http://me:hunter2@prometheus:9090", Auth::None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--endpoint is not usable: it holds a password; give it with --basic-auth-file instead"
        );
    }
}
