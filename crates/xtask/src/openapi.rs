//! Writes `openapi/v1.json` from the code. `mezu-control` prints it; a test there says when the copy is old.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tree;

pub(crate) fn write() -> Result<()> {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["run", "--quiet", "-p", "mezu-control", "--example", "openapi"])
        .current_dir(tree::root())
        .output()
        .context("running cargo run -p mezu-control --example openapi")?;
    ensure!(output.status.success(), "the document: {}", String::from_utf8_lossy(&output.stderr));
    let path = tree::root().join("openapi/v1.json");
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::fs::write(&path, output.stdout)?;
    println!("xtask openapi: wrote {}", tree::shown(&path));
    Ok(())
}
