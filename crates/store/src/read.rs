//! Reading everything that an edge must know.

use mezu_snapshot::Parts;

use crate::{Store, StoreError};

impl Store {
    /// All that a snapshot is made of, as of one moment, and the revision it stands for.
    ///
    /// # Errors
    /// When the database does not answer or holds something unreadable.
    pub async fn read_all(&self) -> Result<(u64, Parts), StoreError> {
        let mut view = self.view().await?;
        let revision = view.revision().await?;
        Ok((revision, view.parts().await?))
    }
}
