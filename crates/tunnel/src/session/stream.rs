//! One request and its answer.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use mezu_model::{Headers, ResponseHead};
use mezu_tunnel_proto::{Incoming, Reason, StreamError, StreamId};

use super::{Session, state::State};

/// A stream of a session. Dropped before both directions have ended, it resets the stream as cancelled.
pub struct Stream {
    session: Session,
    id: StreamId,
}

impl Stream {
    pub(super) fn new(session: Session, id: StreamId) -> Self {
        Self { session, id }
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn id(&self) -> StreamId {
        self.id
    }

    /// See [`Session::silent_for`].
    pub fn silent_for(&self) -> Duration {
        self.session.silent_for()
    }

    /// What the peer sent next.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, StreamError>> {
        let id = self.id;
        self.with(|state| match state.connection.recv(id) {
            Ok(Some(incoming)) => Poll::Ready(Ok(incoming)),
            Ok(None) => {
                state.wait_to_receive(id, cx);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        })
    }

    /// Whether body bytes are what [`Self::poll_recv`] would give next.
    pub fn is_data_next(&mut self) -> bool {
        let id = self.id;
        self.with(|state| state.connection.is_data_next(id))
    }

    pub async fn recv(&mut self) -> Result<Incoming, StreamError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Waits for the peer to give the stream up. For whoever has received the end and has only that to fear.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let id = self.id;
        self.with(|state| match state.connection.recv(id) {
            Ok(_) => match state.connection.reset_reason(id) {
                Some(reason) => Poll::Ready(StreamError::Reset(reason)),
                None => {
                    state.wait_to_receive(id, cx);
                    Poll::Pending
                }
            },
            Err(error) => Poll::Ready(error),
        })
    }

    /// Gives body bytes to the tunnel: as many as credit and buffer allow. `end` counts when all were taken.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8], end: bool) -> Poll<Result<usize, StreamError>> {
        let id = self.id;
        self.with(|state| match state.connection.send_data(id, data, end) {
            Ok(0) if !data.is_empty() => {
                state.wait_to_send(id, cx);
                Poll::Pending
            }
            Ok(taken) => Poll::Ready(Ok(taken)),
            Err(error) => Poll::Ready(Err(error)),
        })
    }

    /// Waits until body bytes may be sent, and says how many [`Stream::poll_send`] would take now.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, StreamError>> {
        let id = self.id;
        self.with(|state| match state.connection.send_room(id) {
            Ok(0) => {
                state.wait_to_send(id, cx);
                Poll::Pending
            }
            room => Poll::Ready(room),
        })
    }

    /// Sends all of `data`.
    pub async fn send(&mut self, mut data: &[u8], end: bool) -> Result<(), StreamError> {
        loop {
            let taken = poll_fn(|cx| self.poll_send(cx, data, end)).await?;
            data = data.get(taken..).unwrap_or_default();
            if data.is_empty() {
                return Ok(());
            }
        }
    }

    /// Answers (gate only). The head is always taken; returns how much of `inline` was, and `end` counts when all was.
    pub fn send_response(&mut self, head: &ResponseHead, inline: &[u8], end: bool) -> Result<usize, StreamError> {
        let id = self.id;
        self.with(|state| state.connection.send_response(id, head, inline, end))
    }

    /// Ends our direction with trailers.
    pub fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        let id = self.id;
        self.with(|state| state.connection.send_trailers(id, trailers))
    }

    /// The parked request is held (gate only).
    pub fn send_ready(&mut self) -> Result<(), StreamError> {
        let id = self.id;
        self.with(|state| state.connection.send_ready(id))
    }

    /// The parked request may be delivered (edge only).
    pub fn send_go(&mut self) -> Result<(), StreamError> {
        let id = self.id;
        self.with(|state| state.connection.send_go(id))
    }

    pub fn reset(&mut self, reason: Reason) {
        let id = self.id;
        self.with(|state| state.connection.reset(id, reason));
    }

    /// Works on the shared state, then lets the driver see whether there is something to write.
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.session.0.state.borrow_mut();
        let result = f(&mut state);
        if state.connection.wants_write() {
            state.touch();
        }
        result
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let id = self.id;
        self.with(|state| {
            state.forget(id);
            // Resets it as cancelled unless both directions have ended.
            state.connection.release(id);
        });
    }
}
