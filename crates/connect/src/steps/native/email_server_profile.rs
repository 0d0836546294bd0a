use async_trait::async_trait;
use hybridge_dynamics::{EXCHANGE_ONLINE_HYBRID, ServerProfile};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::graph::organization;
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The email server profile that leads to Exchange Online (setup.md M1, 2.4).
#[derive(Debug)]
pub(super) struct EmailServerProfile;

static FACTS: Facts = Facts {
    id: "email-server-profile",
    title: "The profile Exchange Online (Hybrid)",
    rows: &["M1"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["organization-tenant"],
};

/// The profile of the configured name.
pub(super) async fn find(site: &Site) -> Result<Option<ServerProfile>, Obstacle> {
    let name = &site.native()?.mail.profile;
    let all = site.organization_admin().server_profiles().await.map_err(organization)?;
    Ok(all.into_iter().find(|profile| profile.name.eq_ignore_ascii_case(name)))
}

/// The profile, which an earlier step has made.
pub(super) async fn expect(site: &Site) -> Result<ServerProfile, Obstacle> {
    let found = find(site).await?;
    found.filter(|profile| profile.state == Some(0)).ok_or(Obstacle::After(FACTS.id))
}

fn told(profile: &ServerProfile) -> Value {
    json!({
        "servertype": profile.server_type,
        "statecode": profile.state,
        "usedefaulttenantid": profile.default_tenant,
        "useautodiscover": profile.autodiscover,
        "processemailsreceivedafter": profile.floor,
    })
}

/// The fields that differ, as they are to be. What is not named in both is left alone.
fn changes(now: &Value, wanted: &Value) -> Value {
    let fields = wanted.as_object().into_iter().flatten();
    let differing = fields.filter(|(name, value)| now.get(name.as_str()) != Some(value));
    Value::Object(differing.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

#[async_trait]
impl Step for EmailServerProfile {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let mail = &site.native()?.mail;
        let found = find(site).await?;
        let floor = found.as_ref().map_or(mail.process_from, |profile| mail.process_from.or(profile.floor));
        let Some(floor) = floor else {
            return Err(Obstacle::ByHand {
                what: "from which day on mail is to be tracked is not said".to_owned(),
                how: "Write process_email_from = \"2026-11-23T00:00:00Z\" under [native]. An earlier day brings older mail of every \
                      mailbox into Dynamics."
                    .to_owned(),
            });
        };
        let wanted = json!({
            "servertype": EXCHANGE_ONLINE_HYBRID, "statecode": 0, "usedefaulttenantid": true, "useautodiscover": true,
            "processemailsreceivedafter": floor,
        });
        let now = found.as_ref().map_or(Value::Null, told);
        let words = match &found {
            Some(profile) if now == wanted => profile.name.clone(),
            Some(profile) => format!("change the profile {:?}", profile.name),
            None => format!("make the profile {:?}, mail from {floor} on", mail.profile),
        };
        Ok(Reading { now, wanted, words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let dynamics = site.organization_admin();
        if let Some(profile) = find(site).await? {
            let changes = changes(&reading.now, &reading.wanted);
            return dynamics.change_server_profile(profile.id, &changes).await.map_err(organization);
        }
        let mut values = reading.wanted.clone();
        super::add(&mut values, "name", json!(site.native()?.mail.profile));
        if let Value::Object(fields) = &mut values {
            fields.remove("statecode");
        }
        dynamics.create_server_profile(Uuid::new_v4(), &values).await.map_err(organization)
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let dynamics = site.organization_admin();
        let Some(profile) = find(site).await? else { return Ok(()) };
        if before.is_null() {
            // One that something else refers to by now can only be switched off.
            if dynamics.delete_server_profile(profile.id).await.is_err() {
                let off = json!({ "statecode": 1 });
                return dynamics.change_server_profile(profile.id, &off).await.map_err(organization);
            }
            return Ok(());
        }
        let changes = changes(&told(&profile), before);
        dynamics.change_server_profile(profile.id, &changes).await.map_err(organization)
    }
}
