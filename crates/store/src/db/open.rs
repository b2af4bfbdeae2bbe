//! Opening either database: made if it is not there, looked at before anything is written, brought to the newest form.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Postgres, Row as _};

use super::{Db, POSTGRES, Pools, SQLITE};
use crate::StoreError;
use crate::url::{Place, StoreUrl};

/// How long a write waits for another process that holds the lock, such as a person with `sqlite3`.
const BUSY: Duration = Duration::from_secs(5);
/// How long a question waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(10);
/// How long a server may take to answer at all.
const REACH: Duration = Duration::from_secs(10);
const READERS: u32 = 4;
/// Rows that SQLite may be ahead of their reader: with few, the two threads wait for one another all the time.
const ROWS: usize = 1000;
/// What each connection to PostgreSQL is told: no wait without an end.
const SETTINGS: &str = "SET lock_timeout = '5s'; SET statement_timeout = '30s'; \
                        SET idle_in_transaction_session_timeout = '60s'";
/// The oldest release that is still maintained by its makers.
const OLDEST: i32 = 14;

impl Db {
    pub(crate) async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        let open = |source| StoreError::Open { file: url.to_string(), source: told(source) };
        let migrate = |source: MigrateError| migration_fault(url, source);
        match &url.0 {
            Place::File(file) => {
                create_private(file).map_err(|error| open(sqlx::Error::Io(error)))?;
                let options = sqlite(file);
                let writer = pool(1).connect_with(options.clone()).await.map_err(open)?;
                SQLITE.run(&writer).await.map_err(migrate)?;
                let readers = pool(READERS).connect_with(options.pragma("query_only", "on")).await.map_err(open)?;
                Ok(Self::Sqlite(Pools { writer, readers }))
            }
            Place::Server(server) => {
                let options =
                    PgConnectOptions::clone(server).application_name("mezusphere").disable_statement_logging();
                look_at(url, &options).await?;
                // Without the time limits of a question: a migration may take as long as it must.
                // A pool and no connection: a future that borrows one cannot be spawned.
                let migrator = pool::<Postgres>(1).connect_with(options.clone()).await.map_err(open)?;
                POSTGRES.run(&migrator).await.map_err(migrate)?;
                migrator.close().await;
                let limited = |connections| {
                    pool::<Postgres>(connections).after_connect(move |connection, _| {
                        Box::pin(async move { connection.execute(SETTINGS).await.map(|_| ()) })
                    })
                };
                let writer = limited(1).connect_with(options.clone()).await.map_err(open)?;
                let readers = limited(READERS).connect_with(options).await.map_err(open)?;
                Ok(Self::Postgres(Pools { writer, readers }))
            }
        }
    }
}

/// Asks a server what it is. By one connection: a pool would try again and again, and in the end tell of its own
/// patience, not of what is wrong.
async fn look_at(url: &StoreUrl, options: &PgConnectOptions) -> Result<(), StoreError> {
    let asked = async {
        let mut connection = options.connect().await?;
        // Not `SHOW`: its answer has a type that varies.
        let sql = "SELECT current_setting('server_version_num') AS version, \
                   current_setting('server_encoding') AS encoding";
        let row = connection.fetch_one(sql).await?;
        let answer: (String, String) = (row.try_get("version")?, row.try_get("encoding")?);
        connection.close().await?;
        Ok(answer)
    };
    let answer = tokio::time::timeout(REACH, asked).await.unwrap_or_else(|_| Err(late()));
    let (version, encoding) = answer.map_err(|source| StoreError::Open { file: url.to_string(), source })?;
    let unfit = |why| StoreError::Unfit { file: url.to_string(), why };
    let version = version.parse::<i32>().unwrap_or_default() / 10_000;
    if version < OLDEST {
        return Err(unfit(format!("the server is PostgreSQL {version}; {OLDEST} or newer is needed")));
    }
    if encoding != "UTF8" {
        return Err(unfit(format!("its encoding is {encoding}; make one with ENCODING 'UTF8' TEMPLATE template0")));
    }
    Ok(())
}

/// A pool tells of its own patience; what is wrong is that there was no answer.
fn told(error: sqlx::Error) -> sqlx::Error {
    if matches!(error, sqlx::Error::PoolTimedOut) { late() } else { error }
}

fn late() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in 10 s"))
}

fn migration_fault(url: &StoreUrl, source: MigrateError) -> StoreError {
    let newest = |all: &Migrator| all.iter().map(|one| one.version).max().unwrap_or_default();
    let ours = match &url.0 {
        Place::File(_) => newest(&SQLITE),
        Place::Server(_) => newest(&POSTGRES),
    };
    match source {
        MigrateError::VersionMissing(found) if found > ours => StoreError::Newer { file: url.to_string(), found, ours },
        source => StoreError::Migrate { file: url.to_string(), source: Box::new(source) },
    }
}

fn sqlite(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .row_buffer_size(ROWS)
        .disable_statement_logging()
}

fn pool<D: sqlx::Database>(connections: u32) -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        // The test waits until a rollback that a dropped transaction has begun is through.
        .test_before_acquire(true)
        // SQLite itself rolls back when the disk is full. sqlx's own rollback then fails and it believes for ever that
        // the transaction goes on, so such a connection must not be used again.
        .before_acquire(|connection: &mut D::Connection, _| {
            let is_free = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_free) })
        })
}

/// The journal and index files beside the database take over its mode.
fn create_private(file: &Path) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(file).map(|_| ())
}
