//! Header blocks to fields.

use super::{
    huffman,
    table::{Dynamic, STATIC},
};

/// The block cannot be decoded; the connection's table is out of step for good (RFC 9113 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// One client's decoder.
#[derive(Debug)]
pub(crate) struct Decoder {
    dynamic: Dynamic,
    /// What we allow (`SETTINGS_HEADER_TABLE_SIZE`).
    max_size: usize,
    /// Name and value of the field that is being read.
    field: Vec<u8>,
}

/// The longest name and value together that is decoded at all.
const MAX_FIELD: usize = 64 * 1024;
/// The scratch between two blocks.
const KEEP: usize = 512;

impl Decoder {
    pub(crate) fn new(max_size: usize) -> Self {
        Self { dynamic: Dynamic::new(max_size), max_size, field: Vec::new() }
    }

    /// Decodes a whole block, field by field. Names are as sent, in whatever case.
    pub(crate) fn block(&mut self, mut block: &[u8], mut each: impl FnMut(&[u8], &[u8])) -> Result<(), Broken> {
        let mut fields = false;
        while let Some(first) = block.first().copied() {
            match first {
                0x80.. => {
                    let index = integer(&mut block, 7)?;
                    let (name, value) = self.entry(index)?;
                    each(name, value);
                }
                0x40..=0x7f => self.literal(&mut block, 6, true, &mut each)?,
                0x20..=0x3f => {
                    let size = integer(&mut block, 5)?;
                    // Only at the start of a block, and never above what we allow (§4.2).
                    if fields || size > self.max_size {
                        return Err(Broken);
                    }
                    self.dynamic.resize(size);
                    continue;
                }
                0..=0x1f => self.literal(&mut block, 4, false, &mut each)?,
            }
            fields = true;
        }
        if self.field.capacity() > KEEP {
            self.field = Vec::new();
        }
        Ok(())
    }

    fn literal(
        &mut self,
        block: &mut &[u8],
        bits: u8,
        index: bool,
        each: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Broken> {
        let mut field = std::mem::take(&mut self.field);
        field.clear();
        match integer(block, bits)? {
            0 => string(block, &mut field)?,
            name => field.extend_from_slice(self.entry(name)?.0),
        }
        let name_len = field.len();
        string(block, &mut field)?;
        let (name, value) = field.split_at_checked(name_len).ok_or(Broken)?;
        each(name, value);
        if index {
            self.dynamic.insert(&field, name_len);
        }
        self.field = field;
        Ok(())
    }

    fn entry(&self, index: usize) -> Result<(&[u8], &[u8]), Broken> {
        let index = index.checked_sub(1).ok_or(Broken)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        self.dynamic.entry(index - STATIC.len()).ok_or(Broken)
    }
}

/// An integer with a prefix of `bits` bits (§5.1); more than four further bytes are refused.
fn integer(block: &mut &[u8], bits: u8) -> Result<usize, Broken> {
    let mask = (1usize << bits) - 1;
    let (first, mut rest) = block.split_first().ok_or(Broken)?;
    let mut value = usize::from(*first) & mask;
    if value == mask {
        for shift in [0, 7, 14, 21, 28] {
            let (byte, after) = rest.split_first().ok_or(Broken)?;
            rest = after;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                *block = rest;
                return Ok(value);
            }
        }
        return Err(Broken);
    }
    *block = rest;
    Ok(value)
}

/// A string (§5.2), appended to `out`.
fn string(block: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    let huffman = block.first().ok_or(Broken)? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(length).ok_or(Broken)?;
    *block = rest;
    if huffman {
        return huffman::decode(text, out, MAX_FIELD).ok_or(Broken);
    }
    if out.len() + text.len() > MAX_FIELD {
        return Err(Broken);
    }
    out.extend_from_slice(text);
    Ok(())
}
