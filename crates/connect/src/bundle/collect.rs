//! Notes what steps would run on the servers, and lets none of it run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_identity::{Credential, PfxForm, SecretString};
use serde_json::{Value, json};

use super::texts;
use crate::{
    Obstacle,
    servers::{Mode, Order, Reach, Script, Server},
};

/// An order that was given to a server that is worked on by hand.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) step: &'static str,
    pub(super) server: String,
    pub(super) script: &'static Script,
    pub(super) applies: bool,
    pub(super) data: Value,
    /// The words that a secret is asked for with.
    pub(super) secret: &'static str,
}

/// What was noted.
#[derive(Debug)]
pub(super) struct Collector {
    password: SecretString,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    noted: Vec<Noted>,
    /// PFX files by the certificate's thumbprint, under the bundle's password.
    sealed: Vec<(String, Vec<u8>)>,
}

impl Collector {
    pub(super) fn new(password: SecretString) -> Self {
        Self { password, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn noted(&self) -> Vec<Noted> {
        self.state().noted.clone()
    }

    /// The PFX files, by the names that the data call them by.
    pub(super) fn sealed(&self) -> Vec<(String, Vec<u8>)> {
        self.state().sealed.clone()
    }

    fn note(&self, server: &str, order: Order<'_>) -> Result<(), Obstacle> {
        let mut noted = Noted {
            step: order.step,
            server: server.to_owned(),
            script: order.script,
            applies: order.mode == Mode::Apply,
            data: order.data.clone(),
            secret: order.secret.map_or("", |_| texts::ANY_SECRET),
        };
        if let (Some(fields), Some(secret)) = (noted.data.as_object_mut(), order.secret)
            && let Some(pfx) = fields.remove("pfx")
        {
            fields.insert("file".to_owned(), self.seal(&pfx, secret)?.into());
            noted.secret = texts::SEAL;
        }
        let mut state = self.state();
        let known = state.noted.iter().any(|one| {
            (one.step, &one.server, one.script.name) == (noted.step, &noted.server, noted.script.name)
                && (one.applies, &one.data) == (noted.applies, &noted.data)
        });
        if !known {
            state.noted.push(noted);
        }
        Ok(())
    }

    /// Puts a PFX under the bundle's password; its name.
    fn seal(&self, pfx: &Value, password: &SecretString) -> Result<String, Obstacle> {
        let refused = |what: String| Obstacle::refused(what, "Check [native] certificate.");
        let failed = |error: hybridge_identity::Error| Obstacle::refused(error.to_string(), error.remedy());
        let bytes = STANDARD.decode(pfx.as_str().unwrap_or_default());
        let bytes = bytes.map_err(|error| refused(format!("the PFX for the servers is damaged: {error}")))?;
        let credential = Credential::from_pfx(&bytes, password).map_err(failed)?;
        let name = format!("{}.pfx", credential.certificate().sha1_hex());
        let mut state = self.state();
        if !state.sealed.iter().any(|(known, _)| *known == name) {
            let sealed = credential.to_pfx_in(PfxForm::Legacy, &self.password).map_err(failed)?;
            state.sealed.push((name.clone(), sealed));
        }
        Ok(name)
    }
}

/// A server as an export sees it: asked, where it can be, and never changed.
#[derive(Debug)]
pub(super) struct Watched {
    inner: Arc<dyn Reach>,
    collector: Arc<Collector>,
}

impl Watched {
    pub(super) fn of(server: &Server, collector: &Arc<Collector>) -> Arc<dyn Reach> {
        Arc::new(Self { inner: server.reach.clone(), collector: collector.clone() })
    }
}

#[async_trait]
impl Reach for Watched {
    async fn run(&self, server: &str, order: Order<'_>) -> Result<Value, Obstacle> {
        if self.inner.by_hand() && order.mode != Mode::Undo {
            self.collector.note(server, order)?;
        }
        match order.mode {
            Mode::Probe => self.inner.run(server, order).await,
            Mode::Apply | Mode::Undo => Ok(json!({})),
        }
    }

    fn by_hand(&self) -> bool {
        self.inner.by_hand()
    }
}
