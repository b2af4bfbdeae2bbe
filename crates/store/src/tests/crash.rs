//! Writers and migrations that are killed at any time: what was acknowledged is there, and all goes on from there.
//!
//! `MEZU_KILLS=200 cargo test -p mezu-store --lib crash -- --nocapture` is the long form.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use mezu_testkit::killed;
use sqlx::migrate::Migrator;

use super::*;

const URL: &str = "MEZU_CRASH_URL";
const FROM: &str = "MEZU_CRASH_FROM";

fn kills() -> usize {
    killed::kills(10)
}

fn host(n: usize) -> Hostname {
    format!("n-{n}.example.com").parse().unwrap()
}

/// The writer that is killed: run by the tests below, in a process of its own. It says what it has written.
#[tokio::test]
#[ignore = "a part of the tests beside it"]
async fn child() {
    let (Ok(url), Ok(from)) = (std::env::var(URL), std::env::var(FROM)) else { return };
    println!("go");
    let store = Store::open(url.parse::<StoreUrl>().unwrap()).await.unwrap();
    let org = store.ensure_org(OrgId::from_bytes([1; 16]), &label("default"), NOW).await.unwrap().id;
    for n in from.parse::<usize>().unwrap().. {
        let mut change = store.change(NOW).await.unwrap();
        change.claim_hostname(org, &host(n)).await.unwrap();
        change.commit(NewEvent::done("hostname.claim", host(n)).of(org)).await.unwrap();
        println!("ack {n}");
    }
}

/// Starts the writer, kills it so long after it has begun, and tells what it has acknowledged.
fn kill_a_writer(url: &str, from: usize, after: Duration) -> Vec<usize> {
    let said = killed::run_and_kill("tests::crash::child", &[(URL, url), (FROM, &from.to_string())], after);
    said.iter().filter_map(|line| line.strip_prefix("ack ")?.parse().ok()).collect()
}

fn random(most: Duration) -> Duration {
    most.mul_f64(mezu_runtime::random::unit())
}

impl Place {
    fn text(&self) -> String {
        match self {
            Self::File(dir) => dir.path().join("db").to_str().unwrap().to_owned(),
            Self::Server(database) => database.url.clone(),
        }
    }
}

async fn no_acknowledged_write_is_lost(place: Place) {
    let url = place.text();
    let mut acknowledged: Vec<usize> = Vec::new();
    for n in 0..kills() {
        let from = acknowledged.last().map_or(0, |last| last + 2);
        acknowledged.extend(kill_a_writer(&url, from, random(Duration::from_millis(250))));
        let store = Store::open(place.url()).await.unwrap();
        assert_eq!(store.check().await.unwrap(), Vec::<String>::new(), "after kill {n}");
        let mut view = store.view().await.unwrap();
        for n in &acknowledged {
            view.hostname(OrgId::from_bytes([1; 16]), &host(*n)).await.unwrap();
        }
        drop(view);
        store.close().await;
    }
    eprintln!("{} kills, {} acknowledged writes", kills(), acknowledged.len());
    assert!(acknowledged.len() > kills(), "too few writes to have shown anything");
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_in_a_file() {
    no_acknowledged_write_is_lost(Place::file()).await;
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_on_postgres() {
    no_acknowledged_write_is_lost(Place::server()).await;
}

/// A database in the form of the first release, with something in it.
async fn old(place: &Place) {
    let first = |all: &Migrator| Migrator::with_migrations(all.iter().take(2).cloned().collect());
    let key = [7_u8; 32];
    let rows = [
        "INSERT INTO orgs (id, name, created_at) VALUES ('01010101-0101-0101-0101-010101010101', 'default', 1)",
        "INSERT INTO keys (id, org_id, name, public_key, created_at) SELECT \
         '02020202-0202-0202-0202-020202020202', id, 'first', $1, 2 FROM orgs",
        "INSERT INTO keys (id, org_id, name, public_key, created_at, revoked_at) SELECT \
         '01020202-0202-0202-0202-020202020202', org_id, name, $1, 1, 2 FROM keys",
        "INSERT INTO workloads (id, org_id, name, created_at, key_id) SELECT \
         '03030303-0303-0303-0303-030303030303', org_id, 'shop', 3, id FROM keys WHERE revoked_at IS NULL",
        "INSERT INTO hostnames (name, org_id, created_at) SELECT 'shop.base.test', id, 4 FROM orgs",
        "INSERT INTO routes (id, host, path, workload_id, pipeline, created_at) SELECT \
         '04040404-0404-0404-0404-040404040404', 'shop.base.test', '/', id, '{}', 5 FROM workloads",
    ];
    macro_rules! fill {
        ($pool:expr, $migrations:expr) => {{
            let pool = $pool;
            first($migrations).run(&pool).await.unwrap();
            for (n, sql) in rows.into_iter().enumerate() {
                let query = sqlx::query(sql);
                let bytes = if n == 1 { key.to_vec() } else { vec![8; 32] };
                let query = if sql.contains("$1") { query.bind(bytes) } else { query };
                query.execute(&pool).await.unwrap();
            }
            pool.close().await;
        }};
    }
    match place {
        Place::File(_) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.text()).create_if_missing(true);
            fill!(sqlx::SqlitePool::connect_with(options).await.unwrap(), &db::SQLITE);
        }
        Place::Server(_) => fill!(sqlx::PgPool::connect(&place.text()).await.unwrap(), &db::POSTGRES),
    }
}

/// What was there before the upgrade is there after it, and works.
async fn check_upgraded(place: &Place) {
    let store = Store::open(place.url()).await.unwrap();
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
    let (_, parts) = store.read_all().await.unwrap();
    assert_eq!((parts.orgs.len(), parts.keys.len(), parts.workloads.len(), parts.routes.len()), (1, 1, 1, 1));
    let keys = store.keys().await.unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0].account, keys[1].account, "keys of one name are of one account");
    let (org, key) = (OrgId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
    let back = store.enrol(key, org, &[label("shop")], &"base.test".parse().unwrap(), NOW).await.unwrap();
    assert!(!back[0].is_new && back[0].is_routed);
    store.close().await;
}

#[tokio::test]
async fn a_database_of_the_first_release_is_upgraded_with_all_it_holds() {
    for place in [Place::file(), Place::server()] {
        old(&place).await;
        check_upgraded(&place).await;
    }
}

#[tokio::test]
async fn a_migration_that_is_killed_is_done_by_the_next_start() {
    for make in [Place::file as fn() -> Place, Place::server] {
        let _server = make();
        let mut early = 0;
        for _ in 0..kills() {
            let place = make();
            old(&place).await;
            early += usize::from(kill_a_writer(&place.text(), 0, random(Duration::from_millis(40))).is_empty());
            check_upgraded(&place).await;
        }
        eprintln!("{} kills, {early} of them before the first write", kills());
    }
}
