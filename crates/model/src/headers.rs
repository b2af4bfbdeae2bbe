//! A flat list of header fields.
//!
//! All text of a head lies in one buffer and each field is a pair of ranges, so that a list which is cleared and used
//! again allocates nothing. Names are lowercase. Order is kept, duplicates too.

use crate::known::Known;

/// Why a field was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// Empty, longer than 256 bytes, or with something other than `[A-Za-z0-9-]`. Underscores and dots are refused
    /// because some workloads fold them into hyphens, which would let a client spell a reserved name.
    #[error("header name may hold only letters, digits and hyphens")]
    Name,
    /// A control character other than tab, so CR, LF and NUL too (RFC 9110 §5.5).
    #[error("header value holds a control character")]
    Value,
    /// More text than a list can address.
    #[error("header list is too long")]
    TooLong,
}

/// Where a field's name and value lie in the text; 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    start: u32,
    value_len: u32,
    /// Bytes of the name in the text; 0 when the name is known.
    name_len: u16,
    known: Option<Known>,
}

/// The fields of one head or trailer section.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    text: Vec<u8>,
    fields: Vec<Field>,
}

/// One field, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    pub known: Option<Known>,
    /// Lowercase.
    pub name: &'a [u8],
    pub value: &'a [u8],
}

/// Longest name that is taken, bytes.
pub const MAX_NAME: usize = 256;

impl Headers {
    /// An empty list that has allocated nothing.
    pub const fn new() -> Self {
        Self { text: Vec::new(), fields: Vec::new() }
    }

    /// Room for `text` bytes of names and values and `fields` fields.
    pub fn with_capacity(text: usize, fields: usize) -> Self {
        Self { text: Vec::with_capacity(text), fields: Vec::with_capacity(fields) }
    }

    /// Makes room for so many more, in one step.
    pub fn reserve(&mut self, text: usize, fields: usize) {
        self.text.reserve(text);
        self.fields.reserve(fields);
    }

    /// Empties the list, keeping what it has allocated.
    pub fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Σ name + value + 32 (RFC 9113 §6.5.2).
    pub fn list_size(&self) -> usize {
        self.iter().map(|h| h.name.len() + h.value.len() + 32).sum()
    }

    /// Adds a field from a peer: checks name and value, lowercases the name, trims white space around the value.
    ///
    /// # Errors
    /// See [`InvalidHeader`].
    #[inline]
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), InvalidHeader> {
        let value = trim_blanks(value);
        if !is_value(value) {
            return Err(InvalidHeader::Value);
        }
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(InvalidHeader::Name);
        }
        let start = self.text.len();
        let mut bad = false;
        self.text.extend(name.iter().map(|byte| {
            let lower = LOWER.get(usize::from(*byte)).copied().unwrap_or(0);
            bad |= lower == 0;
            lower
        }));
        if bad {
            self.text.truncate(start);
            return Err(InvalidHeader::Name);
        }
        let known = self.text.get(start..).and_then(Known::lookup);
        if known.is_some() {
            self.text.truncate(start);
        }
        self.seal(start, known, value)
    }

    /// Adds a field with a known name; the value must be valid already.
    #[inline]
    pub fn push_known(&mut self, name: Known, value: &[u8]) {
        debug_assert!(value.iter().all(|b| is_value_byte(*b)));
        let start = self.text.len();
        // A value too long for the list cannot come from anything within our limits.
        let _ = self.seal(start, Some(name), value);
    }

    /// Adds a field whose name (lowercase) and value the caller has checked.
    #[inline]
    pub fn push_wire(&mut self, name: &[u8], value: &[u8]) {
        if let Some(known) = Known::lookup(name) {
            return self.push_known(known, value);
        }
        debug_assert!(is_name(name) && value.iter().all(|b| is_value_byte(*b)));
        let start = self.text.len();
        self.text.extend_from_slice(name);
        let _ = self.seal(start, None, value);
    }

    #[inline]
    fn seal(&mut self, start: usize, known: Option<Known>, value: &[u8]) -> Result<(), InvalidHeader> {
        let name_len = self.text.len() - start;
        let field = match (u32::try_from(start), u32::try_from(value.len()), u16::try_from(name_len)) {
            (Ok(start), Ok(value_len), Ok(name_len)) => Field { start, value_len, name_len, known },
            _ => {
                self.text.truncate(start);
                return Err(InvalidHeader::TooLong);
            }
        };
        self.text.extend_from_slice(value);
        self.fields.push(field);
        Ok(())
    }

    #[inline]
    fn view(&self, field: &Field) -> Header<'_> {
        let start = field.start as usize;
        let middle = start + usize::from(field.name_len);
        let end = middle + field.value_len as usize;
        let name = match field.known {
            Some(known) => known.as_str().as_bytes(),
            None => self.text.get(start..middle).unwrap_or_default(),
        };
        Header { known: field.known, name, value: self.text.get(middle..end).unwrap_or_default() }
    }

    /// All fields in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Header<'_>> + Clone {
        self.fields.iter().map(|f| self.view(f))
    }

    /// The first value of a known name.
    #[inline]
    pub fn find(&self, name: Known) -> Option<&[u8]> {
        self.fields.iter().find(|f| f.known == Some(name)).map(|f| self.view(f).value)
    }

    /// All values of a known name.
    pub fn find_all(&self, name: Known) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |f| f.known == Some(name)).map(|f| self.view(f).value)
    }

    /// How often a known name occurs.
    pub fn count(&self, name: Known) -> usize {
        self.fields.iter().filter(|f| f.known == Some(name)).count()
    }

    /// The first value of any name, given in lowercase.
    pub fn find_name(&self, name: &[u8]) -> Option<&[u8]> {
        match Known::lookup(name) {
            Some(known) => self.find(known),
            None => self.iter().find(|h| h.known.is_none() && h.name == name).map(|h| h.value),
        }
    }

    /// Removes all fields of a known name; says how many there were.
    pub fn remove(&mut self, name: Known) -> usize {
        let before = self.fields.len();
        self.fields.retain(|f| f.known != Some(name));
        before - self.fields.len()
    }

    /// Removes all fields of any name, given in lowercase.
    pub fn remove_name(&mut self, name: &[u8]) -> usize {
        match Known::lookup(name) {
            Some(known) => self.remove(known),
            None => {
                let before = self.len();
                self.retain(|h| h.name != name);
                before - self.len()
            }
        }
    }

    /// Keeps the fields for which `keep` is true. Their text stays where it is.
    pub fn retain(&mut self, mut keep: impl FnMut(Header<'_>) -> bool) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.retain(|f| keep(self.view(f)));
        self.fields = fields;
    }

    /// Replaces all fields of a known name with one.
    pub fn set_known(&mut self, name: Known, value: &[u8]) {
        self.remove(name);
        self.push_known(name, value);
    }

    /// Replaces all fields of a name with one, checking both.
    ///
    /// # Errors
    /// See [`InvalidHeader`]; then the list is unchanged.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), InvalidHeader> {
        let before = self.len();
        self.push(name, value)?;
        let Some(new) = self.fields.pop() else { return Ok(()) };
        debug_assert_eq!(before, self.len());
        let lower = name.to_ascii_lowercase();
        self.remove_name(&lower);
        self.fields.push(new);
        Ok(())
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

/// Without the blanks and tabs around it, and nothing else: a CR or LF at an end is as hostile as one in the middle.
#[inline]
fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether a byte may stand in a value: visible, space, tab, or above 0x7f (RFC 9110 §5.5).
#[inline]
pub const fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// Whether all bytes may stand in a value. It looks at every byte even after a bad one, so that it looks at many at once.
#[inline]
pub fn is_value(value: &[u8]) -> bool {
    value.iter().fold(0, |bad, byte| bad | u8::from(!is_value_byte(*byte))) == 0
}

/// The lowercase form of each byte that may stand in a name, 0 for all others.
static LOWER: [u8; 256] = lower();

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "runs at compile time, below 256")]
const fn lower() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        let lower = (byte as u8).to_ascii_lowercase();
        if matches!(lower, b'a'..=b'z' | b'0'..=b'9' | b'-') {
            table[byte] = lower;
        }
        byte += 1;
    }
    table
}

