//! What steps work on: the deployment, and the services with the rights to change them.

use std::{fmt, sync::Arc, time::Duration};

use hybridge_core::{
    eligibility::{judge, judge_outgoing},
    options::{Options, Overrides},
    trouble::Trouble,
};
use hybridge_dynamics::Dynamics;
use hybridge_graph::Graph;
use hybridge_identity::Credential;
use hybridge_net::{Clock, Transport};
use jiff::Timestamp;
use url::Url;
use uuid::Uuid;

use crate::{
    Changes, Exchange, Obstacle,
    native::Native,
    rotation::Files,
    servers::{Reach, Server},
};

/// What is to be connected.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The Entra ID tenant.
    pub tenant: Uuid,
    /// The name of Hybridge's app registration, and of what it makes in Exchange Online.
    pub name: String,
    /// The service account, as it signs in to the organization.
    pub account: String,
    /// The certificate that Hybridge signs in with.
    pub credential: Arc<Credential>,
    /// The mailboxes' permissions, without the `Application ` of Exchange's roles: `Mail.Read` for example.
    pub permissions: Vec<String>,
    /// What Hybridge obeys instead of the organization's options.
    pub overrides: Overrides,
    /// The application for To Do.
    pub tasks: Tasks,
    /// Where Graph sends change notifications.
    pub notification_url: Option<Url>,
    /// What Dynamics' own synchronization needs, where it is to work.
    pub native: Option<Native>,
}

/// The application for To Do.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// Whether it is wanted.
    pub wanted: bool,
    /// Its certificate, which Hybridge makes.
    pub files: Files,
}

/// The two ids of an app registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    /// The application (client) id.
    pub client_id: Uuid,
    /// The object id, which certificates are rolled by.
    pub object_id: Uuid,
}

/// The settings that steps find out, kept where Hybridge reads them.
pub trait Settings: Send + Sync + fmt::Debug {
    /// The application (client) id of Hybridge's registration.
    fn client_id(&self) -> Option<Uuid>;

    /// Keeps the ids of Hybridge's registration, or forgets them.
    ///
    /// # Errors
    /// When they can't be written.
    fn keep_registration(&self, ids: Option<Registration>) -> Result<(), Trouble>;

    /// The ids of the application for To Do.
    fn tasks_registration(&self) -> Option<Registration>;

    /// Keeps the ids of the application for To Do, or forgets them.
    ///
    /// # Errors
    /// When they can't be written.
    fn keep_tasks_registration(&self, ids: Option<Registration>) -> Result<(), Trouble>;
}

/// Makes Microsoft Graph as an application of Hybridge sees it: signed in anew, with this certificate.
pub type SignIn = Box<dyn Fn(Uuid, Arc<Credential>) -> Graph + Send + Sync>;

/// All that a [`Site`] is made of.
pub struct SiteParts {
    /// What is to be connected.
    pub deployment: Deployment,
    /// The directory, signed in as an administrator.
    pub directory: Graph,
    /// Exchange Online's administration, signed in as an administrator.
    pub exchange: Exchange,
    /// Graph as an application, for proofs.
    pub as_application: SignIn,
    /// The organization, signed in as the service account.
    pub organization: Dynamics,
    /// The organization, signed in as an administrator, where the configuration names one.
    pub administration: Option<Dynamics>,
    /// The web, as somebody sees it who is not signed in.
    pub web: Arc<dyn Transport>,
    /// Where findings are kept.
    pub settings: Arc<dyn Settings>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// When steps were changed last.
    pub changes: Changes,
    /// The first pause before something that was written is read again.
    pub settling: Duration,
}

impl fmt::Debug for SiteParts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SiteParts").field("deployment", &self.deployment).finish_non_exhaustive()
    }
}

/// What steps work on.
#[derive(Debug)]
pub struct Site {
    parts: SiteParts,
}

impl Site {
    /// Nothing is asked for yet.
    pub fn new(parts: SiteParts) -> Self {
        Self { parts }
    }

    /// What is to be connected.
    pub fn deployment(&self) -> &Deployment {
        &self.parts.deployment
    }

    /// The same site, with its servers reached otherwise.
    #[must_use]
    pub(crate) fn reached(mut self, by: impl Fn(&Server) -> Arc<dyn Reach>) -> Self {
        if let Some(native) = &mut self.parts.deployment.native {
            native.servers = native.servers.reached(by);
        }
        self
    }

    /// The directory, signed in as an administrator.
    pub fn directory(&self) -> &Graph {
        &self.parts.directory
    }

    /// Exchange Online's administration.
    pub fn exchange(&self) -> &Exchange {
        &self.parts.exchange
    }

    /// The organization, signed in as the service account.
    pub fn organization(&self) -> &Dynamics {
        &self.parts.organization
    }

    /// The organization, signed in as an administrator; as the service account where none is named.
    pub fn organization_admin(&self) -> &Dynamics {
        self.parts.administration.as_ref().unwrap_or(&self.parts.organization)
    }

    /// Whether the configuration names an administrator of the organization.
    pub fn has_organization_account(&self) -> bool {
        self.parts.administration.is_some()
    }

    /// The web, as somebody sees it who is not signed in.
    pub(crate) fn web(&self) -> &dyn Transport {
        self.parts.web.as_ref()
    }

    /// Where findings are kept.
    pub fn settings(&self) -> &dyn Settings {
        self.parts.settings.as_ref()
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// What Dynamics' own synchronization needs.
    ///
    /// # Errors
    /// When the configuration says nothing about it.
    pub fn native(&self) -> Result<&Native, Obstacle> {
        self.deployment().native.as_ref().ok_or_else(|| Obstacle::ByHand {
            what: "the configuration does not name the servers".to_owned(),
            how: "Add [native] with the organization's unique name and [[native.servers]] with each server's name and duties."
                .to_owned(),
        })
    }

    /// When Hybridge changed a step last.
    pub(crate) fn changed(&self, step: &str) -> Option<Timestamp> {
        self.parts.changes.of(step)
    }

    pub(crate) fn settling(&self) -> Duration {
        self.parts.settling
    }

    /// The id of Hybridge's registration.
    pub(crate) fn client_id(&self) -> Result<Uuid, Obstacle> {
        self.settings().client_id().ok_or(Obstacle::After("app-registration"))
    }

    /// Graph as Hybridge itself, signed in anew.
    pub(crate) fn as_hybridge(&self) -> Result<Graph, Obstacle> {
        Ok(self.as_application(self.client_id()?, self.deployment().credential.clone()))
    }

    /// Graph as an application with this certificate, signed in anew.
    pub(crate) fn as_application(&self, client_id: Uuid, credential: Arc<Credential>) -> Graph {
        (self.parts.as_application)(client_id, credential)
    }

    /// The addresses of the mailboxes that take part in either direction, in order.
    pub(crate) async fn mailboxes(&self) -> Result<Vec<String>, Obstacle> {
        let failed = |error| Obstacle::Trouble(hybridge_dynamics::trouble(&error));
        let settings = self.organization_admin().settings().await.map_err(failed)?;
        let approval = Options::resolve(&settings.live, &self.deployment().overrides).approval();
        let mailboxes = self.organization_admin().mailboxes().await.map_err(failed)?;
        let mut addresses: Vec<String> = mailboxes
            .iter()
            .filter_map(|mailbox| judge(mailbox, approval).or(judge_outgoing(mailbox, approval)).ok())
            .map(|address| address.as_str().to_lowercase())
            .collect();
        addresses.sort();
        addresses.dedup();
        Ok(addresses)
    }
}
