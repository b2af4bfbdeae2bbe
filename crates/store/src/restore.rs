//! Restore: a new store from a backup ([`crate::backup`]), whole or not at all.
//!
//! A backup is treated like hostile input: every line is bounded and has the form it must have, the hash, the counts and
//! the audit chain are checked, and only then is anything kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value as Json;
use sqlx::AssertSqlSafe;

use crate::audit::AuditCheck;
use crate::backup::{Backup, BackupError, FORM, Head, Section, Tail, schema};
use crate::change::View;
use crate::tables::{TABLES, Table, hex};
use crate::{Store, StoreError};

/// The longest line that a backup can have, in bytes: a row with the largest bodies there are, and room.
const LINE: u64 = 64 * 1024 * 1024;

impl Store {
    /// Fills this store, which must be empty, from a backup of either database. Either all of it is there afterwards,
    /// as it was, or nothing.
    ///
    /// # Errors
    /// What is wrong with the file, that the store is not empty, or the database's.
    pub async fn restore(&self, path: &Path) -> Result<Backup, BackupError> {
        let file = File::open(path).map_err(|source| BackupError::File { path: path.into(), source })?;
        let mut lines = Lines { path, input: BufReader::new(file), hash: Context::new(&SHA256), number: 0 };
        let mut view = View { tx: self.db.write().await? };
        must_be_empty(&mut view).await?;
        let head: Head = lines.parsed("the first line is not that of a backup")?;
        if head.mezusphere_backup != FORM || head.schema != schema() {
            return Err(BackupError::Version { found: head.schema, ours: schema() });
        }
        view.tx.run("DELETE FROM state", []).await?;
        let rows = fill(&mut lines, &mut view).await?;
        match view.verify_audit().await? {
            AuditCheck::Whole { .. } => {}
            AuditCheck::Broken { seq, fault } => return Err(lines.damaged(format!("audit event {seq}: {fault}"))),
        }
        view.tx.commit().await?;
        Ok(Backup { made_at: head.made_at, rows })
    }
}

struct Lines<'a> {
    path: &'a Path,
    input: BufReader<File>,
    hash: Context,
    number: u64,
}

impl Lines<'_> {
    /// The next line, not yet hashed. Every line of a whole backup ends with a newline.
    fn next(&mut self) -> Result<Vec<u8>, BackupError> {
        let mut line = Vec::new();
        self.number += 1;
        let read = (&mut self.input).take(LINE).read_until(b'\n', &mut line);
        read.map_err(|source| BackupError::File { path: self.path.into(), source })?;
        if line.last() != Some(&b'\n') {
            return Err(self.damaged("it ends here"));
        }
        Ok(line)
    }

    fn take(&mut self, line: &[u8]) {
        self.hash.update(line);
    }

    fn parsed<T: serde::de::DeserializeOwned>(&mut self, fault: &str) -> Result<T, BackupError> {
        let line = self.next()?;
        self.take(&line);
        serde_json::from_slice(&line).map_err(|_| self.damaged(fault))
    }

    fn damaged(&self, fault: impl Into<String>) -> BackupError {
        BackupError::Damaged { path: self.path.into(), line: self.number, fault: fault.into() }
    }
}

async fn must_be_empty(view: &mut View) -> Result<(), BackupError> {
    // The one row of `state` is there from the beginning.
    for table in TABLES.iter().filter(|table| table.name != "state") {
        let sql = format!("SELECT count(*) AS n FROM {}", table.name);
        if view.tx.count(AssertSqlSafe(sql), []).await? > 0 {
            return Err(BackupError::NotEmpty { table: table.name });
        }
    }
    Ok(())
}

/// Writes all rows and checks the last line.
async fn fill(lines: &mut Lines<'_>, view: &mut View) -> Result<BTreeMap<String, u64>, BackupError> {
    let mut counts = BTreeMap::new();
    let mut tables = TABLES.iter();
    let mut current: Option<(&Table, String)> = None;
    loop {
        let line = lines.next()?;
        if line.first() == Some(&b'[') {
            let Some((table, insert)) = &current else { return Err(lines.damaged("a row of no table")) };
            lines.take(&line);
            let row: Vec<Json> = serde_json::from_slice(&line).map_err(|_| lines.damaged("not a row"))?;
            let args = table.to_args(&row).ok_or_else(|| lines.damaged(format!("not a row of {}", table.name)))?;
            view.tx.run(AssertSqlSafe(insert.as_str()), args).await.map_err(|error| refused(lines, error))?;
            *counts.entry(table.name.to_owned()).or_default() += 1;
        } else if let Some(table) = tables.next() {
            lines.take(&line);
            let section: Section = serde_json::from_slice(&line).map_err(|_| lines.damaged("not a table"))?;
            if section.table != table.name || !section.columns.iter().eq(table.columns.iter().map(|(name, _)| name)) {
                return Err(lines.damaged(format!("expected the table {} as it is here", table.name)));
            }
            counts.insert(table.name.to_owned(), 0);
            current = Some((table, insert(table)));
        } else {
            return finish(lines, &line, counts);
        }
    }
}

fn insert(table: &Table) -> String {
    let places: Vec<String> = (1..=table.columns.len()).map(|n| format!("${n}")).collect();
    format!("INSERT INTO {} ({}) VALUES ({})", table.name, table.names(), places.join(", "))
}

fn finish(
    lines: &mut Lines<'_>,
    line: &[u8],
    counts: BTreeMap<String, u64>,
) -> Result<BTreeMap<String, u64>, BackupError> {
    let tail: Tail = serde_json::from_slice(line).map_err(|_| lines.damaged("not the last line of a backup"))?;
    if tail.sha256 != hex(lines.hash.clone().finish().as_ref()) {
        return Err(lines.damaged("something before this line was changed: the hash is another"));
    }
    if tail.rows != counts {
        return Err(lines.damaged("rows are missing"));
    }
    let mut more = [0];
    match lines.input.read(&mut more) {
        Ok(0) => Ok(counts),
        Ok(_) => Err(lines.damaged("something follows the last line")),
        Err(source) => Err(BackupError::File { path: lines.path.into(), source }),
    }
}

/// What the database will not take is the file's fault, unless the database is in trouble itself.
fn refused(lines: &Lines<'_>, error: StoreError) -> BackupError {
    match error {
        StoreError::Database(_) | StoreError::Taken { .. } => lines.damaged(error.to_string()),
        other => other.into(),
    }
}
