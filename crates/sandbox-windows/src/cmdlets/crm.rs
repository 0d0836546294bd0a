//! The snap-in `Microsoft.Crm.PowerShell`: the deployment's configuration database.

use uuid::Uuid;

use super::cmdlet;
use crate::{
    machine::{Certificate, CrmCertificate},
    run::{
        Run,
        call::{Call, Cmdlet},
        convert,
        flow::{Failure, Flow, Ran, failed, unknown},
        methods,
        value::Value,
    },
};

pub(super) const CMDLETS: &[Cmdlet] = &[
    cmdlet!("Get-CrmCertificate", Crm, "| DwsServerUrl Credential Timeout", get_certificate),
    cmdlet!(
        "Set-CrmCertificate",
        Crm,
        "| CertificateType! Name StoreName! StoreLocation! StoreFindType! DataFile! DwsServerUrl Credential Timeout",
        set_certificate
    ),
    cmdlet!("Remove-CrmCertificate", Crm, "| Id Certificate DwsServerUrl Credential", remove_certificate),
    cmdlet!("Get-CrmSetting", Crm, "SettingType! | DwsServerUrl Credential", get_setting),
    cmdlet!("Set-CrmSetting", Crm, "Setting! | DwsServerUrl Credential", set_setting),
    cmdlet!(
        "Get-CrmAdvancedSetting",
        Crm,
        "| ConfigurationEntityName! Id Setting DwsServerUrl Credential",
        get_advanced
    ),
    cmdlet!(
        "Set-CrmAdvancedSetting",
        Crm,
        "| Entity ConfigurationEntityName Id Setting Value DwsServerUrl Credential",
        set_advanced
    ),
    cmdlet!("Get-CrmOrganization", Crm, "Name | Id DwsServerUrl Credential", get_organization),
    cmdlet!("Get-CrmServer", Crm, "Name | DwsServerUrl Credential", get_server),
    cmdlet!("Get-CrmDeploymentAdministrator", Crm, "| DwsServerUrl Credential", get_administrator),
];

/// What every call to the Deployment Web Service says to someone who is not in `PrivUserGroup` (1.2).
fn admitted(run: &Run<'_>) -> Ran<()> {
    if run.machine.faults.not_in_priv_user_group {
        return failed(
            "System.ServiceModel.FaultException",
            "The Deployment Service cannot process the request because one or more validation checks failed. allowImpersonationOfOrganizationSystemUser == false: The user Id(s) [00000000-0000-0000-0000-000000000000] is invalid.",
        );
    }
    Ok(())
}

fn id_of(call: &Call, name: &str) -> Ran<Option<Uuid>> {
    let Some(value) = call.get(name) else { return Ok(None) };
    convert::cast(call.line, "guid", value)?;
    Ok(Uuid::parse_str(&value.show()).ok())
}

fn record(certificate: &CrmCertificate) -> Value {
    Value::known(
        "Microsoft.Xrm.Sdk.Deployment.Certificate",
        [
            ("Id", convert::guid(&certificate.id)),
            ("Name", Value::text(&certificate.name)),
            ("CertificateType", Value::text(&certificate.certificate_type)),
            ("StoreName", Value::text(&certificate.store_name)),
            ("StoreLocation", Value::text(&certificate.store_location)),
            ("StoreFindType", Value::text(&certificate.store_find_type)),
            ("Data", Value::text(&certificate.data)),
        ],
    )
}

fn get_certificate(run: &mut Run<'_>, _: &Call) -> Ran<Vec<Value>> {
    admitted(run)?;
    Ok(run.machine.database().certificates.iter().map(record).collect())
}

fn set_certificate(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    admitted(run)?;
    let text = |name: &str| call.text(name).unwrap_or_default();
    let path = text("DataFile");
    let Some(data) = run.machine.files.get(&path).cloned() else {
        return failed("System.IO.FileNotFoundException", format!("Could not find file '{path}'."));
    };
    let Ok(certificate) = Certificate::from_der(&data) else {
        return failed(
            "System.Security.Cryptography.CryptographicException",
            "Cannot find the requested object.",
        );
    };
    let name = call.text("Name").unwrap_or_else(|| certificate.subject.clone());
    let written = CrmCertificate {
        id: Uuid::new_v4(),
        name,
        certificate_type: text("CertificateType"),
        store_name: text("StoreName"),
        store_location: text("StoreLocation"),
        store_find_type: text("StoreFindType"),
        data: methods::base64(&data),
    };
    let kinds = ["S2STokenIssuer", "AlternativeS2STokenIssuer", "AppFabricIssuer", "Encryption"];
    if !kinds.iter().any(|kind| kind.eq_ignore_ascii_case(&written.certificate_type)) {
        return failed(
            "System.Management.Automation.ParameterBindingException",
            format!(
                "Cannot bind parameter 'CertificateType'. Cannot convert value \"{}\".",
                written.certificate_type
            ),
        );
    }
    let mut database = run.machine.database();
    match database
        .certificates
        .iter_mut()
        .find(|one| one.certificate_type.eq_ignore_ascii_case(&written.certificate_type))
    {
        Some(old) => *old = CrmCertificate { id: old.id, ..written },
        None => database.certificates.push(written),
    }
    drop(database);
    run.machine.changes.push(format!("certificate record {}", text("CertificateType")));
    Ok(Vec::new())
}

