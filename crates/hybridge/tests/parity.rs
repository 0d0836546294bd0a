//! docs/parity.md maps the specification's checklist to tests that exist.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A document without line breaks, so that a row may stand across lines.
fn parity() -> String {
    let text = fs::read_to_string(root().join("docs/parity.md")).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let mut code = String::new();
    sources(&root().join("crates"), &mut code);
    let document = parity();
    let named: Vec<&str> = document
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.contains('_') && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        })
        // A switch, not a test.
        .filter(|name| *name != "only_own_option")
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(
            code.contains(&format!("fn {name}()")),
            "docs/parity.md names the test {name}, which does not exist"
        );
    }
}

#[test]
fn every_row_of_the_checklist_has_its_place() {
    // The specification lies beside the project, not in it.
    let Ok(specification) = fs::read_to_string(root().join("../shared/spec/server-side-sync.md")) else {
        return;
    };
    let (_, checklist) = specification.split_once("## 7. Checklist").unwrap();
    let (checklist, _) = checklist.split_once("\n## ").unwrap();
    let document = parity();
    let rows: Vec<&str> = checklist
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .filter_map(|line| line.split('|').nth(1))
        .map(str::trim)
        .collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        assert!(document.contains(row), "docs/parity.md does not say what became of {row:?}");
    }
}
