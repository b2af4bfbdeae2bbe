//! A request's body, kept for its copy while it passes.

use mezu_model::{RouteId, WorkloadId};
use mezu_policy::Copying;

use crate::room::Held;

#[derive(Debug)]
pub(crate) struct Tap {
    pub(super) workload: WorkloadId,
    pub(super) place: Held<RouteId>,
    pub(super) body: Vec<u8>,
    most: usize,
    /// All of it has passed.
    has_ended: bool,
    /// It is not to be copied after all.
    pub(super) is_spoilt: bool,
}

impl Tap {
    pub(super) fn new(copying: Copying, place: Held<RouteId>) -> Self {
        let Copying { workload, body_bytes } = copying;
        let most = usize::try_from(body_bytes).unwrap_or(usize::MAX);
        Self { workload, place, body: Vec::new(), most, has_ended: false, is_spoilt: false }
    }

    /// Keeps a piece that passes.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        if self.is_spoilt {
            return;
        }
        if self.body.len() + piece.len() > self.most {
            return self.spoil();
        }
        self.body.extend_from_slice(piece);
    }

    /// The body has trailers, or is longer than may be kept.
    pub(crate) fn spoil(&mut self) {
        self.is_spoilt = true;
        self.body = Vec::new();
    }

    pub(crate) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Whether it is known what becomes of the copy.
    pub(crate) fn is_settled(&self) -> bool {
        self.has_ended || self.is_spoilt
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::room::Room;

    fn tap(body_bytes: u32) -> Tap {
        let place = Room::new(2, 1).hold(RouteId::from_bytes([1; 16]), 1).unwrap();
        Tap::new(Copying { workload: WorkloadId::from_bytes([2; 16]), body_bytes }, place)
    }

    #[test]
    fn a_body_is_kept_up_to_its_bound_and_then_not_at_all() {
        let mut tap = tap(8);
        tap.push(b"12345");
        tap.push(b"678");
        assert!(!tap.is_settled());
        tap.end();
        assert!(tap.is_settled() && !tap.is_spoilt && tap.body == b"12345678");
        tap.push(b"9");
        assert!(tap.is_settled() && tap.is_spoilt && tap.body.capacity() == 0);
        tap.push(b"0");
        assert_eq!(tap.body.capacity(), 0);
    }

    #[test]
    fn nothing_may_be_allowed() {
        let mut tap = tap(0);
        tap.push(b"");
        assert!(!tap.is_spoilt);
        tap.push(b"1");
        assert!(tap.is_spoilt);
    }
}
