//! The steps, in the order in which they are done. A new step is one file and one line here.

mod graph;
pub(crate) mod native;

use crate::Step;

/// What is to work in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Hybridge itself, over Microsoft Graph.
    Graph,
    /// Dynamics' own synchronization, over Exchange Web Services, as long as there is one.
    Native,
}

/// The steps that lead to a goal, in order.
pub fn steps_of(goal: Goal) -> Vec<Box<dyn Step>> {
    match goal {
        Goal::Graph => graph::steps(),
        Goal::Native => native::steps(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The page for administrators, which lists every row of the specification's table.
    const PAGE: &str = include_str!("../../../../docs/connect.md");

    /// The specification's rows (setup.md 2.3, 4.1, 7.1).
    fn rows() -> BTreeSet<String> {
        let phases = [
            ('P', 8),
            ('X', 2),
            ('C', 6),
            ('E', 4),
            ('D', 2),
            ('F', 7),
            ('M', 6),
            ('O', 6),
            ('Z', 4),
            ('G', 18),
        ];
        phases
            .into_iter()
            .flat_map(|(phase, last)| (1..=last).map(move |number| format!("{phase}{number}")))
            .collect()
    }

    #[test]
    fn the_page_names_the_step_of_every_row() {
        let all = rows();
        let told: Vec<(&str, &str)> = PAGE
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| ")?.split(" | ");
                Some((cells.next()?, cells.next()?)).filter(|(row, _)| all.contains(*row))
            })
            .collect();
        let listed: BTreeSet<String> = told.iter().map(|(row, _)| (*row).to_owned()).collect();
        assert_eq!(listed, all);
        assert_eq!(told.len(), all.len(), "a row is told of twice");
        for step in steps_of(Goal::Graph).into_iter().chain(steps_of(Goal::Native)) {
            let facts = step.facts();
            for row in facts.rows {
                let named =
                    told.iter().any(|(told, step)| told == row && step.contains(&format!("`{}`", facts.id)));
                assert!(named, "the row {row} of docs/connect.md does not name {}", facts.id);
            }
        }
    }

    #[test]
    fn steps_have_names_of_their_own_and_come_after_what_they_need() {
        for goal in [Goal::Graph, Goal::Native] {
            let mut seen = BTreeSet::new();
            for step in steps_of(goal) {
                let facts = step.facts();
                for needed in facts.after {
                    assert!(seen.contains(needed), "{} comes before {needed}", facts.id);
                }
                assert!(seen.insert(facts.id), "{} twice", facts.id);
            }
        }
    }
}
