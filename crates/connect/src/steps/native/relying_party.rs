use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Job, script, text, texts};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    native::Adfs,
    servers::{Duty, Script},
};

/// AD FS issues claims for Dynamics, by the right rules, with a certificate that Dynamics knows
/// (setup.md F1 and 5.1 row 5). Only looks.
#[derive(Debug)]
pub(super) struct RelyingParty;

static FACTS: Facts = Facts {
    id: "relying-party",
    title: "AD FS issues claims for Dynamics",
    rows: &["F1"],
    place: Place::AdfsServers,
    role: "AD FS administrator",
    after: &["server-inventory"],
};

static SCRIPT: Script = script!("relying-party");

/// What the rules have to pass on: a part of the claim's type, and its name.
const CLAIMS: [(&str, &str); 3] = [
    ("claims/upn", "UPN"),
    ("claims/primarysid", "Primary SID"),
    ("claims/name", "Windows account name to Name"),
];

/// So long before its end a token-signing certificate is told of: AD FS rolls it over by itself.
const NOTICE_DAYS: i64 = 30;

/// The words for a configuration without `[native.adfs]`.
pub(super) fn not_asked() -> Reading {
    let words = "not asked for: the configuration has no [native.adfs]".to_owned();
    Reading { now: json!({}), wanted: json!({}), words }
}

pub(super) fn plain(identifier: &str) -> String {
    identifier.trim_end_matches('/').to_lowercase()
}

/// What to do after AD FS has rolled its token-signing certificate over.
fn rolled(primary: &str, deployment: &str, web: &[&str], says: &str) -> Obstacle {
    let servers = if web.is_empty() { "every web server".to_owned() } else { web.join(", ") };
    Obstacle::ByHand {
        what: format!(
            "AD FS signs with {primary}, which Dynamics does not know yet: people can't sign in (ID4175); {says}"
        ),
        how: format!(
            "On {deployment}, in the Deployment Manager: Configure Claims-Based Authentication, then Configure Internet-Facing \
             Deployment, both with the values that are there. Then type `iisreset` on {servers}, and write signing = \
             \"{primary}\" under [native.adfs]."
        ),
    }
}

/// What is not as it is to be on AD FS, as its primary server tells it.
fn wrong(server: &str, adfs: &Adfs, found: &Value) -> Option<Obstacle> {
    let trusts = found.get("trusts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let Some(trust) = trusts.iter().max_by_key(|trust| texts(trust, "identifiers").len()) else {
        return Some(Obstacle::ByHand {
            what: format!("{server}: AD FS has no relying party for {}", adfs.identifiers.join(", ")),
            how: format!(
                "On {server}: Add-AdfsRelyingPartyTrust -Name \"Dynamics 365 IFD\" -MetadataUrl \
                 {}/FederationMetadata/2007-06/FederationMetadata.xml, then the three rules: pass through UPN, pass through Primary \
                 SID, Windows account name to Name.",
                adfs.identifiers.first().map(|one| one.trim_end_matches('/')).unwrap_or_default()
            ),
        });
    };
    let name = text(trust, "name");
    let known: Vec<String> =
        trusts.iter().flat_map(|trust| texts(trust, "identifiers")).map(|one| plain(&one)).collect();
    let missing: Vec<&str> =
        adfs.identifiers.iter().map(String::as_str).filter(|one| !known.contains(&plain(one))).collect();
    if !missing.is_empty() {
        return Some(Obstacle::ByHand {
            what: format!(
                "{server}: the relying party {name:?} lacks the identifiers {}",
                missing.join(", ")
            ),
            how: format!(
                "On {server}: Update-AdfsRelyingPartyTrust -TargetName \"{name}\" reads them from the metadata of Dynamics. If your \
                 deployment uses other names, write them as identifiers under [native.adfs]."
            ),
        });
    }
    if trust.get("enabled").and_then(Value::as_bool) != Some(true) {
        return Some(Obstacle::ByHand {
            what: format!("{server}: the relying party {name:?} is disabled"),
            how: format!("On {server}: Enable-AdfsRelyingPartyTrust -TargetName \"{name}\""),
        });
    }
    let rules = text(trust, "rules").to_lowercase();
    let lost: Vec<&str> =
        CLAIMS.into_iter().filter(|(claim, _)| !rules.contains(claim)).map(|(_, title)| title).collect();
    (!lost.is_empty()).then(|| Obstacle::ByHand {
        what: format!("{server}: the relying party {name:?} lacks the rules: {}", lost.join(", ")),
        how: format!(
            "On {server}, AD FS Management, Relying Party Trusts, {name}, Edit Claim Issuance Policy: add these rules."
        ),
    })
}

