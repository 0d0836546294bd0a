//! What servers that are worked on by hand were last seen to hold.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use hybridge_net::Clock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{BundleError, Manifest, hash, lines, written};
use crate::{
    Obstacle,
    servers::{Mode, Order, Reach},
};

/// What a script told of a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) step: String,
    pub(super) server: String,
    pub(super) script: String,
    /// The SHA-256 of the data that it looked with.
    pub(super) data: String,
    pub(super) value: Value,
    pub(super) at: Timestamp,
    /// What was there before, where that is not in the audit log yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Was>,
}

/// What was on a server before it was changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Was {
    pub(super) value: Value,
    /// When it was changed.
    pub(super) at: Timestamp,
    /// Who changed it.
    pub(super) who: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) known: Vec<Known>,
    /// The hashes of the results that were taken over.
    pub(super) imported: Vec<String>,
    /// Whether the state before is told in place of the last one.
    #[serde(skip)]
    pub(super) past: bool,
}

/// The bundles of a deployment, and what came back of them: a folder.
#[derive(Debug)]
pub struct Bundles {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Bundles {
    /// Those of a folder, which need not exist yet.
    ///
    /// # Errors
    /// When what is there can't be read.
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Arc<Self>, BundleError> {
        let path = folder.join("readings.json");
        let state = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| BundleError::Damaged { path, why: error.to_string() })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(source) => return Err(BundleError::File { path, source }),
        };
        Ok(Arc::new(Self { folder: folder.to_path_buf(), clock, state: Mutex::new(state) }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a bundle, so that its results are known.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn remember(&self, manifest: &Manifest) -> Result<(), BundleError> {
        self.write(&format!("{}.json", manifest.bundle), manifest)
    }

    /// A bundle that was made here.
    pub(super) fn manifest(&self, bundle: Uuid) -> Result<Option<Manifest>, BundleError> {
        let path = self.folder.join(format!("{bundle}.json"));
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| BundleError::Damaged { path, why: error.to_string() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BundleError::File { path, source }),
        }
    }

    pub(super) fn save(&self) -> Result<(), BundleError> {
        self.write("readings.json", &*self.state())
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), BundleError> {
        let path = self.folder.join(name);
        let failed = |source| BundleError::File { path: path.clone(), source };
        let text = serde_json::to_string_pretty(value).map_err(|error| failed(error.into()))?;
        let beside = self.folder.join(format!("{name}.new"));
        fs::create_dir_all(&self.folder).map_err(failed)?;
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, &path)).map_err(failed)
    }

    /// What was told last, by the same script to the same question.
    fn answer(&self, server: &str, order: Order<'_>) -> Option<Value> {
        let (script, question) = (hash(&lines(order.script.text)), hash(&written(order.data)));
        let state = self.state();
        let known = state
            .known
            .iter()
            .find(|known| known.server == server && known.script == script && known.data == question)?;
        let mut value = match &known.before {
            Some(before) if state.past => before.value.clone(),
            _ => known.value.clone(),
        };
        grow(&mut value, known.at.duration_until(self.clock.now()).as_secs().max(0));
        Some(value)
    }
}

/// What is called an age has grown since.
fn grow(value: &mut Value, seconds: i64) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_i64() {
                    Some(age) if name == "age" => *value = (age + seconds).into(),
                    _ => grow(value, seconds),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| grow(value, seconds)),
        _ => {}
    }
}

/// The way to a server that is worked on by hand: what it holds is what was last brought from there, and nothing is
/// changed from here.
#[derive(Debug)]
pub struct ByBundle(pub Arc<Bundles>);

#[async_trait]
impl Reach for ByBundle {
    async fn run(&self, server: &str, order: Order<'_>) -> Result<Value, Obstacle> {
        let (what, mode) = match order.mode {
            Mode::Probe => match self.0.answer(server, order) {
                Some(value) => return Ok(value),
                None => {
                    (format!("{server} is worked on by hand, and has not told of {}", order.step), "Probe")
                }
            },
            Mode::Apply => (format!("{server} is worked on by hand: {} waits for that", order.step), "Apply"),
            Mode::Undo => {
                let how = format!(
                    "On {server}, in the bundle that it was applied with, as administrator: powershell.exe -File run.ps1 -Mode Undo. \
                     Then here: hybridge connect import results-*.json"
                );
                let what = format!("{server} is worked on by hand: {} is taken back there", order.step);
                return Err(Obstacle::ByHand { what, how });
            }
        };
        let how = format!(
            "Here: hybridge connect export --target native --to FOLDER. On {server}, in that folder, as administrator: powershell.exe \
             -File run.ps1 -Mode {mode}. Then here: hybridge connect import results-*.json"
        );
        Err(Obstacle::ByHand { what, how })
    }

    fn by_hand(&self) -> bool {
        true
    }
}
