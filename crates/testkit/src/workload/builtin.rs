//! What the workload does of itself.
//!
//! | Path | Answer |
//! |---|---|
//! | `/bytes/N` | N bytes of a [`pattern_block`], with a length |
//! | `/chunked/N` | the same in chunks |
//! | `/upload` | reads the body, answers its size and checksum |
//! | `/status/N` | that status, with its own text unless it must have none |
//! | `/after/MS` | 200 after so many milliseconds (for load, not for synchronisation) |
//! | `/ws` | WebSocket: text and binary frames are echoed |
//! | anything else | the request's head and body as they came, in the body |

use super::{KEPT_BODY, State};
use crate::http1::{Chunk, Framing, Head, Reader};
use crate::websocket;
use anyhow::{Context as _, Result};
use aws_lc_rs::digest;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What every large body is made of, again and again; its length is a prime, so that a piece lost, doubled or moved by
/// any round number of bytes is noticed.
static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(1_048_573).collect()
});

/// `size` bytes of the pattern from `start` on.
pub fn pattern_block(start: u64, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        let at = ((start + bytes.len() as u64) % BLOCK.len() as u64) as usize;
        let most = (size - bytes.len()).min(BLOCK.len() - at);
        bytes.extend_from_slice(&BLOCK[at..at + most]);
    }
    bytes
}

/// Size and SHA-256 of a body.
#[derive(Clone)]
pub struct Checksum {
    pub size: u64,
    hash: digest::Context,
}

impl Default for Checksum {
    fn default() -> Self {
        Self { size: 0, hash: digest::Context::new(&digest::SHA256) }
    }
}

impl Checksum {
    pub fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// The sum of so many bytes of the pattern.
    pub fn of_pattern(size: u64) -> Self {
        let mut sum = Self::default();
        while sum.size < size {
            let most = (size - sum.size).min(1 << 18) as usize;
            sum.add(&pattern_block(sum.size, most));
        }
        sum
    }
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.size)?;
        self.hash.clone().finish().as_ref().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

