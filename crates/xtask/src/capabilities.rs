//! Every capability in the policy's `ORDER` has all its parts; `docs/add-a-capability.md` is the list of them.

use crate::tree;
use anyhow::{Context as _, Result};
use std::path::Path;

const LIST: &str = "crates/policy/src/lib.rs";
const PAGES: &str = "docs/capabilities";
const E2E: &str = "crates/e2e/tests";

/// What a capability's module has to have, and what for.
const MODULE_PARTS: [(&str, &str); 6] = [
    ("pub struct Spec", "its configuration"),
    ("deny_unknown_fields", "a rule that is not understood must be refused"),
    ("pub fn schema()", "the Console's form and the API's documentation"),
    ("fn compile(", "what turns the spec into a stage"),
    ("impl Stage for", "what it does to a request"),
    ("#[cfg(test)]", "tables of tests"),
];

pub(crate) fn check() -> Result<()> {
    let root = tree::root();
    let list = std::fs::read_to_string(root.join(LIST)).with_context(|| format!("reading {LIST}"))?;
    let names = order(&list);
    let mut findings = Vec::new();
    if names.is_empty() {
        findings.push(format!("{LIST}: no `ORDER = …` with names in it was found"));
    }
    let changelog = std::fs::read_to_string(root.join("CHANGELOG.md")).context("reading CHANGELOG.md")?;
    let tests = end_to_end_tests(&root)?;
    for name in &names {
        let parts = Parts {
            module: read_any(
                &root,
                &[format!("crates/policy/src/{name}.rs"), format!("crates/policy/src/{name}/mod.rs")],
            ),
            page: read_any(&root, &[format!("{PAGES}/{name}.md")]),
            tests: &tests,
            changelog: &changelog,
        };
        findings.extend(parts.lacks(name));
    }
    findings.extend(pages_of_nothing(&root, &names)?);
    crate::report("capabilities", &findings)
}

/// The names in `ORDER = a, b, …`, comments left out.
fn order(list: &str) -> Vec<&str> {
    let Some((_, rest)) = list.split_once("ORDER =") else { return Vec::new() };
    let body = rest.split('}').next().unwrap_or_default();
    let lines = body.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// What there is of one capability, as text.
struct Parts<'a> {
    module: Option<String>,
    page: Option<String>,
    tests: &'a [String],
    changelog: &'a str,
}

impl Parts<'_> {
    fn lacks(&self, name: &str) -> Vec<String> {
        let mut lacks = lacks_in_module(name, self.module.as_deref());
        lacks.extend(lacks_in_page(name, self.page.as_deref()));
        // Set on a route of a whole system, by a test that runs over both protocols.
        let setting = format!("{name}=");
        if !self.tests.iter().any(|text| text.contains(&setting) && text.contains("matrix!(")) {
            lacks.push(format!("{E2E}: no test over h1 and h2 (`matrix!`) sets `{setting}…` on a route"));
        }
        if !self.changelog.contains(&format!("`{name}`")) {
            lacks.push(format!("CHANGELOG.md: no line names `{name}`"));
        }
        lacks
    }
}

fn lacks_in_module(name: &str, module: Option<&str>) -> Vec<String> {
    let path = format!("crates/policy/src/{name}.rs");
    let Some(text) = module else { return vec![format!("{path} is missing")] };
    let mut lacks = Vec::new();
    if !text.starts_with("//! ") {
        lacks.push(format!("{path}: does not begin with `//!`, what it is for and what it must never do"));
    }
    let missing = MODULE_PARTS.iter().filter(|(part, _)| !text.contains(part));
    lacks.extend(missing.map(|(part, why)| format!("{path}: no `{part}`: {why}")));
    lacks
}

fn lacks_in_page(name: &str, page: Option<&str>) -> Vec<String> {
    let path = format!("{PAGES}/{name}.md");
    let Some(text) = page else { return vec![format!("{path} is missing: the page for owners of sites")] };
    let mut lacks = Vec::new();
    if !text.starts_with(&format!("# {name}\n")) {
        lacks.push(format!("{path}: its first line is not `# {name}`"));
    }
    let example = text.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    if !example.contains(&format!("\"{name}\"")) {
        lacks.push(format!("{path}: no JSON example that sets \"{name}\""));
    }
    if !text.contains("| Field |") {
        lacks.push(format!("{path}: no table of its fields (`| Field | Meaning |`)"));
    }
    lacks
}

