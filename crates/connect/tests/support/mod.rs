//! Ways to emulated servers, in process.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hybridge_connect::{
    Obstacle,
    servers::{Ended, Mode, Order, Powershell, Reach, Script, Through},
};
use hybridge_identity::{ExposeSecret, SecretString};
use hybridge_sandbox_windows::{Estate, powershell};
use serde_json::Value;

/// An estate that a test and its servers share.
#[derive(Debug, Clone)]
pub(crate) struct Servers(Arc<Mutex<Estate>>);

impl Servers {
    pub(crate) fn new(estate: Estate) -> Self {
        Self(Arc::new(Mutex::new(estate)))
    }

    pub(crate) fn estate(&self) -> MutexGuard<'_, Estate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to every machine of the estate.
    pub(crate) fn reach(&self) -> Arc<dyn Reach> {
        Arc::new(Through(self.clone()))
    }

    /// Runs a script on a machine, as a step does.
    pub(crate) async fn run(
        &self,
        server: &str,
        (script, mode): (&'static Script, Mode),
        data: &Value,
        secret: Option<&SecretString>,
    ) -> Result<Value, Obstacle> {
        let order = Order { step: "a-test", script, mode, data, secret };
        self.reach().run(server, order).await
    }
}

#[async_trait]
impl Powershell for Servers {
    async fn start(
        &self,
        server: &str,
        arguments: &[String],
        input: &SecretString,
    ) -> Result<Ended, Obstacle> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut estate = self.estate();
        let Some(machine) = estate.machine(server) else {
            return Err(Obstacle::refused(format!("{server} is unknown"), "Look at its name."));
        };
        let ended = powershell(&arguments, input.expose_secret(), machine);
        Ok(Ended { code: ended.exit.into(), stdout: ended.stdout, stderr: ended.stderr })
    }
}
