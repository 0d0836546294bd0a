//! Exchange Online's administration: cmdlets by name, over HTTPS as the Exchange Online management module sends them.
//!
//! The module talks to `adminapi/beta/{tenant}/InvokeCommand`. Microsoft documents the module, and a part of this
//! interface as the Exchange Online Admin API; the rest is known from clients (docs/decisions/0006).

use hybridge_core::trouble::{Class, Trouble};
use hybridge_odata::{Call, Error, Service};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

#[derive(Deserialize)]
struct Objects {
    #[serde(default)]
    value: Vec<Value>,
}

/// Exchange Online's administration, signed in as an administrator.
#[derive(Debug, Clone)]
pub struct Exchange {
    service: Service,
    tenant: Uuid,
    anchor: String,
}

impl Exchange {
    /// The scope of an administrator's token.
    pub const SCOPE: &str = "https://outlook.office365.com/Exchange.Manage";

    /// Behind a service whose root is Exchange Online's (`https://outlook.office365.com/`). The mailbox that
    /// requests are routed by is the one that every tenant has.
    pub fn new(service: Service, tenant: Uuid) -> Self {
        let anchor = format!("APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@{tenant}");
        Self { service, tenant, anchor }
    }

    /// Runs a cmdlet; its objects.
    pub(crate) async fn run(&self, name: &str, parameters: Value) -> Result<Vec<Value>, Error> {
        let body = json!({ "CmdletInput": { "CmdletName": name, "Parameters": parameters } });
        let call = Call::post(format!("adminapi/beta/{}/InvokeCommand", self.tenant))
            .header("x-cmdletname", name)
            .header("x-anchormailbox", &self.anchor)
            .header("x-responseformat", "json")
            .json(&body)?;
        // Reading twice does no harm.
        let call =
            if name.starts_with("Get-") || name.starts_with("Test-") { call.repeatable() } else { call };
        Ok(self.service.send(call).await?.json::<Objects>("cmdlet's answer")?.value)
    }

    /// The object that a `Get-` cmdlet finds by its identity; `None` when there is none.
    pub(crate) async fn find(&self, name: &str, identity: &str) -> Result<Option<Map<String, Value>>, Error> {
        match self.run(name, json!({ "Identity": identity })).await {
            Ok(found) => Ok(found.into_iter().next().and_then(|object| match object {
                Value::Object(object) => Some(object),
                _ => None,
            })),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Runs a cmdlet that removes something; that it was not there does not matter.
    pub(crate) async fn remove(&self, name: &str, identity: &str) -> Result<(), Error> {
        match self.run(name, json!({ "Identity": identity, "Confirm": false })).await {
            Err(error) if is_missing(&error) => Ok(()),
            other => other.map(drop),
        }
    }
}

fn is_missing(error: &Error) -> bool {
    error.failure().is_some_and(|failure| {
        failure.message.contains("ManagementObjectNotFoundException")
            || failure.message.contains("couldn't be found")
    })
}

/// A failed cmdlet as a trouble.
pub(crate) fn trouble(error: &Error) -> Trouble {
    let remedy = match error.failure().map(|failure| failure.status.as_u16()) {
        Some(401 | 403) => {
            "Sign in with an account that is Exchange Administrator in Entra ID and member of Organization Management in \
             Exchange Online."
                .to_owned()
        }
        Some(400) => "Exchange Online's words say what is wrong; `hybridge connect apply` goes on from here once it is mended."
            .to_owned(),
        _ => error.remedy(),
    };
    let class = match error.class() {
        Class::Item => Class::Denied,
        class => class,
    };
    error.trouble(class, remedy)
}
