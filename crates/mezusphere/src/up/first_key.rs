//! The key of the first start.

use std::fs;

use mezu_model::{KeyId, Label, OrgId, Seed};
use mezu_store::{NewKey, Store};

use super::data_dir::{self, DataDir};
use super::{UpError, clock};

/// The file in the data directory that holds the first key, mode 0600.
pub(super) const FILE: &str = "first-key";
const NAME: &str = "first";

/// Makes the first key if the store has none. Says it only then.
///
/// The file is on disk before the store knows the key. After a crash between the two, the next start takes the key
/// from the file, so that no key is ever announced that does not work, and none works that nobody has.
///
/// # Errors
/// When the file or the store cannot be written.
pub(super) async fn ensure(data: &DataDir, store: &Store, org: OrgId) -> Result<Option<Seed>, UpError> {
    if !store.keys().await?.is_empty() {
        return Ok(None);
    }
    let path = data.file(FILE);
    let seed = match fs::read_to_string(&path).ok().and_then(|text| Seed::parse(&text).ok()) {
        Some(seed) => seed,
        None => {
            let seed = mezu_tunnel::auth::new_seed().map_err(|_| UpError::Internal("no randomness for a key"))?;
            data_dir::replace(&path, format!("{}\n", seed.to_text()).as_bytes())
                .map_err(|source| UpError::DataDir { path, source })?;
            seed
        }
    };
    let id: KeyId = mezu_runtime::id::new();
    let name: Label = NAME.parse().map_err(|_| UpError::Internal("the first key's name"))?;
    let public = mezu_tunnel::auth::public_key(&seed).map_err(|_| UpError::Internal("the first key's public half"))?;
    store.create_key(NewKey { id, org, name, public }, clock::now()).await?;
    Ok(Some(seed))
}
