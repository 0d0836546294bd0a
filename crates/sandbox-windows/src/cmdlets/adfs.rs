//! The module `ADFS`.

use uuid::Uuid;

use super::cmdlet;
use crate::{
    machine::{AdfsClient, AdfsPermission},
    run::{
        Run,
        call::{Call, Cmdlet},
        convert,
        flow::{Failure, Ran, failed, unknown},
        value::Value,
    },
};

pub(super) const CMDLETS: &[Cmdlet] = &[
    cmdlet!("Get-AdfsClient", Adfs, "Name | ClientId", get_client),
    cmdlet!("Add-AdfsClient", Adfs, "ClientId! Name! RedirectUri! | Description PassThru?", add_client),
    cmdlet!(
        "Set-AdfsClient",
        Adfs,
        "TargetName | TargetClientId ClientId Name RedirectUri Description PassThru?",
        set_client
    ),
    cmdlet!("Remove-AdfsClient", Adfs, "TargetName | TargetClientId PassThru?", remove_client),
    cmdlet!(
        "Get-AdfsApplicationPermission",
        Adfs2016,
        "Identifiers | ClientRoleIdentifiers ServerRoleIdentifiers",
        get_permission
    ),
    cmdlet!(
        "Grant-AdfsApplicationPermission",
        Adfs2016,
        "ClientRoleIdentifier! ServerRoleIdentifier! ScopeNames | Description PassThru?",
        grant
    ),
    cmdlet!(
        "Revoke-AdfsApplicationPermission",
        Adfs2016,
        "| TargetIdentifier TargetClientRoleIdentifier TargetServerRoleIdentifier PassThru?",
        revoke
    ),
    cmdlet!("Get-AdfsGlobalAuthenticationPolicy", Adfs, "", get_policy),
    cmdlet!(
        "Set-AdfsGlobalAuthenticationPolicy",
        Adfs,
        "| PrimaryIntranetAuthenticationProvider PrimaryExtranetAuthenticationProvider PassThru?",
        set_policy
    ),
    cmdlet!("Get-AdfsRelyingPartyTrust", Adfs, "Name | Identifier", get_relying_party),
    cmdlet!("Get-AdfsCertificate", Adfs, "CertificateType", get_certificate),
    cmdlet!("Get-AdfsProperties", Adfs, "", get_properties),
    cmdlet!("Update-AdfsCertificate", Adfs, "| CertificateType! Urgent?", update_certificate),
];

fn texts(values: &[String]) -> Value {
    Value::array(values.iter().map(Value::text).collect())
}

fn client_object(client: &AdfsClient) -> Value {
    Value::known(
        "Microsoft.IdentityServer.Management.Resources.AdfsClient",
        [
            ("ClientId", Value::text(&client.client_id)),
            ("Name", Value::text(&client.name)),
            ("RedirectUri", texts(&client.redirect_uris)),
            ("BuiltIn", Value::Bool(false)),
            ("Enabled", Value::Bool(true)),
            ("ClientType", Value::text("Public")),
        ],
    )
}

fn get_client(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let (ids, names) = (call.texts("ClientId"), call.texts("Name"));
    let fits =
        |list: &[String], own: &str| list.is_empty() || list.iter().any(|one| one.eq_ignore_ascii_case(own));
    let farm = run.machine.farm();
    let found = farm.clients.iter().filter(|one| fits(&ids, &one.client_id) && fits(&names, &one.name));
    Ok(found.map(client_object).collect())
}

fn add_client(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let client = AdfsClient {
        client_id: call.text("ClientId").unwrap_or_default(),
        name: call.text("Name").unwrap_or_default(),
        redirect_uris: call.texts("RedirectUri"),
    };
    let mut farm = run.machine.farm();
    if farm.clients.iter().any(|one| one.client_id.eq_ignore_ascii_case(&client.client_id)) {
        return failed(
            "Microsoft.IdentityServer.Management.Commands.DuplicateNameException",
            format!(
                "MSIS7612: Each identifier for a relying party trust must be unique across all relying party trusts in AD FS configuration. The client identifier '{}' is already registered.",
                client.client_id
            ),
        );
    }
    let object = client_object(&client);
    let words = format!("AD FS client {} added", client.client_id);
    farm.clients.push(client);
    drop(farm);
    run.machine.changes.push(words);
    Ok(if call.on("PassThru") { vec![object] } else { Vec::new() })
}

fn no_client<T>() -> Ran<T> {
    failed("System.ArgumentException", "MSIS7627: The client does not exist.")
}

fn target<'c>(call: &Call, clients: &'c mut [AdfsClient]) -> Option<&'c mut AdfsClient> {
    let (id, name) = (call.text("TargetClientId"), call.text("TargetName"));
    clients.iter_mut().find(|one| match (&id, &name) {
        (Some(id), _) => one.client_id.eq_ignore_ascii_case(id),
        (None, Some(name)) => one.name.eq_ignore_ascii_case(name),
        (None, None) => false,
    })
}

