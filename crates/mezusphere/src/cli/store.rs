//! `mezusphere backup` and `restore`.

use mezu_store::Backup;
use owo_colors::OwoColorize as _;

use super::args::StoreArgs;
use super::out::{self, Failure};
use crate::up;

/// `mezusphere backup`.
pub(super) async fn backup(args: StoreArgs) -> Result<(), Failure> {
    let made = up::backup(&args.data.directory(), &args.file).await?;
    told(&args, &made, "is in")?;
    if !args.json {
        out::note("It holds no certificate and no `seal-key`; keep those files of the data directory with it.");
    }
    Ok(())
}

/// `mezusphere restore`.
pub(super) async fn restore(args: StoreArgs) -> Result<(), Failure> {
    let made = up::restore(&args.data.directory(), &args.file).await?;
    told(&args, &made, "was restored from")
}

fn told(args: &StoreArgs, backup: &Backup, what: &str) -> Result<(), Failure> {
    let rows: u64 = backup.rows.values().sum();
    if args.json {
        return out::json(&serde_json::json!({ "file": args.file, "rows": rows, "tables": backup.rows }));
    }
    out::line(format_args!("The store with its {rows} rows {what} {}.", args.file.display().bold()))
}
