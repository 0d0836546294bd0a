//! The Windows servers of a deployment, and how scripts reach them (setup.md sections 1.1 and 6).
//!
//! A step hands a [`Script`] with its data to a server; which way it goes there ([`Reach`]) is the server's own affair.

mod certificates;
mod here;
mod refusal;
mod winrm;
mod wire;

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use futures::{
    future::BoxFuture,
    stream::{self, StreamExt},
};
use hybridge_identity::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Obstacle;

pub use certificates::{UsedCertificate, used_certificates};
pub use here::Here;
pub use winrm::Winrm;
pub use wire::{Ended, Powershell, Through};

/// How many servers are worked on at a time.
const AT_ONCE: usize = 8;

/// What a server is there for (setup.md 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// The deployment tools with the snap-in (`DEP`).
    Deployment,
    /// The asynchronous service or the email integration service (`ASY`).
    Asynchronous,
    /// The web application server (`WEB`).
    Web,
    /// A node of the AD FS farm (`ADF`); the first one that is named is the primary one.
    Adfs,
}

/// A Windows server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name, as administrators call it and as it is shown: `crm01.contoso.com`.
    pub name: String,
    /// What it is there for.
    pub duties: Vec<Duty>,
    /// The way to it.
    pub reach: Arc<dyn Reach>,
}

/// A script that runs on servers, on Windows PowerShell 5.1.
///
/// It takes `-Mode Probe|Apply|Undo`, `-Json` (its data) and, where it needs one, `-Secret` (a `SecureString`), and
/// prints one JSON object: what is there now. Its data says what is wanted, so that `Apply` needs nothing but them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// Its file's name without `.ps1`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// What a script is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Look, and change nothing.
    Probe,
    /// Make what is wanted, where it is not there yet.
    Apply,
    /// Put back what was there before (`before` of its data).
    Undo,
}

impl Mode {
    /// As the script takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "Probe",
            Self::Apply => "Apply",
            Self::Undo => "Undo",
        }
    }
}

/// A script to be run on one server.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The step that wants it.
    pub step: &'static str,
    /// The script.
    pub script: &'static Script,
    /// What it is to do.
    pub mode: Mode,
    /// Its data. Holds no secret in the clear.
    pub data: &'a Value,
    /// The one secret that it needs, such as the password of the PFX in its data.
    pub secret: Option<&'a SecretString>,
}

impl fmt::Debug for Order<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {} for {}", self.mode.as_str(), self.script.name, self.step)
    }
}

/// A way to a server.
#[async_trait]
pub trait Reach: Send + Sync + fmt::Debug {
    /// Runs the script there and returns the object that it printed.
    ///
    /// # Errors
    /// When the server can't be reached, refuses the sign-in, or the script failed: in words that name the server.
    async fn run(&self, server: &str, order: Order<'_>) -> Result<Value, Obstacle>;

    /// Whether a person carries orders there, in a bundle.
    fn by_hand(&self) -> bool {
        false
    }
}

/// The servers of a deployment.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    all: Vec<Server>,
}

impl Servers {
    /// These servers, in the order in which they are named.
    pub fn new(all: Vec<Server>) -> Self {
        Self { all }
    }

    /// All of them.
    pub fn all(&self) -> &[Server] {
        &self.all
    }

    /// The same servers, reached otherwise.
    #[must_use]
    pub fn reached(&self, by: impl Fn(&Server) -> Arc<dyn Reach>) -> Self {
        let reached = |server: &Server| Server { reach: by(server), ..server.clone() };
        Self { all: self.all.iter().map(reached).collect() }
    }

    /// Those that have one of the duties.
    pub fn with(&self, duties: &[Duty]) -> Vec<&Server> {
        self.all.iter().filter(|server| server.duties.iter().any(|duty| duties.contains(duty))).collect()
    }

    /// The first server with a duty: the one that is asked about what all of them share.
    ///
    /// # Errors
    /// When there is none.
    pub fn first(&self, duty: Duty) -> Result<&Server, Obstacle> {
        let found = self.all.iter().find(|server| server.duties.contains(&duty));
        found.ok_or_else(|| {
            let name = match duty {
                Duty::Deployment => "deployment",
                Duty::Asynchronous => "asynchronous",
                Duty::Web => "web",
                Duty::Adfs => "adfs",
            };
            Obstacle::refused(
                format!("no server with the duty {name:?} is named"),
                format!("Add it to the configuration: [[native.servers]] with duties = [\"{name}\"]."),
            )
        })
    }

    /// Asks servers; what they answered, by name. The first one is asked alone and the others side by side once it has
    /// answered: with a wrong password all of them at once would lock the account.
    ///
    /// # Errors
    /// That of the first server, or of the first one that failed in the order of their names.
    pub async fn ask<'a>(
        servers: impl IntoIterator<Item = &'a Server>,
        order: Order<'_>,
    ) -> Result<BTreeMap<String, Value>, Obstacle> {
        let servers: Vec<&Server> = servers.into_iter().collect();
        let mut answers: BTreeMap<String, Result<Value, Obstacle>> = BTreeMap::new();
        // Nobody signs in at a server that is worked on by hand.
        let first = servers.iter().find(|server| !server.reach.by_hand()).copied();
        if let Some(first) = first {
            answers.insert(first.name.clone(), Ok(first.reach.run(&first.name, order).await?));
        }
        let mut asked: Vec<BoxFuture<'_, (String, Result<Value, Obstacle>)>> = Vec::new();
        for server in servers {
            if answers.contains_key(&server.name) {
                continue;
            }
            asked.push(Box::pin(async move {
                (server.name.clone(), server.reach.run(&server.name, order).await)
            }));
        }
        answers.extend(stream::iter(asked).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
        answers.into_iter().map(|(name, answer)| answer.map(|answer| (name, answer))).collect()
    }
}
