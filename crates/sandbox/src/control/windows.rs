//! The Windows servers, as the control API shows and changes them.
//!
//! `PUT /windows` names servers; for each of them every part may be left out:
//!
//! | part | effect |
//! | --- | --- |
//! | `faults` | `down`, `noSnapin`, `constrainedLanguage`, `notInPrivUserGroup`, `noKeyAccess`, `cngImport`, `notElevated`, `oldTls`: true or false; those that are not named stay |
//! | `twin` | the thumbprint of a certificate in `My`: a second one with the same subject is put beside it |
//! | `bindings` | `{"0.0.0.0:443":"<thumbprint>"}`: what each listener shows, from the store `My`; those there were are gone |
//! | `removed` | the thumbprint of a certificate: it is gone from `My`, its key stays |
//! | `unreadable` | the thumbprint of a certificate: only SYSTEM and administrators may read its key any more |
//! | `keySpec` | `{"<thumbprint>":0}`: the key is of this `KeySpec` |
//! | `recordRemoved` | of any CRM server: the configuration database names no `S2STokenIssuer` any more |
//! | `stopped`, `started` | names of services |
//! | `rollSigning` | of an AD FS server: the token-signing certificate is rolled over |
//! | `configureClaims` | of a server with the deployment tools: an administrator runs the claims and IFD configuration again |
//! | `serviceKeySpec` | of an AD FS server: it gets a new certificate for service communications, with a key of this `KeySpec` |

use std::collections::BTreeMap;

use hybridge_sandbox_windows::{Binding, Certificate, CrmCertificate, Estate, Faults, Logged, Machine};
use rcgen::{CertificateParams, KeyPair};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::sign_in::EVENTS;

/// What is there. No private keys.
pub(super) fn census(estate: &Estate) -> Value {
    let machines: Map<String, Value> =
        estate.machines.iter().map(|one| (one.name.clone(), machine(one))).collect();
    let Some(first) = estate.machines.first() else { return json!({}) };
    let (database, farm) = (first.database(), first.farm());
    let records: Vec<Value> = database
        .certificates
        .iter()
        .map(|record| {
            json!({
                "type": record.certificate_type,
                "name": record.name,
                "store": format!("{}\\{}", record.store_location, record.store_name),
                "findType": record.store_find_type,
                "thumbprint": thumbprint(&record.data),
            })
        })
        .collect();
    let advanced: Vec<Value> = database
        .advanced
        .iter()
        .map(|((entity, id, name), value)| {
            let id = (!id.is_nil()).then_some(id);
            json!({ "entity": entity, "id": id, "name": name, "value": value })
        })
        .collect();
    json!({
        "machines": machines,
        "deployment": {
            "certificates": records,
            "settings": advanced,
            "oauthEnabled": database.oauth_enabled,
            "claimsEnabled": database.claims_enabled,
            "organizations": database.organizations.iter().map(|one| json!({ "id": one.id, "uniqueName": one.unique_name })).collect::<Vec<_>>(),
            "servers": database.servers.iter().map(|one| json!({ "name": one.name, "roles": one.roles })).collect::<Vec<_>>(),
        },
        "adfs": {
            "clients": farm.clients.iter().map(|one| json!({ "clientId": one.client_id, "name": one.name, "redirectUris": one.redirect_uris })).collect::<Vec<_>>(),
            "permissions": farm.permissions.iter().map(|one| json!({ "client": one.client, "server": one.server, "scopes": one.scopes })).collect::<Vec<_>>(),
            "intranet": farm.intranet,
            "extranet": farm.extranet,
            "relyingParties": farm.relying_parties.iter().map(|(name, identifiers)| json!({ "name": name, "identifiers": identifiers })).collect::<Vec<_>>(),
        },
    })
}

fn thumbprint(data: &str) -> Option<String> {
    Some(CrmCertificate::decode(data)?.thumbprint)
}

fn machine(machine: &Machine) -> Value {
    let certificates: Vec<Value> = machine
        .certificates
        .iter()
        .map(|stored| {
            let certificate = &stored.certificate;
            json!({
                "store": stored.store,
                "subject": certificate.subject,
                "thumbprint": certificate.thumbprint,
                "notBefore": certificate.not_before,
                "notAfter": certificate.not_after,
                "keySpec": certificate.key.as_ref().map(|key| key.spec),
                "readers": machine.readers(certificate),
            })
        })
        .collect();
    let services: Map<String, Value> = machine
        .services
        .iter()
        .map(|service| {
            let signs_with = service.issuer.as_ref().map(|issuer| match issuer {
                Ok(certificate) => certificate.thumbprint.clone(),
                Err(error) => error.to_string(),
            });
            let told = json!({
                "account": service.account,
                "state": service.state,
                "started": service.started,
                "signsWith": signs_with,
            });
            (service.name.clone(), told)
        })
        .collect();
    json!({
        "domain": machine.domain,
        "duties": {
            "asynchronous": machine.roles.asynchronous,
            "web": machine.roles.web,
            "deployment": machine.roles.deployment,
            "adfs": machine.roles.adfs,
        },
        "faults": faults(machine.faults),
        "certificates": certificates,
        "services": services,
        "files": machine.files.keys().collect::<Vec<_>>(),
        "events": machine.events.iter().map(|one| json!({ "source": one.source, "id": one.id, "text": one.text })).collect::<Vec<_>>(),
        "changes": machine.changes,
    })
}

fn faults(faults: Faults) -> Value {
    json!({
        "down": faults.down,
        "noSnapin": faults.no_snapin,
        "constrainedLanguage": faults.constrained_language,
        "notInPrivUserGroup": faults.not_in_priv_user_group,
        "noKeyAccess": faults.no_key_access,
        "cngImport": faults.cng_import,
        "notElevated": faults.not_elevated,
        "oldTls": faults.old_tls,
    })
}

