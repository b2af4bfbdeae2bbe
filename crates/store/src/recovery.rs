//! One-time codes that stand in for a second factor that was lost. Only hashes are kept, and those of used codes not even
//! that long.

use mezu_model::MemberId;

use crate::StoreError;
use crate::change::{Change, View};
use crate::value::args;

impl View {
    /// How many codes a member has left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recovery_codes(&mut self, member: MemberId) -> Result<usize, StoreError> {
        self.tx.count("SELECT count(*) AS n FROM recovery_codes WHERE member_id = $1", args![member]).await
    }

    /// Whether the code of that hash is one that the member has left.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_recovery_code(&mut self, member: MemberId, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) AS n FROM recovery_codes WHERE member_id = $1 AND hash = $2";
        Ok(self.tx.count(sql, args![member, hash]).await? > 0)
    }
}

impl Change {
    /// Gives a member codes in place of those that there were; none takes them away.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when one stands twice, or the database's.
    pub async fn set_recovery_codes(&mut self, member: MemberId, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        self.quiet().run("DELETE FROM recovery_codes WHERE member_id = $1", args![member]).await?;
        for hash in hashes {
            let sql = "INSERT INTO recovery_codes (member_id, hash) VALUES ($1, $2)";
            self.quiet().run(sql, args![member, hash]).await?;
        }
        Ok(())
    }

    /// Uses a code up. `false`: there is no such code, or it was used before.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn use_recovery_code(&mut self, member: MemberId, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let sql = "DELETE FROM recovery_codes WHERE member_id = $1 AND hash = $2";
        Ok(self.quiet().run(sql, args![member, hash]).await? == 1)
    }
}