fn set_client(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut farm = run.machine.farm();
    let Some(client) = target(call, &mut farm.clients) else { return no_client() };
    if let Some(id) = call.text("ClientId") {
        client.client_id = id;
    }
    if let Some(name) = call.text("Name") {
        client.name = name;
    }
    if call.has("RedirectUri") {
        client.redirect_uris = call.texts("RedirectUri");
    }
    let words = format!("AD FS client {} changed", client.client_id);
    drop(farm);
    run.machine.changes.push(words);
    Ok(Vec::new())
}

fn remove_client(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut farm = run.machine.farm();
    let Some(id) = target(call, &mut farm.clients).map(|client| client.client_id.clone()) else {
        return no_client();
    };
    farm.clients.retain(|one| one.client_id != id);
    drop(farm);
    run.machine.changes.push(format!("AD FS client {id} removed"));
    Ok(Vec::new())
}

fn get_permission(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let (clients, servers) = (call.texts("ClientRoleIdentifiers"), call.texts("ServerRoleIdentifiers"));
    let fits =
        |list: &[String], own: &str| list.is_empty() || list.iter().any(|one| one.eq_ignore_ascii_case(own));
    let farm = run.machine.farm();
    let found =
        farm.permissions.iter().filter(|one| fits(&clients, &one.client) && fits(&servers, &one.server));
    Ok(found
        .map(|one| {
            Value::known(
                "Microsoft.IdentityServer.Management.Resources.OAuthPermission",
                [
                    ("ObjectIdentifier", Value::text(one.id.to_string())),
                    ("ClientRoleIdentifier", Value::text(&one.client)),
                    ("ServerRoleIdentifier", Value::text(&one.server)),
                    ("ScopeNames", texts(&one.scopes)),
                    ("Description", Value::Null),
                ],
            )
        })
        .collect())
}

fn grant(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let (client, server) = (
        call.text("ClientRoleIdentifier").unwrap_or_default(),
        call.text("ServerRoleIdentifier").unwrap_or_default(),
    );
    let mut farm = run.machine.farm();
    // The identifier must be exactly one of a relying party's, the slash at its end included (F5).
    if !farm.relying_parties.iter().any(|(_, identifiers)| identifiers.contains(&server)) {
        return failed(
            "System.ArgumentException",
            format!("MSIS9264: The server role identifier '{server}' does not exist."),
        );
    }
    if !farm.clients.iter().any(|one| one.client_id.eq_ignore_ascii_case(&client)) {
        return failed(
            "System.ArgumentException",
            format!("MSIS9263: The client role identifier '{client}' does not exist."),
        );
    }
    if farm.permissions.iter().any(|one| one.client.eq_ignore_ascii_case(&client) && one.server == server) {
        return failed("System.ArgumentException", "MSIS9260: The permission exists already.");
    }
    let scopes = if call.has("ScopeNames") { call.texts("ScopeNames") } else { vec!["openid".to_owned()] };
    let words = format!("AD FS permission of {client} at {server} granted");
    farm.permissions.push(AdfsPermission { id: Uuid::new_v4(), client, server, scopes });
    drop(farm);
    run.machine.changes.push(words);
    Ok(Vec::new())
}

fn revoke(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let (id, client, server) = (
        call.text("TargetIdentifier"),
        call.text("TargetClientRoleIdentifier"),
        call.text("TargetServerRoleIdentifier"),
    );
    let mut farm = run.machine.farm();
    let before = farm.permissions.len();
    farm.permissions.retain(|one| match (&id, &client, &server) {
        (Some(id), ..) => one.id.to_string() != *id,
        (None, Some(client), Some(server)) => {
            !(one.client.eq_ignore_ascii_case(client) && one.server == *server)
        }
        _ => true,
    });
    let gone = before > farm.permissions.len();
    drop(farm);
    if !gone {
        return failed("System.ArgumentException", "MSIS9261: The permission does not exist.");
    }
    run.machine.changes.push("AD FS permission revoked".to_owned());
    Ok(Vec::new())
}

fn get_policy(run: &mut Run<'_>, _: &Call) -> Ran<Vec<Value>> {
    let farm = run.machine.farm();
    Ok(vec![Value::known(
        "Microsoft.IdentityServer.Management.Resources.AdfsGlobalAuthenticationPolicy",
        [
            ("PrimaryIntranetAuthenticationProvider", texts(&farm.intranet)),
            ("PrimaryExtranetAuthenticationProvider", texts(&farm.extranet)),
            ("AdditionalAuthenticationProvider", Value::array(Vec::new())),
            ("WindowsIntegratedFallbackEnabled", Value::Bool(true)),
        ],
    )])
}

fn set_policy(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let known =
        ["FormsAuthentication", "WindowsAuthentication", "CertificateAuthentication", "DeviceAuthentication"];
    for name in ["PrimaryIntranetAuthenticationProvider", "PrimaryExtranetAuthenticationProvider"] {
        let Some(wanted) = call.has(name).then(|| call.texts(name)) else { continue };
        if let Some(bad) =
            wanted.iter().find(|one| !known.iter().any(|known| known.eq_ignore_ascii_case(one)))
        {
            let message = format!("PS0051: The authentication provider '{bad}' is not registered.");
            call.complain(run, Failure::new("System.ArgumentException", message))?;
            continue;
        }
        let mut farm = run.machine.farm();
        if name.contains("Intranet") {
            farm.intranet = wanted;
        } else {
            farm.extranet = wanted;
        }
        drop(farm);
        run.machine.changes.push(format!("AD FS {name} changed"));
    }
    Ok(Vec::new())
}

