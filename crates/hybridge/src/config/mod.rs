//! The configuration: one TOML file, overrides from the environment, secrets by reference.

mod load;
mod rules;
mod secret;
mod template;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use hybridge_connect::{native::AdfsClient, servers::Duty};
use hybridge_core::{
    options::{Overrides, Value},
    rules::Rules,
};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::{
    error::{Failure, Result},
    exit::Exit,
};

pub(crate) use load::load;
pub(crate) use secret::{SecretSource, pfx_password};
pub(crate) use template::{AccountSecret, Answers, SignInAnswer, render};

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) tenant: TenantConfig,
    pub(crate) organization: OrganizationConfig,
    #[serde(default)]
    pub(crate) store: StoreConfig,
    #[serde(default)]
    pub(crate) trust: TrustConfig,
    #[serde(default)]
    pub(crate) sync: SyncConfig,
    #[serde(default)]
    pub(crate) console: ConsoleConfig,
    #[serde(default)]
    pub(crate) connect: ConnectConfig,
    pub(crate) native: Option<NativeConfig>,
    #[serde(default, rename = "rules")]
    rules_as_written: rules::RulesConfig,
    #[serde(default, rename = "options")]
    options_as_written: BTreeMap<String, Value>,
    /// What counts instead of the organization's options.
    #[serde(skip)]
    pub(crate) overrides: Overrides,
    /// The administrator's rules.
    #[serde(skip)]
    pub(crate) rules: Rules,
    /// The folder that relative paths start from: the file's own.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// The Exchange Online side.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantConfig {
    pub(crate) id: Uuid,
    /// Absent until `hybridge connect apply` has registered the application.
    pub(crate) client_id: Option<Uuid>,
    /// The registration's object id, by which its certificates are rolled.
    pub(crate) registration_id: Option<Uuid>,
    /// The application for To Do and its registration's object id; `hybridge connect apply` writes them.
    pub(crate) tasks_client_id: Option<Uuid>,
    pub(crate) tasks_registration_id: Option<Uuid>,
    #[serde(default)]
    pub(crate) cloud: CloudName,
    pub(crate) certificate: PathBuf,
    pub(crate) certificate_password: Option<SecretSource>,
    /// Whether `hybridge run` renews the certificate by itself.
    #[serde(default)]
    pub(crate) renew_certificate: bool,
    pub(crate) authority: Option<Url>,
    pub(crate) graph: Option<Url>,
}

/// Microsoft's clouds (graph.md 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CloudName {
    #[default]
    Global,
    UsGovL4,
    UsGovL5,
    China,
}

/// The CRM side.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationConfig {
    pub(crate) url: Url,
    #[serde(default = "default_api_version")]
    pub(crate) api_version: String,
    #[serde(default)]
    pub(crate) sign_in: SignInName,
    pub(crate) user: String,
    pub(crate) password: Option<SecretSource>,
    pub(crate) keytab: Option<PathBuf>,
    pub(crate) domain: Option<String>,
    pub(crate) service_principal: Option<String>,
    pub(crate) kdc: Option<String>,
    pub(crate) adfs_client_id: Option<Uuid>,
    #[serde(default = "default_request_mb")]
    pub(crate) largest_request_mb: u64,
    #[serde(default = "default_calls_at_once")]
    pub(crate) calls_at_once: u32,
}

/// How the deployment authenticates (dynamics.md 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SignInName {
    #[default]
    Adfs,
    Windows,
}

fn default_api_version() -> String {
    "9.1".to_owned()
}

fn default_request_mb() -> u64 {
    12
}

