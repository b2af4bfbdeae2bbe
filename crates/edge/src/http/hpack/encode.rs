//! Fields to header blocks, without a dynamic table.

use mezu_model::Known;

use super::table::static_index;

/// Says that no dynamic table is used; due at the start of the first block and after each change of the client's
/// table size (RFC 7541 §4.2).
pub(crate) fn table_size_zero(out: &mut Vec<u8>) {
    out.push(0x20);
}

/// `:status`.
pub(crate) fn status(out: &mut Vec<u8>, status: u16) {
    let index = match status {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        other => {
            let digit = |n: u16| b'0' + u8::try_from(n % 10).unwrap_or(0);
            out.extend_from_slice(&[8, 3, digit(other / 100), digit(other / 10), digit(other)]);
            return;
        }
    };
    out.push(0x80 | index);
}

/// A field, never to be indexed by anyone on the way when it is a secret.
#[inline]
pub(crate) fn field(out: &mut Vec<u8>, known: Option<Known>, name: &[u8], value: &[u8]) {
    match known.map_or(0, static_index) {
        0 => {
            out.push(0);
            integer(out, 0, 7, name.len());
            out.extend_from_slice(name);
        }
        index => integer(out, 0, 4, usize::from(index)),
    }
    integer(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

#[inline]
fn integer(out: &mut Vec<u8>, flags: u8, bits: u8, value: usize) {
    let mask = (1usize << bits) - 1;
    match u8::try_from(value) {
        Ok(small) if value < mask => out.push(flags | small),
        _ => long_integer(out, flags, mask, value),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
fn long_integer(out: &mut Vec<u8>, flags: u8, mask: usize, value: usize) {
    out.push(flags | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
