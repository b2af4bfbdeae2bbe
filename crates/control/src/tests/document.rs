//! The committed document is the one that the code makes, and says what it must.

use std::path::Path;

use mezu_api::{Code, Permission};
use serde_json::Value;

fn document() -> Value {
    serde_json::to_value(crate::http::document()).unwrap()
}

/// Each operation as method, path and what the document says of it.
pub(super) fn operations() -> Vec<(String, String, Value)> {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                all.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
    }
    assert!(all.len() >= 4, "{all:?}");
    all
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn the_committed_document_is_that_of_the_code() {
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(root().join("openapi/v1.json")).unwrap()).unwrap();
    assert!(kept == document(), "openapi/v1.json is old: cargo run -p xtask -- openapi");
    assert_eq!(kept["openapi"], "3.1.0");
}

#[test]
fn each_operation_names_its_permission_and_fits_its_path() {
    let mut names = std::collections::HashSet::new();
    for (method, path, operation) in operations() {
        let shown = format!("{method} {path}");
        let named = operation["x-permission"].as_str().unwrap_or_default();
        let permission = Permission::ALL.iter().find(|one| one.as_str() == named).expect(&shown);
        let is_in_org = path.starts_with("/api/v1/orgs/{org}");
        assert_eq!(is_in_org, matches!(permission.least(), mezu_api::Least::Of(_)), "{shown}");
        let name = operation["operationId"].as_str().unwrap().to_string();
        assert!(name.contains('.') && names.insert(name), "{shown}");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{shown}");
        assert!(operation["responses"]["4XX"].is_object() && operation["responses"]["5XX"].is_object(), "{shown}");
        let in_path: Vec<&str> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for name in in_path {
            assert!(parameters.iter().any(|one| one["in"] == "path" && one["name"] == name), "{shown}: {name}");
        }
        if method == "POST" && operation["security"].is_array() && !permission.only_reads() {
            let takes_key = parameters.iter().any(|one| one["name"] == "Idempotency-Key");
            let is_own = *permission == Permission::Own;
            assert!(takes_key || is_own, "{shown} does not tell of Idempotency-Key");
        }
    }
}

#[test]
fn no_two_types_share_a_name() {
    let mut forms = std::collections::HashMap::new();
    for (name, form) in crate::http::operations().schemas() {
        let form = serde_json::to_value(form).unwrap();
        let known = forms.entry(name.clone()).or_insert_with(|| form.clone());
        assert_eq!(*known, form, "two types are called {name}; one would stand for both in the document");
    }
}

#[test]
fn each_code_has_its_section() {
    let page = std::fs::read_to_string(root().join("docs/api-errors.md")).unwrap();
    for code in Code::ALL {
        let section = format!("\n## `{}`\n", code.as_str());
        let rest = page.split_once(&section).unwrap_or_else(|| panic!("docs/api-errors.md lacks {}", code.as_str())).1;
        assert!(rest.trim_start().starts_with(&format!("{}. ", code.status())), "{}", code.as_str());
    }
    let sections = page.lines().filter(|line| line.starts_with("## `")).count();
    assert_eq!(sections, Code::ALL.len(), "docs/api-errors.md tells of codes that are not there");
}
