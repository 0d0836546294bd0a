//! Every script that is run on a server, as it is written.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use std::{fs, path::PathBuf};

use tree_sitter::{Node, Parser};

fn scripts() -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut found = Vec::new();
    for folder in [root.clone(), root.join("bundle")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "ps1") {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                found.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(found.len() > 10, "{}", found.len());
    found
}

fn parser() -> Parser {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
    parser
}

/// The first thing that is no PowerShell.
fn wrong(node: Node<'_>) -> Option<usize> {
    if node.is_error() || node.is_missing() {
        return Some(node.start_position().row + 1);
    }
    let mut cursor = node.walk();
    let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
    children.into_iter().find_map(wrong)
}

#[test]
fn every_script_is_powershell() {
    let mut parser = parser();
    for (name, text) in scripts() {
        let tree = parser.parse(&text, None).unwrap();
        if let Some(line) = wrong(tree.root_node()) {
            panic!("{name}: line {line} is no PowerShell");
        }
    }
    let broken = parser.parse("if ($x { }", None).unwrap();
    assert!(wrong(broken.root_node()).is_some(), "the grammar finds what is wrong");
}

#[test]
fn no_script_does_what_a_security_team_would_refuse() {
    const REFUSED: [&str; 12] = [
        "write-host",
        "invoke-expression",
        "downloadstring",
        "downloadfile",
        "start-bitstransfer",
        "install-module",
        "save-module",
        "set-executionpolicy",
        "-asplaintext",
        "convertfrom-securestring",
        "-encodedcommand",
        "frompassword",
    ];
    for (name, text) in scripts() {
        assert!(text.is_ascii(), "{name} is not ASCII");
        assert!(!text.contains('\t') && text.ends_with('\n'), "{name}");
        let lower = text.to_ascii_lowercase();
        for refused in REFUSED {
            assert!(!lower.contains(refused), "{name} has {refused}");
        }
        // A form of a date or number is read by the language of the server otherwise.
        for line in lower.lines().filter(|line| line.contains(".tostring(") && !line.contains(".tostring()"))
        {
            assert!(line.contains("invariant"), "{name}: {line}");
        }
        // Several scripts of a bundle share one session, and a snap-in is added only once.
        for line in lower.lines().filter(|line| line.contains("add-pssnapin")) {
            assert!(line.contains("if (-not (get-pssnapin"), "{name}: {line}");
        }
        // A request may look whether an address answers, and keeps nothing of it.
        for line in lower.lines().filter(|line| line.contains("invoke-webrequest")) {
            assert!(line.contains("-method head") && line.contains("$null ="), "{name}: {line}");
        }
    }
}

#[test]
fn scripts_are_as_they_were_reviewed() {
    for (name, text) in scripts() {
        insta::assert_snapshot!(name.replace('/', "-"), text);
    }
}
