//! The token of the first run: in a file that only the owner of the data directory can read, while nobody is a member.

use std::fs;
use std::io;

use mezu_control::ops::setup;
use mezu_store::Store;

use super::data_dir::{self, DataDir};
use super::{UpError, clock};

/// The file in the data directory, mode 0600.
pub(super) const FILE: &str = "setup-token";

/// Sees that there is a token while there is no member, and none afterwards. A token that was shown keeps working over
/// restarts.
///
/// # Errors
/// When the file or the store cannot be written.
pub(super) async fn ensure(data: &DataDir, store: &Store) -> Result<(), UpError> {
    let path = data.file(FILE);
    let fault = |source| UpError::DataDir { path: data.file(FILE), source };
    let kept = fs::read_to_string(&path).ok().map(|text| text.trim().to_string()).filter(|text| setup::is_token(text));
    let token = kept.unwrap_or_else(setup::make_token);
    if setup::open(store, &token, clock::now()).await? {
        return data_dir::replace(&path, format!("{token}\n").as_bytes()).map_err(fault);
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault(error)),
        _ => Ok(()),
    }
}

/// The token, while there is one.
pub(super) fn read(data: &DataDir) -> Option<String> {
    fs::read_to_string(data.file(FILE)).ok().map(|text| text.trim().to_string())
}
