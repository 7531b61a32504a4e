//! Requests and answers as they are framed on a connection: a length of four bytes, a header, the message.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How the brokers see us in their logs and quotas.
const CLIENT_ID: &str = "streamgauge";
/// The largest answer we take, in bytes: far above what is ever asked for, far below what would end the program.
const LARGEST: usize = 128 << 20;
/// How a TLS record begins in which the other side ends the connection; as a length it is above the largest.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// A request as it goes over the wire.
pub fn encode<R: Request>(request: &R, version: i16, number: i32) -> io::Result<Bytes> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(number)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
    let header_version = R::header_version(version);
    let length =
        header.compute_size(header_version).map_err(invalid)? + request.compute_size(version).map_err(invalid)?;
    let mut frame = BytesMut::with_capacity(4 + length);
    frame.put_u32(u32::try_from(length).map_err(invalid)?);
    header.encode(&mut frame, header_version).map_err(invalid)?;
    request.encode(&mut frame, version).map_err(invalid)?;
    Ok(frame.freeze())
}

/// Takes an answer's message out of its frame. What it holds as bytes are slices of the frame.
pub fn decode<R: Request>(mut frame: Bytes, version: i16) -> io::Result<R::Response> {
    ResponseHeader::decode(&mut frame, R::Response::header_version(version)).map_err(invalid)?;
    R::Response::decode(&mut frame, version).map_err(invalid)
}

/// The number of the request that a frame answers.
pub fn number(frame: &Bytes) -> io::Result<i32> {
    frame.clone().try_get_i32().map_err(invalid)
}

/// Reads the next frame; none when the other side has ended the connection between two of them.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Bytes>> {
    let mut length = [0; 4];
    let read = stream.read(&mut length).await?;
    if read == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[read..]).await?;
    if length.starts_with(&TLS_ALERT) {
        return Err(invalid("it answers with a TLS alert"));
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > LARGEST {
        return Err(invalid(format!("it sends an answer of {length} bytes, which no Kafka broker does")));
    }
    let mut frame = BytesMut::with_capacity(length).limit(length);
    while frame.has_remaining_mut() {
        if stream.read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(frame.into_inner().freeze()))
}

/// Asks one question and waits for its answer, while nothing else is under way.
pub async fn exchange<R: Request>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &R,
    version: i16,
) -> io::Result<Bytes> {
    stream.write_all(&encode(request, version, 0)?).await?;
    stream.flush().await?;
    read(stream).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
