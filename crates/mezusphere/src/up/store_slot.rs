//! Opening the store, now or later.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mezu_model::{Label, Seed};
use mezu_runtime::{Backoff, Scope};
use mezu_store::{Store, StoreUrl};
use tokio::sync::oneshot;

use super::data_dir::DataDir;
use super::publisher::StoreSlot;
use super::{UpError, clock, first_key, setup_token};

pub(super) const FILE: &str = "mezusphere.db";
const ORG: &str = "default";
/// How long a start that could do without the store waits for it: requests come first.
const GRACE: Duration = Duration::from_secs(1);
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// A database that is back is found again this soon.
const RETRY_MOST: Duration = Duration::from_secs(4);

/// Where the store of a data directory is, unless a setting says otherwise.
pub(super) fn url(data: &Path, wished: Option<&StoreUrl>) -> StoreUrl {
    wished.cloned().unwrap_or_else(|| data.join(FILE).as_path().into())
}

/// Opens the store and makes the first org and key if there are none. When that fails or takes long, and the edge has a
/// snapshot to start from, it goes on in the background.
///
/// # Errors
/// When the store cannot be opened and there is nothing to serve without it.
pub(super) async fn open(
    data: &Arc<DataDir>,
    url: &StoreUrl,
    can_do_without: bool,
    scope: &Scope,
) -> Result<(StoreSlot, Option<Seed>), UpError> {
    let slot = StoreSlot::default();
    if !can_do_without {
        let (store, key) = prepare(data, url).await?;
        let _ = slot.set(store);
        return Ok((slot, key));
    }
    let (tell, told) = oneshot::channel();
    let opening = Opening { data: Arc::clone(data), url: url.clone(), slot: slot.clone() };
    let task = scope.clone();
    mezu_runtime::spawn(scope, "store", async move {
        tokio::select! {
            () = task.stopping() => {}
            () = opening.run(tell) => {}
        }
    });
    match tokio::time::timeout(GRACE, told).await {
        Ok(Ok(Ok(key))) => return Ok((slot, key)),
        Ok(Ok(Err(error))) => tracing::error!(%error, "{WITHOUT}"),
        // An error: the task was stopped, and so is the start.
        Ok(Err(_)) | Err(_) => tracing::warn!(store = %url, "the store does not answer; {WITHOUT}"),
    }
    Ok((slot, None))
}

const WITHOUT: &str = "starting from the last good snapshot; changes are refused until the store opens";

async fn prepare(data: &DataDir, url: &StoreUrl) -> Result<(Store, Option<Seed>), UpError> {
    let store = Store::open(url).await?;
    let name: Label = ORG.parse().map_err(|_| UpError::Internal("the first org's name"))?;
    let org = store.ensure_org(mezu_runtime::id::new(), &name, clock::now()).await?.id;
    let key = first_key::ensure(data, &store, org).await?;
    setup_token::ensure(data, &store).await?;
    Ok((store, key))
}

struct Opening {
    data: Arc<DataDir>,
    url: StoreUrl,
    slot: StoreSlot,
}

impl Opening {
    /// Tries until the store is open; tells how the first attempt ended.
    async fn run(self, tell: oneshot::Sender<Result<Option<Seed>, UpError>>) {
        let mut tell = Some(tell);
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MOST);
        loop {
            let prepared = prepare(&self.data, &self.url).await;
            let ended = prepared.map(|(store, key)| {
                let _ = self.slot.set(store);
                key
            });
            let is_open = ended.is_ok();
            match (tell.take(), ended) {
                // An answer that nobody waits for any more is for the log.
                (Some(tell), ended) => {
                    if let Err(ended) = tell.send(ended) {
                        log(&ended);
                    }
                }
                (None, ended) => log(&ended),
            }
            if is_open {
                return;
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }
}

fn log(ended: &Result<Option<Seed>, UpError>) {
    match ended {
        Ok(_) => tracing::info!("the store is open again"),
        Err(error) => tracing::warn!(%error, "the store still cannot be opened"),
    }
}
