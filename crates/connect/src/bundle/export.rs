//! Asks the steps what they would run.

use std::{collections::BTreeMap, fmt, sync::Arc};

use hybridge_core::trouble::Trouble;
use hybridge_identity::SecretString;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    BundleError, Bundles, Entry, Input, Manifest,
    collect::{Collector, Noted, Watched},
    hash, host, lines, texts, written,
};
use crate::{Facts, Goal, Obstacle, Place, Reading, Site, Step, steps_of};

/// How long a bundle is good.
const GOOD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The one-time password of a bundle's PFX files.
pub struct Seal(SecretString);

impl fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seal")
    }
}

impl Seal {
    /// A new one, of 25 letters and digits that can be typed: 120 random bits at least.
    pub fn new() -> Self {
        const SIGNS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        const GROUP: usize = 5;
        let random: Vec<u8> = [Uuid::new_v4(), Uuid::new_v4()].iter().flat_map(|id| *id.as_bytes()).collect();
        let signs: Vec<char> = random
            .iter()
            .take(5 * GROUP)
            .filter_map(|byte| SIGNS.get(usize::from(byte & 31)).copied().map(char::from))
            .collect();
        let groups: Vec<String> = signs.chunks(GROUP).map(|group| group.iter().collect()).collect();
        Self(SecretString::from(groups.join("-")))
    }

    /// To be shown once.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl Default for Seal {
    fn default() -> Self {
        Self::new()
    }
}

/// A step that is not in the bundle, though servers that are worked on by hand take part in it.
#[derive(Debug, Clone, Serialize)]
pub struct Left {
    /// The step.
    pub step: &'static str,
    /// Why.
    pub trouble: Trouble,
}

/// A folder to be carried to the servers.
#[derive(Debug)]
pub struct Bundle {
    /// What it holds.
    pub manifest: Manifest,
    /// Its files, by their names in the folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The steps that are not in it.
    pub left: Vec<Left>,
    /// Whether it holds private keys, under the one-time password.
    pub sealed: bool,
}

/// What the steps would run on servers that are worked on by hand. Runs nothing but probes, and those only where
/// servers can be reached.
///
/// # Errors
/// When the bundle can't be remembered.
pub async fn export(
    site: Site,
    steps: &[Box<dyn Step>],
    bundles: &Bundles,
    seal: &Seal,
) -> Result<Bundle, BundleError> {
    let collector = Arc::new(Collector::new(seal.secret().clone()));
    let site = site.reached(|server| Watched::of(server, &collector));
    let mut left = Vec::new();
    for step in steps {
        if let Err(obstacle) = ask(&site, step.as_ref(), &collector).await {
            left.push(Left { step: step.facts().id, trouble: obstacle.trouble() });
        }
    }
    let bundle = folder(&collector, site.now(), left);
    bundles.remember(&bundle.manifest)?;
    Ok(bundle)
}

/// The folder for what was noted.
pub(super) fn folder(collector: &Collector, created: Timestamp, left: Vec<Left>) -> Bundle {
    let mut files = BTreeMap::new();
    let orders = entries(&collector.noted(), &mut files);
    let expires = created.checked_add(GOOD).unwrap_or(created);
    let manifest = Manifest { bundle: Uuid::new_v4(), created, expires, orders };
    let sealed = collector.sealed();
    let holds_keys = !sealed.is_empty();
    files.extend(sealed.into_iter().map(|(name, bytes)| (format!("scripts/{name}"), bytes)));
    files.insert("run.ps1".to_owned(), lines(texts::RUNNER).into_bytes());
    files.insert("README.txt".to_owned(), lines(&texts::readme(&manifest)).into_bytes());
    let told = serde_json::to_value(&manifest).unwrap_or_default();
    files.insert("manifest.json".to_owned(), written(&told).into_bytes());
    Bundle { manifest, files, left, sealed: holds_keys }
}

/// Has one step tell what it would run.
async fn ask(site: &Site, step: &dyn Step, collector: &Collector) -> Result<(), Obstacle> {
    let facts = step.facts();
    if !matches!(facts.place, Place::CrmServers | Place::DeploymentServer | Place::AdfsServers) {
        return Ok(());
    }
    let part = |value: &Value| json!({ "servers": value.get("servers") });
    let reading = match step.probe(site).await {
        Ok(reading) if reading.is_done() => return Ok(()),
        // Of what is known only which servers lack something: the rest is for `apply` alone.
        Ok(Reading { now, wanted, words }) => Reading { now: part(&now), wanted: part(&wanted), words },
        Err(Obstacle::Trouble(trouble)) => return Err(trouble.into()),
        Err(Obstacle::ByHand { .. } | Obstacle::After(_)) => nothing_known(site)?,
    };
    match step.apply(site, &reading).await {
        // The answers that it got are empty, which it may take amiss; it has told what it would run all the same.
        Err(_) if collector.noted().iter().any(|noted| noted.applies && noted.step == facts.id) => Ok(()),
        other => other,
    }
}

