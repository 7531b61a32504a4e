//! A link to one broker: requests are written as they come, answers are matched with them in order.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, FetchRequest, ProduceRequest};
use kafka_protocol::protocol::{Request, StrBytes, VersionRange};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::{Call, Error, Failure, wire};

/// How much of a session's lifetime is used before a new link is made, as in Java clients.
const SESSION_USED: f64 = 0.85;

/// The versions of the requests that a broker speaks, by the requests' keys, and the level of its cluster's metadata, which it
/// has since it needs no ZooKeeper.
pub struct Versions(HashMap<i16, VersionRange>, Option<i16>);

/// What is known of Kafka's version: no broker tells its release.
impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let highest = |key| self.0.get(&key).map_or(-1, |span| span.max);
        match self.1 {
            Some(level) => write!(f, "metadata.version {level}"),
            None => write!(f, "Produce {}, Fetch {}", highest(ProduceRequest::KEY), highest(FetchRequest::KEY)),
        }
    }
}

impl Versions {
    /// The highest version of a request that the broker and we speak.
    pub fn pick<R: Call>(&self) -> Result<i16, Failure> {
        let theirs = self.0.get(&R::KEY);
        match theirs.filter(|theirs| theirs.min <= R::MAX && R::MIN <= theirs.max) {
            Some(theirs) => Ok(theirs.max.min(R::MAX)),
            None => Err(Failure::Version {
                call: R::NAME,
                ours: format!("{} to {}", R::MIN, R::MAX),
                theirs: theirs.map_or("not at all".to_owned(), |theirs| format!("{} to {}", theirs.min, theirs.max)),
            }),
        }
    }
}

/// One link to one broker. Cheap to clone; the link is closed with its last clone.
#[derive(Clone)]
pub struct Broker(Arc<Link>);

struct Link {
    id: i32,
    place: Place,
    versions: Versions,
    /// When the broker will not take requests any more, some time before.
    expiry: Option<Instant>,
    number: AtomicI32,
    frames: mpsc::UnboundedSender<Bytes>,
    pending: Arc<Mutex<Pending>>,
    carrier: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

/// Which broker a link leads to, as errors name it.
#[derive(Debug, Clone)]
pub struct Place {
    /// `source` or `target`.
    pub side: &'static str,
    /// The broker's address.
    pub address: String,
}

impl Place {
    /// What a failure means to the one who asked.
    pub fn error(&self, failure: Failure) -> Error {
        let (side, address) = (self.side, self.address.clone());
        match failure {
            Failure::Network(words) => Error::Broken { side, address, words },
            Failure::Tls(words) => Error::Tls { side, address, words },
            Failure::Credentials(words) => Error::Credentials { side, address, words },
            Failure::Version { call, ours, theirs } => Error::Version { side, address, call, ours, theirs },
        }
    }
}

/// The requests that have no answer yet, in the order they are written in.
#[derive(Default)]
struct Pending {
    waiting: VecDeque<(i32, oneshot::Sender<Bytes>)>,
    /// Why the link is gone.
    broken: Option<String>,
    /// Whether there was an answer before.
    answered: bool,
}

impl Pending {
    /// Who waits for the answer that came.
    fn answer(&mut self) -> Option<(i32, oneshot::Sender<Bytes>)> {
        self.answered = true;
        self.waiting.pop_front()
    }

    /// Why the link is gone, if it is. One whose session ends soon is given up as soon as nothing is under way, so that
    /// a new one takes over in between.
    fn broken_by(&mut self, expiry: Option<Instant>) -> Option<&str> {
        if self.broken.is_none() && self.waiting.is_empty() && expiry.is_some_and(|expiry| Instant::now() >= expiry) {
            self.broken = Some("its session ended, a new one is needed".to_owned());
        }
        self.broken.as_deref()
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "broker {} at {}", self.0.id, self.0.place.address)
    }
}

