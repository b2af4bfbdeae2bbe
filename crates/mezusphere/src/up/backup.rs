//! Backing the store up while the instance runs, and filling a new one from such a file.

use std::path::Path;

use mezu_store::{AuditCheck, Backup, NewEvent, Store, StoreUrl};

use super::data_dir::DataDir;
use super::store_slot;
use super::{UpError, clock};

/// Writes all that the store of a data directory, or the one that is named, holds into one new file. The instance may
/// run meanwhile.
///
/// # Errors
/// That there is no store, or what keeps it from being read or the file from being written.
pub async fn backup(data: &Path, store: Option<&StoreUrl>, file: &Path) -> Result<Backup, UpError> {
    let store = existing(data, store).await?;
    let backup = store.backup(file, clock::now()).await;
    store.close().await;
    Ok(backup?)
}

/// Proves the audit log of a store, also while no instance runs.
///
/// # Errors
/// That there is no store, or what keeps it from being read.
pub async fn verify_audit(data: &Path, store: Option<&StoreUrl>) -> Result<AuditCheck, UpError> {
    let store = existing(data, store).await?;
    let check = store.verify_audit().await;
    store.close().await;
    Ok(check?)
}

/// Opens a store that must be there: none is made where somebody has mistyped its name.
async fn existing(data: &Path, store: Option<&StoreUrl>) -> Result<Store, UpError> {
    let url = store_slot::url(data, store);
    if let Some(file) = url.file()
        && !file.exists()
    {
        return Err(UpError::NoStore { path: file.to_path_buf() });
    }
    Ok(Store::open(&url).await?)
}

/// Fills a store that is new from a backup, whole or not at all, and notes it in the audit log. The last good snapshot,
/// if the data directory has one, stays: what is published next has a higher generation.
///
/// # Errors
/// That there is something in the store already, that an instance uses the directory, or what is wrong with the file.
pub async fn restore(data: &Path, store: Option<&StoreUrl>, file: &Path) -> Result<Backup, UpError> {
    let data = DataDir::open(data)?;
    let url = store_slot::url(data.path(), store);
    if let Some(database) = url.file()
        && database.exists()
    {
        return Err(UpError::StoreThere { path: database.to_path_buf() });
    }
    let store = Store::open(&url).await?;
    let restored = fill(&store, file).await;
    store.close().await;
    if let (Err(_), Some(database)) = (&restored, url.file()) {
        // What was made for it goes with it, so that the next attempt finds the place as this one did.
        for suffix in ["", "-wal", "-shm"] {
            let mut name = database.as_os_str().to_owned();
            name.push(suffix);
            let _ = std::fs::remove_file(name);
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
