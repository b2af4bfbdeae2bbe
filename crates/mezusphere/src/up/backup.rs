//! Backing the store up while the instance runs, and filling a new data directory from such a file.

use std::path::Path;

use mezu_store::{Backup, NewEvent, Store};

use super::data_dir::DataDir;
use super::store_slot::FILE;
use super::{UpError, clock};

/// Writes all that the store of a data directory holds into one new file. The instance may run meanwhile.
///
/// # Errors
/// That there is no store, or what keeps it from being read or the file from being written.
pub async fn backup(data: &Path, file: &Path) -> Result<Backup, UpError> {
    let database = data.join(FILE);
    if !database.exists() {
        return Err(UpError::NoStore { path: database });
    }
    let store = Store::open(&database).await?;
    let backup = store.backup(file, clock::now()).await;
    store.close().await;
    Ok(backup?)
}

/// Fills a data directory that has no store from a backup, whole or not at all, and notes it in the audit log. The last
/// good snapshot, if one is there, stays: what is published next has a higher generation.
///
/// # Errors
/// That there is a store already, that an instance uses the directory, or what is wrong with the file.
pub async fn restore(data: &Path, file: &Path) -> Result<Backup, UpError> {
    let data = DataDir::open(data)?;
    let database = data.file(FILE);
    if database.exists() {
        return Err(UpError::StoreThere { path: database });
    }
    let store = Store::open(&database).await?;
    let restored = fill(&store, file).await;
    store.close().await;
    if restored.is_err() {
        // What was made for it goes with it, so that the next attempt finds the directory as this one did.
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(data.file(&format!("{FILE}{suffix}")));
        }
    }
    restored
}

async fn fill(store: &Store, file: &Path) -> Result<Backup, UpError> {
    let backup = store.restore(file).await?;
    let about = serde_json::json!({ "made_at": backup.made_at.0, "rows": backup.rows });
    let event = NewEvent { source: "restore".into(), ..NewEvent::done("store.restore", file.display()) };
    store.record(event.with(None, Some(about)), clock::now()).await?;
    Ok(backup)
}
