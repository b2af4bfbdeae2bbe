//! The cheapest workload that is still honest HTTP/1.1: answers of a chosen size, uploads read and counted.
//! One thread, so that it stays the same for every chain that is measured.

use anyhow::Result;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CHUNK: usize = 256 * 1024;

/// Serves for ever. `GET /bytes/N` answers N bytes, any other GET 1 KiB; an upload is read and answered.
pub(crate) fn serve(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, accept(port))
}

#[allow(clippy::disallowed_methods, reason = "ends with its process; nothing to drain")]
async fn accept(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let small: Arc<[u8]> = answer(1024).into();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let small = small.clone();
        tokio::task::spawn_local(async move {
            let _ = connection(socket, &small).await;
        });
    }
}

fn answer(size: usize) -> Vec<u8> {
    let mut bytes = head(size as u64).into_bytes();
    bytes.resize(bytes.len() + size, b'x');
    bytes
}

fn head(size: u64) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {size}\r\n\r\n")
}

async fn connection(mut socket: TcpStream, small: &[u8]) -> Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let Some(end) = read_head(&mut socket, &mut buffer).await? else { return Ok(()) };
        let request = Request::parse(buffer.get(..end).unwrap_or_default());
        buffer.drain(..end);
        match request.body {
            Body::None => {}
            Body::Sized(size) => skip_sized(&mut socket, &mut buffer, size).await?,
            Body::Chunked => skip_chunked(&mut socket, &mut buffer).await?,
        }
        match request.wanted {
            None => socket.write_all(small).await?,
            Some(size) => send_many(&mut socket, size).await?,
        }
    }
}

async fn read_head(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<usize>> {
    loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

struct Request {
    /// Bytes asked for by `/bytes/N`.
    wanted: Option<u64>,
    body: Body,
}

enum Body {
    None,
    Sized(u64),
    Chunked,
}

impl Request {
    fn parse(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let path = text.split(' ').nth(1).unwrap_or_default();
        let field = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        };
        let body = match (field("transfer-encoding"), field("content-length")) {
            (Some(_), _) => Body::Chunked,
            (None, Some(size)) => Body::Sized(size.parse().unwrap_or(0)),
            (None, None) => Body::None,
        };
        Self { wanted: path.strip_prefix("/bytes/").and_then(|size| size.parse().ok()), body }
    }
}

async fn skip_sized(socket: &mut TcpStream, buffer: &mut Vec<u8>, size: u64) -> Result<()> {
    let mut left = size.saturating_sub(buffer.len() as u64);
    buffer.drain(..buffer.len().min(usize::try_from(size)?));
    let mut scratch = vec![0; CHUNK];
    while left > 0 {
        let most = usize::try_from(left)?.min(CHUNK);
        let read = socket.read(scratch.get_mut(..most).unwrap_or_default()).await?;
        anyhow::ensure!(read > 0, "upload cut short");
        left -= read as u64;
    }
    Ok(())
}

async fn skip_chunked(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(2).position(|two| two == b"\r\n") {
                break at;
            }
            anyhow::ensure!(socket.read_buf(buffer).await? > 0, "upload cut short");
        };
        let size = u64::from_str_radix(std::str::from_utf8(buffer.get(..end).unwrap_or_default())?.trim(), 16)?;
        buffer.drain(..end + 2);
        skip_sized(socket, buffer, size + 2).await?;
        if size == 0 {
            return Ok(());
        }
    }
}

async fn send_many(socket: &mut TcpStream, size: u64) -> Result<()> {
    socket.write_all(head(size).as_bytes()).await?;
    let block = vec![b'x'; CHUNK];
    let mut left = size;
    while left > 0 {
        let most = usize::try_from(left)?.min(CHUNK);
        socket.write_all(block.get(..most).unwrap_or_default()).await?;
        left -= most as u64;
    }
    Ok(())
}
