//! A panic ends what panicked and nothing else.
//!
//! Every connection and every request is polled through here. Stack overflow, out of memory and a panic while
//! panicking are not caught by anything, which is why recursion and memory are bounded elsewhere.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The task panicked; the panic hook has reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("panicked")]
pub(crate) struct Panicked;

/// Runs a task; a panic in it becomes an error.
pub(crate) async fn isolate<F: Future>(task: F) -> Result<F::Output, Panicked> {
    let mut task = pin!(task);
    poll_fn(|cx| {
        // What the task shares with others sits in cells that are left whole between calls, or in guards that let go.
        match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(payload) => {
                forget_quietly(payload);
                Poll::Ready(Err(Panicked))
            }
        }
    })
    .await
}

/// Drops the payload, whose own drop may panic as well.
fn forget_quietly(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_a_result_a_result() {
        assert_eq!(isolate(async { 7 }).await, Ok(7));
        let after_a_wait = async {
            tokio::task::yield_now().await;
            panic!("as expected")
        };
        assert_eq!(isolate(after_a_wait).await, Err::<(), _>(Panicked));
    }
}
