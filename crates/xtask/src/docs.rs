//! Docs that notice their own absence: links lead somewhere, error codes have pages, stages have docs.

use crate::tree;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;

/// What every error code starts with; its page is `docs/errors/<code>.md`.
const CODE: &str = "MEZU-";

pub(crate) fn check() -> Result<()> {
    let mut findings = broken_links()?;
    findings.extend(missing_error_pages()?);
    crate::report("docs", &findings)
}

fn broken_links() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in tree::files(&tree::root(), ".md")? {
        let text = std::fs::read_to_string(&path)?;
        let base = path.parent().unwrap_or(Path::new("."));
        for target in links(&text) {
            if !base.join(target).exists() {
                findings.push(format!("{}: link to {target}, which is not there", tree::shown(&path)));
            }
        }
    }
    Ok(findings)
}

/// Targets of `[text](target)` that are files of this tree; anchors cut off, web addresses left out.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or(target).trim())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .filter(|target| !target.contains(['{', '<', ' ']))
        .collect()
}

fn missing_error_pages() -> Result<Vec<String>> {
    let mut used = BTreeSet::new();
    for path in tree::files(&tree::root().join("crates"), ".rs")? {
        let text = std::fs::read_to_string(&path)?;
        for line in tree::product_lines(&text) {
            used.extend(codes(line));
        }
    }
    let pages = tree::root().join("docs/errors");
    Ok(used
        .into_iter()
        .filter(|code| !pages.join(format!("{code}.md")).exists())
        .map(|code| format!("docs/errors/{code}.md is missing: {code} is used in the code"))
        .collect())
}

/// Error codes with a number in them; a bare prefix (as in a format string) is none.
fn codes(line: &str) -> Vec<String> {
    line.match_indices(CODE)
        .filter_map(|(at, _)| line.get(at + CODE.len()..))
        .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>())
        .filter(|digits| digits.len() >= 3)
        .map(|digits| format!("{CODE}{digits}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_into_the_tree_are_found() {
        let text = "see [a](docs/a.md#top), [b](https://x.example/) and [c](#here)";
        assert_eq!(links(text), ["docs/a.md"]);
    }

    #[test]
    fn codes_need_a_number() {
        assert_eq!(codes("\"MEZU-1003\" and MEZU-…"), ["MEZU-1003"]);
    }
}
