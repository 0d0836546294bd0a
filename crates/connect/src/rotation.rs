//! Changes the certificate that Hybridge signs in with, without a moment in which there is no valid one
//! (setup.md 5.3, the app certificate's column).
//!
//! The new certificate is registered beside the old one, waited for until tokens come for it, switched to, watched,
//! and only then the old one is removed. What was done is on the disk before the next thing is tried, so that a run
//! that was killed anywhere goes on or goes back.

mod files;
mod key;
mod signing;
mod signing_state;
mod urgency;

use std::{path::PathBuf, sync::Arc, time::Duration};

use hybridge_core::trouble::{Class, Trouble};
use hybridge_graph::{DirectoryKind, Graph};
use hybridge_identity::{Credential, ExposeSecret, TokenSource, proof_of_possession};
use hybridge_net::Clock;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

pub use files::{Files, Form};
pub(crate) use key::key_credential;
use key::key_id;
pub use signing::SigningRotation;
pub use signing_state::{SigningEnded, SigningOptions, SigningStage, SigningState};
pub use urgency::{Urgency, urgency};

use crate::{Action, Journal, JournalError, Outcome};

/// How far a rotation has come. Each stage tells what is done already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The new certificate lies beside the old one. Nobody else knows of it (R1).
    Issued,
    /// Entra ID trusts both (R2).
    Trusted,
    /// Entra ID gave tokens for the new one (R4).
    Proven,
    /// The new one is in use (R6).
    Switched,
    /// It was used, and both are kept for a while (R8, R9).
    Observed,
}

impl Stage {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Issued => "the new certificate is made",
            Self::Trusted => "Entra ID trusts both certificates",
            Self::Proven => "Entra ID gives tokens for the new one",
            Self::Switched => "the new certificate is in use",
            Self::Observed => "both certificates are kept for a while",
        }
    }
}

/// A rotation that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// How far it has come.
    pub stage: Stage,
    /// The old certificate's thumbprint (SHA-1, hex).
    pub old: String,
    /// When the old certificate ends by itself.
    pub old_ends: Timestamp,
    /// The new certificate's thumbprint.
    pub new: String,
    /// When the new certificate ends.
    pub new_ends: Timestamp,
    /// The key id that Entra ID gave the new one.
    pub new_key: Option<Uuid>,
    /// When it began.
    pub began: Timestamp,
    /// Until when both are kept.
    pub keep_until: Option<Timestamp>,
}

/// How a rotation is to go.
#[derive(Debug, Clone)]
pub struct Options {
    /// The new certificate's common name, without its generation.
    pub name: String,
    /// How many days it is valid.
    pub days: u32,
    /// How long both are kept after the switch, at the most.
    pub keep: SignedDuration,
    /// Where to stop.
    pub until: Option<Stage>,
}

/// Signs in to Microsoft Graph with a certificate, anew at every call.
pub type SignInWith = Box<dyn Fn(Arc<Credential>) -> (Graph, Arc<dyn TokenSource>) + Send + Sync>;

/// All that a rotation works on.
pub struct Parts {
    /// The files of the certificate.
    pub files: Files,
    /// The registration's object id.
    pub registration: Uuid,
    /// Graph, signed in with a certificate: with the old one until the switch, with the new one after it.
    pub sign_in: SignInWith,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The first pause before a token is asked for again.
    pub pause: Duration,
    /// The step whose certificate it is, in the audit log.
    pub step: &'static str,
    /// The command that an administrator types: `hybridge certificate rotate`.
    pub command: &'static str,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Parts").field("registration", &self.registration).finish_non_exhaustive()
    }
}

/// Why a rotation stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody or something refused.
    #[error("{0}")]
    Trouble(Trouble),
    /// A file can't be read or written.
    #[error("{path} can't be used: {detail}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The audit log can't be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

type Result<T> = std::result::Result<T, Error>;

/// How often a token for a new certificate is asked for: with doubled pauses this is some minutes (graph.md 1.6).
const TOKEN_TRIES: u32 = 8;
/// How many tokens have to come in a row.
const TOKENS: u32 = 3;

/// How a rotation ended for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Stopped where it was asked to.
    Stopped(State),
    /// Both certificates are kept until then; another run removes the old one.
    Keeping(State),
    /// The old certificate is gone.
    Done {
        /// The new certificate's thumbprint.
        new: String,
        /// What is left to do by hand, where anything is.
        left: Option<String>,
    },
}

/// A rotation.
#[derive(Debug)]
pub struct Rotation<'a> {
    parts: &'a Parts,
    journal: &'a mut Journal,
}

impl<'a> Rotation<'a> {
    /// A rotation of the certificate in the files, new or under way.
    pub fn new(parts: &'a Parts, journal: &'a mut Journal) -> Self {
        Self { parts, journal }
    }

