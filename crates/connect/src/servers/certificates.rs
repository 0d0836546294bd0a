//! The certificates that servers use (setup.md 5.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_identity::Certificate;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Mode, Order, Script, Servers};
use crate::Obstacle;

static SCRIPT: Script = Script { name: "certificates", text: include_str!("../../scripts/certificates.ps1") };

/// A certificate as a server tells it. Public.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UsedCertificate {
    /// What it is used for there: `listener 0.0.0.0:443`, `store My`, `configuration database S2STokenIssuer`,
    /// `AD FS Token-Signing`.
    #[serde(rename = "use")]
    pub purpose: String,
    /// Its subject, as Windows writes it.
    pub subject: String,
    /// SHA-1, hex in capitals.
    pub thumbprint: String,
    /// The start of its life.
    #[serde(rename = "from")]
    pub valid_from: Timestamp,
    /// The end of its life.
    #[serde(rename = "until")]
    pub valid_until: Timestamp,
}

#[derive(Deserialize)]
struct Told {
    certificates: Vec<UsedCertificate>,
}

/// Asks every server for the certificates that it uses: by name, what it said, or why it said nothing. Servers that are
/// worked on by hand are not asked. Once one has refused, the others are not asked either: a wrong password, tried on all of
/// them, would lock the account.
///
/// `signing` is the certificate that Dynamics is to sign with, where there is one: all of its subject are told of.
pub async fn used_certificates(
    servers: &Servers,
    signing: Option<&Certificate>,
) -> Vec<(String, Result<Vec<UsedCertificate>, Obstacle>)> {
    let data = json!({ "signing": signing.map(|signing| STANDARD.encode(signing.der())) });
    let order = Order { step: "certificates", script: &SCRIPT, mode: Mode::Probe, data: &data, secret: None };
    let mut answers = Vec::new();
    for server in servers.all().iter().filter(|server| !server.reach.by_hand()) {
        let told = server.reach.run(&server.name, order).await.and_then(|answer| {
            let told: Told = serde_json::from_value(answer).map_err(|error| {
                Obstacle::refused(
                    format!("{}: what the script says of certificates can't be read: {error}", server.name),
                    "This is a defect of Hybridge; keep the log for a support case.",
                )
            })?;
            Ok(told.certificates)
        });
        let refused = told.is_err();
        answers.push((server.name.clone(), told));
        if refused {
            break;
        }
    }
    answers
}