fn end_to_end_tests(root: &Path) -> Result<Vec<String>> {
    let files = tree::files(&root.join(E2E), ".rs")?;
    files.iter().map(|path| std::fs::read_to_string(path).with_context(|| tree::shown(path))).collect()
}

fn pages_of_nothing(root: &Path, names: &[&str]) -> Result<Vec<String>> {
    let pages = tree::files(&root.join(PAGES), ".md")?;
    let strangers = pages.iter().filter(|path| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem != "README" && !names.contains(&stem)
    });
    Ok(strangers.map(|path| format!("{}: no capability of that name in ORDER", tree::shown(path))).collect())
}

fn read_any(root: &Path, paths: &[String]) -> Option<String> {
    paths.iter().find_map(|path| std::fs::read_to_string(root.join(path)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "//! Does it.\n#[serde(deny_unknown_fields)]\npub struct Spec {}\npub fn schema() {}\n\
                          pub(crate) fn compile(spec: &Spec) {}\nimpl Stage for It {}\n#[cfg(test)]\nmod tests {}\n";
    const PAGE: &str = "# it\n\n```json\n{ \"it\": {} }\n```\n\n| Field | Meaning |\n|---|---|\n";

    fn lacks(module: Option<&str>, page: Option<&str>, test: &str, changelog: &str) -> Vec<String> {
        let (module, page) = (module.map(str::to_owned), page.map(str::to_owned));
        Parts { module, page, tests: &[test.to_owned()], changelog }.lacks("it")
    }

    #[test]
    fn the_list_is_read_without_its_comments() {
        let list = "pipeline::capabilities! {\n    // The one list.\n    ORDER =\n        // First, not last.\n        \
                    a,\n        b_c, // why\n        d\n}\nfn other() {}\n";
        assert_eq!(order(list), ["a", "b_c", "d"]);
        assert!(order("fn nothing() {}").is_empty());
    }

    #[test]
    fn a_whole_capability_lacks_nothing_and_each_part_is_missed() {
        let (test, log) = ("matrix!(\"it={}\")", "- `it`: new");
        assert_eq!(lacks(Some(MODULE), Some(PAGE), test, log), [""; 0]);
        for (part, _) in MODULE_PARTS {
            let module = MODULE.replace(part, "");
            assert_eq!(lacks(Some(&module), Some(PAGE), test, log).len(), 1, "{part}");
        }
        let rows = [
            (lacks(None, Some(PAGE), test, log), "it.rs is missing"),
            (lacks(Some(&MODULE[4..]), Some(PAGE), test, log), "`//!`"),
            (lacks(Some(MODULE), None, test, log), "it.md is missing"),
            (lacks(Some(MODULE), Some(&PAGE.replace("# it", "# other")), test, log), "first line"),
            (lacks(Some(MODULE), Some(&PAGE.replace("\"it\"", "\"other\"")), test, log), "JSON example"),
            (lacks(Some(MODULE), Some(&PAGE.replace("Field", "X")), test, log), "table"),
            (lacks(Some(MODULE), Some(PAGE), "matrix!(\"other={}\")", log), "sets `it=…`"),
            (lacks(Some(MODULE), Some(PAGE), "\"it={}\"", log), "over h1 and h2"),
            (lacks(Some(MODULE), Some(PAGE), test, "- it"), "CHANGELOG"),
        ];
        for (found, expected) in rows {
            assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_page_without_a_capability_is_found() -> Result<()> {
        let strangers = pages_of_nothing(&tree::root(), &["headers"])?;
        assert!(strangers.iter().any(|finding| finding.contains("body_limit.md")), "{strangers:?}");
        assert!(!strangers.iter().any(|finding| finding.contains("headers.md")), "{strangers:?}");
        Ok(())
    }
}