/// What is to change on one server.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Change {
    faults: FaultChanges,
    twin: Option<String>,
    bindings: Option<BTreeMap<String, String>>,
    removed: Option<String>,
    unreadable: Option<String>,
    key_spec: BTreeMap<String, u8>,
    record_removed: bool,
    stopped: Vec<String>,
    started: Vec<String>,
    roll_signing: bool,
    configure_claims: bool,
    service_key_spec: Option<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct FaultChanges {
    down: Option<bool>,
    no_snapin: Option<bool>,
    constrained_language: Option<bool>,
    not_in_priv_user_group: Option<bool>,
    no_key_access: Option<bool>,
    cng_import: Option<bool>,
    not_elevated: Option<bool>,
    old_tls: Option<bool>,
}

/// Changes servers by their names; nothing is changed when one of them is not there.
pub(super) fn change(estate: &mut Estate, changes: &BTreeMap<String, Change>) -> Result<(), String> {
    if let Some(name) = changes.keys().find(|name| estate.machine(name).is_none()) {
        let known: Vec<&str> = estate.machines.iter().map(|one| one.name.as_str()).collect();
        return Err(format!("no server is called {name:?}; there are {}", known.join(", ")));
    }
    for (name, change) in changes {
        if let Some(machine) = estate.machine(name) {
            apply(machine, change)?;
        }
    }
    Ok(())
}

fn change_keys(machine: &mut Machine, change: &Change) -> Result<(), String> {
    let is = |one: &Certificate, thumbprint: &str| one.thumbprint.eq_ignore_ascii_case(thumbprint);
    let wanted = change.removed.iter().chain(&change.unreadable).chain(change.key_spec.keys());
    for thumbprint in wanted {
        if !machine.certificates.iter().any(|one| is(&one.certificate, thumbprint)) {
            return Err(format!("{} has no certificate {thumbprint}", machine.name));
        }
    }
    if let Some(thumbprint) = &change.unreadable {
        machine.close_key(thumbprint);
    }
    for (thumbprint, spec) in &change.key_spec {
        let certificates = machine.certificates.iter_mut().map(|one| &mut one.certificate);
        for key in certificates.filter(|one| is(one, thumbprint)).filter_map(|one| one.key.as_mut()) {
            key.spec = *spec;
        }
    }
    if let Some(thumbprint) = &change.removed {
        machine.certificates.retain(|one| one.store != "My" || !is(&one.certificate, thumbprint));
    }
    if change.record_removed {
        machine.database().certificates.retain(|one| one.certificate_type != "S2STokenIssuer");
    }
    Ok(())
}

fn change_sign_in(machine: &mut Machine, change: &Change) -> Result<(), String> {
    if (change.roll_signing || change.service_key_spec.is_some()) && !machine.roles.adfs {
        return Err(format!("{} is no AD FS server", machine.name));
    }
    if change.configure_claims {
        machine.configure_claims();
    }
    if change.roll_signing {
        machine.farm().signing_generation += 1;
    }
    let Some(spec) = change.service_key_spec else { return Ok(()) };
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let made = CertificateParams::new(vec![format!("sts.{}", machine.domain)])
        .and_then(|parameters| parameters.self_signed(&key))
        .map_err(|error| failed(&error))?;
    let certificate = Certificate::from_der(made.der()).map_err(|error| failed(&error))?.with_key(spec);
    machine.farm().service_certificate = Some(certificate.thumbprint.clone());
    machine.install("My", certificate);
    machine.events.clear();
    if spec != 1 {
        let logged = EVENTS.map(|(source, id, text)| Logged { source, id, text: text.to_owned() });
        machine.events.extend(logged);
    }
    Ok(())
}

fn apply(machine: &mut Machine, change: &Change) -> Result<(), String> {
    let (faults, wanted) = (&mut machine.faults, &change.faults);
    for (fault, wanted) in [
        (&mut faults.down, wanted.down),
        (&mut faults.no_snapin, wanted.no_snapin),
        (&mut faults.constrained_language, wanted.constrained_language),
        (&mut faults.not_in_priv_user_group, wanted.not_in_priv_user_group),
        (&mut faults.no_key_access, wanted.no_key_access),
        (&mut faults.cng_import, wanted.cng_import),
        (&mut faults.not_elevated, wanted.not_elevated),
        (&mut faults.old_tls, wanted.old_tls),
    ] {
        *fault = wanted.unwrap_or(*fault);
    }
    if let Some(thumbprint) = &change.twin {
        let name = machine.name.clone();
        let original = machine
            .certificates
            .iter()
            .find(|one| one.certificate.thumbprint.eq_ignore_ascii_case(thumbprint))
            .ok_or_else(|| format!("{name} has no certificate {thumbprint}"))?;
        let twin = original.certificate.twin().map_err(|error| error.to_string())?;
        machine.install("My", twin);
    }
    let known: Vec<String> = machine.services.iter().map(|service| service.name.clone()).collect();
    for wanted in change.stopped.iter().chain(&change.started) {
        if !known.contains(wanted) {
            return Err(format!(
                "{} has no service {wanted:?}; there are {}",
                machine.name,
                known.join(", ")
            ));
        }
    }
    change_keys(machine, change)?;
    if let Some(bindings) = &change.bindings {
        let binding = |(listener, thumbprint): (&String, &String)| Binding {
            listener: listener.clone(),
            thumbprint: thumbprint.clone(),
            store: "My".to_owned(),
        };
        machine.bindings = bindings.iter().map(binding).collect();
    }
    change_sign_in(machine, change)?;
    for name in &change.stopped {
        machine.stop(name);
    }
    for name in &change.started {
        machine.start(name);
    }
    Ok(())
}
