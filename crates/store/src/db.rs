//! The one file that knows which database this is.
//!
//! SQLite in write-ahead mode: one connection writes, a few read. `synchronous=FULL` makes an acknowledged write
//! survive a power cut. Writes begin with `BEGIN IMMEDIATE`, so that none fails half-way for lack of the write lock.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Pool, Transaction};

use crate::StoreError;

pub(crate) type Database = sqlx::Sqlite;
pub(crate) type Write = Transaction<'static, Database>;
pub(crate) type Row = sqlx::sqlite::SqliteRow;
type Connected = sqlx::SqliteConnection;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a write waits for another process that holds the lock, such as a person with `sqlite3`.
const BUSY: Duration = Duration::from_secs(5);
/// How long a question waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(10);
const READERS: u32 = 4;

#[derive(Clone)]
pub(crate) struct Db {
    writer: Pool<Database>,
    readers: Pool<Database>,
}

impl Db {
    pub(crate) async fn open(file: &Path) -> Result<Self, StoreError> {
        let open = |source| StoreError::Open { file: file.display().to_string(), source };
        create_private(file).map_err(|error| open(sqlx::Error::Io(error)))?;
        let options = options(file);
        let writer = pool(1).connect_with(options.clone()).await.map_err(open)?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|source| StoreError::Migrate { file: file.display().to_string(), source: Box::new(source) })?;
        let readers = pool(READERS).connect_with(options.pragma("query_only", "on")).await.map_err(open)?;
        Ok(Self { writer, readers })
    }

    /// Begins a write. Nothing but the database may be awaited before it is committed.
    pub(crate) async fn write(&self) -> Result<Write, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Begins a read that sees one moment, however many questions it asks.
    pub(crate) async fn read(&self) -> Result<Write, StoreError> {
        Ok(self.readers.begin().await?)
    }

    pub(crate) async fn revision(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT revision FROM state").fetch_one(&self.readers).await?)
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Raises the revision and commits: the end of every write that an edge must hear of.
pub(crate) async fn commit(mut write: Write) -> Result<(), StoreError> {
    sqlx::query("UPDATE state SET revision = revision + 1").execute(&mut *write).await?;
    Ok(write.commit().await?)
}

/// Sorts the database's own words into ours.
pub(crate) fn classify(error: sqlx::Error) -> StoreError {
    // Primary result codes of SQLite: the low byte of the extended ones.
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const FULL: i32 = 13;
    let code = error
        .as_database_error()
        .and_then(|database| database.code())
        .and_then(|code| code.parse::<i32>().ok())
        .map(|code| code & 0xff);
    match code {
        Some(BUSY | LOCKED) => StoreError::Busy,
        Some(FULL) => StoreError::Full,
        _ if matches!(error, sqlx::Error::PoolTimedOut) => StoreError::Busy,
        _ => StoreError::Database(error),
    }
}

/// Whether a write failed because what it names is there already.
pub(crate) fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

fn pool(connections: u32) -> PoolOptions<Database> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        // The test waits until a rollback that a dropped transaction has begun is through.
        .test_before_acquire(true)
        // SQLite itself rolls back when the disk is full. sqlx's own rollback then fails and it believes for ever that
        // the transaction goes on, so such a connection must not be used again.
        .before_acquire(|connection: &mut Connected, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}

/// The journal and index files beside the database take over its mode.
fn create_private(file: &Path) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(file).map(|_| ())
}
