//! The part of a request body that was sent already and may have to be sent again.
//!
//! Bounded, counting what each piece takes beside its bytes: a body that grows past the bound is let go, and its
//! request is never sent twice.

use bytes::Bytes;

/// What a piece costs beside its bytes: two handles, a shared count, and some of a buffer that it keeps from being freed.
const PIECE: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Kept {
    pieces: Vec<Bytes>,
    size: usize,
    /// Some of what was sent is no longer here.
    gone: bool,
}

impl Kept {
    /// Remembers a piece that is about to be sent.
    pub(super) fn push(&mut self, piece: &Bytes, most: usize) {
        if self.gone || piece.is_empty() {
            return;
        }
        self.size += piece.len() + PIECE;
        if self.size > most {
            return self.forget();
        }
        self.pieces.push(piece.clone());
    }

    /// Lets everything go: there will be no second time.
    pub(super) fn forget(&mut self) {
        self.gone = true;
        self.pieces = Vec::new();
    }

    /// Whether all that was sent is here.
    pub(super) fn is_whole(&self) -> bool {
        !self.gone
    }

    /// The pieces in order, to be sent again. They stay kept.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.pieces.iter().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tiny_pieces_count_for_what_they_take() {
        let mut kept = Kept::default();
        for _ in 0..1000 {
            kept.push(&Bytes::from_static(b"x"), 64 * 1024);
        }
        assert!(!kept.is_whole());
        let mut kept = Kept::default();
        for _ in 0..8 {
            kept.push(&Bytes::from(vec![0; 8000]), 64 * 1024);
        }
        assert!(kept.is_whole());
    }

    #[test]
    fn keeps_up_to_the_bound_and_then_nothing() {
        let mut kept = Kept::default();
        kept.push(&Bytes::from_static(b"12345"), 8 + 2 * PIECE);
        kept.push(&Bytes::from_static(b"678"), 8 + 2 * PIECE);
        assert!(kept.is_whole());
        assert_eq!(kept.pieces().map(|p| p.len()).sum::<usize>(), 8);
        kept.push(&Bytes::from_static(b"9"), 8 + 3 * PIECE);
        assert!(!kept.is_whole());
        assert_eq!(kept.pieces().count(), 0);
    }
}
