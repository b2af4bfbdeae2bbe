//! Whole instances on free ports.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;

use mezu_edge::{Enrol as _, EnrolError, Enrolment};
use mezu_model::{GateId, Label, Seed};
use tempfile::TempDir;

use super::*;

mod api;
mod asked;

fn settings(dir: &TempDir) -> Settings {
    let mut settings = Settings::on_free_ports(&dir.path().join("data")).unwrap();
    settings.workers = std::num::NonZeroUsize::new(1);
    settings.drain_timeout = Duration::from_secs(1);
    settings
}

async fn start(dir: &TempDir) -> Running {
    Running::start(settings(dir)).await.unwrap()
}

fn public(seed: &Seed) -> mezu_model::PublicKey {
    mezu_tunnel::auth::public_key(seed).unwrap()
}

#[tokio::test]
async fn the_first_start_makes_a_key_and_the_second_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let mut first = start(&dir).await;
    let seed = first.take_first_key().unwrap();
    let stored = first.ops.publisher.current();
    assert_eq!(stored.keys.iter().map(|key| key.public).collect::<Vec<_>>(), [public(&seed)]);
    let file = first.first_key_file();
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), seed.to_text());
    first.drain().await;

    let mut second = start(&dir).await;
    assert!(second.take_first_key().is_none());
    assert_eq!(*second.ops.publisher.current(), *stored);
    second.drain().await;
}

#[tokio::test]
async fn a_crash_between_file_and_store_keeps_the_announced_key() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let seed = mezu_tunnel::auth::new_seed().unwrap();
    fs::write(data.join(first_key::FILE), seed.to_text()).unwrap();
    let running = start(&dir).await;
    assert_eq!(running.ops.publisher.current().keys.first().unwrap().public, public(&seed));
    running.drain().await;
}

#[tokio::test]
async fn two_instances_do_not_share_a_directory() {
    let dir = TempDir::new().unwrap();
    let first = start(&dir).await;
    assert!(matches!(Running::start(settings(&dir)).await, Err(UpError::InUse { .. })));
    first.drain().await;
    start(&dir).await.drain().await;
}

#[tokio::test]
async fn the_admin_listener_stays_on_loopback_unless_told() {
    let dir = TempDir::new().unwrap();
    let mut open = settings(&dir);
    open.admin = ([0, 0, 0, 0], 0).into();
    assert!(matches!(Running::start(open.clone()).await, Err(UpError::AdminPublic(_))));
    open.admin_public = true;
    Running::start(open).await.unwrap().drain().await;
}

#[tokio::test]
async fn a_broken_store_starts_from_the_last_good_snapshot_and_heals() {
    let dir = TempDir::new().unwrap();
    let first = start(&dir).await;
    let good = first.ops.publisher.current();
    first.drain().await;
    let file = dir.path().join("data/mezusphere.db");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, vec![b'x'; 8192]).unwrap();

    let running = start(&dir).await;
    assert_eq!(*running.ops.publisher.current(), *good);
    let status = running.ops.status();
    assert!(!status.warnings.is_empty());
    assert_eq!(api::at_socket(&running, "GET /api/v1/orgs/default/keys", None).await.0, 503);

    fs::write(&file, whole).unwrap();
    let healed = async {
        while running.ops.store.get().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), healed).await.unwrap();
    let (_, _, keys) = api::at_socket(&running, "GET /api/v1/orgs/default/keys", None).await;
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
    running.drain().await;
}

#[tokio::test]
async fn a_store_that_does_not_answer_keeps_no_start_waiting() {
    let dir = TempDir::new().unwrap();
    let first = start(&dir).await;
    let good = first.ops.publisher.current();
    first.drain().await;
    // Connections are taken by the kernel, and nobody ever says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut settings = settings(&dir);
    settings.store = Some(format!("postgres://mezu:sesame@127.0.0.1:{port}/m?sslmode=disable").parse().unwrap());
    // Sooner than the attempt is given up.
    let started = tokio::time::timeout(Duration::from_secs(8), Running::start(settings)).await;
    let running = started.unwrap().unwrap();
    assert_eq!(*running.ops.publisher.current(), *good);
    let status = running.ops.status();
    assert!(status.warnings.iter().any(|one| one.contains("store")), "{status:?}");
    assert_eq!(status.store, format!("postgres://mezu@127.0.0.1:{port}/m"));
    running.drain().await;
}

