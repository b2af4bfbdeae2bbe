//! The static table (RFC 7541, Appendix A) and a client's dynamic table.

use std::{collections::VecDeque, sync::LazyLock};

use mezu_model::{Known, known::NAMES};

pub(super) static STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The static index of each known name, by its code; 0 for those that have none.
static INDEX: LazyLock<[u8; 256]> = LazyLock::new(|| {
    let mut index = [0; 256];
    for (code, name) in (1u8..).zip(NAMES) {
        let at = STATIC.iter().position(|(n, _)| n == name).and_then(|at| u8::try_from(at + 1).ok());
        if let (Some(slot), Some(at)) = (index.get_mut(usize::from(code)), at) {
            *slot = at;
        }
    }
    index
});

/// The static index of a known name, or 0.
#[inline]
pub(super) fn static_index(known: Known) -> u8 {
    INDEX.get(usize::from(known.index())).copied().unwrap_or(0)
}

/// What a client asked us to remember, newest first.
#[derive(Debug, Default)]
pub(super) struct Dynamic {
    entries: VecDeque<Entry>,
    size: usize,
    max: usize,
}

#[derive(Debug)]
struct Entry {
    text: Box<[u8]>,
    name_len: usize,
}

/// Added to each entry's length (RFC 7541 §4.1).
const OVERHEAD: usize = 32;

impl Dynamic {
    pub(super) fn new(max: usize) -> Self {
        Self { entries: VecDeque::new(), size: 0, max }
    }

    /// Entry `index`, 0 being the newest.
    pub(super) fn entry(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(index)?;
        entry.text.split_at_checked(entry.name_len)
    }

    pub(super) fn resize(&mut self, max: usize) {
        self.max = max;
        self.make_room(0);
    }

    /// Inserts what `text` holds: a name of `name_len` bytes and a value.
    pub(super) fn insert(&mut self, text: &[u8], name_len: usize) {
        let size = text.len() + OVERHEAD;
        self.make_room(size);
        // Larger than the whole table: that empties it and is no error (§4.4).
        if size <= self.max {
            self.size += size;
            self.entries.push_front(Entry { text: text.into(), name_len });
        }
    }

    fn make_room(&mut self, size: usize) {
        while self.size + size > self.max {
            let Some(oldest) = self.entries.pop_back() else { return };
            self.size -= oldest.text.len() + OVERHEAD;
        }
    }
}
