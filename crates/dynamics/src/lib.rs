//! The Dynamics organization, as far as incoming email needs it: settings, mailboxes, and the messages
//! by which an external synchroniser asks about an email and hands it over.
//!
//! [`Dynamics`] goes through the Web API. Where an organization's Web API lacks one of the email
//! messages, the same message goes through its SOAP organization service; which of the two serves is
//! probed once and remembered ([`Route`]).

mod administration;
mod attachments;
mod check;
mod deliver;
mod emails;
mod envelope;
mod mailboxes;
mod organization;
mod orgdborg;
mod outgoing;
mod profiles;
mod queue_items;
mod route;
mod soap;
mod trouble;

use std::sync::Arc;

use hybridge_odata::Service;

pub use administration::{
    ADMINISTRATOR_TEMPLATE, CUSTOMIZER_TEMPLATE, EntityDefinition, NON_INTERACTIVE, RolePrivilege,
    SecurityRole, SystemUser,
};
pub use attachments::{AttachmentFile, StoredAttachment};
pub use deliver::Delivery;
pub use emails::EmailRow;
pub use envelope::{Envelope, Thread};
pub use organization::{Channel, OrganizationSettings, WhoAmI};
pub use outgoing::{InOutbox, MOST_IN_OUTBOX, Submission};
pub use profiles::{AlertLevel, EXCHANGE_ONLINE_HYBRID, MailboxSetup, ServerProfile};
pub use route::Route;
pub use trouble::{is_known_duplicate, is_request_too_large, trouble};

/// The result of a call.
pub type Result<T> = std::result::Result<T, hybridge_odata::Error>;

/// The organization.
#[derive(Debug, Clone)]
pub struct Dynamics {
    web_api: Service,
    soap: Service,
    routes: Arc<route::Routes>,
}

impl Dynamics {
    /// The organization behind two services that share a sign-in: its Web API (root ending in
    /// `api/data/v9.x/`) and its root, for SOAP. `route` is what was found out by an earlier run.
    pub fn new(web_api: Service, soap: Service, route: Option<Route>) -> Self {
        Self { web_api, soap, routes: Arc::new(route::Routes::knowing(route)) }
    }

    /// The Web API.
    pub fn web_api(&self) -> &Service {
        &self.web_api
    }

    /// The organization's root, for SOAP.
    pub fn soap(&self) -> &Service {
        &self.soap
    }

    /// Where the email messages go, once that is known.
    pub fn route(&self) -> Option<Route> {
        self.routes.known()
    }
}
