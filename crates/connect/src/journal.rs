//! The audit log: who did what when, what was there before and after. Append-only, and each line carries the hash of
//! the one before it, so that a line that was altered or taken away shows (setup.md 6.3).

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A step was applied.
    Apply,
    /// A step was taken back.
    Undo,
    /// A certificate was rotated: the state that was entered.
    Rotate,
    /// A script was run on a server by hand, as an imported result tells.
    Import,
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is about to be done. A line like this without a later one tells of a crash.
    Begun,
    /// It was done.
    Done,
    /// It failed.
    Failed,
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who: account and machine.
    pub who: String,
    /// The step.
    pub step: String,
    /// What was done.
    pub action: Action,
    /// How far it came.
    pub outcome: Outcome,
    /// What was there before.
    pub before: Value,
    /// What is there after, or was to be.
    pub after: Value,
    /// The words of a failure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// The SHA-256 of the line before, in hex; empty in the first one.
    #[serde(default)]
    pub previous: String,
}

/// The journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It can't be read or written.
    #[error("the audit log {path} can't be used: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line was altered.
    #[error("line {line} of the audit log {path} was altered, or lines before it are missing")]
    Altered {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// When steps were changed last, as the log goes on.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    last: Arc<Mutex<BTreeMap<String, Timestamp>>>,
}

impl Changes {
    /// When this step was changed last.
    pub(crate) fn of(&self, step: &str) -> Option<Timestamp> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(step).copied()
    }

    fn note(&self, entry: &Entry) {
        // What failed may have changed a part. A rotation has the services take up what it brought.
        let by_step = matches!(entry.action, Action::Apply | Action::Undo);
        if entry.outcome != Outcome::Begun && by_step {
            self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.step.clone(), entry.at);
        }
    }
}

/// The audit log of a deployment: one file, a JSON object a line.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    who: String,
    entries: Vec<Entry>,
    last: String,
    changes: Changes,
}

impl Journal {
    /// Opens the log, which need not exist yet, and checks its chain.
    ///
    /// # Errors
    /// When it can't be read, or a line was altered.
    pub fn open(path: &Path, who: impl Into<String>) -> Result<Self, JournalError> {
        let mut journal = Self {
            path: path.to_path_buf(),
            who: who.into(),
            entries: Vec::new(),
            last: String::new(),
            changes: Changes::default(),
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(journal),
            Err(source) => return Err(journal.failed(source)),
        };
        let whole = text.ends_with('\n');
        let count = text.lines().count();
        for (index, line) in text.lines().enumerate() {
            let read =
                serde_json::from_str::<Entry>(line).ok().filter(|entry| entry.previous == journal.last);
            match read {
                Some(entry) => {
                    journal.last = hash(line);
                    journal.changes.note(&entry);
                    journal.entries.push(entry);
                }
                // The machine died while it wrote its last line; nothing was done after it.
                None if !whole && index + 1 == count => {
                    let kept: String = text.lines().take(index).flat_map(|line| [line, "\n"]).collect();
                    fs::write(path, kept).map_err(|source| journal.failed(source))?;
                }
                None => return Err(JournalError::Altered { path: path.to_path_buf(), line: index + 1 }),
            }
        }
        Ok(journal)
    }

    /// Adds a line, and makes sure that it is on the disk.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(
        &mut self,
        at: Timestamp,
        step: &str,
        (action, outcome): (Action, Outcome),
        (before, after): (&Value, &Value),
        error: &str,
    ) -> Result<(), JournalError> {
        let who = self.who.clone();
        self.add_of(&who, at, step, (action, outcome), (before, after), error)
    }

    /// Adds a line of what somebody else did, as they told.
    pub(crate) fn add_of(
        &mut self,
        who: &str,
        at: Timestamp,
        step: &str,
        (action, outcome): (Action, Outcome),
        (before, after): (&Value, &Value),
        error: &str,
    ) -> Result<(), JournalError> {
        let entry = Entry {
            at,
            who: who.to_owned(),
            step: step.to_owned(),
            action,
            outcome,
            before: before.clone(),
            after: after.clone(),
            error: error.to_owned(),
            previous: self.last.clone(),
        };
        let line = serde_json::to_string(&entry).map_err(|error| self.failed(error.into()))?;
        self.append(&line).map_err(|source| self.failed(source))?;
        self.last = hash(&line);
        self.changes.note(&entry);
        self.entries.push(entry);
        Ok(())
    }

    fn append(&self, line: &str) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()
    }

    fn failed(&self, source: io::Error) -> JournalError {
        JournalError::File { path: self.path.clone(), source }
    }

    /// When steps were changed last; it follows what is added.
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// All lines, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What was there before Hybridge changed a step for the first time since it was last taken back; `None` when
    /// it changed nothing.
    pub fn before(&self, step: &str) -> Option<&Value> {
        let mut before = None;
        for entry in self.entries.iter().filter(|entry| entry.step == step) {
            match (entry.action, entry.outcome) {
                (Action::Apply, Outcome::Begun) => before = before.or(Some(&entry.before)),
                (Action::Undo, Outcome::Done) => before = None,
                _ => {}
            }
        }
        before
    }

    /// What was there after Hybridge changed a step for the last time, and when; `None` when that is not known, as
    /// after a failure or a rotation.
    pub fn after(&self, step: &str) -> Option<(&Value, Timestamp)> {
        let last = self.entries.iter().rev().find(|entry| entry.step == step)?;
        let known = last.action == Action::Apply && last.outcome == Outcome::Done;
        known.then_some((&last.after, last.at))
    }
}

fn hash(line: &str) -> String {
    Sha256::digest(line.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write;
        // Writing to a String can't fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn journal(path: &Path) -> Journal {
        Journal::open(path, "admin@workstation").unwrap()
    }

    fn add(journal: &mut Journal, action: Action, outcome: Outcome, before: &Value) {
        journal.add(Timestamp::UNIX_EPOCH, "step", (action, outcome), (before, &json!("new")), "").unwrap();
    }

    #[test]
    fn what_was_there_first_is_what_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connect/journal.jsonl");
        let mut first = journal(&path);
        add(&mut first, Action::Apply, Outcome::Begun, &json!("old"));
        add(&mut first, Action::Apply, Outcome::Failed, &json!("old"));
        add(&mut first, Action::Apply, Outcome::Begun, &json!("half done"));
        let again = journal(&path);
        assert_eq!(again.before("step"), Some(&json!("old")));
        assert_eq!(again.before("other"), None);
        let mut again = again;
        add(&mut again, Action::Undo, Outcome::Done, &json!("new"));
        assert_eq!(journal(&path).before("step"), None);
    }

    #[test]
    fn an_altered_line_shows_and_a_torn_last_line_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut log = journal(&path);
        add(&mut log, Action::Apply, Outcome::Begun, &json!("one"));
        add(&mut log, Action::Apply, Outcome::Done, &json!("two"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"at\":\"2026-")).unwrap();
        assert_eq!(journal(&path).entries().len(), 2);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        fs::write(&path, text.replace("one", "0ne")).unwrap();
        let error = Journal::open(&path, "x").unwrap_err();
        assert!(matches!(error, JournalError::Altered { line: 2, .. }), "{error}");
    }
}
