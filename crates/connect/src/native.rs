//! What is to be connected for Dynamics' own synchronization over Exchange Web Services (setup.md section 2).

use hybridge_identity::Cloud;
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{rotation::Files, servers::Servers};

/// Dynamics in the directory: the principal that carries the certificate (setup.md 0.3).
pub const DYNAMICS: Uuid = Uuid::from_u128(0x0000_0007_0000_0000_c000_0000_0000_0000);

/// The principal that Dynamics trusts to issue tokens (setup.md 0.3).
pub const TOKEN_SERVICE: Uuid = Uuid::from_u128(0x0000_0001_0000_0000_c000_0000_0000_0000);

/// What is to be connected for Dynamics' own synchronization.
#[derive(Debug, Clone)]
pub struct Native {
    /// The organization's unique name in the deployment.
    pub organization: String,
    /// Where the token service of the cloud publishes its metadata (setup.md 2.4).
    pub token_metadata: String,
    /// The servers.
    pub servers: Servers,
    /// The certificate that Dynamics signs with.
    pub signing: Signing,
    /// How long the directory is given to tell all its servers of a new certificate, before Dynamics signs with it
    /// (setup.md 5.3, R4).
    pub soak: SignedDuration,
    /// The domain of the service principal's name for Dynamics, where one is wanted (setup.md E4).
    pub domain: Option<String>,
    /// When `MSCRM_CONFIG` was backed up last, as the administrator says (setup.md P8).
    pub backup: Option<Date>,
    /// How mail is to be set up in the organization.
    pub mail: Mail,
    /// Addresses that the servers have to reach (setup.md P4).
    pub outbound: Vec<String>,
    /// What AD FS is to know of Dynamics, where apps sign in through it.
    pub adfs: Option<Adfs>,
}

/// What AD FS is to know of Dynamics (setup.md, phases F and O).
#[derive(Debug, Clone)]
pub struct Adfs {
    /// The identifiers that the relying party of Dynamics has to have. Clients are permitted for the first one.
    pub identifiers: Vec<String>,
    /// The organization's address as users open it, without a slash at its end.
    pub organization: String,
    /// The clients that are to be registered.
    pub clients: Vec<AdfsClient>,
    /// When the App for Outlook was handed out, as the administrator says.
    pub outlook_app: Option<Date>,
    /// The thumbprint of AD FS' token-signing certificate when claims were configured last, as the administrator says.
    pub signing: Option<String>,
}

/// A client of Microsoft's that signs in at AD FS (setup.md 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdfsClient {
    /// The apps for phones and tablets.
    Phones,
    /// Dynamics 365 for Outlook, the classic client.
    OutlookClient,
    /// Unified Service Desk.
    UnifiedServiceDesk,
    /// The developer tools.
    DeveloperTools,
    /// The App for Outlook: its client id is the organization's own id.
    OutlookApp,
}

/// The certificate that Dynamics signs its tokens with (setup.md 2.1), and how a new one is made.
#[derive(Debug, Clone)]
pub struct Signing {
    /// Its file, and the files of its rotation.
    pub files: Files,
    /// A new one's common name, without its generation.
    pub name: String,
    /// For how many days a new one is valid.
    pub days: u32,
}

/// How mail is to be set up in the organization (setup.md phase M).
#[derive(Debug, Clone)]
pub struct Mail {
    /// The email server profile's name.
    pub profile: String,
    /// Mail from before is not tracked.
    pub process_from: Option<Timestamp>,
    /// Whether new mailboxes get the profile.
    pub is_default: bool,
    /// The mailboxes that take part; `None`: all with an address and without another profile.
    pub mailboxes: Option<Vec<String>>,
}

/// Where the token service publishes its metadata (setup.md 2.4). That of China is unconfirmed; a configuration can
/// name another one.
pub fn token_metadata(cloud: &Cloud) -> &'static str {
    match cloud {
        Cloud::Global | Cloud::Custom { .. } => "https://accounts.accesscontrol.windows.net/metadata/json/1",
        Cloud::UsGovernmentL4 | Cloud::UsGovernmentL5 => "https://login.microsoftonline.us/metadata/json/1",
        Cloud::China => "https://accounts.accesscontrol.chinacloudapi.cn/metadata/json/1",
    }
}

/// What the servers of Dynamics call, in each cloud (setup.md P4, 2.4).
pub fn outbound(cloud: &Cloud) -> Vec<String> {
    let exchange = match cloud {
        Cloud::Global | Cloud::Custom { .. } => "https://outlook.office365.com/",
        Cloud::UsGovernmentL4 => "https://outlook.office365.us/",
        Cloud::UsGovernmentL5 => "https://webmail.apps.mil/",
        Cloud::China => "https://partner.outlook.cn/",
    };
    vec![token_metadata(cloud).to_owned(), exchange.to_owned()]
}
