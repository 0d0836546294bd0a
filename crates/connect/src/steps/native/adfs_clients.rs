use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::super::graph::organization;
use super::{Job, names, relying_party, script, sign_in_page, texts};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    native::{Adfs, AdfsClient},
    servers::{Duty, Mode, Script},
};

/// AD FS knows the clients of Dynamics, with every address that their sign-in goes back to (setup.md F4, 2.5, O2).
#[derive(Debug)]
pub(super) struct AdfsClients;

static FACTS: Facts = Facts {
    id: "adfs-clients",
    title: "AD FS knows the clients",
    rows: &["F4", "O2"],
    place: Place::AdfsServers,
    role: "AD FS administrator",
    after: &["relying-party"],
};

static SCRIPT: Script = script!("adfs-clients");

/// Where the apps for phones and tablets come back to, as Microsoft lists it (support article 3201236, and the page on
/// configuring AD FS after installation).
const PHONES: [&str; 13] = [
    "ms-app://s-1-15-2-2572088110-3042588940-2540752943-3284303419-1153817965-2476348055-1136196650/",
    "ms-app://s-1-15-2-1485522525-4007745683-1678507804-3543888355-3439506781-4236676907-2823480090/",
    "ms-app://s-1-15-2-3781685839-595683736-4186486933-3776895550-3781372410-1732083807-672102751/",
    "ms-app://s-1-15-2-3389625500-1882683294-3356428533-41441597-3367762655-213450099-2845559172/",
    "ms-auth-dynamicsxrm://com.microsoft.dynamics",
    "ms-auth-dynamicsxrm://com.microsoft.dynamics.iphone.moca",
    "ms-auth-dynamicsxrm://com.microsoft.dynamics.ipad.good",
    "msauth://code/ms-auth-dynamicsxrm%3A%2F%2Fcom.microsoft.dynamics",
    "msauth://code/ms-auth-dynamicsxrm%3A%2F%2Fcom.microsoft.dynamics.iphone.moca",
    "msauth://code/ms-auth-dynamicsxrm%3A%2F%2Fcom.microsoft.dynamics.ipad.good",
    "msauth://com.microsoft.crm.crmtablet/v%2BXU%2FN%2FCMC1uRVXXA5ol43%2BT75s%3D",
    "msauth://com.microsoft.crm.crmphone/v%2BXU%2FN%2FCMC1uRVXXA5ol43%2BT75s%3D",
    "urn:ietf:wg:oauth:2.0:oob",
];

/// A client as it is to be registered.
pub(super) struct Registered {
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) redirects: Vec<String>,
}

/// Opens the sign-in of every client that the configuration asks for.
pub(super) async fn opened(site: &Site, adfs: &Adfs) -> Result<String, Obstacle> {
    let clients = wanted(site, adfs).await?;
    let resource = adfs.identifiers.first().map_or("", String::as_str);
    for client in &clients {
        sign_in_page::form(site, client, resource).await?;
    }
    Ok(format!("AD FS shows its form to {}", names(clients.iter().map(|client| client.name))))
}

/// The clients that the configuration asks for.
pub(super) async fn wanted(site: &Site, adfs: &Adfs) -> Result<Vec<Registered>, Obstacle> {
    let mut found = Vec::new();
    for client in &adfs.clients {
        let known = |id: &str, name, redirects: &[&str]| Registered {
            id: id.to_owned(),
            name,
            redirects: redirects.iter().map(|one| (*one).to_owned()).collect(),
        };
        found.push(match client {
            AdfsClient::Phones => known(
                "ce9f9f18-dd0c-473e-b9b2-47812435e20d",
                "Microsoft Dynamics CRM for tablets and phones",
                &PHONES,
            ),
            AdfsClient::OutlookClient => known(
                "2f29638c-34d4-4cf2-a16a-7caf612cee15",
                "Dynamics CRM Outlook Client",
                &["app://6BC88131-F2F5-4C86-90E1-3B710C5E308C/"],
            ),
            AdfsClient::UnifiedServiceDesk => known(
                "4906f920-9f94-4f14-98aa-8456dd5f78a8",
                "Dynamics 365 Unified Service Desk",
                &["app://41889de4-3fe1-41ab-bcff-d6f0a6900264/"],
            ),
            AdfsClient::DeveloperTools => known(
                "2ad88395-b77d-4561-9441-d0e40824f9bc",
                "Dynamics 365 Development Tools",
                &["app://5d3e90d6-aa8e-48a8-8f2c-58b45cc67315/"],
            ),
            AdfsClient::OutlookApp => {
                let id = site.organization_admin().settings().await.map_err(organization)?.id.0;
                Registered {
                    id: id.to_string(),
                    name: "Dynamics 365 App for Outlook",
                    redirects: vec![format!("{}/crmmailapp/code_auth.aspx", adfs.organization)],
                }
            }
        });
    }
    Ok(found)
}

fn data(clients: &[Registered]) -> Value {
    let told =
        |client: &Registered| json!({ "id": client.id, "name": client.name, "redirects": client.redirects });
    json!({ "clients": clients.iter().map(told).collect::<Vec<_>>() })
}

async fn run(site: &Site, mode: Mode, data: &Value) -> Result<Value, Obstacle> {
    let primary = site.native()?.servers.first(Duty::Adfs)?;
    Job { step: FACTS.id, script: &SCRIPT }.change(primary, mode, data, None).await
}

#[async_trait]
impl Step for AdfsClients {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let Some(adfs) = &site.native()?.adfs else { return Ok(relying_party::not_asked()) };
        let clients = wanted(site, adfs).await?;
        let now = run(site, Mode::Probe, &data(&clients)).await?;
        let mut complete = Map::new();
        let mut lacking = Vec::new();
        for client in &clients {
            let there = now.pointer(&format!("/clients/{}", client.id)).filter(|there| !there.is_null());
            let name =
                there.and_then(|there| there.get("name")).cloned().unwrap_or_else(|| json!(client.name));
            let mut redirects = there.map(|there| texts(there, "redirects")).unwrap_or_default();
            let before = redirects.len();
            for redirect in &client.redirects {
                if !redirects.contains(redirect) {
                    redirects.push(redirect.clone());
                }
            }
            if there.is_none() || redirects.len() > before {
                lacking.push(client.name);
            }
            complete.insert(client.id.clone(), json!({ "name": name, "redirects": redirects }));
        }
        let words = if lacking.is_empty() {
            names(clients.iter().map(|client| client.name))
        } else {
            format!("register {}", names(lacking))
        };
        Ok(Reading { now, wanted: json!({ "clients": complete }), words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        let Some(adfs) = &site.native()?.adfs else { return Ok(()) };
        run(site, Mode::Apply, &data(&wanted(site, adfs).await?)).await.map(drop)
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        match &site.native()?.adfs {
            None => Ok(relying_party::not_asked().words),
            Some(adfs) => opened(site, adfs).await,
        }
    }

    /// By what was there before, whichever clients the configuration asks for today.
    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let clients = before.get("clients").and_then(Value::as_object);
        let ids: Vec<Value> = clients.into_iter().flatten().map(|(id, _)| json!({ "id": id })).collect();
        run(site, Mode::Undo, &json!({ "clients": ids, "before": before })).await.map(drop)
    }
}
