//! The Huffman code of RFC 7541, Appendix B.
//!
//! The code is canonical, so the lengths say it all; the decoder's table is computed from them at compile time. It
//! steps by half bytes: no code is shorter than five bits, so a step ends at most one symbol.

/// Bits of each symbol's code; the last is the end-of-string symbol.
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
];

const SYMBOLS: usize = 257;
const EOS: u16 = 256;
/// A full binary tree with 257 leaves has so many inner nodes.
const NODES: usize = SYMBOLS - 1;

/// What half a byte does in a state.
#[derive(Clone, Copy)]
struct Step {
    next: u8,
    symbol: u8,
    emits: bool,
    /// The end-of-string symbol came, which no sender may use.
    fails: bool,
    /// Input may end here: what is left is at most seven bits of padding, all ones (§5.2).
    ends: bool,
}

static STEPS: [[Step; 16]; NODES] = steps(&tree());

/// Decodes `coded` to the end of `out`, which grows to at most `limit`; `None` when it is not a valid string or
/// longer than that.
pub(crate) fn decode(coded: &[u8], out: &mut Vec<u8>, limit: usize) -> Option<()> {
    let mut state = 0u8;
    let mut ends = true;
    for byte in coded {
        if out.len() + 2 > limit {
            return None;
        }
        for half in [byte >> 4, byte & 15] {
            let step = STEPS.get(usize::from(state))?.get(usize::from(half))?;
            if step.fails {
                return None;
            }
            if step.emits {
                out.push(step.symbol);
            }
            (state, ends) = (step.next, step.ends);
        }
    }
    ends.then_some(())
}

/// Children of each inner node: an inner node, or `LEAF` + symbol.
type Tree = [[u16; 2]; NODES];
const LEAF: u16 = 0x8000;

#[allow(clippy::indexing_slicing, reason = "runs at compile time: a fault stops the build")]
const fn tree() -> Tree {
    let mut tree = [[0u16; 2]; NODES];
    let mut used = 1;
    let mut code = 0u32;
    let mut length = 1;
    while length <= 30 {
        code <<= 1;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] == length {
                let mut node = 0;
                let mut bit = length - 1;
                while bit > 0 {
                    let side = (code >> bit & 1) as usize;
                    if tree[node][side] == 0 {
                        tree[node][side] = used;
                        used += 1;
                    }
                    node = tree[node][side] as usize;
                    bit -= 1;
                }
                tree[node][(code & 1) as usize] = LEAF + symbol as u16;
                code += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    tree
}

#[allow(clippy::indexing_slicing, reason = "runs at compile time: a fault stops the build")]
const fn steps(tree: &Tree) -> [[Step; 16]; NODES] {
    let none = Step { next: 0, symbol: 0, emits: false, fails: false, ends: false };
    let mut steps = [[none; 16]; NODES];
    let padding = padding_states(tree);
    let mut node = 0;
    while node < NODES {
        let mut half = 0;
        while half < 16 {
            let mut step = none;
            let mut at = node as u16;
            let mut bit = 4;
            while bit > 0 {
                bit -= 1;
                at = tree[at as usize][half >> bit & 1];
                if at >= LEAF {
                    step.fails = step.fails || at == LEAF + EOS;
                    step.emits = true;
                    step.symbol = (at - LEAF) as u8;
                    at = 0;
                }
            }
            step.next = at as u8;
            step.ends = padding[at as usize];
            steps[node][half] = step;
            half += 1;
        }
        node += 1;
    }
    steps
}

/// The nodes that are reached from the root by at most seven ones.
#[allow(clippy::indexing_slicing, reason = "runs at compile time: a fault stops the build")]
const fn padding_states(tree: &Tree) -> [bool; NODES] {
    let mut states = [false; NODES];
    let mut at = 0;
    let mut depth = 0;
    while depth <= 7 {
        states[at] = true;
        at = tree[at][1] as usize;
        depth += 1;
    }
    states
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
        digits.chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
    }

    fn decoded(coded: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        decode(coded, &mut out, 1000)?;
        String::from_utf8(out).ok()
    }

    #[test]
    fn the_examples_of_rfc_7541() {
        for (coded, text) in [
            ("f1e3 c2e5 f23a 6ba0 ab90 f4ff", "www.example.com"),
            ("a8eb 1064 9cbf", "no-cache"),
            ("25a8 49e9 5ba9 7d7f", "custom-key"),
            ("9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3", "https://www.example.com"),
            ("d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("", ""),
        ] {
            assert_eq!(decoded(&hex(coded)).as_deref(), Some(text));
        }
    }

    #[test]
    fn every_symbol_comes_back() {
        let mut codes = vec![(0u32, 0u8); SYMBOLS];
        let (mut code, mut previous) = (0u32, 0u8);
        let mut order: Vec<usize> = (0..SYMBOLS).collect();
        order.sort_by_key(|s| LENGTHS[*s]);
        for symbol in order {
            code <<= LENGTHS[symbol] - previous;
            previous = LENGTHS[symbol];
            codes[symbol] = (code, previous);
            code += 1;
        }
        for (symbol, (code, length)) in codes.iter().enumerate().take(256) {
            let padded = (u64::from(*code) << (64 - length)) | (u64::MAX >> length);
            let bytes = padded.to_be_bytes();
            let mut out = Vec::new();
            decode(&bytes[..usize::from(length.div_ceil(8))], &mut out, 1000).unwrap();
            assert_eq!(out, [u8::try_from(symbol).unwrap()]);
        }
    }

    #[test]
    fn bad_padding_and_end_of_string_are_refused() {
        for coded in ["f1e3 c2e5 f23a 6ba0 ab90 f4fe", "ff", "ffff", "ffff ffff", "07ff", "18"] {
            assert_eq!(decoded(&hex(coded)), None, "{coded}");
        }
        assert_eq!(decode(&[0; 100], &mut Vec::new(), 50), None);
    }
}
