use hybridge_core::{
    attachment::AttachmentRules,
    eligibility::ApprovalRules,
    ids::{OrganizationId, RecordId},
};
use hybridge_odata::{Call, Error, Target, http::Method, query::Query};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::{Dynamics, Result};

/// Who processes the organization's email (`emailconnectionchannel`, dynamics.md 6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// 0: Dynamics' own server-side synchronization.
    ServerSideSynchronization,
    /// 1: Email Router, which means an external synchroniser: Hybridge.
    EmailRouter,
}

/// The organization's settings that incoming email depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationSettings {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// Who processes its email.
    pub channel: Channel,
    /// Whether only approved mailboxes are processed.
    pub approval: ApprovalRules,
    /// Which attachments it takes.
    pub attachments: AttachmentRules,
}

/// The signed-in user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct WhoAmI {
    /// The `systemuser`.
    pub user_id: Uuid,
    /// The organization.
    pub organization_id: Uuid,
}

#[derive(Deserialize)]
struct WireOrganization {
    organizationid: Uuid,
    name: Option<String>,
    emailconnectionchannel: Option<i32>,
    requireapprovalforuseremail: Option<bool>,
    requireapprovalforqueueemail: Option<bool>,
    maxuploadfilesize: Option<u64>,
    blockedattachments: Option<String>,
}

impl Dynamics {
    /// Who is signed in, and where.
    pub async fn who_am_i(&self) -> Result<WhoAmI> {
        self.web_api.send(Call::get("WhoAmI()")).await?.json("WhoAmI answer")
    }

    /// The server's version, `9.1.x.y`.
    pub async fn version(&self) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Wire {
            version: String,
        }
        Ok(self
            .web_api
            .send(Call::get("RetrieveVersion()"))
            .await?
            .json::<Wire>("RetrieveVersion answer")?
            .version)
    }

    /// Says who processes the organization's email from now on, for all its mailboxes at once.
    pub async fn set_channel(&self, channel: Channel) -> Result<()> {
        let id = self.who_am_i().await?.organization_id;
        let code = match channel {
            Channel::ServerSideSynchronization => 0,
            Channel::EmailRouter => 1,
        };
        let target = Target::Path(format!("organizations({id})"));
        let call = Call::new(Method::PATCH, target).json(&json!({ "emailconnectionchannel": code }))?;
        self.web_api.send(call.repeatable()).await.map(drop)
    }

    /// The organization's settings, live.
    pub async fn settings(&self) -> Result<OrganizationSettings> {
        let query = Query::on("organizations")
            .option(
                "$select",
                "organizationid,name,emailconnectionchannel,requireapprovalforuseremail,\
                 requireapprovalforqueueemail,maxuploadfilesize,blockedattachments",
            )
            .build();
        let page = self.web_api.send(Call::get(query)).await?.page("organization")?;
        let row = page.entries::<WireOrganization>("organization")?.into_iter().next().ok_or_else(|| {
            Error::Unreadable {
                what: "organization",
                detail: "the service account sees no organization row".into(),
            }
        })?;
        Ok(OrganizationSettings {
            id: OrganizationId(row.organizationid),
            name: row.name.unwrap_or_default(),
            channel: if row.emailconnectionchannel == Some(1) {
                Channel::EmailRouter
            } else {
                Channel::ServerSideSynchronization
            },
            approval: ApprovalRules {
                users: row.requireapprovalforuseremail.unwrap_or(true),
                queues: row.requireapprovalforqueueemail.unwrap_or(true),
            },
            attachments: AttachmentRules::new(
                row.maxuploadfilesize
                    .filter(|size| *size > 0)
                    .unwrap_or(AttachmentRules::default().largest_bytes),
                &row.blockedattachments.unwrap_or_default(),
            ),
        })
    }
}

/// Reads `activityid` and its like.
pub(crate) fn record(id: Uuid) -> RecordId {
    RecordId(id)
}
