//! A request over HTTP/2 in clear, which is how gRPC servers listen: one connection for all requests, trailers kept.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{self, ResponseFuture, SendRequest},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, response::Parts};
use mezu_model::{Headers, Known, ResponseHead, fields, known};
use mezu_runtime::{Scope, spawn_local};
use tokio::time::timeout;

use super::{
    BadResponse, Fault, Workload,
    edge_stream::{EdgeStream, Incoming, Request},
    forward::{self, Facts},
    response::MAX_INTERIM,
};

const MIB: u32 = 1024 * 1024;
/// Bytes that a stream and a connection may receive unread.
const STREAM_WINDOW: u32 = MIB;
const CONNECTION_WINDOW: u32 = 4 * MIB;
/// A response head.
const MAX_HEAD: u32 = 32 * 1024;

/// The connection to a workload, made when first needed.
#[derive(Default)]
pub(crate) struct Link {
    sender: RefCell<Option<SendRequest<Bytes>>>,
}

/// Answers one request.
pub(crate) async fn serve<S: EdgeStream>(workload: &Workload, stream: &mut S, request: &Request) -> Result<(), Fault> {
    let mut sender = workload.h2c.sender(workload).await?;
    let (head, te) = request_head(workload, request)?;
    let (response, upload) = sender.send_request(head, request.end && request.body.is_empty()).map_err(fault)?;
    let stream = RefCell::new(stream);
    let download = download(workload, &stream, response, te);
    let upload = self::upload(&stream, upload, request);
    // The download ends it; the upload returns only with a fault.
    tokio::select! {
        biased;
        done = download => done,
        fault = upload => Err(fault),
    }
}

impl Link {
    /// A sender with room for one more stream; a connection that has gone is replaced once.
    async fn sender(&self, workload: &Workload) -> Result<SendRequest<Bytes>, Fault> {
        let limit = workload.shared.limits.workload_connect;
        let kept = self.sender.borrow().clone();
        if let Some(kept) = kept {
            match timeout(limit, kept.ready()).await {
                Ok(Ok(ready)) => return Ok(ready),
                Ok(Err(_)) => {}
                // All its streams are in use.
                Err(_) => return Err(Fault::Overloaded),
            }
        }
        let fresh = timeout(limit, open(workload)).await.map_err(|_| Fault::ConnectTimeout)??;
        *self.sender.borrow_mut() = Some(fresh.clone());
        fresh.ready().await.map_err(fault)
    }
}

async fn open(workload: &Workload) -> Result<SendRequest<Bytes>, Fault> {
    let io = workload.dialer.dial().await?;
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEAD)
        .max_concurrent_reset_streams(64);
    let (sender, connection) = builder.handshake::<_, Bytes>(io).await.map_err(fault)?;
    spawn_local(&Scope::new(), "h2c", async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the workload ended");
        }
    });
    Ok(sender)
}

// ---- the way up ----

fn request_head(workload: &Workload, request: &Request) -> Result<(http::Request<()>, bool), Fault> {
    let head = &request.head;
    let public = forward::public_host(head);
    let authority = workload.rewrite.host.as_ref().map_or(public.as_bytes(), |host| host.as_bytes());
    let query = head.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
    let uri = Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query(format!("{}{query}", head.path))
        .build()
        .map_err(|_| Fault::BadHead)?;
    let mut out = http::Request::new(());
    *out.method_mut() = Method::from_bytes(head.method.as_str().as_bytes()).map_err(|_| Fault::BadHead)?;
    *out.uri_mut() = uri;
    *out.version_mut() = http::Version::HTTP_2;
    let mut told = Headers::new();
    Facts::new(head, &request.context, public.as_bytes()).push_all(&mut told);
    let kept =
        |known: Option<Known>, name: &[u8]| known == Some(known::CONTENT_LENGTH) || !forward::is_ours(known, name);
    for field in head.headers.iter().filter(|field| kept(field.known, field.name)).chain(told.iter()) {
        append(out.headers_mut(), field.name, field.value)?;
    }
    let trailers = head.headers.find(known::TE).is_some_and(|te| te.eq_ignore_ascii_case(b"trailers"));
    if trailers {
        out.headers_mut().insert(http::header::TE, HeaderValue::from_static("trailers"));
    }
    Ok((out, is_grpc(head.headers.find(known::CONTENT_TYPE))))
}

