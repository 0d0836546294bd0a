use std::collections::BTreeMap;

use async_trait::async_trait;
use hybridge_dynamics::MailboxSetup;
use serde_json::json;

use super::{super::graph::organization, relying_party};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    native::{Adfs, AdfsClient},
};

/// Who can get Microsoft's App for Outlook, and why others can't (setup.md 7.1, 7.2). Handing it out has no public
/// interface: a person does it on a page of Dynamics, and writes down when.
#[derive(Debug)]
pub(super) struct OutlookApp;

static FACTS: Facts = Facts {
    id: "outlook-app",
    title: "The App for Outlook is handed out",
    rows: &["O1", "O4", "O5", "O6"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["mailbox-test", "oauth-provider", "adfs-permissions"],
};

/// Why a mailbox can't have it; nothing for one that can.
fn reason(row: &MailboxSetup) -> Option<&'static str> {
    if row.owner_kind.as_deref() != Some("systemuser") {
        Some("no user's mailbox")
    } else if row.state.unwrap_or(0) != 0 {
        Some("inactive")
    } else if row.address.as_deref().unwrap_or_default().is_empty() {
        Some("without an address")
    } else if row.incoming != Some(2) {
        Some("incoming email not by the synchronization")
    } else if row.approval != Some(1) {
        Some("not approved")
    } else if row.incoming_status == Some(2) {
        Some("test failed")
    } else if row.incoming_status != Some(1) {
        Some("not tested")
    } else {
        None
    }
}

fn count(number: usize) -> String {
    if number == 1 { "1 mailbox".to_owned() } else { format!("{number} mailboxes") }
}

fn page(adfs: &Adfs) -> String {
    format!("{}/tools/appsforcrm/AppForOutlookAdminSettings.aspx", adfs.organization)
}

#[async_trait]
impl Step for OutlookApp {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let Some(adfs) = &site.native()?.adfs else { return Ok(relying_party::not_asked()) };
        if !adfs.clients.contains(&AdfsClient::OutlookApp) {
            let words = "not asked for: [native.adfs] clients lacks outlook-app".to_owned();
            return Ok(Reading { now: json!({}), wanted: json!({}), words });
        }
        let rows = site.organization_admin().mailbox_setups().await.map_err(organization)?;
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in rows.iter().filter_map(reason) {
            *reasons.entry(reason).or_default() += 1;
        }
        let eligible = rows.iter().filter(|row| reason(row).is_none()).count();
        let why: Vec<String> = reasons.iter().map(|(reason, number)| format!("{number} {reason}")).collect();
        let words = if why.is_empty() {
            format!("{} can have it", count(eligible))
        } else {
            format!("{} can have it; others can't: {}", count(eligible), why.join(", "))
        };
        let Some(date) = adfs.outlook_app else {
            return Err(Obstacle::ByHand {
                what: format!("it is not handed out yet; {words}"),
                how: format!(
                    "Give its users a role with \"Use Dynamics 365 App for Outlook\" (Business Management, Privacy Related). Open {} and \
                     press Add App for All Eligible Users; it takes up to 15 minutes, and people have to restart Outlook (connected \
                     experiences and the reading pane on). Then write outlook_app = \"DATE\" under [native.adfs].",
                    page(adfs)
                ),
            });
        };
        let told = json!({ "eligible": eligible, "others": reasons });
        Ok(Reading { now: told.clone(), wanted: told, words: format!("handed out on {date}; {words}") })
    }
}
