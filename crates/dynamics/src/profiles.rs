//! Email server profiles, and how mailboxes are set up for Dynamics' own synchronization (setup.md phase M).

use hybridge_core::ids::MailboxId;
use hybridge_odata::{Call, Target, http::Method, query::Query};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Dynamics, Result};

/// `emailserverprofile.servertype` of Exchange Online for an organization on-premises (setup.md 2.4).
pub const EXCHANGE_ONLINE_HYBRID: i32 = 3;

/// An email server profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServerProfile {
    /// The id.
    #[serde(rename = "emailserverprofileid")]
    pub id: Uuid,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// What kind of server.
    #[serde(rename = "servertype")]
    pub server_type: Option<i32>,
    /// Active 0, inactive 1.
    #[serde(rename = "statecode")]
    pub state: Option<i32>,
    /// Whether the organization's tenant id counts.
    #[serde(rename = "usedefaulttenantid")]
    pub default_tenant: Option<bool>,
    /// Whether the server's address is found by itself.
    #[serde(rename = "useautodiscover")]
    pub autodiscover: Option<bool>,
    /// Mail from before is left alone.
    #[serde(rename = "processemailsreceivedafter")]
    pub floor: Option<Timestamp>,
    /// When the last test began.
    #[serde(rename = "lastteststarttime")]
    pub tested_at: Option<Timestamp>,
    /// Failure 0, success 1, warning 2.
    #[serde(rename = "lasttestexecutionstatus")]
    pub test_status: Option<i32>,
    /// What Dynamics said.
    #[serde(rename = "lastcrmmessage")]
    pub message: Option<String>,
    /// What the server said.
    #[serde(rename = "lasttestresponse")]
    pub response: Option<String>,
    /// Which test request was sent, and from where.
    #[serde(rename = "lasttestrequest")]
    pub request: Option<String>,
}

/// How a mailbox is set up for synchronization, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MailboxSetup {
    /// The id.
    #[serde(rename = "mailboxid")]
    pub id: Uuid,
    /// The address.
    #[serde(rename = "emailaddress")]
    pub address: Option<String>,
    /// Active 0, inactive 1.
    #[serde(rename = "statecode")]
    pub state: Option<i32>,
    /// Whether it collects the mail of others.
    #[serde(rename = "isforwardmailbox")]
    pub forward: Option<bool>,
    /// The profile.
    #[serde(rename = "_emailserverprofile_value")]
    pub profile: Option<Uuid>,
    /// Whose it is: `systemuser` or `queue`.
    #[serde(rename = "_regardingobjectid_value@Microsoft.Dynamics.CRM.lookuplogicalname")]
    pub owner_kind: Option<String>,
    /// None 0, Outlook 1, synchronization 2, forward mailbox 3.
    #[serde(rename = "incomingemaildeliverymethod")]
    pub incoming: Option<i32>,
    /// None 0, Outlook 1, synchronization 2.
    #[serde(rename = "outgoingemaildeliverymethod")]
    pub outgoing: Option<i32>,
    /// Outlook 0, synchronization 1, none 2: another order than that of the others.
    #[serde(rename = "actdeliverymethod")]
    pub appointments: Option<i32>,
    /// Empty 0, approved 1, pending 2, rejected 3.
    #[serde(rename = "emailrouteraccessapproval")]
    pub approval: Option<i32>,
    /// Not run 0, success 1, failure 2.
    #[serde(rename = "incomingemailstatus")]
    pub incoming_status: Option<i32>,
    /// The same for outgoing email.
    #[serde(rename = "outgoingemailstatus")]
    pub outgoing_status: Option<i32>,
    /// The same for appointments, contacts and tasks.
    #[serde(rename = "actstatus")]
    pub appointments_status: Option<i32>,
    /// Whether a test is asked for and not done.
    #[serde(rename = "testemailconfigurationscheduled")]
    pub test_scheduled: Option<bool>,
    /// When the last test was done.
    #[serde(rename = "testmailboxaccesscompletedon")]
    pub tested_at: Option<Timestamp>,
    /// What went wrong last.
    #[serde(rename = "lastsyncerror")]
    pub error: Option<String>,
    /// On which server.
    #[serde(rename = "lastsyncerrormachinename")]
    pub machine: Option<String>,
}

impl MailboxSetup {
    /// Whether it is a queue's.
    pub fn is_queue(&self) -> bool {
        self.owner_kind.as_deref() == Some("queue")
    }
}

const PROFILE: &str = "emailserverprofileid,name,servertype,statecode,usedefaulttenantid,useautodiscover,\
                       processemailsreceivedafter,lastteststarttime,lasttestexecutionstatus,lastcrmmessage,lasttestresponse,\
                       lasttestrequest";
const MAILBOX: &str = "mailboxid,emailaddress,statecode,isforwardmailbox,_emailserverprofile_value,_regardingobjectid_value,\
                       incomingemaildeliverymethod,outgoingemaildeliverymethod,actdeliverymethod,emailrouteraccessapproval,\
                       incomingemailstatus,outgoingemailstatus,actstatus,testemailconfigurationscheduled,\
                       testmailboxaccesscompletedon,lastsyncerror,lastsyncerrormachinename";