fn default_calls_at_once() -> u32 {
    32
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreConfig {
    pub(crate) path: PathBuf,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("hybridge.db") }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustConfig {
    #[serde(default)]
    pub(crate) authorities: Vec<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SyncConfig {
    pub(crate) poll_seconds: u64,
    pub(crate) lanes_at_once: usize,
    pub(crate) page_size: u32,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self { poll_seconds: 30, lanes_at_once: 32, page_size: 100 }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsoleConfig {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) notification_url: Option<Url>,
}

/// How the trust is set up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConnectConfig {
    pub(crate) name: String,
    pub(crate) permissions: Vec<String>,
    pub(crate) directory_token: Option<SecretSource>,
    pub(crate) exchange_token: Option<SecretSource>,
    pub(crate) exchange: Option<Url>,
    /// An administrator of the organization, for the steps that the service account may not do itself.
    pub(crate) organization_account: Option<String>,
    pub(crate) organization_password: Option<SecretSource>,
    /// Whether To Do's application is registered as well.
    pub(crate) tasks: bool,
    pub(crate) folder: PathBuf,
}

impl Default for ConnectConfig {
    fn default() -> Self {
        Self {
            name: "Hybridge".to_owned(),
            // What the lanes of today need: to read mail, and Mail.Read beside it for change notifications (graph.md 1.8).
            permissions: ["Mail.Read", "Mail.ReadWrite", "Mail.Send"].map(str::to_owned).to_vec(),
            directory_token: None,
            exchange_token: None,
            exchange: None,
            organization_account: None,
            organization_password: None,
            tasks: false,
            folder: PathBuf::from("connect"),
        }
    }
}

/// Dynamics' own synchronization over Exchange Web Services, and the servers that it takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NativeConfig {
    /// The organization's unique name in the deployment.
    pub(crate) organization: String,
    /// Where the token service publishes its metadata, where it is not the cloud's usual place.
    pub(crate) token_metadata: Option<Url>,
    /// The file of the certificate that Dynamics signs with; Hybridge makes one where none is named.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) certificate_password: Option<SecretSource>,
    /// For how many days a certificate that Hybridge makes is valid.
    #[serde(default = "default_certificate_days")]
    pub(crate) certificate_days: u32,
    /// How long Entra ID is given to learn of a new certificate before Dynamics signs with it.
    #[serde(default = "default_soak_minutes")]
    pub(crate) soak_minutes: u32,
    /// The domain for the name of the service principal, where one is wanted.
    pub(crate) domain: Option<String>,
    /// When `MSCRM_CONFIG` was backed up last.
    pub(crate) backup: Option<jiff::civil::Date>,
    /// The email server profile's name.
    #[serde(default = "default_profile")]
    pub(crate) profile: String,
    /// Mail from before is not tracked.
    pub(crate) process_email_from: Option<jiff::Timestamp>,
    /// Whether new mailboxes get the profile.
    #[serde(default)]
    pub(crate) profile_default: bool,
    /// The addresses that take part; all without another profile where none is named.
    pub(crate) mailboxes: Option<Vec<String>>,
    /// What the servers have to reach, where it is not what the cloud says.
    pub(crate) outbound: Option<Vec<String>>,
    /// The account that works on the servers over WinRM: `DOMAIN\user` or `user@domain`.
    pub(crate) account: Option<String>,
    pub(crate) password: Option<SecretSource>,
    pub(crate) keytab: Option<PathBuf>,
    /// The DNS name of the account's domain, where the account does not tell it.
    pub(crate) account_domain: Option<String>,
    pub(crate) kdc: Option<String>,
    #[serde(default)]
    pub(crate) servers: Vec<ServerConfig>,
    #[serde(default = "default_powershell")]
    pub(crate) powershell: PathBuf,
    pub(crate) adfs: Option<AdfsConfig>,
}

/// What AD FS is to know of Dynamics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdfsConfig {
    /// The organization's address as users open it, where it is not `[organization] url`.
    pub(crate) organization: Option<Url>,
    /// The identifiers of the relying party, where they are not `auth`, the organization and `dev` in its domain.
    pub(crate) identifiers: Option<Vec<Url>>,
    #[serde(default = "default_clients")]
    pub(crate) clients: Vec<AdfsClient>,
    /// The thumbprint of the token-signing certificate when claims were configured last.
    pub(crate) signing: Option<String>,
    /// When the App for Outlook was handed out.
    pub(crate) outlook_app: Option<jiff::civil::Date>,
}

fn default_clients() -> Vec<AdfsClient> {
    vec![AdfsClient::OutlookApp, AdfsClient::Phones]
}

fn default_certificate_days() -> u32 {
    730
}

fn default_profile() -> String {
    "Exchange Online (Hybrid)".to_owned()
}

fn default_soak_minutes() -> u32 {
    10
}

fn default_powershell() -> PathBuf {
    PathBuf::from("powershell.exe")
}

/// A Windows server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerConfig {
    pub(crate) name: String,
    pub(crate) duties: Vec<Duty>,
    #[serde(default)]
    pub(crate) reach: ReachName,
    /// The WinRM listener, where it is not at the usual port of the name.
    pub(crate) address: Option<Url>,
    /// The listener's service principal name, where it is not `HTTP/` and the host of its address.
    pub(crate) service_principal: Option<String>,
}

/// The way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReachName {
    /// Windows Remote Management over HTTPS.
    #[default]
    Winrm,
    /// PowerShell on this machine.
    Here,
    /// A folder of scripts that a person carries there.
    Bundle,
}

impl Config {
    /// The application (client) id, for everything but `hybridge connect`.
    pub(crate) fn client_id(&self) -> Result<Uuid> {
        self.tenant.client_id.ok_or_else(|| {
            Failure::new(Exit::Configuration, "Hybridge has no app registration in the tenant yet")
                .help("`hybridge connect plan` shows what is missing, `hybridge connect apply` sets it up. Or write the id of a registration that you made into the configuration, [tenant] client_id.")
        })
    }

    /// A path of the configuration, relative ones from the file's folder.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}