fn get_relying_party(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let (names, identifiers) = (call.texts("Name"), call.texts("Identifier"));
    let farm = run.machine.farm();
    let found = farm.relying_parties.iter().filter(|(name, own)| {
        (names.is_empty() || names.iter().any(|one| one.eq_ignore_ascii_case(name)))
            && (identifiers.is_empty() || identifiers.iter().any(|one| own.contains(one)))
    });
    let rules = "@RuleName = \"Pass Through UPN\"\nc:[Type == \"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn\"] => issue(claim = c);\n@RuleName = \"Pass Through Primary SID\"\nc:[Type == \"http://schemas.microsoft.com/ws/2008/06/identity/claims/primarysid\"] => issue(claim = c);\n@RuleName = \"Transform Windows account name to Name\"\nc:[Type == \"http://schemas.microsoft.com/ws/2008/06/identity/claims/windowsaccountname\"] => issue(Type = \"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name\", Value = c.Value);";
    let rules: Vec<&str> = rules
        .split_inclusive(";\n")
        .filter(|rule| farm.without_rule.is_none_or(|part| !rule.contains(part)))
        .collect();
    let rules = rules.concat();
    Ok(found
        .map(|(name, own)| {
            Value::known(
                "Microsoft.IdentityServer.Management.Resources.RelyingPartyTrust",
                [
                    ("Name", Value::text(name)),
                    ("Identifier", texts(own)),
                    ("Enabled", Value::Bool(true)),
                    ("IssuanceTransformRules", Value::text(&rules)),
                ],
            )
        })
        .collect())
}

/// Rolls the token-signing certificate over: those who hold old metadata refuse what is signed from now on.
fn update_certificate(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let kind = call.text("CertificateType").unwrap_or_default();
    if !kind.eq_ignore_ascii_case("Token-Signing") || !call.on("Urgent") {
        return unknown(call.line, "Update-AdfsCertificate but for -CertificateType Token-Signing -Urgent");
    }
    run.machine.farm().signing_generation += 1;
    run.machine.changes.push("AD FS token-signing certificate rolled over".to_owned());
    Ok(Vec::new())
}

/// The certificates of the farm: the one that tokens are signed with, and that of its service, where it has one.
fn get_certificate(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let wanted = call.text("CertificateType");
    let generation = run.machine.farm().signing_generation;
    let thumbprint = format!("{:040X}", 0xADF5_0000_u64 + u64::from(generation));
    let year = jiff::SignedDuration::from_hours(24 * 365);
    let now = run.machine.now;
    let signing = Value::known(
        "System.Security.Cryptography.X509Certificates.X509Certificate2",
        [
            ("Subject", Value::text(format!("CN=ADFS Signing - sts.{}", run.machine.domain))),
            ("Thumbprint", Value::text(&thumbprint)),
            ("NotBefore", Value::date(now)),
            ("NotAfter", Value::date(now.checked_add(year).unwrap_or(now))),
        ],
    );
    let service = run.machine.farm().service_certificate.clone();
    let service = service.and_then(|thumbprint| {
        let stored = run.machine.certificates.iter().find(|one| one.certificate.thumbprint == thumbprint)?;
        Some((thumbprint, run.certificate_object(&stored.certificate)))
    });
    let all = [("Token-Signing", Some((thumbprint, signing))), ("Service-Communications", service)];
    Ok(all
        .into_iter()
        .filter(|(kind, _)| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind)))
        .filter_map(|(kind, found)| found.map(|(thumbprint, certificate)| (kind, thumbprint, certificate)))
        .map(|(kind, thumbprint, certificate)| {
            Value::known(
                "Microsoft.IdentityServer.Management.Resources.ServiceCertificate",
                [
                    ("CertificateType", Value::text(kind)),
                    ("IsPrimary", Value::Bool(true)),
                    ("Thumbprint", Value::text(&thumbprint)),
                    ("StoreName", Value::text("My")),
                    ("StoreLocation", Value::text("LocalMachine")),
                    ("Certificate", certificate),
                ],
            )
        })
        .collect())
}

fn get_properties(run: &mut Run<'_>, _: &Call) -> Ran<Vec<Value>> {
    let host = format!("sts.{}", run.machine.domain);
    let identifier = convert::cast(0, "string", &Value::text(format!("http://{host}/adfs/services/trust")))?;
    Ok(vec![Value::known(
        "Microsoft.IdentityServer.Management.Resources.ServiceProperties",
        [
            ("HostName", Value::text(host)),
            ("Identifier", identifier),
            ("CurrentFarmBehavior", Value::Int(3)),
            ("HttpsPort", Value::Int(443)),
        ],
    )])
}