#[async_trait]
impl Step for RelyingParty {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let native = site.native()?;
        let Some(adfs) = &native.adfs else { return Ok(not_asked()) };
        let primary = native.servers.first(Duty::Adfs)?;
        let job = Job { step: FACTS.id, script: &SCRIPT };
        let data = json!({ "identifiers": adfs.identifiers });
        let found = job.probe([primary], &data).await?.remove(&primary.name).unwrap_or_default();
        if let Some(obstacle) = wrong(&primary.name, adfs, &found) {
            return Err(obstacle);
        }
        let signing = found.get("signing").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_primary = |one: &&Value| one.get("primary").and_then(Value::as_bool) == Some(true);
        let current = signing.iter().find(is_primary).cloned().unwrap_or_default();
        let thumbprint = text(&current, "thumbprint");
        let deployment = native.servers.first(Duty::Deployment)?.name.as_str();
        let web: Vec<&str> =
            native.servers.with(&[Duty::Web]).iter().map(|server| server.name.as_str()).collect();
        if let Some(known) = &adfs.signing
            && !known.replace(' ', "").eq_ignore_ascii_case(thumbprint)
        {
            let says = format!("[native.adfs] signing says {known}");
            return Err(rolled(thumbprint, deployment, &web, &says));
        }
        if let Err(error) = site.organization_admin().who_am_i().await
            && error.to_string().contains("ID4175")
        {
            return Err(rolled(
                thumbprint,
                deployment,
                &web,
                "Dynamics refused Hybridge's own sign-in with it",
            ));
        }
        let ends: Option<Timestamp> = text(&current, "ends").parse().ok();
        let days = ends.map(|ends| site.now().duration_until(ends).as_hours() / 24);
        let words = match days {
            Some(days) if days <= NOTICE_DAYS => format!(
                "as it is to be, but AD FS replaces its token-signing certificate within {days} days: then claims have to be configured anew"
            ),
            Some(days) => format!("as it is to be; the token-signing certificate ends in {days} days"),
            None => "as it is to be".to_owned(),
        };
        Ok(Reading { now: found.clone(), wanted: found, words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "c:[Type == \"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn\"] => issue(claim = c); \
                         c:[Type == \"http://schemas.microsoft.com/ws/2008/06/identity/claims/primarysid\"] => issue(claim = c); \
                         c:[Type == \"http://schemas.microsoft.com/ws/2008/06/identity/claims/windowsaccountname\"] => issue(Type = \
                         \"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name\", Value = c.Value);";

    fn told(identifiers: &[&str], enabled: bool, rules: &str) -> String {
        let adfs = Adfs {
            identifiers: ["https://auth.contoso.com/", "https://org.contoso.com/"]
                .map(str::to_owned)
                .to_vec(),
            organization: "https://org.contoso.com".to_owned(),
            clients: Vec::new(),
            outlook_app: None,
            signing: None,
        };
        let trust =
            json!({ "name": "CRM IFD", "identifiers": identifiers, "enabled": enabled, "rules": rules });
        let trusts = if identifiers.is_empty() { json!([]) } else { json!([trust]) };
        match wrong("adfs01", &adfs, &json!({ "trusts": trusts })) {
            Some(obstacle) => format!("{} | {}", obstacle.trouble().what, obstacle.trouble().remedy),
            None => String::new(),
        }
    }

    #[test]
    fn what_is_wrong_with_the_relying_party_is_told_with_the_command() {
        let both = ["https://AUTH.contoso.com", "https://org.contoso.com/"];
        assert_eq!(told(&both, true, RULES), "");
        for (told, words) in [
            (told(&[], true, RULES), ["no relying party", "Add-AdfsRelyingPartyTrust"]),
            (
                told(&["https://auth.contoso.com/"], true, RULES),
                ["https://org.contoso.com/", "Update-AdfsRelyingPartyTrust"],
            ),
            (told(&both, false, RULES), ["disabled", "Enable-AdfsRelyingPartyTrust -TargetName \"CRM IFD\""]),
            (
                told(&both, true, &RULES.replace("primarysid", "x")),
                ["lacks the rules: Primary SID", "Claim Issuance Policy"],
            ),
        ] {
            assert!(
                told.starts_with("adfs01: ") && words.iter().all(|one| told.contains(one)),
                "{words:?}: {told}"
            );
        }
    }
}
