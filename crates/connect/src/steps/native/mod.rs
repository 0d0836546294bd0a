//! What Dynamics' own synchronization over Exchange Web Services needs (setup.md section 2).

mod adfs_clients;
mod adfs_permissions;
mod adfs_restart;
mod backup;
mod deployment_inventory;
pub(crate) mod dynamics_key;
mod dynamics_names;
mod dynamics_principal;
mod email_server_profile;
mod exchange_web_services;
mod forms_sign_in;
mod hybrid_connector;
mod iis_providers;
pub(crate) mod key_access;
mod mailbox_approval;
mod mailbox_profile;
pub(crate) mod mailbox_test;
mod oauth_provider;
mod organization_tenant;
mod outbound;
mod outlook_app;
mod own_email_channel;
mod profile_default;
mod profile_test;
mod relying_party;
mod server_inventory;
pub(crate) mod service_restart;
mod sign_in_page;
pub(crate) mod signing_certificate;
pub(crate) mod signing_exchange;
pub(crate) mod signing_record;
pub(crate) mod signing_store;
mod token_service;

use std::collections::BTreeMap;

use hybridge_identity::{Credential, SecretString};
use serde_json::Value;

use crate::{
    Obstacle, Site, Step,
    servers::{Duty, Mode, Order, Script, Server, Servers},
};

pub(super) fn steps() -> Vec<Box<dyn Step>> {
    vec![
        Box::new(server_inventory::ServerInventory),
        Box::new(deployment_inventory::DeploymentInventory),
        Box::new(outbound::Outbound),
        Box::new(backup::Backup),
        Box::new(hybrid_connector::HybridConnector),
        Box::new(exchange_web_services::ExchangeWebServices),
        Box::new(signing_certificate::SigningCertificate),
        Box::new(signing_store::SigningStore),
        Box::new(key_access::KeyAccess),
        Box::new(dynamics_principal::DynamicsPrincipal),
        Box::new(dynamics_key::DynamicsKey),
        Box::new(dynamics_names::DynamicsNames),
        Box::new(token_service::TokenService),
        Box::new(organization_tenant::OrganizationTenant),
        Box::new(signing_record::SigningRecord),
        Box::new(service_restart::ServiceRestart),
        Box::new(relying_party::RelyingParty),
        Box::new(forms_sign_in::FormsSignIn),
        Box::new(oauth_provider::OauthProvider),
        Box::new(adfs_clients::AdfsClients),
        Box::new(adfs_permissions::AdfsPermissions),
        Box::new(adfs_restart::AdfsRestart),
        Box::new(iis_providers::IisProviders),
        Box::new(own_email_channel::OwnEmailChannel),
        Box::new(email_server_profile::EmailServerProfile),
        Box::new(profile_default::ProfileDefault),
        Box::new(mailbox_profile::MailboxProfile),
        Box::new(mailbox_approval::MailboxApproval),
        Box::new(mailbox_test::MailboxTest),
        Box::new(profile_test::ProfileTest),
        Box::new(outlook_app::OutlookApp),
    ]
}

/// The servers that sign tokens or test them: those with the asynchronous service or the web application.
const SIGNERS: [Duty; 2] = [Duty::Asynchronous, Duty::Web];

/// The store in which Dynamics looks for its certificate.
pub(crate) const STORE: &str = "My";

/// A script of this folder's steps.
macro_rules! script {
    ($name:literal) => {
        $crate::servers::Script {
            name: $name,
            text: include_str!(concat!("../../../scripts/", $name, ".ps1")),
        }
    };
}
use script;

/// A step's script, and the servers that it is for.
#[derive(Debug, Clone, Copy)]
struct Job {
    step: &'static str,
    script: &'static Script,
}

impl Job {
    /// Asks these servers side by side what is there.
    async fn probe(
        self,
        servers: impl IntoIterator<Item = &Server>,
        data: &Value,
    ) -> Result<BTreeMap<String, Value>, Obstacle> {
        Servers::ask(servers, self.order(Mode::Probe, data, None)).await
    }

    /// Has one server changed.
    async fn change(
        self,
        server: &Server,
        mode: Mode,
        data: &Value,
        secret: Option<&SecretString>,
    ) -> Result<Value, Obstacle> {
        server.reach.run(&server.name, self.order(mode, data, secret)).await
    }

    fn order<'a>(self, mode: Mode, data: &'a Value, secret: Option<&'a SecretString>) -> Order<'a> {
        Order { step: self.step, script: self.script, mode, data, secret }
    }
}

/// The servers that sign tokens or test them.
///
/// # Errors
/// When none is named.
pub(crate) fn signers(site: &Site) -> Result<Vec<&Server>, Obstacle> {
    let servers = &site.native()?.servers;
    servers.first(Duty::Asynchronous)?;
    Ok(servers.with(&SIGNERS))
}

/// The certificate that Dynamics is to sign with.
fn signing(site: &Site) -> Result<Credential, Obstacle> {
    let files = &site.native()?.signing.files;
    if !files.exist() {
        return Err(Obstacle::After("signing-certificate"));
    }
    files.current().map_err(|error| {
        Obstacle::refused(
            error.to_string(),
            "Mend [native] certificate and its password in the configuration.",
        )
    })
}

/// Names in a line: two, and how many more.
fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [first, second] => format!("{first} and {second}"),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
    }
}

/// Where it is as wanted, and where not, in words: `on crm01` or `on all 6 servers`.
fn on<'a>(which: impl IntoIterator<Item = &'a str>, of: usize) -> String {
    let which: Vec<&str> = which.into_iter().collect();
    if which.len() == of && of > 2 { format!("on all {of} servers") } else { format!("on {}", names(which)) }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let list = value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Adds a field to an object.
fn add(data: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = data {
        fields.insert(name.to_owned(), value);
    }
}
