//! The one place that knows which database this is; [`open`] makes the connections.
//!
//! One connection writes, a few read; a read sees one moment. SQL is written once for both: `$1` placeholders, integers,
//! text and bytes only. `&'static str` is the only SQL there is, so nothing from outside can become a part of it.
//!
//! SQLite runs in write-ahead mode, where `synchronous=FULL` makes an acknowledged write survive a power cut. Writes
//! begin with `BEGIN IMMEDIATE`, so that none fails half-way for lack of the write lock. In PostgreSQL an advisory lock
//! does the same: there too one write happens at a time, whatever the number of processes.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Pool, Postgres, Row as _, SqlSafeStr, Sqlite};

use crate::value::{Value, args};
use crate::{StoreError, error};

mod open;

pub(crate) static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
pub(crate) static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

/// The advisory lock of writers: "mezu" in ASCII.
const WRITER: i64 = 0x6d65_7a75;

#[derive(Clone)]
pub(crate) enum Db {
    Sqlite(Pools<Sqlite>),
    Postgres(Pools<Postgres>),
}

pub(crate) struct Pools<D: sqlx::Database> {
    writer: Pool<D>,
    readers: Pool<D>,
}

impl<D: sqlx::Database> Clone for Pools<D> {
    fn clone(&self) -> Self {
        Self { writer: self.writer.clone(), readers: self.readers.clone() }
    }
}

/// A transaction. Dropped before its commit, it has changed nothing.
pub(crate) enum Tx {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Db {
    /// Begins a write. Nothing but the database may be awaited before it is committed.
    pub(crate) async fn write(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite(pools) => Ok(Tx::Sqlite(pools.writer.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres(pools) => {
                // Each statement sees what was committed before it, so all after the lock see the writes before.
                let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
                let mut write = Tx::Postgres(pools.writer.begin_with(begin).await?);
                write.run("SELECT pg_advisory_xact_lock($1)", args![WRITER]).await?;
                Ok(write)
            }
        }
    }

    /// Begins a read that sees one moment, however many questions it asks.
    pub(crate) async fn read(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite(pools) => Ok(Tx::Sqlite(pools.readers.begin().await?)),
            Self::Postgres(pools) => {
                Ok(Tx::Postgres(pools.readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?))
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pools) => pools.close().await,
            Self::Postgres(pools) => pools.close().await,
        }
    }
}

impl<D: sqlx::Database> Pools<D> {
    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A statement with its arguments, for either database.
macro_rules! query {
    ($sql:expr, $args:expr) => {
        $args.into_iter().fold(sqlx::query($sql), |query, arg| match arg {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Blob(value) => query.bind(value),
        })
    };
}

impl Tx {
    /// Runs a statement and says how many rows it has changed.
    pub(crate) async fn run(
        &mut self,
        sql: impl SqlSafeStr,
        args: impl IntoIterator<Item = Value>,
    ) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => query!(sql, args).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => query!(sql, args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// All rows of an answer.
    pub(crate) async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        args: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => query!(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Sqlite).collect(),
            Self::Postgres(tx) => {
                query!(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The row, if there is one.
    pub(crate) async fn row(
        &mut self,
        sql: impl SqlSafeStr,
        args: impl IntoIterator<Item = Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => query!(sql, args).fetch_optional(&mut **tx).await?.map(Row::Sqlite),
            Self::Postgres(tx) => query!(sql, args).fetch_optional(&mut **tx).await?.map(Row::Postgres),
        })
    }

    /// The one row that there must be.
    pub(crate) async fn one(
        &mut self,
        sql: impl SqlSafeStr,
        args: impl IntoIterator<Item = Value>,
    ) -> Result<Row, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => Row::Sqlite(query!(sql, args).fetch_one(&mut **tx).await?),
            Self::Postgres(tx) => Row::Postgres(query!(sql, args).fetch_one(&mut **tx).await?),
        })
    }

    /// The number in the only column, `n`, of the only row.
    pub(crate) async fn count(
        &mut self,
        sql: impl SqlSafeStr,
        args: impl IntoIterator<Item = Value>,
    ) -> Result<usize, StoreError> {
        self.one(sql, args).await?.number("n")
    }

    /// What the database finds wrong with itself. PostgreSQL watches over its own files and references.
    pub(crate) async fn faults(&mut self) -> Result<Vec<String>, StoreError> {
        if matches!(self, Self::Postgres(_)) {
            return Ok(Vec::new());
        }
        let pages = self.rows("SELECT integrity_check AS fault FROM pragma_integrity_check", []).await?;
        let mut faults = pages.iter().map(|row| row.text("fault")).collect::<Result<Vec<_>, _>>()?;
        faults.retain(|fault| fault != "ok");
        let orphans = self.rows("SELECT \"table\" AS name, parent FROM pragma_foreign_key_check", []).await?;
        for row in orphans {
            faults.push(format!("a row of {} refers to none of {}", row.text("name")?, row.text("parent")?));
        }
        Ok(faults)
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

macro_rules! get {
    ($row:expr, $column:expr) => {
        match $row {
            Row::Sqlite(row) => Ok(row.try_get($column)?),
            Row::Postgres(row) => Ok(row.try_get($column)?),
        }
    };
}

impl Row {
    pub(crate) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        get!(self, column)
    }

    pub(crate) fn int_if_any(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        get!(self, column)
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        get!(self, column)
    }

    pub(crate) fn text_if_any(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        get!(self, column)
    }

    pub(crate) fn blob(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        get!(self, column)
    }
}

/// Sorts the database's own words into ours.
pub(crate) fn classify(error: sqlx::Error) -> StoreError {
    let Some(database) = error.as_database_error() else {
        return match error {
            sqlx::Error::PoolTimedOut => StoreError::Busy,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                StoreError::Unreachable(error)
            }
            other => StoreError::Database(other),
        };
    };
    if database.is_unique_violation() {
        return StoreError::Taken { what: "thing" };
    }
    match database.code().as_deref().map(error::kind) {
        Some(error::Kind::Busy) => StoreError::Busy,
        Some(error::Kind::Full) => StoreError::Full,
        Some(error::Kind::Away) => StoreError::Unreachable(error),
        Some(error::Kind::Other) | None => StoreError::Database(error),
    }
}
