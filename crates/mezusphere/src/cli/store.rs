//! Where the store is, and `mezusphere backup` and `restore`.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use mezu_api::audit::AuditReport;
use mezu_store::{Backup, StoreUrl};
use owo_colors::OwoColorize as _;

use super::args::{DataArg, StoreArgs};
use super::out::{self, Failure};
use crate::up;

/// A password file holds a password.
const PASSWORD: usize = 4096;

/// Where the store is. A password may stand in it, so it is shown by no `--help`, no error and no log.
#[derive(Debug, Args, Clone)]
pub struct StoreArg {
    /// The store: a file, or postgres://USER@HOST/DATABASE; see docs/running.md [default: mezusphere.db in --data]
    #[arg(long, value_name = "URL", env = "MEZUSPHERE_STORE", hide_env_values = true, help_heading = "Instance")]
    store: Option<Hidden>,

    /// File with the password of the --store, so that it stands in no list of processes
    #[arg(long, value_name = "FILE", env = "MEZUSPHERE_STORE_PASSWORD_FILE", help_heading = "Instance")]
    store_password_file: Option<PathBuf>,
}

/// A text that is printed nowhere. Taken as it is: what the parser of arguments refuses it repeats.
#[derive(Clone)]
struct Hidden(String);

impl FromStr for Hidden {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl StoreArg {
    /// The store, if one is named.
    ///
    /// # Errors
    /// What is wrong with the URL or the password's file.
    pub(super) fn url(&self) -> Result<Option<StoreUrl>, Failure> {
        let wrong = |error: &dyn fmt::Display| Failure::Usage(format!("--store: {error}"));
        let url = match &self.store {
            Some(text) => Some(text.0.parse::<StoreUrl>().map_err(|error| wrong(&error))?),
            None => None,
        };
        let Some(file) = &self.store_password_file else { return Ok(url) };
        let url = url.ok_or_else(|| Failure::Usage("--store-password-file needs a --store".into()))?;
        url.with_password(&password(file)?).map(Some).map_err(|error| wrong(&error))
    }
}

/// The first line of a file.
fn password(file: &Path) -> Result<String, Failure> {
    let wrong = |why: &dyn fmt::Display| Failure::Refused(format!("--store-password-file {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() && line.len() <= PASSWORD => Ok(line.to_owned()),
        _ => Err(wrong(&"its first line should be the password")),
    }
}

/// `mezusphere backup`.
pub(super) async fn backup(args: StoreArgs) -> Result<(), Failure> {
    let made = up::backup(&args.data.directory(), args.store.url()?.as_ref(), &args.file).await?;
    told(&args, &made, "is in")?;
    if !args.json {
        out::note("It holds no certificate and no `seal.key`; keep those files of the data directory with it.");
    }
    Ok(())
}

/// `mezusphere restore`.
pub(super) async fn restore(args: StoreArgs) -> Result<(), Failure> {
    let made = up::restore(&args.data.directory(), args.store.url()?.as_ref(), &args.file).await?;
    told(&args, &made, "was restored from")
}

/// Proves the audit log where it is kept, without asking an instance.
pub(super) async fn verify_audit(data: &DataArg, store: &StoreArg) -> Result<AuditReport, Failure> {
    let check = up::verify_audit(&data.directory(), store.url()?.as_ref()).await?;
    Ok(mezu_control::ops::audit::report(check))
}

fn told(args: &StoreArgs, backup: &Backup, what: &str) -> Result<(), Failure> {
    let rows: u64 = backup.rows.values().sum();
    if args.json {
        return out::json(&serde_json::json!({ "file": args.file, "rows": rows, "tables": backup.rows }));
    }
    out::line(format_args!("The store with its {rows} rows {what} {}.", args.file.display().bold()))
}
