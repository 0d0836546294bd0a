use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Job, script, signers};
use crate::{Facts, Obstacle, Place, Reading, Site, Step, servers::Script};

/// The servers reach the token service and Exchange Online, with the TLS that they use by themselves (setup.md P4).
#[derive(Debug)]
pub(super) struct Outbound;

static FACTS: Facts = Facts {
    id: "outbound",
    title: "The servers reach Microsoft's services",
    rows: &["P4"],
    place: Place::CrmServers,
    role: "local administrator of every server",
    after: &["server-inventory"],
};

static SCRIPT: Script = script!("outbound");

#[async_trait]
impl Step for Outbound {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let addresses = &site.native()?.outbound;
        let servers = signers(site)?;
        let job = Job { step: FACTS.id, script: &SCRIPT };
        let found = job.probe(servers.iter().copied(), &json!({ "addresses": addresses })).await?;
        for (server, told) in &found {
            for address in addresses {
                let said = told.get(address).and_then(Value::as_str).unwrap_or("no answer");
                if said != "reached" {
                    let remedy = if said.contains("underlying connection was closed")
                        || said.contains("SSL/TLS")
                    {
                        format!(
                            "{server} offers an old TLS version by default: set SchUseStrongCrypto and SystemDefaultTlsVersions to 1 \
                             under HKLM\\SOFTWARE\\Microsoft\\.NETFramework\\v4.0.30319 there, restart it, and run the same command \
                             again."
                        )
                    } else {
                        format!(
                            "Let {server} reach this address on port 443 (firewall, proxy of the service account: `netsh winhttp show \
                             proxy`), and run the same command again."
                        )
                    };
                    return Err(Obstacle::refused(
                        format!("{server} does not reach {address}: {said}"),
                        remedy,
                    ));
                }
            }
        }
        let words = format!("{} addresses from {} servers", addresses.len(), servers.len());
        let told = json!({ "servers": found });
        Ok(Reading { now: told.clone(), wanted: told, words })
    }
}
