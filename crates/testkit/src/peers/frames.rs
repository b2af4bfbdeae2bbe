//! HTTP/2 by hand: frames that no library would send.

use super::Outcome;
use crate::target::Tls;
use crate::{PATIENCE, Target};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame as it goes over the wire (RFC 9113 §4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![size[1], size[2], size[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field as a literal, not indexed, not compressed (RFC 7541 §6.2.2): what is written is what arrives.
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        integer(&mut bytes, 0x7f, text.len());
        bytes.extend(text);
    }
    bytes
}

/// RFC 7541 §5.1.
fn integer(bytes: &mut Vec<u8>, limit: usize, mut number: usize) {
    if number < limit {
        bytes.push(number as u8);
        return;
    }
    bytes.push(limit as u8);
    number -= limit;
    while number >= 128 {
        bytes.push((number % 128) as u8 | 0x80);
        number /= 128;
    }
    bytes.push(number as u8);
}

/// The header block of a plain request.
pub fn request(method: &str, authority: &str, path: &str) -> Vec<u8> {
    [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]
        .iter()
        .flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()))
        .collect()
}

/// A raw h2 connection whose preface is done, and a reader that keeps count.
pub struct Peer {
    writer: WriteHalf<Tls>,
    reader: Option<ReadHalf<Tls>>,
    start: Instant,
    buffer: Vec<u8>,
    outcome: Outcome,
    /// Header blocks and data of answers, in order, for those who look.
    pub received: Vec<(u8, u8, u32, Vec<u8>)>,
}

impl Peer {
    /// Connects and sends preface and settings, each setting an id and a value.
    pub async fn connect(target: &Target, settings: &[(u16, u32)]) -> Result<Self> {
        let io = target.tls(&["h2"]).await?;
        ensure!(io.get_ref().1.alpn_protocol() == Some(b"h2"), "the edge does not speak h2");
        let (reader, writer) = tokio::io::split(io);
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
            .collect();
        let mut peer = Self {
            writer,
            reader: Some(reader),
            start: Instant::now(),
            buffer: Vec::new(),
            outcome: Outcome::default(),
            received: Vec::new(),
        };
        peer.send(&[PREFACE, &frame(SETTINGS, 0, 0, &payload), &frame(SETTINGS, ACK, 0, &[])].concat()).await?;
        Ok(peer)
    }

    /// Sends bytes; an edge that has closed makes it an error, which the caller takes for the end.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let write = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        Ok(tokio::time::timeout(PATIENCE, write).await??)
    }

    /// Takes what has arrived, without waiting.
    pub async fn poll(&mut self) -> Result<()> {
        self.read_for(Duration::ZERO).await
    }

    /// Reads frames for so long, or until the edge closes.
    pub async fn read_for(&mut self, time: Duration) -> Result<()> {
        let deadline = tokio::time::Instant::now() + time;
        while let Some(reader) = &mut self.reader {
            match tokio::time::timeout_at(deadline, reader.read_buf(&mut self.buffer)).await {
                Err(_) => break,
                Ok(Ok(size)) if size > 0 => self.take_frames(),
                Ok(_) => {
                    self.outcome.closed = true;
                    self.reader = None;
                }
            }
        }
        Ok(())
    }

    pub fn is_closed(&self) -> bool {
        self.outcome.closed
    }

    /// The verdict so far.
    pub fn outcome(&self) -> Outcome {
        Outcome { lived: self.start.elapsed(), ..self.outcome.clone() }
    }

    /// Reads until the edge closes or so long, then the verdict.
    pub async fn end(mut self, patience: Duration) -> Result<Outcome> {
        self.read_for(patience).await?;
        Ok(self.outcome())
    }

    fn take_frames(&mut self) {
        while let [a, b, c, kind, flags, s0, s1, s2, s3, rest @ ..] = self.buffer.as_slice() {
            let size = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some(payload) = rest.get(..size) else { break };
            let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
            let (kind, flags, payload) = (*kind, *flags, payload.to_vec());
            self.buffer.drain(..9 + size);
            match kind {
                GOAWAY => {
                    self.outcome.goaway =
                        payload.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
                }
                RST_STREAM => self.outcome.resets += 1,
                HEADERS => self.outcome.answers += 1,
                _ => {}
            }
            if self.received.len() < 10_000 {
                self.received.push((kind, flags, stream, payload));
            }
        }
    }
}