fn is_grpc(content_type: Option<&[u8]>) -> bool {
    content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

fn append(out: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<(), Fault> {
    let name = HeaderName::from_bytes(name).map_err(|_| Fault::BadHead)?;
    let value = HeaderValue::from_bytes(value).map_err(|_| Fault::BadHead)?;
    out.append(name, value);
    Ok(())
}

/// Sends the body; afterwards watches whether the edge gives up. Returns with the fault that ends the request.
async fn upload<S: EdgeStream>(stream: &RefCell<&mut S>, mut out: SendStream<Bytes>, request: &Request) -> Fault {
    let mut open = !(request.end && request.body.is_empty());
    if open && (!request.body.is_empty() || request.end) {
        let sent = send(&mut out, request.body.clone(), request.end).await;
        open = sent && !request.end;
    }
    loop {
        let event = match poll_fn(|cx| stream.borrow_mut().poll_recv(cx)).await {
            Ok(event) => event,
            Err(fault) => {
                out.send_reset(h2::Reason::CANCEL);
                return fault;
            }
        };
        // A workload that takes no more may still answer: what comes is dropped.
        if !open {
            continue;
        }
        open = match event {
            Incoming::Data(data) => send(&mut out, data, false).await,
            Incoming::End => {
                let _ = out.send_data(Bytes::new(), true);
                false
            }
            Incoming::Trailers(trailers) => {
                let _ = out.send_trailers(as_map(&trailers));
                false
            }
            Incoming::Go => true,
        };
    }
}

/// Sends one piece as the workload's window opens; false when it takes no more.
async fn send(out: &mut SendStream<Bytes>, mut data: Bytes, end: bool) -> bool {
    while !data.is_empty() {
        out.reserve_capacity(data.len());
        let capacity = match poll_fn(|cx| out.poll_capacity(cx)).await {
            Some(Ok(capacity)) => capacity.min(data.len()),
            _ => return false,
        };
        let piece = data.split_to(capacity);
        if out.send_data(piece, end && data.is_empty()).is_err() {
            return false;
        }
    }
    true
}

fn as_map(trailers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for field in trailers.iter().filter(|field| forward::is_trailer(*field)) {
        let _ = append(&mut map, field.name, field.value);
    }
    map
}

// ---- the way down ----

async fn download<S: EdgeStream>(
    workload: &Workload,
    stream: &RefCell<&mut S>,
    response: ResponseFuture,
    grpc: bool,
) -> Result<(), Fault> {
    let limits = &workload.shared.limits;
    // A gRPC call may be a subscription that says nothing for long.
    let first_byte = if grpc { limits.stream_idle_long } else { limits.workload_first_byte };
    let (parts, mut body) = final_head(stream, response, first_byte).await?;
    let head = response_head(&parts)?;
    if head.status < 200 {
        return Err(BadResponse::Status.into());
    }
    if body.is_end_stream() {
        return stream.borrow_mut().send_response(&head, b"", true).map(|_| ());
    }
    let first = match first_piece(&mut body).await {
        Some(piece) => piece.map_err(fault)?,
        None => Bytes::new(),
    };
    let taken = stream.borrow_mut().send_response(&head, &first, false)?;
    deliver(stream, first.get(taken..).unwrap_or_default()).await?;
    release(&mut body, first.len());
    while let Some(piece) = idle(limits.stream_idle_long, body.data()).await? {
        let piece = piece.map_err(fault)?;
        deliver(stream, &piece).await?;
        release(&mut body, piece.len());
    }
    let trailers = idle(limits.stream_idle_long, body.trailers()).await?.map_err(fault)?;
    let mut trailers = trailers.map(|map| as_headers(&map)).transpose()?.unwrap_or_default();
    trailers.retain(|field| fields::is_trailer(field.known, field.name));
    match trailers {
        trailers if !trailers.is_empty() => stream.borrow_mut().send_trailers(&trailers),
        _ => poll_fn(|cx| stream.borrow_mut().poll_send(cx, b"", true)).await.map(|_| ()),
    }
}

/// Passes interim heads on until the final one comes; each may be waited for as long as `patience`.
async fn final_head<S: EdgeStream>(
    stream: &RefCell<&mut S>,
    mut response: ResponseFuture,
    patience: Duration,
) -> Result<(Parts, RecvStream), Fault> {
    for _ in 0..=MAX_INTERIM {
        match timeout(patience, next_head(&mut response)).await.map_err(|_| Fault::Timeout)?.map_err(fault)? {
            Came::Final(response) => return Ok(response.into_parts()),
            Came::Interim(parts) => {
                let mut head = response_head(&parts)?;
                // Nothing changes protocols here (RFC 9113 §8.6).
                if !head.is_interim() {
                    return Err(BadResponse::Status.into());
                }
                head.headers.remove(known::CONTENT_LENGTH);
                stream.borrow_mut().send_response(&head, b"", false)?;
            }
        }
    }
    Err(BadResponse::TooManyInterim.into())
}

/// A head of an answer.
enum Came {
    Interim(Parts),
    Final(http::Response<RecvStream>),
}

async fn next_head(response: &mut ResponseFuture) -> Result<Came, h2::Error> {
    poll_fn(|cx| {
        // The future itself throws interim heads away, so they are taken out first. It also tells what went wrong.
        if let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            return Poll::Ready(Ok(Came::Interim(interim.into_parts().0)));
        }
        Pin::new(&mut *response).poll(cx).map_ok(Came::Final)
    })
    .await
}

async fn idle<T>(limit: Duration, wait: impl Future<Output = T>) -> Result<T, Fault> {
    timeout(limit, wait).await.map_err(|_| Fault::Timeout)
}

/// The body's first piece if it is there already, so that a small answer leaves as one frame.
async fn first_piece(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    poll_fn(|cx: &mut Context<'_>| match body.poll_data(cx) {
        Poll::Ready(piece) => Poll::Ready(piece),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Gives the workload room for as much as was passed on.
fn release(body: &mut RecvStream, bytes: usize) {
    let _ = body.flow_control().release_capacity(bytes);
}

async fn deliver<S: EdgeStream>(stream: &RefCell<&mut S>, mut data: &[u8]) -> Result<(), Fault> {
    while !data.is_empty() {
        let taken = poll_fn(|cx| stream.borrow_mut().poll_send(cx, data, false)).await?;
        data = data.get(taken..).unwrap_or_default();
    }
    Ok(())
}

fn response_head(parts: &Parts) -> Result<ResponseHead, Fault> {
    let mut head = ResponseHead::new(parts.status.as_u16());
    head.headers = as_headers(&parts.headers)?;
    if head.headers.count(known::CONTENT_LENGTH) > 1 {
        return Err(BadResponse::Framing.into());
    }
    head.headers.retain(|field| {
        let hop = field.known.is_some_and(fields::is_hop_by_hop);
        !hop && !fields::is_reserved(field.known, field.name)
    });
    Ok(head)
}

/// Fields of a workload: checked once more, and counted. Names that we do not carry are left out.
fn as_headers(map: &HeaderMap) -> Result<Headers, Fault> {
    if map.len() > 100 {
        return Err(BadResponse::TooLarge.into());
    }
    let mut headers = Headers::new();
    for (name, value) in map {
        match headers.push(name.as_str().as_bytes(), value.as_bytes()) {
            Ok(()) | Err(mezu_model::InvalidHeader::Name) => {}
            Err(_) => return Err(BadResponse::Head.into()),
        }
    }
    Ok(headers)
}

/// What an HTTP/2 error means for the request.
fn fault(error: h2::Error) -> Fault {
    tracing::debug!(%error, "HTTP/2 to the workload");
    match error.reason() {
        // The workload vows that it has not looked at it (RFC 9113 §8.7).
        Some(h2::Reason::REFUSED_STREAM) => Fault::Refused,
        Some(_) => BadResponse::ClosedInBody.into(),
        None => Fault::Closed,
    }
}

#[cfg(test)]
mod tests;
