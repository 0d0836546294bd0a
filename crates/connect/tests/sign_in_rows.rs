//! The rows of the specification that are about AD FS and the App for Outlook, on the page for administrators.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use std::collections::BTreeSet;

use hybridge_connect::{Goal, steps_of};

const PAGE: &str = include_str!("../../../docs/connect.md");

fn rows() -> Vec<(&'static str, &'static str)> {
    let cells = |line: &'static str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some((cells.next()?, cells.next()?))
    };
    PAGE.lines().filter_map(cells).filter(|(row, _)| row.len() == 2 && row.starts_with(['F', 'O'])).collect()
}

#[test]
fn the_page_names_the_step_of_every_row() {
    let rows = rows();
    let told: Vec<&str> = rows.iter().map(|(row, _)| *row).collect();
    assert_eq!(told, ["F1", "F2", "F3", "F4", "F5", "F6", "F7", "O1", "O2", "O3", "O4", "O5", "O6"]);
    let steps = steps_of(Goal::Native);
    for step in &steps {
        let facts = step.facts();
        for row in facts.rows.iter().filter(|row| row.starts_with(['F', 'O'])) {
            let named = rows
                .iter()
                .any(|(told, step)| told == row && (step.contains(facts.id) || *step == "by hand"));
            assert!(named, "the row {row} of docs/connect.md does not name {}", facts.id);
        }
    }
    let known: BTreeSet<&str> = steps.iter().map(|step| step.facts().id).collect();
    for (row, named) in rows {
        let names = named.split('`').skip(1).step_by(2);
        for name in names {
            assert!(known.contains(name), "the row {row} names {name}, which is no step");
        }
    }
}

#[test]
fn steps_come_after_what_they_need() {
    let mut seen = BTreeSet::new();
    for step in steps_of(Goal::Native) {
        let facts = step.facts();
        for needed in facts.after {
            assert!(seen.contains(needed), "{} comes before {needed}", facts.id);
        }
        assert!(seen.insert(facts.id), "{} twice", facts.id);
    }
}
