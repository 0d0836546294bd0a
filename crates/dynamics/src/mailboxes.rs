use std::collections::BTreeMap;

use hybridge_core::{
    address::Address,
    candidate::effective_floor,
    eligibility::{Approval, IncomingMethod, Mailbox, MailboxOwner},
    ids::{MailboxId, QueueId},
};
use hybridge_odata::{Call, query::Query};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{Dynamics, Result};

#[derive(Deserialize)]
struct WireMailbox {
    mailboxid: Uuid,
    name: Option<String>,
    emailaddress: Option<String>,
    statecode: Option<i32>,
    incomingemaildeliverymethod: Option<i32>,
    outgoingemaildeliverymethod: Option<i32>,
    emailrouteraccessapproval: Option<i32>,
    processemailreceivedafter: Option<Timestamp>,
    isforwardmailbox: Option<bool>,
    processanddeleteemails: Option<bool>,
    #[serde(rename = "_emailserverprofile_value")]
    profile: Option<Uuid>,
    #[serde(rename = "_regardingobjectid_value")]
    owner: Option<Uuid>,
    #[serde(rename = "_regardingobjectid_value@Microsoft.Dynamics.CRM.lookuplogicalname")]
    owner_kind: Option<String>,
}

#[derive(Deserialize)]
struct WireProfile {
    emailserverprofileid: Uuid,
    statecode: Option<i32>,
    processemailsreceivedafter: Option<Timestamp>,
}

impl Dynamics {
    /// All mailbox records, by name and id, with the effective start from mailbox and profile.
    pub async fn mailboxes(&self) -> Result<Vec<Mailbox>> {
        let profiles: BTreeMap<Uuid, WireProfile> = self
            .rows::<WireProfile>(
                Query::on("emailserverprofiles")
                    .option("$select", "emailserverprofileid,statecode,processemailsreceivedafter")
                    .build(),
                "email server profile",
            )
            .await?
            .into_iter()
            .map(|profile| (profile.emailserverprofileid, profile))
            .collect();
        let rows = self
            .rows::<WireMailbox>(
                Query::on("mailboxes")
                    .option(
                        "$select",
                        "mailboxid,name,emailaddress,statecode,incomingemaildeliverymethod,outgoingemaildeliverymethod,emailrouteraccessapproval,\
                         processemailreceivedafter,isforwardmailbox,processanddeleteemails,_emailserverprofile_value,_regardingobjectid_value",
                    )
                    .build(),
                "mailbox",
            )
            .await?;
        let mut mailboxes: Vec<Mailbox> = rows.into_iter().map(|row| mailbox(row, &profiles)).collect();
        mailboxes.sort_by(|left, right| (&left.name, left.id).cmp(&(&right.name, right.id)));
        Ok(mailboxes)
    }

    /// All rows of a query, page by page.
    pub(crate) async fn rows<T: DeserializeOwned>(
        &self,
        query: String,
        what: &'static str,
    ) -> Result<Vec<T>> {
        const PREFER: &str =
            "odata.maxpagesize=1000,odata.include-annotations=\"Microsoft.Dynamics.CRM.lookuplogicalname\"";
        let mut rows = Vec::new();
        let mut call = Call::get(query);
        loop {
            let page = self.web_api.send(call.header("prefer", PREFER)).await?.page(what)?;
            rows.extend(page.entries::<T>(what)?);
            match page.next_link {
                Some(link) => call = Call::follow(link),
                None => return Ok(rows),
            }
        }
    }
}

fn mailbox(row: WireMailbox, profiles: &BTreeMap<Uuid, WireProfile>) -> Mailbox {
    let profile = row.profile.and_then(|id| profiles.get(&id));
    Mailbox {
        id: MailboxId(row.mailboxid),
        name: row.name.unwrap_or_default(),
        address: row.emailaddress.as_deref().and_then(Address::new),
        owner: if row.isforwardmailbox == Some(true) {
            MailboxOwner::Forward
        } else if row.owner_kind.as_deref() == Some("queue") {
            MailboxOwner::Queue
        } else {
            MailboxOwner::User
        },
        active: row.statecode.unwrap_or(0) == 0,
        incoming: match row.incomingemaildeliverymethod {
            Some(1) => IncomingMethod::Outlook,
            Some(2) => IncomingMethod::Synchronizer,
            Some(3) => IncomingMethod::ForwardMailbox,
            _ => IncomingMethod::None,
        },
        approval: match row.emailrouteraccessapproval {
            Some(1) => Approval::Approved,
            Some(2) => Approval::Pending,
            Some(3) => Approval::Rejected,
            _ => Approval::Empty,
        },
        profile_active: profile.map(|profile| profile.statecode.unwrap_or(0) == 0),
        sends: row.outgoingemaildeliverymethod == Some(2),
        queue: row.owner.filter(|_| row.owner_kind.as_deref() == Some("queue")).map(QueueId),
        deletes: row.processanddeleteemails == Some(true),
        floor: effective_floor(
            profile.and_then(|profile| profile.processemailsreceivedafter),
            row.processemailreceivedafter,
        ),
    }
}
