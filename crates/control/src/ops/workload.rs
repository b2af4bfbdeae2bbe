//! Workloads.

use std::collections::BTreeMap;

use mezu_api::workload::{NewWorkload, Workload, WorkloadPatch};
use mezu_api::{Code, Page};
use mezu_model::{Label, WorkloadId};
use mezu_store::{Slice, View};

use super::{seen, time};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, Reply};

const LABELS_MOST: usize = 32;
const VALUE_MOST: usize = 63;

/// The workloads of the org; with labels, those that have all of them.
pub(crate) async fn list(
    control: &Control,
    scope: &OrgScope,
    labels: &[(Label, String)],
    slice: &Slice,
) -> Answer<Page<Workload>> {
    let mut view = control.view().await?;
    let mut found = Vec::new();
    let mut from = slice.clone();
    // The filter is looked at here: a part is filled up from as many parts of the store's as it takes.
    let next = 'fill: loop {
        let page = view.workloads(scope.org(), &from).await?;
        let has = |one: &mezu_store::Workload| labels.iter().all(|(name, value)| one.labels.get(name) == Some(value));
        for one in page.items.into_iter().filter(has) {
            if found.len() == usize::from(slice.limit) {
                break 'fill found.last().map(|last: &mezu_store::Workload| last.id.to_string());
            }
            found.push(one);
        }
        match page.next {
            Some(next) => from.after = Some(next),
            None => break None,
        }
    };
    let ids: Vec<WorkloadId> = found.iter().map(|one| one.id).collect();
    let mut urls = urls(control, scope, &mut view, &ids).await?;
    let items = found.into_iter().map(|one| {
        let urls = urls.remove(&one.id).unwrap_or_default();
        show(control, one, urls)
    });
    Ok(Reply::ok(Page { items: items.collect(), next }))
}

/// A workload.
pub(crate) async fn read(control: &Control, scope: &OrgScope, id: WorkloadId) -> Answer<Workload> {
    let mut view = control.view().await?;
    let one = view.workload(scope.org(), id).await?;
    let version = one.version;
    Ok(Reply::ok(shown(control, scope, &mut view, one).await?).version(version))
}

/// Makes a workload before its first Warpgate comes.
pub(crate) async fn create(control: &Control, scope: &OrgScope, new: NewWorkload) -> Answer<Workload> {
    check_labels(&new.labels)?;
    let mut change = control.change().await?;
    let made = change.create_workload(scope.org(), mezu_runtime::id::new(), &new.name, &new.labels).await?;
    let version = made.version;
    let made = show(control, made, Vec::new());
    let event = scope.event(made.id).with(None, seen(&made));
    control.commit(change, scope, event, Reply::created(made).version(version)).await
}

/// Gives a workload another name or other labels.
pub(crate) async fn update(
    control: &Control,
    scope: &OrgScope,
    id: WorkloadId,
    patch: WorkloadPatch,
    expected: Option<i64>,
) -> Answer<Workload> {
    let WorkloadPatch { name, labels } = patch;
    labels.as_ref().map_or(Ok(()), check_labels)?;
    let mut change = control.change().await?;
    let old = change.workload(scope.org(), id).await?;
    let (name, labels) = (name.unwrap_or_else(|| old.name.clone()), labels.unwrap_or_else(|| old.labels.clone()));
    let before = show(control, old, Vec::new());
    let new = change.update_workload(scope.org(), id, &name, &labels, expected).await?;
    let version = new.version;
    let after = shown(control, scope, &mut change, new).await?;
    let event = scope.event(id).with(seen(&before), seen(&after));
    control.commit(change, scope, event, Reply::ok(after).version(version)).await
}

/// Deletes a workload, with its routes if so wanted.
pub(crate) async fn delete(
    control: &Control,
    scope: &OrgScope,
    id: WorkloadId,
    with_routes: bool,
    expected: Option<i64>,
) -> Answer<()> {
    let mut change = control.change().await?;
    let old = change.workload(scope.org(), id).await?;
    let before = shown(control, scope, &mut change, old).await?;
    // Routes that lead to it by their split stay, and would lead to nothing.
    if let Some(route) = change.routes_naming(scope.org(), id).await?.first() {
        let detail = format!("the capabilities of the route for {}{} still name the workload", route.host, route.path);
        return Err(Refused::new(Code::InUse, detail));
    }
    change.delete_workload(scope.org(), id, with_routes, expected).await?;
    let event = scope.event(id).with(seen(&before), None);
    control.commit(change, scope, event, Reply::done()).await
}

fn check_labels(labels: &BTreeMap<Label, String>) -> Result<(), Refused> {
    if labels.len() > LABELS_MOST {
        return Err(Refused::invalid("/labels", format!("a workload has at most {LABELS_MOST} labels")));
    }
    let is_odd = |value: &str| value.chars().count() > VALUE_MOST || value.chars().any(char::is_control);
    match labels.iter().find(|(_, value)| is_odd(value)) {
        Some((name, _)) => Err(Refused::invalid(
            format!("/labels/{name}"),
            format!("a label's value has at most {VALUE_MOST} characters, none of them a control character"),
        )),
        None => Ok(()),
    }
}

async fn shown(
    control: &Control,
    scope: &OrgScope,
    view: &mut View,
    one: mezu_store::Workload,
) -> Result<Workload, Refused> {
    let urls = urls(control, scope, view, &[one.id]).await?.remove(&one.id).unwrap_or_default();
    Ok(show(control, one, urls))
}

/// The URLs of workloads of the org.
async fn urls(
    control: &Control,
    scope: &OrgScope,
    view: &mut View,
    workloads: &[WorkloadId],
) -> Result<BTreeMap<WorkloadId, Vec<String>>, Refused> {
    let mut urls: BTreeMap<WorkloadId, Vec<String>> = BTreeMap::new();
    for (workload, host, path) in view.places_of(scope.org(), workloads).await? {
        urls.entry(workload).or_default().push(control.edge().url(&host, path.path()));
    }
    Ok(urls)
}

fn show(control: &Control, one: mezu_store::Workload, urls: Vec<String>) -> Workload {
    Workload {
        gates: u64::try_from(control.edge().gates(one.id)).unwrap_or(u64::MAX),
        unwell_gates: u64::try_from(control.edge().unwell_gates(one.id)).unwrap_or(u64::MAX),
        id: one.id,
        name: one.name,
        labels: one.labels,
        urls,
        created_at: time(one.created_at),
        version: one.version,
    }
}
