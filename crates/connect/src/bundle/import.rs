//! Takes over what a bundle's runner wrote.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    BundleError, Bundles, Entry, Manifest, hash, host,
    readings::{Known, Was},
};
use crate::{Action, Journal, Outcome, Reading, Site, Step};

/// What the runner wrote.
#[derive(Debug, Deserialize)]
pub(super) struct Results {
    bundle: Uuid,
    host: String,
    who: String,
    mode: RunMode,
    orders: Vec<Told>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum RunMode {
    Probe,
    Plan,
    Apply,
    Undo,
}

#[derive(Debug, Deserialize)]
struct Told {
    id: String,
    script: String,
    before: Vec<Value>,
    after: Vec<Value>,
    status: Status,
    #[serde(default)]
    error: String,
    at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Unchanged,
    Changed,
    Failed,
}

/// What was taken over of one file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Imported {
    /// The file.
    pub file: String,
    /// The server.
    pub server: String,
    /// Who ran it.
    pub who: String,
    /// Whether it had been taken over before, so that nothing was done.
    pub known: bool,
    /// The steps that were changed there.
    pub changed: Vec<String>,
    /// The steps that were as they are.
    pub unchanged: Vec<String>,
    /// The steps that failed, with their words.
    pub failed: Vec<(String, String)>,
}

/// Takes over results: files by name and text. Steps that can now be read as a whole come into the audit log with what was
/// there before, so that they can be taken back.
///
/// # Errors
/// When a file is not as the runner wrote it, or is of another bundle; then nothing of any of them is taken over. When
/// something can't be written.
pub async fn import(
    site: &Site,
    steps: &[Box<dyn Step>],
    bundles: &Bundles,
    files: &[(String, String)],
    journal: &mut Journal,
) -> Result<Vec<Imported>, BundleError> {
    let mut checked = Vec::new();
    for (file, text) in files {
        checked.push((file, check(file, text, bundles)?));
    }
    let mut imported = Vec::new();
    for (file, (seal, results, manifest)) in checked {
        let mut told = Imported {
            file: file.clone(),
            server: results.host.clone(),
            who: results.who.clone(),
            ..Imported::default()
        };
        if bundles.state().imported.contains(&seal) {
            told.known = true;
        } else {
            take(bundles, journal, &results, &manifest, &mut told)?;
            bundles.state().imported.push(seal);
            bundles.save()?;
        }
        imported.push(told);
    }
    settle(site, steps, bundles, journal).await?;
    Ok(imported)
}

/// The results in a file, their hash, and the bundle that they are of.
pub(super) fn check(
    file: &str,
    text: &str,
    bundles: &Bundles,
) -> Result<(String, Results, Manifest), BundleError> {
    let altered = |why: String| BundleError::Altered { file: file.to_owned(), why };
    let text = text.trim_start_matches('\u{feff}').trim();
    let parts = text.strip_prefix("{\"sha256\":\"").and_then(|rest| rest.split_once("\",\"results\":"));
    let (seal, body) = parts
        .and_then(|(seal, rest)| Some((seal, rest.strip_suffix('}')?)))
        .ok_or_else(|| altered("its first words are others".to_owned()))?;
    if hash(body) != seal {
        return Err(altered("it was changed after that, its SHA-256 is another one".to_owned()));
    }
    let results: Results = serde_json::from_str(body).map_err(|error| altered(error.to_string()))?;
    let manifest = bundles
        .manifest(results.bundle)?
        .ok_or_else(|| BundleError::Unknown { file: file.to_owned(), bundle: results.bundle })?;
    for told in &results.orders {
        let entry =
            entry(&manifest, told).ok_or_else(|| altered(format!("the bundle has no order {}", told.id)))?;
        if entry.sha256 != told.script {
            return Err(altered(format!("{} ran another script than the bundle's", told.id)));
        }
        if host(&entry.server) != results.host.to_uppercase() {
            return Err(altered(format!("{} was run on {}", told.id, results.host)));
        }
        if told.status != Status::Failed && told.after.len() != entry.probes.len() {
            return Err(altered(format!("{} does not tell all that it looked at", told.id)));
        }
    }
    Ok((seal.to_owned(), results, manifest))
}