impl Dynamics {
    /// All email server profiles.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn server_profiles(&self) -> Result<Vec<ServerProfile>> {
        let query = Query::on("emailserverprofiles").option("$select", PROFILE).build();
        self.rows(query, "email server profile").await
    }

    /// Makes an email server profile.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_server_profile(&self, id: Uuid, values: &Value) -> Result<()> {
        let mut body = values.clone();
        if let Some(body) = body.as_object_mut() {
            body.insert("emailserverprofileid".to_owned(), json!(id));
        }
        self.web_api.send(Call::post("emailserverprofiles").json(&body)?).await.map(drop)
    }

    /// Changes an email server profile.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn change_server_profile(&self, id: Uuid, changes: &Value) -> Result<()> {
        self.patch(format!("emailserverprofiles({id})"), changes).await
    }

    /// Deletes an email server profile that no mailbox uses.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete_server_profile(&self, id: Uuid) -> Result<()> {
        let target = Target::Path(format!("emailserverprofiles({id})"));
        match self.web_api.send(Call::new(Method::DELETE, target).repeatable()).await {
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 404) => Ok(()),
            other => other.map(drop),
        }
    }

    /// How all mailboxes are set up.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn mailbox_setups(&self) -> Result<Vec<MailboxSetup>> {
        let query = Query::on("mailboxes").option("$select", MAILBOX).build();
        self.rows(query, "mailbox").await
    }

    /// Changes a mailbox record. The profile is bound by `emailserverprofile@odata.bind`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn change_mailbox(&self, id: Uuid, changes: &Value) -> Result<()> {
        self.patch(format!("mailboxes({id})"), changes).await
    }

    /// Takes a mailbox's profile away.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn unbind_profile(&self, mailbox: Uuid) -> Result<()> {
        let target = Target::Path(format!("mailboxes({mailbox})/emailserverprofile/$ref"));
        match self.web_api.send(Call::new(Method::DELETE, target).repeatable()).await {
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 404) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The profile that new mailboxes get.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn default_profile(&self) -> Result<Option<Uuid>> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(rename = "_defaultemailserverprofileid_value")]
            profile: Option<Uuid>,
        }
        let query =
            Query::on("organizations").option("$select", "_defaultemailserverprofileid_value").build();
        let rows = self.rows::<Wire>(query, "organization").await?;
        Ok(rows.into_iter().find_map(|row| row.profile))
    }

    /// Says which profile new mailboxes get.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn set_default_profile(&self, profile: Option<Uuid>) -> Result<()> {
        let id = self.who_am_i().await?.organization_id;
        let path = format!("organizations({id})");
        if let Some(profile) = profile {
            let bind = format!("/emailserverprofiles({profile})");
            return self.patch(path, &json!({ "defaultemailserverprofileid@odata.bind": bind })).await;
        }
        let target = Target::Path(format!("{path}/defaultemailserverprofileid/$ref"));
        self.web_api.send(Call::new(Method::DELETE, target).repeatable()).await.map(drop)
    }

    async fn patch(&self, path: String, changes: &Value) -> Result<()> {
        let call = Call::new(Method::PATCH, Target::Path(path)).header("if-match", "*").json(changes)?;
        self.web_api.send(call.repeatable()).await.map(drop)
    }
}

/// How much an alert matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertLevel {
    /// Something is to be done.
    Warning,
    /// Something does not work.
    Error,
}

impl Dynamics {
    /// Writes an alert onto the wall of an email server profile, unless the same text stands there already; whether it was
    /// written.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn alert(&self, profile: Uuid, level: AlertLevel, text: &str) -> Result<bool> {
        self.alert_on("emailserverprofile", "emailserverprofiles", profile, level, text).await
    }

    /// Writes an alert onto the wall of a mailbox, unless the same text stands there already; whether it was written.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn alert_mailbox(&self, mailbox: MailboxId, level: AlertLevel, text: &str) -> Result<bool> {
        self.alert_on("mailbox", "mailboxes", mailbox.0, level, text).await
    }

    async fn alert_on(
        &self,
        table: &str,
        set: &str,
        regarding: Uuid,
        level: AlertLevel,
        text: &str,
    ) -> Result<bool> {
        #[derive(Deserialize)]
        struct Wire {
            text: Option<String>,
        }
        let filter = format!("_regardingobjectid_value eq {regarding}");
        let query = Query::on("tracelogs").option("$select", "text").option("$filter", &filter).build();
        let there = self.rows::<Wire>(query, "alert").await?;
        if there.iter().any(|alert| alert.text.as_deref() == Some(text)) {
            return Ok(false);
        }
        let level = if level == AlertLevel::Error { 3 } else { 2 };
        let mut body = json!({ "level": level, "text": text });
        body[format!("regardingobjectid_{table}@odata.bind")] = format!("/{set}({regarding})").into();
        self.web_api.send(Call::post("tracelogs").json(&body)?).await.map(|_| true)
    }
}
