//! Lengths and small numbers inside heads: little-endian base 128, at most three bytes, shortest form only.
//!
//! One form per number, so that two readers can never disagree about what follows it.

/// The largest number that has a form: 2^21 − 1.
pub(crate) const MAX: u32 = (1 << 21) - 1;

/// Appends `value`; anything above [`MAX`] is cut to it, which the size checks of the callers exclude.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, value: u32) {
    debug_assert!(value <= MAX);
    if value < 0x80 {
        out.push(value.to_le_bytes()[0]);
    } else {
        put_long(out, value.min(MAX));
    }
}

fn put_long(out: &mut Vec<u8>, value: u32) {
    let [low, middle, high, _] = (value & 0x7f | (value & 0x3f80) << 1 | (value & 0x1f_c000) << 2).to_le_bytes();
    if value < 1 << 14 {
        out.extend_from_slice(&[low | 0x80, middle]);
    } else {
        out.extend_from_slice(&[low | 0x80, middle | 0x80, high]);
    }
}

/// Takes a number off the front of `input`; `None` when it is cut short, too long or not in shortest form.
#[inline]
pub(crate) fn take(input: &mut &[u8]) -> Option<u32> {
    let (first, rest) = input.split_first()?;
    if *first < 0x80 {
        *input = rest;
        return Some(u32::from(*first));
    }
    take_long(input, *first, rest)
}

fn take_long<'a>(input: &mut &'a [u8], first: u8, rest: &'a [u8]) -> Option<u32> {
    let (second, rest) = rest.split_first()?;
    let value = u32::from(first & 0x7f) | u32::from(second & 0x7f) << 7;
    if *second < 0x80 {
        *input = rest;
        return (*second != 0).then_some(value);
    }
    let (third, rest) = rest.split_first()?;
    *input = rest;
    (*third != 0 && *third < 0x80).then_some(value | u32::from(*third) << 14)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_number_round_trips_in_its_shortest_form() {
        for value in (0..70_000).chain((70_000..=MAX).step_by(997)).chain([MAX]) {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out.len(), 1 + usize::from(value >= 1 << 7) + usize::from(value >= 1 << 14));
            let mut input = &out[..];
            assert_eq!(take(&mut input), Some(value));
            assert!(input.is_empty());
        }
    }

    #[test]
    fn cut_padded_and_overlong_forms_are_refused() {
        for bad in [&[][..], &[0x80], &[0xff, 0xff], &[0x80, 0], &[0xff, 0x80, 0], &[0xff, 0xff, 0x80], &[0xff; 4]] {
            assert_eq!(take(&mut &bad[..]), None, "{bad:?}");
        }
    }
}
