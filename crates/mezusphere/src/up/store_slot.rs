//! Opening the store, now or later.

use std::sync::Arc;
use std::time::Duration;

use mezu_model::{Label, Seed};
use mezu_runtime::{Backoff, Scope};
use mezu_store::Store;

use super::data_dir::DataDir;
use super::publisher::StoreSlot;
use super::{UpError, clock, first_key, setup_token};

pub(super) const FILE: &str = "mezusphere.db";
const ORG: &str = "default";
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(30);

/// Opens the store and makes the first org and key if there are none. When it fails and the edge has a snapshot to
/// start from, it is tried again in the background instead.
///
/// # Errors
/// When the store cannot be opened and there is nothing to serve without it.
pub(super) async fn open(
    data: &Arc<DataDir>,
    can_do_without: bool,
    scope: &Scope,
) -> Result<(StoreSlot, Option<Seed>), UpError> {
    let slot = StoreSlot::default();
    match prepare(data).await {
        Ok((store, key)) => {
            let _ = slot.set(store);
            Ok((slot, key))
        }
        Err(error) if can_do_without => {
            tracing::error!(%error, "starting from the last good snapshot; changes are refused until the store opens");
            retry(data, &slot, scope);
            Ok((slot, None))
        }
        Err(error) => Err(error),
    }
}

async fn prepare(data: &DataDir) -> Result<(Store, Option<Seed>), UpError> {
    let store = Store::open(&data.file(FILE)).await?;
    let name: Label = ORG.parse().map_err(|_| UpError::Internal("the first org's name"))?;
    let org = store.ensure_org(mezu_runtime::id::new(), &name, clock::now()).await?.id;
    let key = first_key::ensure(data, &store, org).await?;
    setup_token::ensure(data, &store).await?;
    Ok((store, key))
}

fn retry(data: &Arc<DataDir>, slot: &StoreSlot, scope: &Scope) {
    let (data, slot, stop) = (Arc::clone(data), slot.clone(), scope.clone());
    mezu_runtime::spawn(scope, "store", async move {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MOST);
        loop {
            tokio::select! {
                () = stop.stopping() => return,
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
            match prepare(&data).await {
                Ok((store, ..)) => {
                    tracing::info!("the store is open again");
                    let _ = slot.set(store);
                    return;
                }
                Err(error) => tracing::warn!(%error, "the store still cannot be opened"),
            }
        }
    });
}