    /// Goes on from where an earlier run stopped, or begins. `seen` is told of every stage that is reached.
    ///
    /// # Errors
    /// What stands in the way. Whatever it is, a valid certificate is in use, and another run goes on from there.
    pub async fn forward(&mut self, options: &Options, mut seen: impl FnMut(&State)) -> Result<Ended> {
        let mut state = match self.parts.files.state()? {
            Some(state) => state,
            None => self.issue(options)?,
        };
        loop {
            seen(&state);
            if options.until == Some(state.stage) {
                return Ok(Ended::Stopped(state));
            }
            state = match state.stage {
                Stage::Issued => self.trust(state).await?,
                Stage::Trusted => self.prove(state).await?,
                Stage::Proven => self.switch(state)?,
                Stage::Switched => self.observe(state, options).await?,
                Stage::Observed => {
                    let now = self.parts.clock.now();
                    // Whoever wants it shorter now, gets it shorter.
                    let shortened = now.checked_add(options.keep).unwrap_or(now);
                    let until = state.keep_until.map_or(shortened, |until| until.min(shortened));
                    if options.keep > SignedDuration::ZERO && now < until {
                        return Ok(Ended::Keeping(State { keep_until: Some(until), ..state }));
                    }
                    return self.clean(&state).await;
                }
            };
        }
    }

    /// Goes back to the old certificate. `None` when no rotation is under way.
    ///
    /// # Errors
    /// What stands in the way; the old certificate is in use by then, unless a file can't be written.
    pub async fn back(&mut self) -> Result<Option<State>> {
        let files = &self.parts.files;
        let Some(state) = files.state()? else {
            files.forget_new()?;
            return Ok(None);
        };
        if state.old_ends <= self.parts.clock.now() {
            let what = format!("the old certificate {} ended on {}", state.old, state.old_ends);
            let remedy = format!("There is nothing to go back to: `{}` goes on.", self.parts.command);
            return Err(Trouble::new(Class::Denied, what, remedy).into());
        }
        self.note("back", Outcome::Begun, &state, "")?;
        let files = &self.parts.files;
        if files.current()?.certificate().sha1_hex() == state.new {
            files.switch_back()?;
        }
        let old = Arc::new(self.parts.files.current()?);
        match self.remove_key(&old, self.key_of(&state)).await {
            // It may never have been registered.
            Err(Error::Trouble(trouble)) if state.stage == Stage::Issued && !trouble.class.passes() => {}
            outcome => outcome?,
        }
        let files = &self.parts.files;
        files.forget_new()?;
        files.forget_state()?;
        self.note("back", Outcome::Done, &state, "")?;
        Ok(Some(state))
    }

    /// R1: a new certificate beside the old one, with a generation in its name.
    fn issue(&mut self, options: &Options) -> Result<State> {
        let files = &self.parts.files;
        let old = files.current()?;
        let now = self.parts.clock.now();
        let name = format!("{}-{}", options.name, now.strftime("%Y%m%d%H%M%S"));
        let new = Credential::self_signed(&name, now, options.days)
            .map_err(|error| Trouble::new(Class::Denied, error.to_string(), error.remedy()))?;
        files.keep_new(&new)?;
        let state = State {
            stage: Stage::Issued,
            old: old.certificate().sha1_hex(),
            old_ends: old.certificate().valid_until(),
            new: new.certificate().sha1_hex(),
            new_ends: new.certificate().valid_until(),
            new_key: None,
            began: now,
            keep_until: None,
        };
        self.reached(&state)?;
        Ok(state)
    }

    /// R2: with a proof signed by the old key.
    async fn trust(&mut self, mut state: State) -> Result<State> {
        let old = Arc::new(self.parts.files.current()?);
        let new = self.parts.files.new_one()?;
        let (graph, _) = (self.parts.sign_in)(old.clone());
        let key = key_credential(self.parts.registration, new.certificate());
        let proof = self.proof(&old)?;
        let kind = DirectoryKind::Application;
        match graph.add_key(kind, self.parts.registration, &key, proof.expose_secret()).await {
            Ok(made) => state.new_key = made.key_id,
            Err(error) => {
                // An earlier try's answer may be lost, and the certificate be there: a token tells.
                let (_, tokens) = (self.parts.sign_in)(Arc::new(new));
                if tokens.token().await.is_err() {
                    return Err(self.refused(&error));
                }
            }
        }
        self.enter(state, Stage::Trusted)
    }