fn entry<'a>(manifest: &'a Manifest, told: &Told) -> Option<&'a Entry> {
    manifest.orders.iter().find(|entry| entry.id == told.id)
}

pub(super) fn take(
    bundles: &Bundles,
    journal: &mut Journal,
    results: &Results,
    manifest: &Manifest,
    imported: &mut Imported,
) -> Result<(), BundleError> {
    for told in &results.orders {
        let Some(entry) = entry(manifest, told) else { continue };
        imported.server.clone_from(&entry.server);
        let changes = matches!(results.mode, RunMode::Apply | RunMode::Undo);
        let who = format!("{} on {}", results.who, entry.server);
        let (before, after) = (Value::from(told.before.clone()), Value::from(told.after.clone()));
        match told.status {
            Status::Unchanged => imported.unchanged.push(entry.step.clone()),
            Status::Failed => {
                imported.failed.push((entry.step.clone(), told.error.clone()));
                let what = (Action::Import, Outcome::Failed);
                journal.add_of(&who, told.at, &entry.step, what, (&before, &after), &told.error)?;
            }
            Status::Changed if changes => {
                imported.changed.push(entry.step.clone());
                let what = (Action::Import, Outcome::Done);
                journal.add_of(&who, told.at, &entry.step, what, (&before, &after), "")?;
            }
            Status::Changed => {}
        }
        keep(bundles, entry, told, (&who, results.mode));
    }
    Ok(())
}

/// Keeps what was seen on the server; after a failure nothing is known of it.
fn keep(bundles: &Bundles, entry: &Entry, told: &Told, (who, mode): (&str, RunMode)) {
    let mut state = bundles.state();
    for (at, probe) in entry.probes.iter().enumerate() {
        let same = |known: &Known| {
            known.server == entry.server && known.script == entry.sha256 && known.data == probe.sha256
        };
        let place = state.known.iter().position(same);
        let old = place.map(|place| state.known.remove(place));
        let Some(value) = told.after.get(at).filter(|_| told.status != Status::Failed) else { continue };
        let mut before = old.and_then(|old| old.before);
        let was = told.before.get(at).filter(|_| told.status == Status::Changed);
        if let (Some(was), RunMode::Apply | RunMode::Undo) = (was, mode) {
            let value = before.map_or_else(|| was.clone(), |before| before.value);
            before = Some(Was { value, at: told.at, who: who.to_owned() });
        }
        state.known.push(Known {
            step: entry.step.clone(),
            server: entry.server.clone(),
            script: entry.sha256.clone(),
            data: probe.sha256.clone(),
            value: value.clone(),
            at: told.at,
            before,
        });
    }
}

/// Brings into the audit log what can now be told of a step as a whole: some of its servers may still be to come.
async fn settle(
    site: &Site,
    steps: &[Box<dyn Step>],
    bundles: &Bundles,
    journal: &mut Journal,
) -> Result<(), BundleError> {
    for step in steps {
        let id = step.facts().id;
        let last = |known: &Known| known.before.clone().filter(|_| known.step == id);
        let last = bundles.state().known.iter().filter_map(last).max_by_key(|was| was.at);
        let Some(Was { who, at, .. }) = last else { continue };
        // Where it can't be read as a whole yet, it waits for another import.
        let Ok(Reading { now, .. }) = step.probe(site).await else { continue };
        bundles.state().past = true;
        let before = step.probe(site).await.map(|reading| reading.now).unwrap_or_default();
        bundles.state().past = false;
        if journal.before(id) == Some(&now) {
            journal.add_of(&who, at, id, (Action::Undo, Outcome::Done), (&before, &now), "")?;
        } else {
            journal.add_of(&who, at, id, (Action::Apply, Outcome::Begun), (&before, &now), "")?;
            journal.add_of(&who, at, id, (Action::Apply, Outcome::Done), (&before, &now), "")?;
        }
        for known in bundles.state().known.iter_mut().filter(|known| known.step == id) {
            known.before = None;
        }
        bundles.save()?;
    }
    Ok(())
}
