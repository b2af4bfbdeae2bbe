//! Answers to order: bytes, waits and endings, one after the other.

use super::State;
use super::builtin::read_body;
use crate::http1::Reader;
use anyhow::Result;
use bytes::Bytes;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// One step of an answer.
#[derive(Debug, Clone)]
pub enum Step {
    /// These bytes, as they are.
    Send(Bytes),
    /// Reads the request's body to its end first.
    ReadBody,
    /// Goes on when the test says so.
    Wait(Signal),
    /// These bytes over and over until the peer closes or `limit` bytes are sent.
    Repeat(Bytes, u64),
    /// Closes the connection.
    Close,
    /// Closes with a reset instead of a clean end.
    Reset,
    /// Never goes on; ends when the peer does.
    Hang,
}

impl Step {
    pub fn send(bytes: impl AsRef<[u8]>) -> Self {
        Self::Send(Bytes::copy_from_slice(bytes.as_ref()))
    }
}

/// Lets a script go on, once per [`Signal::give`].
#[derive(Debug, Clone)]
pub struct Signal(Arc<Semaphore>);

impl Default for Signal {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Signal {
    pub fn give(&self) {
        self.0.add_permits(1);
    }

    async fn take(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// Plays the steps; says whether the connection may be used again.
pub(super) async fn play(
    steps: &[Step],
    socket: &mut TcpStream,
    reader: &mut Reader,
    state: &State,
    nonce: u64,
) -> Result<bool> {
    for step in steps {
        match step {
            Step::Send(bytes) => socket.write_all(bytes).await?,
            Step::ReadBody => read_body(socket, reader, state, nonce).await?,
            Step::Wait(signal) => signal.take().await,
            Step::Repeat(bytes, limit) => {
                let mut sent = 0;
                while sent < *limit {
                    socket.write_all(bytes).await?;
                    sent += bytes.len() as u64;
                }
            }
            Step::Close => {
                let _ = socket.shutdown().await;
                return Ok(false);
            }
            Step::Reset => {
                socket.set_zero_linger()?;
                return Ok(false);
            }
            Step::Hang => {
                socket.readable().await?;
                let mut scratch = [0; 1024];
                while tokio::io::AsyncReadExt::read(socket, &mut scratch).await? > 0 {}
                return Ok(false);
            }
        }
    }
    Ok(true)
}