fn remove_certificate(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    admitted(run)?;
    let id = match (call.get("Certificate"), id_of(call, "Id")?) {
        (Some(certificate), _) => run.member(&certificate.clone(), "Id")?.show(),
        (None, Some(id)) => id.to_string(),
        (None, None) => return unknown(call.line, "Remove-CrmCertificate without -Id and -Certificate"),
    };
    run.machine.database().certificates.retain(|one| one.id.to_string() != id);
    run.machine.changes.push(format!("remove certificate record {id}"));
    Ok(Vec::new())
}

fn get_setting(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    admitted(run)?;
    let database = run.machine.database();
    match call.text("SettingType").unwrap_or_default().to_ascii_lowercase().as_str() {
        "oauthclaimssettings" => Ok(vec![Value::known(
            "Microsoft.Xrm.Sdk.Deployment.OAuthClaimsSettings",
            [
                ("Enabled", Value::Bool(database.oauth_enabled)),
                ("SessionSecurityTokenLifetimeInHours", Value::Int(database.session_hours)),
            ],
        )]),
        "claimssettings" => Ok(vec![Value::known(
            "Microsoft.Xrm.Sdk.Deployment.ClaimsSettings",
            [("Enabled", Value::Bool(database.claims_enabled))],
        )]),
        "ifdsettings" => Ok(vec![Value::known(
            "Microsoft.Xrm.Sdk.Deployment.IfdSettings",
            [("Enabled", Value::Bool(database.claims_enabled))],
        )]),
        other => unknown(call.line, format!("the settings {other}")),
    }
}

fn set_setting(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    admitted(run)?;
    let setting = call.get("Setting").cloned().unwrap_or(Value::Null);
    match setting.class().as_ref() {
        "Microsoft.Xrm.Sdk.Deployment.OAuthClaimsSettings" => set_oauth(run, &setting)?,
        "Microsoft.Xrm.Sdk.Deployment.ClaimsSettings" => set_claims(run, &setting)?,
        other => return unknown(call.line, format!("Set-CrmSetting of {other}")),
    }
    Ok(Vec::new())
}

fn set_oauth(run: &mut Run<'_>, setting: &Value) -> Ran<()> {
    let enabled = run.member(setting, "Enabled")?.truthy();
    let hours = run.member(setting, "SessionSecurityTokenLifetimeInHours")?.whole().unwrap_or(24);
    if enabled && !run.machine.database().claims_enabled {
        return failed(
            "System.ServiceModel.FaultException",
            "OAuth cannot be enabled before claims-based authentication.",
        );
    }
    let mut database = run.machine.database();
    database.oauth_enabled = enabled;
    database.session_hours = hours;
    drop(database);
    run.machine.changes.push(format!("OAuthClaimsSettings Enabled {enabled}"));
    Ok(())
}

/// Configuring claims anew reads the metadata of AD FS, with the token-signing certificate of now.
fn set_claims(run: &mut Run<'_>, setting: &Value) -> Ran<()> {
    let enabled = run.member(setting, "Enabled")?.truthy();
    run.machine.database().claims_enabled = enabled;
    run.machine.configure_claims();
    run.machine.changes.push(format!("ClaimsSettings Enabled {enabled}"));
    Ok(())
}

