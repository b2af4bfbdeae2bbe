//! `warpgate login`: keeps a key where `warpgate` finds it, readable by its owner only.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use warpgate::{Seed, key};
use zeroize::Zeroizing;

use super::{Outcome, args::LoginArgs, style};

/// Longest key text that is read.
const MAX_KEY: u64 = 4096;

pub(crate) fn run(args: &LoginArgs) -> Outcome {
    let Some(path) = args.key_file.clone().or_else(key::login_file) else {
        bail!("HOME is not set; give --key-file FILE");
    };
    if std::io::stdin().is_terminal() {
        style::note("Paste the key and press Enter, then Ctrl-D:");
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().take(MAX_KEY).read_to_string(&mut text).context("cannot read the key from standard input")?;
    Seed::parse(&text).context("that is no valid key")?;
    key::store(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    style::note(&format!("Key kept in {}", path.display()));
    Ok(ExitCode::SUCCESS)
}
