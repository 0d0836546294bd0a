use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::graph::exchange;
use crate::{Facts, Obstacle, Place, Reading, Site, Step, native::DYNAMICS};

/// Exchange Online lets Dynamics in over Exchange Web Services (setup.md P7, X1).
#[derive(Debug)]
pub(super) struct ExchangeWebServices;

static FACTS: Facts = Facts {
    id: "exchange-web-services",
    title: "Exchange Online lets Dynamics in",
    rows: &["P7", "X1"],
    place: Place::Exchange,
    role: "Exchange Administrator",
    after: &[],
};

/// From then on there are no Exchange Web Services in Exchange Online (setup.md 0.2).
const LAST_DAY: &str = "2027-04-01T00:00:00Z";

fn allowed(config: &Map<String, Value>) -> Vec<String> {
    let list = match config.get("EwsAllowedAppIDs") {
        Some(Value::String(list)) => list.split(',').map(str::to_owned).collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    list.into_iter().map(|id: String| id.trim().to_lowercase()).filter(|id| !id.is_empty()).collect()
}

async fn settings(site: &Site) -> Result<Map<String, Value>, Obstacle> {
    let mut found = Map::new();
    for parameters in [json!({}), json!({ "RetrieveEwsOperationAccessPolicy": true })] {
        let answer = site.exchange().run("Get-OrganizationConfig", parameters).await.map_err(exchange)?;
        if let Some(Value::Object(answer)) = answer.into_iter().next() {
            found.extend(
                answer.into_iter().filter(|(name, value)| name.starts_with("Ews") && !value.is_null()),
            );
        }
    }
    Ok(found)
}

/// The user-agent policy, which is asked besides and which Hybridge does not change.
fn policy(config: &Map<String, Value>) -> Option<String> {
    let policy = config.get("EwsApplicationAccessPolicy").and_then(Value::as_str)?;
    let list = |name: &str| config.get(name).map(ToString::to_string).unwrap_or_default();
    match policy {
        "EnforceAllowList" => Some(format!("EnforceAllowList with EwsAllowList {}", list("EwsAllowList"))),
        "EnforceBlockList" => Some(format!("EnforceBlockList with EwsBlockList {}", list("EwsBlockList"))),
        _ => None,
    }
}

#[async_trait]
impl Step for ExchangeWebServices {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let last: Timestamp = LAST_DAY.parse().unwrap_or(Timestamp::MAX);
        let days = site.now().duration_until(last).as_hours() / 24;
        if days <= 0 {
            return Err(Obstacle::ByHand {
                what: "Exchange Online has switched Exchange Web Services off for good on 1 April 2027"
                    .to_owned(),
                how: "Connect Hybridge itself instead: `hybridge connect plan`.".to_owned(),
            });
        }
        let config = settings(site).await?;
        let now = allowed(&config);
        let mut wanted = now.clone();
        let dynamics = DYNAMICS.to_string();
        if !now.contains(&dynamics) {
            wanted.push(dynamics);
        }
        let enabled = config.get("EwsEnabled").cloned().unwrap_or_default();
        let now = json!({ "enabled": enabled, "allowed": now });
        let wanted = json!({ "enabled": true, "allowed": wanted });
        let mut words = if now == wanted {
            format!("switched on, and Dynamics is on the list; {days} days until it ends for all")
        } else {
            "let Dynamics in (the list first, then the switch; it takes up to 24 hours)".to_owned()
        };
        if let Some(policy) = policy(&config) {
            words = format!("{words}; the user-agent policy is asked as well: {policy}");
        }
        Ok(Reading { now, wanted, words })
    }

    /// The list comes before the switch: on with an empty list blocks everybody (setup.md 0.2).
    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        write(site, &reading.wanted).await
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        write(site, before).await
    }
}

async fn write(site: &Site, wanted: &Value) -> Result<(), Obstacle> {
    let list = super::texts(wanted, "allowed").join(",");
    for parameters in [
        json!({ "EwsAllowedAppIDs": list }),
        json!({ "EwsEnabled": wanted.get("enabled").cloned().unwrap_or_default() }),
    ] {
        site.exchange().run("Set-OrganizationConfig", parameters).await.map_err(exchange)?;
    }
    Ok(())
}