pub(super) async fn answer(
    socket: &mut TcpStream,
    reader: &mut Reader,
    state: &State,
    nonce: u64,
    head: &Head,
) -> Result<bool> {
    let target = head.start.get(1).context("no target")?.clone();
    let path = target.split('?').next().unwrap_or_default();
    let wants = |prefix: &str| path.strip_prefix(prefix).and_then(|rest| rest.parse::<u64>().ok());
    if path == "/ws" {
        return websocket_echo(socket, reader, head, nonce).await;
    }
    if head.only("expect")?.is_some() {
        socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let sum = read_body_summed(socket, reader, state, nonce).await?;
    let is_head = head.start.first().is_some_and(|method| method == "HEAD");
    if let Some(size) = wants("/bytes/") {
        socket.write_all(sized(200, nonce, size).as_bytes()).await?;
        if !is_head {
            send_pattern(socket, size, false).await?;
        }
    } else if let Some(size) = wants("/chunked/") {
        let head = format!("HTTP/1.1 200 OK\r\nx-nonce: {nonce}\r\ntransfer-encoding: chunked\r\n\r\n");
        socket.write_all(head.as_bytes()).await?;
        if !is_head {
            send_pattern(socket, size, true).await?;
        }
    } else if let Some(status) = wants("/status/") {
        let text = format!("status {status}");
        let bodyless = matches!(status, 204 | 304);
        let head = if bodyless {
            format!("HTTP/1.1 {status} -\r\nx-nonce: {nonce}\r\n\r\n")
        } else {
            sized(status, nonce, text.len() as u64)
        };
        let body = if bodyless || is_head { "" } else { &text };
        socket.write_all(format!("{head}{body}").as_bytes()).await?;
    } else {
        if let Some(wait) = wants("/after/") {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        let body = if path == "/upload" { sum.to_string().into_bytes() } else { echo(state, nonce) };
        let mut bytes = sized(200, nonce, body.len() as u64).into_bytes();
        bytes.extend(if is_head { Vec::new() } else { body });
        socket.write_all(&bytes).await?;
    }
    Ok(head.only("connection")? != Some("close"))
}

fn sized(status: u64, nonce: u64, size: u64) -> String {
    format!(
        "HTTP/1.1 {status} -\r\nx-nonce: {nonce}\r\ncontent-type: application/octet-stream\r\ncontent-length: {size}\r\n\r\n"
    )
}

/// The request as it came.
fn echo(state: &State, nonce: u64) -> Vec<u8> {
    let seen = state.seen.lock().unwrap();
    let Some(seen) = seen.get(&nonce) else { return Vec::new() };
    [seen.head.raw.as_slice(), seen.body.as_slice()].concat()
}

async fn send_pattern(socket: &mut TcpStream, size: u64, chunked: bool) -> Result<()> {
    const BLOCK: u64 = 64 * 1024;
    let mut at = 0;
    while at < size {
        let block = pattern_block(at, BLOCK.min(size - at) as usize);
        if chunked {
            socket.write_all(format!("{:x}\r\n", block.len()).as_bytes()).await?;
        }
        socket.write_all(&block).await?;
        if chunked {
            socket.write_all(b"\r\n").await?;
        }
        at += block.len() as u64;
    }
    if chunked {
        socket.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}

pub(super) async fn read_body(socket: &mut TcpStream, reader: &mut Reader, state: &State, nonce: u64) -> Result<()> {
    read_body_summed(socket, reader, state, nonce).await.map(drop)
}

async fn read_body_summed(socket: &mut TcpStream, reader: &mut Reader, state: &State, nonce: u64) -> Result<Checksum> {
    let framing = state.seen.lock().unwrap().get(&nonce).map_or(Ok(Framing::None), |seen| seen.head.framing())?;
    let mut sum = Checksum::default();
    let mut keep = |bytes: &[u8]| {
        sum.add(bytes);
        state.change(nonce, |seen| {
            seen.body_size += bytes.len() as u64;
            if seen.body.len() + bytes.len() <= KEPT_BODY {
                seen.body.extend(bytes);
            }
        });
    };
    let mut trailers = Vec::new();
    match framing {
        Framing::None => {}
        Framing::Sized(size) => {
            let mut left = size;
            while left > 0 {
                let some = reader.some(socket, usize::try_from(left)?).await?;
                anyhow::ensure!(!some.is_empty(), "the body was cut short");
                left -= some.len() as u64;
                keep(&some);
            }
        }
        Framing::Chunked => loop {
            match reader.chunk(socket).await? {
                Chunk::Data(data) => keep(&data),
                Chunk::Last(last) => {
                    trailers = last;
                    break;
                }
            }
        },
    }
    state.change(nonce, |seen| {
        seen.complete = true;
        seen.trailers = trailers;
    });
    Ok(sum)
}

async fn websocket_echo(socket: &mut TcpStream, reader: &mut Reader, head: &Head, nonce: u64) -> Result<bool> {
    let Some(key) = head.only("sec-websocket-key")? else {
        socket.write_all(sized(400, nonce, 0).as_bytes()).await?;
        return Ok(true);
    };
    let protocol = head.only("sec-websocket-protocol")?.and_then(|list| list.split(',').next());
    let chosen = protocol.map_or(String::new(), |name| format!("sec-websocket-protocol: {}\r\n", name.trim()));
    let accept = websocket::accept(key);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nx-nonce: {nonce}\r\nupgrade: websocket\r\nconnection: upgrade\r\n{chosen}sec-websocket-accept: {accept}\r\n\r\n"
    );
    socket.write_all(answer.as_bytes()).await?;
    loop {
        while let Some(frame) = websocket::take(&mut reader.buffer)? {
            let opcode = if frame.opcode() == websocket::PING { websocket::PONG } else { frame.opcode() };
            let mut reply = websocket::frame(opcode, &frame.payload, None);
            reply[0] = frame.first & 0xf0 | opcode;
            if frame.opcode() != websocket::PONG {
                socket.write_all(&reply).await?;
            }
            if frame.opcode() == websocket::CLOSE {
                socket.shutdown().await?;
                return Ok(false);
            }
        }
        if socket.read_buf(&mut reader.buffer).await? == 0 {
            return Ok(false);
        }
    }
}