fn get_advanced(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    admitted(run)?;
    let entity = call.text("ConfigurationEntityName").unwrap_or_default();
    let id = entity_id(run, call, &entity)?;
    let wanted = call.text("Setting");
    let database = run.machine.database();
    let pairs: Vec<Value> = database
        .advanced
        .iter()
        .filter(|((known, of, name), _)| {
            known.eq_ignore_ascii_case(&entity)
                && *of == id
                && wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
        })
        .map(|((_, _, name), value)| {
            Value::known(
                "System.Collections.Generic.KeyValuePair",
                [("Key", Value::text(name)), ("Value", Value::text(value))],
            )
        })
        .collect();
    Ok(vec![Value::known(
        "Microsoft.Xrm.Sdk.Deployment.ConfigurationEntity",
        [
            ("LogicalName", Value::text(entity)),
            ("Id", convert::guid(&id)),
            ("Attributes", Value::List(std::rc::Rc::new(pairs.into()))),
        ],
    )])
}

/// The id of an organization's settings; the server's have none.
fn entity_id(run: &Run<'_>, call: &Call, entity: &str) -> Ran<Uuid> {
    match (entity.to_ascii_lowercase().as_str(), id_of(call, "Id")?) {
        ("serversettings", _) => Ok(Uuid::nil()),
        ("organization", Some(id)) if run.machine.database().organizations.iter().any(|one| one.id == id) => {
            Ok(id)
        }
        ("organization", Some(id)) => failed(
            "System.ServiceModel.FaultException",
            format!("Organization with Id = {id} does not exist."),
        ),
        ("organization", None) => failed("System.ArgumentException", "The Organization entity needs an -Id."),
        (other, _) => unknown(call.line, format!("the configuration entity {other}")),
    }
}

fn set_advanced(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    admitted(run)?;
    let mut written = Vec::new();
    let entity = if let Some(object) = call.get("Entity").cloned() {
        for pair in run.member(&object, "Attributes")?.elements() {
            written.push((run.member(&pair, "Key")?.show(), run.member(&pair, "Value")?.show()));
        }
        run.member(&object, "LogicalName")?.show()
    } else {
        let (Some(name), Some(value)) = (call.text("Setting"), call.text("Value")) else {
            return unknown(
                call.line,
                "Set-CrmAdvancedSetting without an entity and without a name and value",
            );
        };
        written.push((name, value));
        call.text("ConfigurationEntityName").unwrap_or_default()
    };
    let id = entity_id(run, call, &entity)?;
    for (name, value) in written {
        run.machine.database().set(&entity, id, &name, &value);
        run.machine.changes.push(format!("{entity} {name} = {value}"));
    }
    Ok(Vec::new())
}

fn get_organization(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    admitted(run)?;
    let (name, id) = (call.text("Name"), id_of(call, "Id")?);
    let found: Vec<Value> = run
        .machine
        .database()
        .organizations
        .iter()
        .filter(|one| name.as_ref().is_none_or(|name| one.unique_name.eq_ignore_ascii_case(name)))
        .filter(|one| id.is_none_or(|id| one.id == id))
        .map(|one| {
            Value::known(
                "Microsoft.Xrm.Sdk.Deployment.Organization",
                [
                    ("Id", convert::guid(&one.id)),
                    ("UniqueName", Value::text(&one.unique_name)),
                    ("FriendlyName", Value::text(&one.friendly_name)),
                    ("State", Value::text(&one.state)),
                    ("Version", Value::text("9.1.0.0")),
                ],
            )
        })
        .collect();
    if found.is_empty() && (name.is_some() || id.is_some()) {
        let message = format!("Organization {} does not exist.", name.unwrap_or_default());
        call.complain(run, Failure::new("System.ServiceModel.FaultException", message))?;
    }
    Ok(found)
}

fn get_server(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    admitted(run)?;
    let name = call.text("Name");
    let database = run.machine.database();
    let servers = database
        .servers
        .iter()
        .filter(|one| name.as_ref().is_none_or(|name| one.name.eq_ignore_ascii_case(name)));
    Ok(servers
        .map(|one| {
            let roles = one.roles.iter().map(Value::text).collect();
            Value::known(
                "Microsoft.Xrm.Sdk.Deployment.Server",
                [
                    ("Name", Value::text(&one.name)),
                    ("Roles", Value::array(roles)),
                    ("State", Value::text("Enabled")),
                    ("Version", Value::text("9.1.0.0")),
                ],
            )
        })
        .collect())
}

fn get_administrator(run: &mut Run<'_>, _: &Call) -> Ran<Vec<Value>> {
    if run.machine.faults.not_in_priv_user_group {
        admitted(run).map_err(|flow: Flow| flow)?;
    }
    let database = run.machine.database();
    let one = |name: &String| {
        Value::known("Microsoft.Xrm.Sdk.Deployment.DeploymentAdministrator", [("Name", Value::text(name))])
    };
    Ok(database.administrators.iter().map(one).collect())
}
