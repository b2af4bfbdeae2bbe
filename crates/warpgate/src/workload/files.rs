//! A folder as a workload. It gives out regular files below the folder and nothing else: no parent, no symbolic link
//! that leads out, no dot file, no device, no listing.

mod conditions;
mod media;
mod open;

use std::{future::poll_fn, io, path::Path};

use bytes::Bytes;
use mezu_model::{Method, RequestHead, ResponseHead, date, known};

use self::{
    conditions::{Part, Verdict},
    open::{Found, Opened, read_at},
};
use super::{
    BadResponse, Fault,
    edge_stream::{EdgeStream, Request},
    forward::push_decimal,
};

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// Answers one request.
pub(crate) async fn serve<S: EdgeStream>(dir: &Path, stream: &mut S, request: &Request) -> Result<(), Fault> {
    let head_only = match request.head.method {
        Method::Get => false,
        Method::Head => true,
        _ => return say(stream, &with(405, &[(known::ALLOW, b"GET, HEAD")]), "method not allowed", false),
    };
    match find(dir, &request.head.path).await {
        Ok(Found::File(file)) => file_answer(stream, &request.head, file, head_only).await,
        Ok(Found::Folder) => {
            let to = folder_location(&request.head);
            say(stream, &with(301, &[(known::LOCATION, to.as_bytes())]), "", head_only)
        }
        Ok(Found::Nothing) => say(stream, &ResponseHead::new(404), "not found", head_only),
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "cannot serve the folder");
            say(stream, &ResponseHead::new(500), "the folder cannot be read", head_only)
        }
    }
}

/// Looks for the file off this thread: disks may be slow and everybody else's requests run here.
async fn find(dir: &Path, path: &str) -> io::Result<Found> {
    let (dir, path) = (dir.to_owned(), path.to_owned());
    tokio::task::spawn_blocking(move || open::find(&dir, &path)).await.map_err(io::Error::other)?
}

fn folder_location(head: &RequestHead) -> String {
    let query = head.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
    format!("{}/{query}", head.path)
}

async fn file_answer<S: EdgeStream>(
    stream: &mut S,
    asked: &RequestHead,
    file: Opened,
    head_only: bool,
) -> Result<(), Fault> {
    let etag = file.etag();
    let modified = date::format(date::seconds(file.modified));
    let mut head = with(
        200,
        &[(known::ETAG, etag.as_bytes()), (known::LAST_MODIFIED, &modified), (known::CACHE_CONTROL, b"no-cache")],
    );
    let part = match conditions::judge(&asked.headers, &etag, file.modified, file.length) {
        Verdict::NotModified => {
            head.status = 304;
            return say_head(stream, &head, true);
        }
        Verdict::Unsatisfiable => {
            head.status = 416;
            head.headers.push_known(known::CONTENT_RANGE, format!("bytes */{}", file.length).as_bytes());
            return say(stream, &head, "", head_only);
        }
        Verdict::Whole => Part { from: 0, length: file.length },
        Verdict::Part(part) => {
            let last = part.from + part.length.saturating_sub(1);
            head.status = 206;
            head.headers
                .push_known(known::CONTENT_RANGE, format!("bytes {}-{last}/{}", part.from, file.length).as_bytes());
            part
        }
    };
    head.headers.push_known(known::CONTENT_TYPE, media::of(&file.name).as_bytes());
    head.headers.push_known(known::X_CONTENT_TYPE_OPTIONS, b"nosniff");
    head.headers.push_known(known::ACCEPT_RANGES, b"bytes");
    push_length(&mut head, part.length);
    if head_only || part.length == 0 {
        return say_head(stream, &head, true);
    }
    body(stream, &head, file, part).await
}

/// Sends the part piece by piece; the first goes with the head.
async fn body<S: EdgeStream>(stream: &mut S, head: &ResponseHead, file: Opened, part: Part) -> Result<(), Fault> {
    let (mut at, mut left) = (part.from, part.length);
    let mut said = false;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let piece = piece(&file, at, want).await?;
        at += piece.len() as u64;
        left -= piece.len() as u64;
        let end = left == 0;
        let taken = if said { 0 } else { stream.send_response(head, &piece, end)? };
        if !said && taken == piece.len() {
            said = true;
            continue;
        }
        said = true;
        let mut rest = piece.get(taken..).unwrap_or_default();
        while !rest.is_empty() {
            let taken = poll_fn(|cx| stream.poll_send(cx, rest, end)).await?;
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
    Ok(())
}

async fn piece(file: &Opened, at: u64, want: usize) -> Result<Bytes, Fault> {
    let handle = file.file.clone();
    let read = tokio::task::spawn_blocking(move || read_at(&handle, at, want)).await;
    match read {
        Ok(Ok(piece)) if !piece.is_empty() => Ok(piece),
        // Cut short while it was being read: the length has been promised.
        _ => Err(BadResponse::ClosedInBody.into()),
    }
}

fn with(status: u16, fields: &[(mezu_model::Known, &[u8])]) -> ResponseHead {
    let mut head = ResponseHead::new(status);
    for (name, value) in fields {
        head.headers.push_known(*name, value);
    }
    head
}

fn push_length(head: &mut ResponseHead, length: u64) {
    let mut digits = Vec::with_capacity(20);
    push_decimal(&mut digits, length);
    head.headers.push_known(known::CONTENT_LENGTH, &digits);
}

fn say<S: EdgeStream>(stream: &mut S, head: &ResponseHead, text: &str, head_only: bool) -> Result<(), Fault> {
    let mut head = head.clone();
    head.headers.push_known(known::CONTENT_TYPE, b"text/plain; charset=utf-8");
    push_length(&mut head, text.len() as u64);
    let text = if head_only { "" } else { text };
    stream.send_response(&head, text.as_bytes(), true).map(|_| ())
}

fn say_head<S: EdgeStream>(stream: &mut S, head: &ResponseHead, end: bool) -> Result<(), Fault> {
    stream.send_response(head, b"", end).map(|_| ())
}

#[cfg(test)]
mod tests;
