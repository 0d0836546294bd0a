use std::collections::BTreeMap;

use hybridge_core::{
    ids::{OrganizationId, RecordId},
    options::Live,
};
use hybridge_odata::{Call, Error, Target, http::Method};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::{Dynamics, Result, orgdborg};

/// Who processes the organization's email (`emailconnectionchannel`, dynamics.md 6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// 0: Dynamics' own server-side synchronization.
    ServerSideSynchronization,
    /// 1: Email Router, which means an external synchroniser: Hybridge.
    EmailRouter,
}

/// The organization's settings that email depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationSettings {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// Who processes its email.
    pub channel: Channel,
    /// Every option as it is set; what is set to nothing is absent.
    pub live: Live,
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
    ///
    /// The row is read whole: builds differ in their columns, and one that is named but not there fails the request.
    pub async fn settings(&self) -> Result<OrganizationSettings> {
        let page = self.web_api.send(Call::get("organizations")).await?.page("organization")?;
        let unreadable = |detail: &str| Error::Unreadable { what: "organization", detail: detail.to_owned() };
        let row = page
            .entries::<Map<String, Json>>("organization")?
            .into_iter()
            .next()
            .ok_or_else(|| unreadable("the service account sees no organization row"))?;
        read(&row).ok_or_else(|| unreadable("its row has no organizationid"))
    }
}

fn read(row: &Map<String, Json>) -> Option<OrganizationSettings> {
    let mut columns: BTreeMap<String, String> = row
        .iter()
        .filter_map(|(name, value)| {
            let text = match value {
                Json::Bool(on) => on.to_string(),
                Json::Number(number) => number.to_string(),
                Json::String(text) => text.clone(),
                _ => return None,
            };
            Some((name.clone(), text))
        })
        .collect();
    let settings = columns.remove("orgdborgsettings").map(|xml| orgdborg::settings(&xml)).unwrap_or_default();
    Some(OrganizationSettings {
        id: OrganizationId(columns.get("organizationid")?.parse().ok()?),
        name: columns.get("name").cloned().unwrap_or_default(),
        channel: if columns.get("emailconnectionchannel").is_some_and(|channel| channel == "1") {
            Channel::EmailRouter
        } else {
            Channel::ServerSideSynchronization
        },
        live: Live { columns, settings },
    })
}

/// Reads `activityid` and its like.
pub(crate) fn record(id: Uuid) -> RecordId {
    RecordId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_3_columns_and_settings_are_read_as_they_are_set() {
        let row = json!({
            "organizationid": "5ad4f45d-0d4b-4a1f-8a37-0e4f1f9f7c01", "name": "Contoso", "emailconnectionchannel": 1,
            "maxuploadfilesize": 5, "requireapprovalforuseremail": false, "blockedattachments": null,
            "orgdborgsettings": "<OrgSettings><TrackCategorizedItems>true</TrackCategorizedItems></OrgSettings>",
        });
        let settings = read(row.as_object().unwrap()).unwrap();
        assert_eq!((settings.channel, settings.name.as_str()), (Channel::EmailRouter, "Contoso"));
        let Live { columns, settings } = settings.live;
        assert_eq!(columns["maxuploadfilesize"], "5");
        assert_eq!(columns["requireapprovalforuseremail"], "false");
        assert!(!columns.contains_key("blockedattachments") && !columns.contains_key("orgdborgsettings"));
        assert_eq!(settings["TrackCategorizedItems"], "true");
        assert!(read(&Map::new()).is_none());
    }
}