impl Broker {
    /// Takes over a connection that is ready for requests.
    pub(super) fn new<S>(id: i32, place: Place, stream: S, versions: Versions, lifetime: Option<Duration>) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (frames, outgoing) = mpsc::unbounded_channel();
        let pending = Arc::new(Mutex::new(Pending::default()));
        let (incoming, outlet) = tokio::io::split(stream);
        let carrier = tokio::spawn(carry(incoming, outlet, outgoing, pending.clone())).abort_handle();
        let expiry = lifetime.map(|lifetime| Instant::now() + lifetime.mul_f64(SESSION_USED));
        Self(Arc::new(Link { id, place, versions, expiry, number: AtomicI32::new(0), frames, pending, carrier }))
    }

    /// What is known of its version, as `metadata.version 25`.
    pub fn version(&self) -> String {
        self.0.versions.to_string()
    }

    /// Whether the link is gone.
    pub fn is_broken(&self) -> bool {
        lock(&self.0.pending).broken_by(self.0.expiry).is_some()
    }

    /// Asks the broker. The request is in line when this returns, before its future is awaited: requests are sent in the
    /// order of these calls. Nothing here waits but for the answer, however long it takes; when the link breaks, every
    /// request without an answer fails with [`Error::Broken`].
    pub fn call<R: Call>(&self, request: R) -> impl Future<Output = Result<R::Response, Error>> + Send + use<R> {
        let queued = self.queue(&request);
        let broker = self.clone();
        async move {
            let (version, answer) = queued?;
            let frame = answer.await.map_err(|_| broker.broken())?;
            wire::decode::<R>(frame, version).map_err(|error| {
                broker.give_up(&format!("its answer to {} makes no sense: {error}", R::NAME));
                broker.broken()
            })
        }
    }

    /// An answer of this link in time; otherwise the link is given up, so that the next try takes another one.
    pub async fn within<T>(&self, limit: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut answer = std::pin::pin!(answer);
        match tokio::time::timeout(limit, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.give_up(&format!("no answer within {} s", limit.as_secs_f64()));
                answer.await
            }
        }
    }

    /// Breaks the link, for a reason that the errors then give.
    pub fn give_up(&self, words: &str) {
        fail(&self.0.pending, words);
        self.0.carrier.abort();
    }

    /// Puts a request in line; returns the version it is asked in, and where its answer comes.
    fn queue<R: Call>(&self, request: &R) -> Result<(i16, oneshot::Receiver<Bytes>), Error> {
        let version = self.0.versions.pick::<R>().map_err(|failure| self.0.place.error(failure))?;
        let number = self.0.number.fetch_add(1, Ordering::Relaxed);
        let frame = wire::encode(request, version, number).map_err(|error| self.error(error.to_string()))?;
        let (sender, answer) = oneshot::channel();
        // Under one lock, so that the order of the waiting is the order of the frames.
        let mut pending = lock(&self.0.pending);
        if let Some(words) = pending.broken_by(self.0.expiry) {
            return Err(self.error(words.to_owned()));
        }
        if self.0.frames.send(frame).is_ok() {
            pending.waiting.push_back((number, sender));
        }
        Ok((version, answer))
    }

    fn broken(&self) -> Error {
        let words = lock(&self.0.pending).broken.clone();
        self.error(words.unwrap_or_else(|| "it was closed".to_owned()))
    }

    fn error(&self, words: String) -> Error {
        self.0.place.error(Failure::Network(words))
    }
}

