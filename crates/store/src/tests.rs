//! The store's contract, held to on both databases. Every test gets a database of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use mezu_model::{Hostname, KeyId, Label, OrgId, PublicKey, RouteId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::limits;
use mezu_testkit::postgres;
use tempfile::TempDir;

use super::*;

/// Each test once in a file, and all of them in turn on one PostgreSQL server, each in a database of its own there too.
macro_rules! contract {
    ($(async fn $name:ident($world:ident: World) $body:block)*) => {
        $(async fn $name($world: World) $body)*

        mod in_a_file {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(crate::tests::World::in_a_file().await).await;
                }
            )*
        }

        #[tokio::test]
        async fn on_postgres() {
            let _server = postgres::database().unwrap();
            $(
                // Shown when the test fails: the last one is it.
                eprintln!("on PostgreSQL: {}", stringify!($name));
                Box::pin($name(World::on_postgres().await)).await;
            )*
        }
    };
}

mod audit;
mod backup;
mod changes;
mod crash;
mod file;
mod machines;
mod news;
mod people;
mod server;
mod spine;

const NOW: Micros = Micros(1_700_000_000_000_000);

struct World {
    store: Store,
    url: StoreUrl,
    org: OrgId,
    key: KeyId,
    base: Hostname,
    place: Place,
}

/// What holds the database.
enum Place {
    File(TempDir),
    Server(postgres::Database),
}

/// So long after the moment at which the tests begin.
fn after(time: std::time::Duration) -> Micros {
    Micros(NOW.0 + i64::try_from(time.as_micros()).unwrap())
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

impl Place {
    fn file() -> Self {
        Self::File(TempDir::new().unwrap())
    }

    fn server() -> Self {
        Self::Server(postgres::database().unwrap())
    }

    fn url(&self) -> StoreUrl {
        match self {
            Self::File(dir) => dir.path().join("db").as_path().into(),
            Self::Server(database) => database.url.parse().unwrap(),
        }
    }
}

async fn org_with_key(store: &Store, name: &str, n: u8) -> (OrgId, KeyId) {
    let org = store.ensure_org(OrgId::from_bytes([n; 16]), &label(name), NOW).await.unwrap().id;
    let key = KeyId::from_bytes([n; 16]);
    let new = NewKey { id: key, org, name: label("first"), public: PublicKey([n; 32]) };
    store.create_key(new, NOW).await.unwrap();
    (org, key)
}

impl World {
    async fn in_a_file() -> Self {
        Self::at(Place::file()).await
    }

    async fn on_postgres() -> Self {
        Self::at(Place::server()).await
    }

    async fn at(place: Place) -> Self {
        let url = place.url();
        let store = Store::open(&url).await.unwrap();
        let (org, key) = org_with_key(&store, "default", 1).await;
        Self { store, url, org, key, base: "base.test".parse().unwrap(), place }
    }

    /// Runs a statement that no function of the store would.
    async fn sql(&self, sql: &'static str) -> Result<u64, StoreError> {
        let mut write = self.store.db.write().await?;
        let changed = write.run(sql, []).await?;
        write.commit().await?;
        Ok(changed)
    }

    async fn enrol(&self, name: &str) -> Result<Hostname, EnrolRefusal> {
        self.enrol_as(self.key, self.org, name).await
    }

    async fn enrol_as(&self, key: KeyId, org: OrgId, name: &str) -> Result<Hostname, EnrolRefusal> {
        Ok(self.store.enrol(key, org, &[label(name)], &self.base, NOW).await?.remove(0).hostname)
    }

    async fn add_route(&self, org: OrgId, host: &str, path: &str, workload: &str) -> Result<RouteId, StoreError> {
        let new = NewRoute {
            id: mezu_runtime::id::new(),
            org,
            host: host.parse().unwrap(),
            path: path.parse().unwrap(),
            workload: label(workload),
            pipeline: PipelineSpec::default(),
        };
        Ok(self.store.add_route(new, NOW).await?.id)
    }

    async fn revision(&self) -> u64 {
        self.store.read_all().await.unwrap().0
    }
}
