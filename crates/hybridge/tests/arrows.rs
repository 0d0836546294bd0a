//! The arrows between the crates are those of the design; nothing else may depend on anything else.
//!
//! The design's arrows are read transitively: a crate may name what lies below it (docs/decisions/0001).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use std::{collections::BTreeMap, fs, path::Path};

/// Every crate with exactly the crates of this workspace that it depends on.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("net", &[]),
    ("identity", &["core", "net"]),
    ("odata", &["core", "identity", "net"]),
    ("graph", &["core", "net", "odata"]),
    ("dynamics", &["core", "odata"]),
    ("store", &["core"]),
    ("connect", &["core", "dynamics", "graph", "identity", "net", "odata"]),
    ("engine", &["core", "dynamics", "graph", "net", "odata", "store"]),
    ("console", &["core", "graph", "store"]),
    ("sandbox-kit", &[]),
    ("sandbox-identity", &["sandbox-kit"]),
    ("sandbox-graph", &["sandbox-kit"]),
    ("sandbox-organization", &["sandbox-kit"]),
    ("sandbox-windows", &[]),
    (
        "sandbox",
        &["sandbox-graph", "sandbox-identity", "sandbox-kit", "sandbox-organization", "sandbox-windows"],
    ),
    (
        "simulation",
        &["console", "core", "dynamics", "engine", "graph", "identity", "net", "odata", "sandbox", "store"],
    ),
    (
        "hybridge",
        &[
            "connect",
            "console",
            "core",
            "dynamics",
            "engine",
            "graph",
            "identity",
            "net",
            "odata",
            "sandbox",
            "simulation",
            "store",
        ],
    ),
];

/// What tests of a crate may name besides.
const FOR_TESTS: &[(&str, &str)] = &[("connect", "sandbox-windows"), ("hybridge", "sandbox-windows")];

#[test]
fn the_crates_depend_on_each_other_as_the_design_says() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut found = Vec::new();
    for folder in fs::read_dir(crates).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        let manifest = fs::read_to_string(folder.path().join("Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let arrows =
            allowed.get(name.as_str()).unwrap_or_else(|| panic!("crate {name} is not in the design"));
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
            for dependency in dependencies.keys().filter_map(|key| key.strip_prefix("hybridge-")) {
                let for_tests =
                    section == "dev-dependencies" && FOR_TESTS.contains(&(name.as_str(), dependency));
                assert!(
                    arrows.contains(&dependency) || for_tests,
                    "{name} must not depend on {dependency} ([{section}])"
                );
            }
        }
        found.push(name);
    }
    assert_eq!(found.len(), ARROWS.len(), "the table names crates that are gone: {found:?}");
}
