//! What is to be connected for Dynamics' own synchronization over Exchange Web Services (setup.md section 2).

use hybridge_identity::Cloud;
use uuid::Uuid;

use crate::servers::Servers;

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
