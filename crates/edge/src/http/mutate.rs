//! Seeded mutations of byte strings: what a fuzzer does, in a second and the same every time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

pub(crate) struct Mutator(u64);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 0 to `below` - 1.
    pub(crate) fn pick(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below.max(1)
    }

    /// A few changes to one of `seeds`: flips, cuts, repeats, pieces of others, and words that matter.
    pub(crate) fn mutate(&mut self, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
        let mut bytes = seeds[self.pick(seeds.len())].clone();
        for _ in 0..=self.pick(4) {
            let at = self.pick(bytes.len() + 1);
            let end = (at + self.pick(24)).min(bytes.len());
            match self.pick(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.pick(8),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                3 => {
                    let other = &seeds[self.pick(seeds.len())];
                    let from = self.pick(other.len() + 1);
                    let piece = other[from..(from + 40).min(other.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
                4 => {
                    let word = words[self.pick(words.len())];
                    bytes.splice(at..at, word.iter().copied());
                }
                _ if at < bytes.len() => bytes[at] = u8::try_from(self.pick(256)).unwrap(),
                _ => {}
            }
        }
        bytes
    }

    /// Where to cut `bytes` so that they come in pieces.
    pub(crate) fn pieces<'b>(&mut self, mut bytes: &'b [u8]) -> Vec<&'b [u8]> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(1 + self.pick(bytes.len().min(40)));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}