    /// R4: real tokens, several in a row, as token servers learn of a certificate one by one.
    async fn prove(&mut self, state: State) -> Result<State> {
        let new = Arc::new(self.parts.files.new_one()?);
        let mut pause = self.parts.pause;
        let mut in_a_row = 0;
        let mut tries = 0;
        while in_a_row < TOKENS {
            let (_, tokens) = (self.parts.sign_in)(new.clone());
            match tokens.token().await {
                Ok(_) => in_a_row += 1,
                Err(error) => {
                    in_a_row = 0;
                    tries += 1;
                    if tries == TOKEN_TRIES {
                        return Err(Trouble::new(
                            Class::Transient,
                            format!("Entra ID gives no token for the new certificate yet: {error}"),
                            format!(
                                "The old certificate stays in use. Run `{0}` again in some minutes, or `{0} --back`.",
                                self.parts.command
                            ),
                        )
                        .into());
                    }
                    tracing::info!(%error, "the new certificate is not known everywhere yet");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        self.enter(state, Stage::Proven)
    }

    /// R6: one rename. A `hybridge run` beside this takes the new one with its next token.
    fn switch(&mut self, state: State) -> Result<State> {
        let files = &self.parts.files;
        if files.current()?.certificate().sha1_hex() != state.new {
            files.switch()?;
        }
        self.enter(state, Stage::Switched)
    }

    /// R8: used once from the file that is in use now.
    async fn observe(&mut self, mut state: State, options: &Options) -> Result<State> {
        let current = Arc::new(self.parts.files.current()?);
        let (graph, tokens) = (self.parts.sign_in)(current);
        tokens
            .token()
            .await
            .map_err(|error| Trouble::new(Class::Denied, error.to_string(), error.remedy()))?;
        match graph.can_read_users().await {
            Ok(()) => {}
            // Without that permission Graph still says who asks.
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 403) => {}
            Err(error) => return Err(self.refused(&error)),
        }
        let now = self.parts.clock.now();
        let kept = now.checked_add(options.keep).unwrap_or(now);
        state.keep_until = Some(kept.min(state.old_ends));
        self.enter(state, Stage::Observed)
    }

    /// R10: with a proof signed by the new key.
    async fn clean(&mut self, state: &State) -> Result<Ended> {
        self.note("clean", Outcome::Begun, state, "")?;
        let new = Arc::new(self.parts.files.current()?);
        let old_key = self
            .parts
            .files
            .key_of(&state.old)?
            .unwrap_or_else(|| key_id(self.parts.registration, &state.old));
        let left = match self.remove_key(&new, old_key).await {
            Ok(()) => None,
            Err(Error::Trouble(trouble)) if !trouble.class.passes() => Some(format!(
                "the old certificate {} stays registered until it ends on {} ({}); remove it in the Entra admin centre, App \
                 registrations, Certificates & secrets",
                state.old, state.old_ends, trouble.what
            )),
            Err(error) => return Err(error),
        };
        let files = &self.parts.files;
        if let Some(key) = state.new_key {
            files.keep_key(&state.new, key)?;
        }
        files.forget_old()?;
        files.forget_state()?;
        self.note("clean", Outcome::Done, state, left.as_deref().unwrap_or_default())?;
        Ok(Ended::Done { new: state.new.clone(), left })
    }

    async fn remove_key(&self, with: &Arc<Credential>, key: Uuid) -> Result<()> {
        let (graph, _) = (self.parts.sign_in)(with.clone());
        let proof = self.proof(with)?;
        let kind = DirectoryKind::Application;
        match graph.remove_key(kind, self.parts.registration, key, proof.expose_secret()).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn proof(&self, credential: &Credential) -> Result<hybridge_identity::SecretString> {
        proof_of_possession(self.parts.registration, self.parts.clock.now(), credential)
            .map_err(|error| Trouble::new(Class::Denied, error.to_string(), error.remedy()).into())
    }

    fn key_of(&self, state: &State) -> Uuid {
        state.new_key.unwrap_or_else(|| key_id(self.parts.registration, &state.new))
    }

    fn enter(&mut self, mut state: State, reached: Stage) -> Result<State> {
        state.stage = reached;
        self.reached(&state)?;
        Ok(state)
    }

    fn reached(&mut self, state: &State) -> Result<()> {
        self.parts.files.keep_state(state)?;
        self.note(state.stage.words(), Outcome::Done, state, "")
    }

    fn note(&mut self, what: &str, outcome: Outcome, state: &State, error: &str) -> Result<()> {
        let (before, after) =
            (json!({ "certificate": state.old }), json!({ "certificate": state.new, "stage": what }));
        let at = self.parts.clock.now();
        self.journal.add(at, self.parts.step, (Action::Rotate, outcome), (&before, &after), error)?;
        Ok(())
    }

    fn refused(&self, error: &hybridge_odata::Error) -> Error {
        let mut trouble = hybridge_graph::trouble(error);
        if trouble.remedy.is_empty() {
            trouble.remedy = format!(
                "A valid certificate is in use all the same. `{}` goes on from here, `--back` goes back.",
                self.parts.command
            );
        }
        trouble.into()
    }
}
