use warpgate::{EdgeAddress, Ended, Handle};
use mezu_runtime::Signals;
pub(crate) async fn show(handle: &Handle, _signals: Signals, _edge: &EdgeAddress) -> anyhow::Result<Option<Ended>> {
    Ok(Some(handle.ended().await))
}
