//! Backup: everything that the store holds, as of one moment, in one file that either database can be made from.
//!
//! The file is text, one JSON value a line:
//!
//! ```text
//! {"mezusphere_backup": 1, "schema": 3, "made_at": 1700000000000000}      form, migration, microseconds since 1970
//! {"table": "orgs", "columns": ["id", "name", …]}                         then each of its rows as a list:
//! ["0190…", "default", …]                                                 numbers, texts, null, {"hex": "00ff…"} for bytes
//! …
//! {"rows": {"orgs": 1, …}, "sha256": "…"}                                 counts, and the hash of all bytes before this line
//! ```
//!
//! Without its last line it is no backup, so one that was cut short is never taken for whole. It holds password hashes
//! and the seeds of time-based codes: the file is its owner's alone (mode 0600), and should be kept like a key.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use crate::change::View;
use crate::tables::{TABLES, Table, hex};
use crate::value::args;
use crate::{Micros, Store, StoreError, db};

/// The form of the file, as its first line says.
pub(crate) const FORM: u32 = 1;
/// Rows that are in memory at once.
const BATCH: i64 = 2000;

/// Why a backup was not made or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{path}, line {line}: {fault}; this is no whole backup, and nothing of it was taken", path = path.display())]
    Damaged { path: PathBuf, line: u64, fault: String },
    #[error(
        "the backup was made by a version of this program whose database has form {found}, and this one's has {ours}; restore it with that version, then upgrade"
    )]
    Version { found: i64, ours: i64 },
    #[error("the store is not empty ({table} has rows): a backup is restored into a new store only")]
    NotEmpty { table: &'static str },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// When it was made.
    pub made_at: Micros,
    /// The rows of each table.
    pub rows: BTreeMap<String, u64>,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) mezusphere_backup: u32,
    pub(crate) schema: i64,
    pub(crate) made_at: Micros,
}

/// The line before a table's rows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Section {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tail {
    pub(crate) rows: BTreeMap<String, u64>,
    pub(crate) sha256: String,
}

impl Store {
    /// Writes everything into a new file. Others read and write meanwhile; the file holds the moment it began.
    ///
    /// # Errors
    /// [`BackupError::File`] also when the file is there already: an older backup is never overwritten.
    pub async fn backup(&self, path: &Path, now: Micros) -> Result<Backup, BackupError> {
        let failed = |source| BackupError::File { path: path.into(), source };
        let mut view = self.view().await?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        let mut lines = Lines { out: BufWriter::new(file), hash: Context::new(&SHA256) };
        let made = async {
            let rows = write(&mut lines, &mut view, now).await?;
            lines.finish(&rows)?;
            File::open(parent(path))?.sync_all()?;
            Ok(Backup { made_at: now, rows })
        };
        made.await.map_err(|error| {
            // What is there of it is of no use. That it stays would be no worse: it says itself that it is not whole.
            let _ = std::fs::remove_file(path);
            match error {
                Failed::File(source) => failed(source),
                Failed::Store(error) => error.into(),
            }
        })
    }
}

/// The form of the database that this program has.
pub(crate) fn schema() -> i64 {
    db::SQLITE.iter().map(|migration| migration.version).max().unwrap_or_default()
}

enum Failed {
    File(io::Error),
    Store(StoreError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct Lines {
    out: BufWriter<File>,
    hash: Context,
}

impl Lines {
    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.out.write_all(&text)
    }

    /// Writes the last line. When it returns, the file is on disk.
    fn finish(&mut self, rows: &BTreeMap<String, u64>) -> io::Result<()> {
        let sha256 = hex(self.hash.clone().finish().as_ref());
        self.line(&Tail { rows: rows.clone(), sha256 })?;
        self.out.flush()?;
        self.out.get_ref().sync_all()
    }
}

async fn write(lines: &mut Lines, view: &mut View, now: Micros) -> Result<BTreeMap<String, u64>, Failed> {
    lines.line(&Head { mezusphere_backup: FORM, schema: schema(), made_at: now })?;
    let mut counts = BTreeMap::new();
    for table in TABLES {
        let columns = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        lines.line(&Section { table: table.name.to_owned(), columns })?;
        counts.insert(table.name.to_owned(), write_rows(lines, view, table).await?);
    }
    Ok(counts)
}

async fn write_rows(lines: &mut Lines, view: &mut View, table: &Table) -> Result<u64, Failed> {
    let sql = format!("SELECT {} FROM {} ORDER BY {} LIMIT $1 OFFSET $2", table.names(), table.name, table.order);
    let mut written = 0;
    loop {
        // All names in it are this program's own.
        let rows = view.tx.rows(AssertSqlSafe(sql.as_str()), args![BATCH, written]).await?;
        for row in &rows {
            lines.line(&table.to_json(row)?)?;
            written += 1;
        }
        if rows.is_empty() {
            return Ok(u64::try_from(written).unwrap_or_default());
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
