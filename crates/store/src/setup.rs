//! The first run: one token, printed on the machine itself, makes the first owner, and then never again.

use crate::StoreError;
use crate::change::{Change, View};
use crate::value::args;

/// How far the first run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// There is no token yet.
    New,
    /// A token waits to be used.
    Open,
    /// It was used. This does not come undone.
    Done,
}

impl View {
    /// How far the first run is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn setup(&mut self) -> Result<Setup, StoreError> {
        Ok(match self.tx.row("SELECT used_at FROM setup", []).await? {
            None => Setup::New,
            Some(row) if row.int_if_any("used_at")?.is_none() => Setup::Open,
            Some(_) => Setup::Done,
        })
    }
}

impl Change {
    /// Sets the token, in place of one that was not used. `false`: the first run is over, and nothing has changed.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn open_setup(&mut self, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let sql = "INSERT INTO setup (one, hash) VALUES (1, $1) \
                   ON CONFLICT (one) DO UPDATE SET hash = excluded.hash WHERE setup.used_at IS NULL";
        Ok(self.quiet().run(sql, args![hash]).await? == 1)
    }

    /// Uses the token, once. `false`: it is another one, or was used before.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn use_setup(&mut self, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let at = self.at();
        let sql = "UPDATE setup SET used_at = $2 WHERE one = 1 AND hash = $1 AND used_at IS NULL";
        Ok(self.quiet().run(sql, args![hash, at]).await? == 1)
    }

    /// Ends the first run without a token, as when an owner was made by the operator.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn close_setup(&mut self) -> Result<(), StoreError> {
        let at = self.at();
        let sql = "INSERT INTO setup (one, hash, used_at) VALUES (1, $1, $2) \
                   ON CONFLICT (one) DO UPDATE SET used_at = excluded.used_at WHERE setup.used_at IS NULL";
        self.quiet().run(sql, args![&[0; 32], at]).await?;
        Ok(())
    }
}