/// Asks a broker which versions it speaks: the first question on every connection.
pub async fn versions(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Versions> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("streamgauge"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    let mut version = ApiVersionsRequest::MAX;
    let mut frame = wire::exchange(stream, &request, version).await?;
    // A broker that does not know the version answers in version 0: the request's number, then the error.
    if (&frame[..]).try_get_i32().is_ok()
        && frame.get(4..6) == Some(&ResponseError::UnsupportedVersion.code().to_be_bytes())
    {
        version = 0;
        frame = wire::exchange(stream, &request, version).await?;
    }
    let answer: ApiVersionsResponse = wire::decode::<ApiVersionsRequest>(frame, version)?;
    if let Some(error) = super::code(answer.error_code) {
        return Err(io::Error::other(super::words(&error)));
    }
    let span = |min, max| VersionRange { min, max };
    let spoken = answer.api_keys.iter().map(|api| (api.api_key, span(api.min_version, api.max_version)));
    let level = answer.finalized_features.iter().find(|feature| &*feature.name == "metadata.version");
    Ok(Versions(spoken.collect(), level.map(|feature| feature.max_version_level)))
}

/// Carries requests and answers until the link breaks or nobody holds it any more.
async fn carry<S: AsyncRead + AsyncWrite>(
    incoming: ReadHalf<S>,
    outlet: WriteHalf<S>,
    frames: mpsc::UnboundedReceiver<Bytes>,
    pending: Arc<Mutex<Pending>>,
) {
    let ended = tokio::select! {
        ended = read(incoming, &pending) => ended,
        ended = write(outlet, frames) => ended,
    };
    let words = match ended {
        Ok(()) if !lock(&pending).answered => {
            "the broker closed it at the first request; does this listener want SASL? set \
             security.protocol=SASL_PLAINTEXT or SASL_SSL"
                .to_owned()
        }
        Ok(()) => "the broker closed it".to_owned(),
        Err(error) => error.to_string(),
    };
    fail(&pending, &words);
}

async fn read<S: AsyncRead>(incoming: ReadHalf<S>, pending: &Mutex<Pending>) -> io::Result<()> {
    let mut incoming = BufReader::with_capacity(16 << 10, incoming);
    while let Some(frame) = wire::read(&mut incoming).await? {
        let answered = wire::number(&frame)?;
        let (number, sender) =
            lock(pending).answer().ok_or_else(|| io::Error::other("an answer to nothing that was asked"))?;
        if number != answered {
            return Err(io::Error::other(format!("answer {answered} came where answer {number} is due")));
        }
        // Whoever asked may not wait any more.
        let _ = sender.send(frame);
    }
    Ok(())
}

async fn write<S: AsyncWrite>(mut outlet: WriteHalf<S>, mut frames: mpsc::UnboundedReceiver<Bytes>) -> io::Result<()> {
    while let Some(frame) = frames.recv().await {
        outlet.write_all(&frame).await?;
        if frames.is_empty() {
            outlet.flush().await?;
        }
    }
    outlet.shutdown().await
}

/// Marks the link as gone and fails what waits; the first reason stays.
fn fail(pending: &Mutex<Pending>, words: &str) {
    let mut pending = lock(pending);
    pending.broken.get_or_insert_with(|| words.to_owned());
    pending.waiting.clear();
}

fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::api_versions_response::ApiVersion;
    use kafka_protocol::messages::{MetadataRequest, MetadataResponse};
    use kafka_protocol::protocol::Encodable;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    use super::*;

    /// The key, the version and the number of the next request.
    async fn asked(broker: &mut DuplexStream) -> (i16, i16, i32) {
        let frame = wire::read(broker).await.unwrap().unwrap();
        let mut header = &frame[..];
        (header.get_i16(), header.get_i16(), header.get_i32())
    }

    /// Answers the request of this number with a message whose header has no tagged fields.
    async fn answer(broker: &mut DuplexStream, number: i32, message: &impl Encodable, version: i16) {
        let mut body = Vec::new();
        message.encode(&mut body, version).unwrap();
        let length = i32::try_from(4 + body.len()).unwrap();
        broker.write_all(&[&length.to_be_bytes()[..], &number.to_be_bytes(), &body].concat()).await.unwrap();
    }

    fn link(spoken: &[(i16, i16, i16)]) -> (Broker, DuplexStream) {
        let (stream, broker) = duplex(1 << 16);
        let spoken = spoken.iter().map(|&(key, min, max)| (key, VersionRange { min, max }));
        let place = Place { side: "source", address: "kafka:9092".to_owned() };
        (Broker::new(1, place, stream, Versions(spoken.collect(), None), None), broker)
    }

    #[tokio::test]
    async fn an_old_broker_is_asked_again_in_the_version_it_knows() {
        let (mut stream, mut broker) = duplex(1 << 16);
        let old = async {
            assert_eq!(asked(&mut broker).await, (ApiVersionsRequest::KEY, 3, 0));
            let refusal = ApiVersionsResponse::default().with_error_code(35);
            answer(&mut broker, 0, &refusal, 0).await;
            assert_eq!(asked(&mut broker).await, (ApiVersionsRequest::KEY, 0, 0));
            let fetch = ApiVersion::default().with_api_key(FetchRequest::KEY).with_min_version(0).with_max_version(6);
            answer(&mut broker, 0, &ApiVersionsResponse::default().with_api_keys(vec![fetch]), 0).await;
        };
        let (spoken, ()) = tokio::join!(versions(&mut stream), old);
        let spoken = spoken.unwrap();
        assert_eq!(spoken.pick::<FetchRequest>(), Ok(6));
        assert_eq!(spoken.to_string(), "Produce -1, Fetch 6");
        assert!(matches!(spoken.pick::<ProduceRequest>(), Err(Failure::Version { call: "Produce", .. })));
    }

    #[tokio::test]
    async fn a_request_without_a_common_version_names_both_ranges() {
        let (link, _broker) = link(&[(FetchRequest::KEY, 13, 17)]);
        let error = link.call(FetchRequest::default()).await.unwrap_err().to_string();
        assert!(
            error.starts_with("kafka:9092, a broker of the source, speaks Fetch 13 to 17, and this program 4 to 12")
        );
    }

    #[tokio::test]
    async fn requests_are_in_line_before_they_are_awaited_and_fail_with_the_link() {
        let (link, mut broker) = link(&[(MetadataRequest::KEY, 0, 8)]);
        let (first, second) = (link.call(MetadataRequest::default()), link.call(MetadataRequest::default()));
        assert_eq!(asked(&mut broker).await, (MetadataRequest::KEY, 8, 0));
        assert_eq!(asked(&mut broker).await, (MetadataRequest::KEY, 8, 1));
        let told = MetadataResponse::default().with_controller_id(7.into());
        answer(&mut broker, 0, &told, 8).await;
        assert_eq!(first.await.unwrap().controller_id, 7);
        drop(broker);
        let error = second.await.unwrap_err();
        assert_eq!(error.to_string(), "lost the link to kafka:9092, a broker of the source: the broker closed it");
        assert!(error.heals() && link.is_broken());
        assert!(matches!(link.call(MetadataRequest::default()).await, Err(Error::Broken { .. })));
    }

    #[tokio::test]
    async fn an_answer_out_of_turn_or_too_large_breaks_the_link() {
        let (link, mut broker) = self::link(&[(MetadataRequest::KEY, 0, 8)]);
        let waiting = link.call(MetadataRequest::default());
        asked(&mut broker).await;
        answer(&mut broker, 5, &MetadataResponse::default(), 8).await;
        assert!(waiting.await.unwrap_err().to_string().ends_with("answer 5 came where answer 0 is due"));

        let (link, mut broker) = self::link(&[(MetadataRequest::KEY, 0, 8)]);
        let waiting = link.call(MetadataRequest::default());
        asked(&mut broker).await;
        broker.write_all(&((128 << 20) + 1_u32).to_be_bytes()).await.unwrap();
        assert!(waiting.await.unwrap_err().to_string().contains("an answer of 134217729 bytes"));
    }

    #[tokio::test]
    async fn a_link_that_nobody_holds_is_closed() {
        let (link, mut broker) = link(&[]);
        drop(link);
        assert_eq!(broker.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_session_ends_only_when_nothing_is_under_way() {
        let mut pending = Pending::default();
        let (sender, _answer) = oneshot::channel();
        pending.waiting.push_back((0, sender));
        let past = Some(Instant::now());
        assert_eq!(pending.broken_by(past), None);
        pending.answer();
        assert!(pending.broken_by(past).is_some());
    }
}