/// Whether a name is lowercase `[a-z0-9-]`, 1 to [`MAX_NAME`] bytes.
#[inline]
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && name.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::known;

    fn sample() -> Headers {
        let mut headers = Headers::new();
        headers.push(b"Content-Type", b" text/plain ").unwrap();
        headers.push(b"X-Custom", b"1").unwrap();
        headers.push(b"cookie", b"a=b").unwrap();
        headers.push(b"COOKIE", b"c=d").unwrap();
        headers
    }

    #[test]
    fn names_are_lowered_and_values_trimmed() {
        let headers = sample();
        let all: Vec<_> = headers.iter().map(|h| (h.name, h.value)).collect();
        assert_eq!(
            all,
            [(&b"content-type"[..], &b"text/plain"[..]), (b"x-custom", b"1"), (b"cookie", b"a=b"), (b"cookie", b"c=d"),]
        );
        assert_eq!(headers.find(known::CONTENT_TYPE), Some(&b"text/plain"[..]));
        assert_eq!(headers.find_name(b"x-custom"), Some(&b"1"[..]));
        assert_eq!(headers.count(known::COOKIE), 2);
        assert_eq!(headers.find_all(known::COOKIE).collect::<Vec<_>>(), [&b"a=b"[..], b"c=d"]);
        assert_eq!(headers.list_size(), 12 + 10 + 8 + 1 + 6 + 3 + 6 + 3 + 4 * 32);
    }

    #[test]
    fn hostile_fields_are_refused_and_leave_no_trace() {
        let mut headers = sample();
        let before = headers.clone();
        for name in [&b""[..], b"x_y", b"a b", b"a:", b"\xff", b"x.y", &[b'a'; 257]] {
            assert_eq!(headers.push(name, b"v"), Err(InvalidHeader::Name), "{name:?}");
        }
        // At either end too: only blanks and tabs are white space around a value (RFC 9110 §5.6.3).
        for value in [&b"a\rb"[..], b"a\nb", b"a\0b", b"\x7f", b"\x01", b"a\r\n", b"\na", b"a\x0c", b"\r"] {
            assert_eq!(headers.push(b"x", value), Err(InvalidHeader::Value), "{value:?}");
        }
        assert_eq!(headers, before);
        headers.push(b"x", "ümlaut\tok".as_bytes()).unwrap();
    }

    #[test]
    fn remove_set_and_reuse() {
        let mut headers = sample();
        assert_eq!(headers.remove(known::COOKIE), 2);
        headers.set(b"X-Custom", b"2").unwrap();
        headers.set_known(known::CONTENT_TYPE, b"text/html");
        assert_eq!(headers.find_name(b"x-custom"), Some(&b"2"[..]));
        assert_eq!(headers.find(known::CONTENT_TYPE), Some(&b"text/html"[..]));
        assert_eq!(headers.len(), 2);
        assert_eq!(headers.set(b"bad name", b"2"), Err(InvalidHeader::Name));
        assert_eq!(headers.remove_name(b"x-custom"), 1);
        headers.clear();
        assert!(headers.is_empty());
    }
}
