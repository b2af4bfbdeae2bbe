//! Header blocks on one connection: where one block ends makes no difference to the table, fields have a bound, and what
//! was decoded is the same after our encoder.
//!
//! The first byte chooses the table's size; then blocks, each behind a byte with its length.

use crate::http::hpack::{Decoder, field, status};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

const SIZES: [usize; 4] = [4096, 0, 64, 300];
/// The longest field that is decoded at all.
const MAX_FIELD: usize = 64 * 1024;
/// What is remembered of one input, bytes: references make much of little.
const ENOUGH: usize = 1 << 20;

/// One input.
pub fn run(data: &[u8]) {
    let Some((first, mut rest)) = data.split_first() else { return };
    let size = SIZES[usize::from(first & 3)];
    let (mut decoder, mut joined, mut apart) = (Decoder::new(size), Vec::new(), Fields::new());
    let mut whole = true;
    while let Some((length, tail)) = rest.split_first() {
        let (block, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        let Some(fields) = decode(&mut decoder, block) else {
            whole = false;
            break;
        };
        // A change of the table's size is only legal where a block begins.
        whole &= joined.is_empty() || !matches!(block.first(), Some(0x20..=0x3f));
        joined.extend_from_slice(block);
        apart.extend(fields);
        if apart.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > ENOUGH {
            return;
        }
    }
    if whole {
        assert_eq!(decode(&mut Decoder::new(size), &joined).as_ref(), Some(&apart));
    }
    there_and_back(&apart);
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Option<Fields> {
    let (mut fields, mut bytes) = (Fields::new(), 0);
    let result = decoder.block(block, |name, value| {
        assert!(name.len() + value.len() <= MAX_FIELD);
        bytes += name.len() + value.len();
        if bytes <= ENOUGH {
            fields.push((name.to_vec(), value.to_vec()));
        }
    });
    result.is_ok().then_some(fields)
}

fn there_and_back(fields: &Fields) {
    let mut block = Vec::new();
    status(&mut block, 200);
    for (name, value) in fields {
        field(&mut block, None, name, value);
    }
    let again = decode(&mut Decoder::new(4096), &block).expect("what was encoded can be decoded");
    assert_eq!(again.first(), Some(&(b":status".to_vec(), b"200".to_vec())));
    assert_eq!(again.get(1..), Some(&fields[..]));
}
