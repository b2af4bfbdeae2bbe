//! Whether the database is sound: asked by a person, and by the tests that kill writers.

use crate::audit::AuditCheck;
use crate::{Store, StoreError};

impl Store {
    /// What is wrong with the database: with its file, with what refers to what, or with the audit log. Nothing in the
    /// list: nothing is wrong. It reads everything, so it takes its time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut view = self.view().await?;
        let mut faults = view.tx.faults().await?;
        if let AuditCheck::Broken { seq, fault } = view.verify_audit().await? {
            faults.push(format!("audit event {seq}: {fault}"));
        }
        Ok(faults)
    }
}
