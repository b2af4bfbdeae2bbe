//! The key that seals what the store must give back in the clear, such as secrets of second factors. It lies beside the
//! store and in no backup of it: whoever takes one of the two can read nothing.

use std::fs;
use std::io;

use super::UpError;
use super::data_dir::{self, DataDir};

/// The file in the data directory, mode 0600: 32 bytes.
const FILE: &str = "seal.key";

/// Reads the key; makes it at the first start.
///
/// # Errors
/// When the file cannot be read or written, or is no key. It is never replaced: what was sealed would be lost.
pub(super) fn ensure(data: &DataDir) -> Result<[u8; 32], UpError> {
    let path = data.file(FILE);
    let fault = |source| UpError::DataDir { path: data.file(FILE), source };
    match fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|_| fault(io::Error::other("it is no key of 32 bytes; restore it"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            mezu_runtime::random::fill(&mut key);
            data_dir::replace(&path, &key).map_err(fault)?;
            Ok(key)
        }
        Err(error) => Err(fault(error)),
    }
}
