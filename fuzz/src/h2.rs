//! A client on HTTP/2 that does anything: the front ends, what it hands on is sound, and it sends whole frames and no
//! more data than it was given window for.
//!
//! With an even first byte the rest is sent as it is, behind the preface. Otherwise it is a program: each step is one byte
//! that says what happens and a few that say how. Frames are mostly well-formed, so that what is behind them is reached.

use std::time::Duration;

use mezu_edge::http::Alpn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::front::{FOREVER, Peer, run as run_virtually};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// `:scheme: https` and `:authority: a.test`.
const REST: &[u8] = b"\x87\x41\x06a.test";
const PATHS: [&[u8]; 5] = [b"/", b"/early", b"/big", b"/hang", b"/abort"];
/// Steps that are taken of one input.
const STEPS: usize = 200;

/// One input.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    run_virtually(async {
        let room = if first & 2 == 0 { 1 << 20 } else { 2000 };
        let mut client = Client { peer: Peer::new(Alpn::H2, room), next: 1, window: Some(65_535), answer: Vec::new() };
        client.send(PREFACE).await;
        if first & 1 == 0 {
            client.window = None;
            client.send(rest).await;
        } else {
            client.program(rest).await;
        }
        client.end().await;
    });
}

struct Client {
    peer: Peer,
    /// The next stream's id.
    next: u32,
    /// What the connection's window has been in all; none when bytes were sent that may have been anything.
    window: Option<u64>,
    answer: Vec<u8>,
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    Some(*first)
}

/// As many bytes as the next one says.
fn take_bytes<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let n = usize::from(take(rest).unwrap_or(0)).min(rest.len());
    let (bytes, tail) = rest.split_at(n);
    *rest = tail;
    bytes
}

impl Client {
    async fn program(&mut self, mut rest: &[u8]) {
        for _ in 0..STEPS {
            let Some(step) = take(&mut rest) else { return };
            match step % 12 {
                0 => self.request(&mut rest).await,
                1 => self.connect(&mut rest).await,
                2 => {
                    let (kind, flags) = (take(&mut rest).unwrap_or(0) % 12, take(&mut rest).unwrap_or(0));
                    let stream = u32::from(take(&mut rest).unwrap_or(0) & 0x1f);
                    self.frame(kind, flags, stream, take_bytes(&mut rest)).await;
                }
                3 => self.on_recent(DATA, &mut rest).await,
                4 => {
                    let by = u32::from(take(&mut rest).unwrap_or(0)) << (take(&mut rest).unwrap_or(0) % 24);
                    let stream = self.recent(&mut rest);
                    self.frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes()).await;
                }
                5 => {
                    let values: Vec<u8> = take_bytes(&mut rest).to_vec();
                    self.frame(SETTINGS, 0, 0, &values[..values.len() / 6 * 6]).await;
                }
                6 => self.on_recent(RST_STREAM, &mut rest).await,
                7 => {
                    self.window = None;
                    let bytes = take_bytes(&mut rest).to_vec();
                    self.send(&bytes).await;
                }
                8 => tokio::time::sleep(Duration::from_millis(100 * u64::from(take(&mut rest).unwrap_or(0)))).await,
                9 => self.read().await,
                10 => self.on_recent(CONTINUATION, &mut rest).await,
                _ => {
                    let (flags, n) = (take(&mut rest).unwrap_or(0) & 1, take(&mut rest).unwrap_or(0));
                    let stream = self.recent(&mut rest);
                    self.frame(DATA, flags, stream, &vec![n; usize::from(n) * 64]).await;
                    self.frame(PING, 0, 0, &[n; 8]).await;
                }
            }
        }
    }

    /// A good request, with fields of the input's behind it.
    async fn request(&mut self, rest: &mut &[u8]) {
        let how = take(rest).unwrap_or(0);
        let path = PATHS[usize::from(how >> 4) % PATHS.len()];
        let mut block = vec![if how & 1 == 0 { 0x82 } else { 0x83 }];
        block.extend_from_slice(REST);
        block.extend([0x04, path.len() as u8]);
        block.extend_from_slice(path);
        block.extend_from_slice(take_bytes(rest));
        let flags = if how & 2 == 0 { 4 } else { 0 } | if how & 4 == 0 { 1 } else { 0 };
        self.open(flags, &block).await;
    }

    /// Extended CONNECT (RFC 8441).
    async fn connect(&mut self, rest: &mut &[u8]) {
        let mut block = b"\x02\x07CONNECT".to_vec();
        block.extend_from_slice(REST);
        block.extend_from_slice(b"\x04\x03/ws\x00\x09:protocol\x09websocket\x00\x15sec-websocket-version\x0213");
        block.extend_from_slice(take_bytes(rest));
        self.open(4, &block).await;
    }

    async fn open(&mut self, flags: u8, block: &[u8]) {
        self.frame(HEADERS, flags, self.next, block).await;
        self.next += 2;
    }

    /// One of the last streams, or 0.
    fn recent(&self, rest: &mut &[u8]) -> u32 {
        match u32::from(take(rest).unwrap_or(0) % 8) {
            7 => 0,
            back => self.next.saturating_sub(2 * (back + 1)),
        }
    }

    async fn on_recent(&mut self, kind: u8, rest: &mut &[u8]) {
        let flags = take(rest).unwrap_or(0);
        let stream = self.recent(rest);
        self.frame(kind, flags, stream, take_bytes(rest)).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        if kind == WINDOW_UPDATE && stream == 0 {
            let by = payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes) & 0x7fff_ffff);
            self.window = self.window.map(|window| window + u64::from(by));
        }
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend_from_slice(payload);
        self.send(&bytes).await;
    }

    /// A front that does not read because nobody reads from it gets a reader.
    async fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match timeout(Duration::from_secs(1), self.peer.io.write(bytes)).await {
                Ok(Ok(n @ 1..)) => bytes = bytes.get(n..).unwrap_or_default(),
                Ok(_) => return,
                Err(_) => self.read().await,
            }
        }
        tokio::task::yield_now().await;
    }

    /// What comes within a moment, or all that is left.
    async fn read(&mut self) {
        let more = timeout(Duration::from_millis(20), self.peer.io.read_buf(&mut self.answer)).await;
        if matches!(more, Ok(Ok(0) | Err(_))) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(mut self) {
        let _ = self.peer.io.shutdown().await;
        let read = timeout(FOREVER, self.peer.io.read_to_end(&mut self.answer)).await;
        assert!(read.is_ok(), "the connection hangs");
        let data = self.check_frames();
        assert!(self.window.is_none_or(|window| data <= window), "{data} bytes of data, a window of {:?}", self.window);
        self.peer.end().await;
    }

    /// All frames are of kinds that a server sends; gives how much data was in them.
    fn check_frames(&self) -> u64 {
        let (mut rest, mut data, mut first) = (&self.answer[..], 0, true);
        while let Some([a, b, c, kind, _, stream @ ..]) = rest.first_chunk::<9>() {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let stream = u32::from_be_bytes(*stream);
            assert!(!first || *kind == SETTINGS, "a connection begins with SETTINGS");
            assert!(matches!(kind, 0 | 1 | 3 | 4 | 6..=9), "kind {kind}");
            assert_eq!(matches!(kind, 4 | 6 | 7), stream == 0 && *kind != WINDOW_UPDATE, "kind {kind} on {stream}");
            assert!(stream == 0 || stream % 2 == 1);
            data += if *kind == DATA { length as u64 } else { 0 };
            first = false;
            let Some(next) = rest.get(9 + length..) else { break };
            rest = next;
        }
        data
    }
}
