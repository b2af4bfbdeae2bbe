//! No file grows past what a reader takes in at one sitting.

use crate::tree;
use anyhow::Result;

/// Hard limit on product lines in one file; 100 to 250 is the aim.
const MAX_LINES: usize = 600;

pub(crate) fn check() -> Result<()> {
    let mut findings = Vec::new();
    for path in tree::files(&tree::root().join("crates"), ".rs")? {
        let text = std::fs::read_to_string(&path)?;
        let lines = tree::product_lines(&text).len();
        if lines > MAX_LINES && !tree::is_exempt(&path, &text) {
            findings.push(format!("{}: {lines} lines, over {MAX_LINES}: split it", tree::shown(&path)));
        }
    }
    crate::report("size", &findings)
}