#[tokio::test]
async fn a_broken_store_without_a_snapshot_is_an_error() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("mezusphere.db"), vec![b'x'; 8192]).unwrap();
    assert!(matches!(Running::start(settings(&dir)).await, Err(UpError::Store { .. })));
}

fn enroller(running: &Running) -> Enroller {
    let Ops { store, publisher, live, place, .. } = &*running.ops;
    Enroller::new(store.clone(), publisher.clone(), live.clone(), place.base.clone())
}

fn enrolment(running: &Running, names: &[&str]) -> Enrolment {
    let snapshot = running.ops.publisher.current();
    let key = snapshot.keys.first().unwrap();
    let names = names.iter().map(|name| name.parse::<Label>().unwrap()).collect();
    Enrolment { key: key.id, org: key.org, gate: GateId::from_bytes([1; 16]), names }
}

#[tokio::test]
async fn an_enrolled_name_is_served_before_its_gate_hears_of_it() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let asked = enrolment(&running, &["shop", "blog"]);
    let enrolled = enroller(&running).enrol(asked.clone()).await.unwrap();
    let hosts: Vec<String> = enrolled.iter().map(|one| one.hostname.to_string()).collect();
    assert_eq!(hosts, ["shop.mezusphere.localhost", "blog.mezusphere.localhost"]);
    let snapshot = running.ops.publisher.current();
    assert!(running.ops.live.edge().unwrap().generation() >= snapshot.generation);
    assert!(enrolled.iter().all(|one| snapshot.routes.iter().any(|route| route.host == one.hostname)));
    // Coming back needs no store.
    running.ops.store.get().unwrap().close().await;
    assert_eq!(enroller(&running).enrol(asked).await.unwrap(), enrolled);
    let new = enroller(&running).enrol(enrolment(&running, &["new"])).await;
    assert_eq!(new, Err(EnrolError::Unavailable));
    running.drain().await;
}

#[tokio::test]
async fn a_key_that_brings_new_names_without_end_is_slowed_down_and_what_it_has_is_served() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let enroller = enroller(&running);
    let names = |hello: usize| -> Vec<String> { (0..64).map(|n| format!("w-{hello}-{n}")).collect() };
    let asked = |hello| {
        let names = names(hello);
        enrolment(&running, &names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for hello in 0..4 {
        // Tunnels that come at once bring the same names; only the first pays.
        let (a, b) = tokio::join!(enroller.enrol(asked(hello)), enroller.enrol(asked(0)));
        assert_eq!((a.map(|all| all.len()), b.map(|all| all.len())), (Ok(64), Ok(64)));
    }
    let before = running.ops.publisher.current();
    assert_eq!(enroller.enrol(asked(4)).await, Err(EnrolError::Unavailable));
    assert_eq!(running.ops.publisher.current().workloads.len(), before.workloads.len());
    assert!(enroller.enrol(asked(3)).await.is_ok());
    running.drain().await;
}

#[tokio::test]
async fn a_gate_that_comes_back_brings_no_removed_route_with_it() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let asked = enrolment(&running, &["shop"]);
    let first = enroller(&running).enrol(asked.clone()).await.unwrap();
    let route = running.ops.publisher.current().routes.first().unwrap().id;
    let gone = format!("DELETE /api/v1/orgs/default/routes/{route}");
    assert_eq!(api::at_socket(&running, &gone, None).await.0, 204);
    let removed = running.ops.publisher.current();
    assert!(removed.routes.is_empty());
    for _ in 0..2 {
        // Its tunnel is welcome: a later `route add` must find it.
        assert_eq!(enroller(&running).enrol(asked.clone()).await.unwrap(), first);
        assert_eq!(*running.ops.publisher.current(), *removed);
    }
    running.drain().await;
}

#[tokio::test]
async fn a_revoked_key_enrols_nothing() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let asked = enrolment(&running, &["shop"]);
    enroller(&running).enrol(asked.clone()).await.unwrap();
    let revoke = format!("DELETE /api/v1/orgs/default/keys/{}", asked.key);
    assert_eq!(api::at_socket(&running, &revoke, None).await.0, 204);
    assert!(running.ops.publisher.current().keys.is_empty());
    assert!(matches!(enroller(&running).enrol(asked).await, Err(EnrolError::Refused(_))));
    running.drain().await;
}

#[tokio::test]
async fn a_dropped_instance_lets_everything_go() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let admin = running.admin_addr();
    drop(running);
    let free = async {
        while TcpListener::bind(admin).await.is_err() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(Duration::from_secs(10), free).await.unwrap();
}
