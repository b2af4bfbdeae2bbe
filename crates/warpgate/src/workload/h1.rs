//! A request over HTTP/1.1: framing, the choice of a connection, and whether a failed try may be followed by another.

use std::{future::poll_fn, time::Duration};

use mezu_model::{Method, Upgrade, known};
use tokio::time::{Instant, timeout};

use super::{
    Fault, Workload,
    connection::Connection,
    edge_stream::{EdgeStream, Incoming, Request},
    exchange::{Exchange, Finished, Touched},
    request::{self, Framing},
    response::Asked,
    websocket::Handshake,
};

/// Body up to this size is copied behind the head, so that both leave in one write; more is written from where it is.
const JOIN: usize = 16 * 1024;
/// How long the end of an upload that is over is waited for, so that the stream ends cleanly.
const LINGER: Duration = Duration::from_secs(1);

/// Answers one request.
pub(crate) async fn serve<S: EdgeStream>(workload: &Workload, stream: &mut S, request: &Request) -> Result<(), Fault> {
    let framing = request::framing(&request.head, request.body.len(), request.end).ok_or(Fault::BadRequest)?;
    let handshake = matches!(request.head.upgrade, Some(Upgrade::WebSocket)).then(Handshake::new);
    let repeatable = request.head.method.is_idempotent() && handshake.is_none();
    let pooled = workload.pool.take(repeatable, Instant::now());
    let mut connection = match pooled {
        Some(connection) => connection,
        None => dial(workload).await?,
    };
    let mut tried = attempt(workload, stream, request, framing, handshake.as_ref(), &mut connection).await;
    if may_retry(&tried, repeatable, connection.used) {
        connection = dial(workload).await?;
        tried = attempt(workload, stream, request, framing, handshake.as_ref(), &mut connection).await;
    }
    let finished = tried.map_err(|(fault, _)| fault)?;
    if finished.reusable && handshake.is_none() {
        workload.pool.put(connection, finished.idle_hint);
    } else {
        drop(connection);
    }
    if !finished.heard_end {
        Box::pin(linger(stream)).await;
    }
    Ok(())
}

/// Boxed, because most requests find a connection and should not carry the room that dialling needs.
async fn dial(workload: &Workload) -> Result<Box<Connection>, Fault> {
    Box::pin(workload.dialer.dial()).await.map(Connection::new)
}

type Tried = Result<Finished, (Fault, Touched)>;

async fn attempt<S: EdgeStream>(
    workload: &Workload,
    stream: &mut S,
    request: &Request,
    framing: Framing,
    handshake: Option<&Handshake>,
    connection: &mut Connection,
) -> Tried {
    let key = handshake.map(|handshake| handshake.key.as_bytes());
    request::write(&mut connection.out, &request.head, &request.context, framing, &workload.rewrite, key);
    if !request.body.is_empty() && handshake.is_none() {
        stage_buffered(connection, request, framing);
    }
    let asked = Asked {
        head_only: request.head.method == Method::Head,
        upgrade: handshake.is_some(),
        expect: request.head.headers.find(known::EXPECT).is_some(),
    };
    let buffered = (request.body.len(), request.end);
    let handshake = handshake.map(|handshake| (handshake, request.body.clone()));
    let mut exchange = Exchange::new(stream, &workload.shared, connection, asked, framing, buffered, handshake);
    let ended = exchange.run().await;
    ended.map_err(|fault| (fault, exchange.touched))
}

fn stage_buffered(connection: &mut Connection, request: &Request, framing: Framing) {
    let chunked = framing == Framing::Chunked;
    if chunked {
        super::exchange::push_hex(&mut connection.out, request.body.len());
    }
    if request.body.len() <= JOIN {
        connection.out.extend_from_slice(&request.body);
        if chunked {
            connection.out.extend_from_slice(b"\r\n");
        }
    } else {
        connection.queue(request.body.clone());
        connection.set_tail(if chunked { b"\r\n" } else { b"" });
    }
}

/// The keep-alive race: the workload closed an idle connection as we took it. End of file, reset and failed write all
/// come as [`Fault::Closed`]; what matters is what had happened before. Once only, and over a fresh connection.
fn may_retry(tried: &Tried, repeatable: bool, used: bool) -> bool {
    match tried {
        Err((Fault::Closed, touched)) => {
            used && !touched.heard && !touched.took && !touched.answered && (!touched.wrote || repeatable)
        }
        _ => false,
    }
}

async fn linger<S: EdgeStream>(stream: &mut S) {
    let _ = timeout(LINGER, hear_end(stream)).await;
}

async fn hear_end<S: EdgeStream>(stream: &mut S) {
    loop {
        match poll_fn(|cx| stream.poll_recv(cx)).await {
            Ok(Incoming::End | Incoming::Trailers(_)) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
