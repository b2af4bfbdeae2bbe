//! Lists are handed out in parts, each bounded, each beginning where the last ended.

use crate::StoreError;
use crate::db::Row;

/// The most that one part holds.
pub const MOST: u16 = 200;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The cursor that came with the part before; `None` for the first.
    pub after: Option<String>,
    /// How many at most: 1 to [`MOST`]; what is outside is brought inside.
    pub limit: u16,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the part that follows, if one does.
    pub next: Option<String>,
}

impl Default for Slice {
    fn default() -> Self {
        Self { after: None, limit: MOST }
    }
}

impl Slice {
    /// The first part of a list.
    #[must_use]
    pub fn first(limit: u16) -> Self {
        Self { after: None, limit }
    }

    /// The part after a cursor.
    #[must_use]
    pub fn after(cursor: impl Into<String>, limit: u16) -> Self {
        Self { after: Some(cursor.into()), limit }
    }

    /// Where the part begins: every key is greater than the empty text.
    pub(crate) fn start(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// One row more than is handed out, to know whether there is one.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.size()) + 1
    }

    fn size(&self) -> u16 {
        self.limit.clamp(1, MOST)
    }

    /// Makes the page of the rows that [`Slice::rows`] has bounded.
    pub(crate) fn page<T>(
        &self,
        rows: &[Row],
        item: impl Fn(&Row) -> Result<T, StoreError>,
        key: impl Fn(&T) -> String,
    ) -> Result<Page<T>, StoreError> {
        let size = usize::from(self.size());
        let items = rows.iter().take(size).map(item).collect::<Result<Vec<_>, _>>()?;
        let next = if rows.len() > size { items.last().map(key) } else { None };
        Ok(Page { items, next })
    }
}