/// A reading by which every server lacks all.
fn nothing_known(site: &Site) -> Result<Reading, Obstacle> {
    let servers = site.native()?.servers.all().iter().map(|server| (server.name.clone(), json!("wanted")));
    let wanted: serde_json::Map<String, Value> = servers.collect();
    Ok(Reading { now: Value::Null, wanted: json!({ "servers": wanted }), words: String::new() })
}

/// The orders by step and server, with their files.
fn entries(noted: &[Noted], files: &mut BTreeMap<String, Vec<u8>>) -> Vec<Entry> {
    let steps = steps_of(Goal::Native);
    let facts: Vec<&'static Facts> = steps.iter().map(|step| step.facts()).collect();
    let place = |step: &str| facts.iter().position(|facts| facts.id == step).unwrap_or_default();
    let mut noted: Vec<&Noted> = noted.iter().collect();
    noted.sort_by_key(|noted| place(noted.step));
    let mut entries: Vec<Entry> = Vec::new();
    for noted in noted {
        let Some(facts) = facts.iter().find(|facts| facts.id == noted.step) else { continue };
        let id = format!("{}/{}@{}", noted.step, noted.script.name, noted.server);
        let at = entries.iter().position(|entry| entry.id == id).unwrap_or_else(|| {
            entries.push(entry(id, noted, facts, files));
            entries.len() - 1
        });
        if let Some(entry) = entries.get_mut(at) {
            let (kind, list) =
                if noted.applies { ("apply", &mut entry.applies) } else { ("probe", &mut entry.probes) };
            let number = if list.is_empty() { String::new() } else { format!(".{}", list.len() + 1) };
            let file = format!("data/{}.{}.{kind}{number}.json", noted.step, noted.server);
            let text = written(&noted.data);
            list.push(Input { file: file.clone(), sha256: hash(&text), secret: noted.secret.to_owned() });
            files.insert(file, text.into_bytes());
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.probes.is_empty()) {
        look_too(entry, files);
    }
    entries.sort_by_key(|entry| (place(&entry.step), entry.server.clone()));
    depend(&mut entries, &facts);
    entries
}

/// Has a script that was only to be applied look as well, with the same data: its step could not come that far before
/// other servers had told of themselves.
fn look_too(entry: &mut Entry, files: &mut BTreeMap<String, Vec<u8>>) {
    let Some(applied) = entry.applies.first().and_then(|input| files.get(&input.file)) else { return };
    let Ok(mut data) = serde_json::from_slice::<Value>(applied) else { return };
    if let Some(fields) = data.as_object_mut() {
        fields.remove("file");
    }
    let file = format!("data/{}.{}.probe.json", entry.step, entry.server);
    let text = written(&data);
    entry.probes.push(Input { file: file.clone(), sha256: hash(&text), secret: String::new() });
    files.insert(file, text.into_bytes());
}

fn entry(id: String, noted: &Noted, facts: &Facts, files: &mut BTreeMap<String, Vec<u8>>) -> Entry {
    let script = format!("scripts/{}.ps1", noted.script.name);
    let text = lines(noted.script.text);
    let sha256 = hash(&text);
    files.insert(script.clone(), text.into_bytes());
    let undoes = noted.script.text.lines().find_map(|line| line.strip_prefix(texts::UNDOES));
    Entry {
        id,
        step: noted.step.to_owned(),
        title: facts.title.to_owned(),
        role: facts.role.to_owned(),
        server: noted.server.clone(),
        script,
        sha256,
        needs_elevation: true,
        depends_on: Vec::new(),
        elsewhere: Vec::new(),
        undoes: undoes.unwrap_or_default().trim().to_owned(),
        probes: Vec::new(),
        applies: Vec::new(),
    }
}

/// Says what comes before what, and what of it is done on other servers. Steps that are done on each server for itself
/// wait for their own server only.
fn depend(entries: &mut [Entry], facts: &[&'static Facts]) {
    let of = |step: &str| facts.iter().find(|facts| facts.id == step).copied();
    let changing: Vec<(String, String)> = entries
        .iter()
        .filter(|entry| !entry.applies.is_empty())
        .map(|entry| (entry.step.clone(), entry.server.clone()))
        .collect();
    for entry in entries {
        let Some(own) = of(&entry.step) else { continue };
        let needed: Vec<&(String, String)> =
            changing.iter().filter(|(step, _)| own.after.contains(&step.as_str())).collect();
        for (step, server) in needed {
            if !entry.depends_on.contains(step) {
                entry.depends_on.push(step.clone());
            }
            let each_for_itself =
                own.place == Place::CrmServers && of(step).is_some_and(|step| step.place == own.place);
            if host(server) != host(&entry.server) && !each_for_itself && !entry.applies.is_empty() {
                entry.elsewhere.push(format!("{step} on {server}"));
            }
        }
    }
}
