//! A session of Exchange Online's administration.

use std::sync::{MutexGuard, PoisonError};

use super::cmdlet;
use crate::{
    machine::{Exchange, OnlinePrincipal, OnlineRole, OnlineScope},
    run::{
        Run,
        call::{Call, Cmdlet},
        flow::{Failure, Ran, failed, unknown},
        value::Value,
    },
};

pub(super) const CMDLETS: &[Cmdlet] = &[
    cmdlet!("Get-ServicePrincipal", Exchange, "Identity", get_principal),
    cmdlet!("New-ServicePrincipal", Exchange, "| AppId! ObjectId! DisplayName", new_principal),
    cmdlet!("Remove-ServicePrincipal", Exchange, "Identity!", remove_principal),
    cmdlet!("Get-ManagementScope", Exchange, "Identity", get_scope),
    cmdlet!("New-ManagementScope", Exchange, "Name! | RecipientRestrictionFilter!", new_scope),
    cmdlet!("Remove-ManagementScope", Exchange, "Identity!", remove_scope),
    cmdlet!("Get-ManagementRoleAssignment", Exchange, "Identity | RoleAssignee Role", get_role),
    cmdlet!(
        "New-ManagementRoleAssignment",
        Exchange,
        "Name | App! Role! CustomResourceScope RecipientGroupScope",
        new_role
    ),
    cmdlet!("Remove-ManagementRoleAssignment", Exchange, "Identity!", remove_role),
    cmdlet!("Test-ServicePrincipalAuthorization", Exchange, "Identity! | Resource", test_authorization),
    cmdlet!("Get-OrganizationConfig", Exchange, "| RetrieveEwsOperationAccessPolicy?", get_organization),
    cmdlet!("Set-OrganizationConfig", Exchange, "| EwsEnabled EwsAllowedAppIDs", set_organization),
    cmdlet!("Get-CASMailbox", Exchange, "Identity | ResultSize", get_mailbox),
    cmdlet!("Set-CASMailbox", Exchange, "Identity! | EwsEnabled", set_mailbox),
];

fn online<'r>(run: &'r Run<'_>) -> Ran<MutexGuard<'r, Exchange>> {
    match &run.machine.exchange {
        Some(exchange) => Ok(exchange.lock().unwrap_or_else(PoisonError::into_inner)),
        None => failed(
            "System.Management.Automation.RuntimeException",
            "There is no session with Exchange Online.",
        ),
    }
}

fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

fn missing(call: &Call, run: &mut Run<'_>, identity: &str) -> Ran<Vec<Value>> {
    let message = format!(
        "Ex6F9304|Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException|The operation couldn't be performed because object '{identity}' couldn't be found."
    );
    let class = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException";
    call.complain(run, Failure::new(class, message))?;
    Ok(Vec::new())
}

fn taken<T>(name: &str) -> Ran<T> {
    failed(
        "Microsoft.Exchange.Data.Directory.ADObjectAlreadyExistsException",
        format!("The object '{name}' already exists."),
    )
}

fn is_principal(one: &OnlinePrincipal, identity: &str) -> bool {
    same(&one.app_id, identity) || same(&one.object_id, identity) || same(&one.display_name, identity)
}

fn principal_object(one: &OnlinePrincipal) -> Value {
    Value::known(
        "Microsoft.Exchange.Data.Directory.Management.ServicePrincipal",
        [
            ("AppId", Value::text(&one.app_id)),
            ("ObjectId", Value::text(&one.object_id)),
            ("ServiceId", Value::text(&one.object_id)),
            ("DisplayName", Value::text(&one.display_name)),
            ("Identity", Value::text(&one.object_id)),
            ("Name", Value::text(&one.object_id)),
        ],
    )
}

fn get_principal(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let identity = call.text("Identity");
    let found: Vec<Value> = online(run)?
        .principals
        .iter()
        .filter(|one| identity.as_ref().is_none_or(|identity| is_principal(one, identity)))
        .map(principal_object)
        .collect();
    match identity {
        Some(identity) if found.is_empty() => missing(call, run, &identity),
        _ => Ok(found),
    }
}

fn new_principal(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let one = OnlinePrincipal {
        app_id: call.text("AppId").unwrap_or_default(),
        object_id: call.text("ObjectId").unwrap_or_default(),
        display_name: call.text("DisplayName").unwrap_or_default(),
    };
    let mut online = online(run)?;
    if online.principals.iter().any(|known| same(&known.app_id, &one.app_id)) {
        return taken(&one.app_id);
    }
    let object = principal_object(&one);
    online.principals.push(one);
    Ok(vec![object])
}

fn remove_principal(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let identity = call.text("Identity").unwrap_or_default();
    let mut online = online(run)?;
    let before = online.principals.len();
    online.principals.retain(|one| !is_principal(one, &identity));
    let gone = before > online.principals.len();
    drop(online);
    if gone { Ok(Vec::new()) } else { missing(call, run, &identity) }
}

fn scope_object(one: &OnlineScope) -> Value {
    Value::known(
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.ManagementScope",
        [
            ("Name", Value::text(&one.name)),
            ("Identity", Value::text(&one.name)),
            ("RecipientFilter", Value::text(&one.filter)),
            ("ScopeRestrictionType", Value::text("RecipientScope")),
        ],
    )
}

fn get_scope(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let identity = call.text("Identity");
    let found: Vec<Value> = online(run)?
        .scopes
        .iter()
        .filter(|one| identity.as_ref().is_none_or(|identity| same(&one.name, identity)))
        .map(scope_object)
        .collect();
    match identity {
        Some(identity) if found.is_empty() => missing(call, run, &identity),
        _ => Ok(found),
    }
}

fn new_scope(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let one = OnlineScope {
        name: call.text("Name").unwrap_or_default(),
        filter: call.text("RecipientRestrictionFilter").unwrap_or_default(),
    };
    let mut online = online(run)?;
    if online.scopes.iter().any(|known| same(&known.name, &one.name)) {
        return taken(&one.name);
    }
    let object = scope_object(&one);
    online.scopes.push(one);
    Ok(vec![object])
}

fn remove_scope(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let identity = call.text("Identity").unwrap_or_default();
    let mut online = online(run)?;
    if online.roles.iter().any(|role| same(&role.scope, &identity)) {
        return failed(
            "System.InvalidOperationException",
            format!("The management scope '{identity}' is in use by management role assignments."),
        );
    }
    let before = online.scopes.len();
    online.scopes.retain(|one| !same(&one.name, &identity));
    let gone = before > online.scopes.len();
    drop(online);
    if gone { Ok(Vec::new()) } else { missing(call, run, &identity) }
}

fn role_object(one: &OnlineRole) -> Value {
    Value::known(
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.ManagementRoleAssignment",
        [
            ("Name", Value::text(&one.name)),
            ("Identity", Value::text(&one.name)),
            ("Role", Value::text(&one.role)),
            ("RoleAssignee", Value::text(&one.app)),
            ("RoleAssigneeName", Value::text(&one.app)),
            ("App", Value::text(&one.app)),
            ("RoleAssigneeType", Value::text("ServicePrincipal")),
            ("CustomResourceScope", Value::text(&one.scope)),
            ("Enabled", Value::Bool(true)),
        ],
    )
}

/// The ids under which an application's assignments can stand.
fn ids(online: &Exchange, app: &str) -> Vec<String> {
    let known = online.principals.iter().find(|one| is_principal(one, app));
    known.map_or_else(|| vec![app.to_owned()], |one| vec![one.app_id.clone(), one.object_id.clone()])
}

fn get_role(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let (identity, assignee, role) = (call.text("Identity"), call.text("RoleAssignee"), call.text("Role"));
    let online = online(run)?;
    let apps = assignee.map(|app| ids(&online, &app));
    let found: Vec<Value> = online
        .roles
        .iter()
        .filter(|one| identity.as_ref().is_none_or(|name| same(&one.name, name)))
        .filter(|one| role.as_ref().is_none_or(|role| same(&one.role, role)))
        .filter(|one| apps.as_ref().is_none_or(|apps| apps.iter().any(|app| same(app, &one.app))))
        .map(role_object)
        .collect();
    drop(online);
    match identity {
        Some(identity) if found.is_empty() => missing(call, run, &identity),
        _ => Ok(found),
    }
}

fn new_role(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let text = |name: &str| call.text(name).unwrap_or_default();
    if call.has("RecipientGroupScope") {
        return unknown(call.line, "a role assignment with a group scope");
    }
    let (role, app, scope) = (text("Role"), text("App"), text("CustomResourceScope"));
    let name = call.text("Name").unwrap_or_else(|| format!("{role}-{app}"));
    let mut online = online(run)?;
    if online.roles.iter().any(|known| same(&known.name, &name)) {
        return taken(&name);
    }
    let has_app = online.principals.iter().any(|one| is_principal(one, &app));
    let has_scope = scope.is_empty() || online.scopes.iter().any(|one| same(&one.name, &scope));
    if !has_app || !has_scope || !role.to_ascii_lowercase().starts_with("application ") {
        drop(online);
        let what = if !has_app {
            app
        } else if has_scope {
            role
        } else {
            scope
        };
        return missing(call, run, &what);
    }
    let one = OnlineRole { name, role, app, scope };
    let object = role_object(&one);
    online.roles.push(one);
    Ok(vec![object])
}

fn remove_role(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let identity = call.text("Identity").unwrap_or_default();
    let mut online = online(run)?;
    let before = online.roles.len();
    online.roles.retain(|one| !same(&one.name, &identity));
    let gone = before > online.roles.len();
    drop(online);
    if gone { Ok(Vec::new()) } else { missing(call, run, &identity) }
}

fn test_authorization(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let (identity, resource) = (call.text("Identity").unwrap_or_default(), call.text("Resource"));
    let online = online(run)?;
    let apps = ids(&online, &identity);
    let scopes = resource.as_ref().and_then(|address| {
        online.mailboxes.iter().find(|(known, _)| same(known, address)).map(|(_, (_, scopes))| scopes.clone())
    });
    if resource.is_some() && scopes.is_none() {
        drop(online);
        return missing(call, run, &resource.unwrap_or_default());
    }
    let roles = online.roles.iter().filter(|one| apps.iter().any(|app| same(app, &one.app)));
    Ok(roles
        .map(|one| {
            let inside = scopes
                .as_ref()
                .map(|scopes| one.scope.is_empty() || scopes.iter().any(|scope| same(scope, &one.scope)));
            let permission = one.role.get("Application ".len()..).unwrap_or_default();
            let scope = if one.scope.is_empty() { "Organization" } else { one.scope.as_str() };
            Value::known(
                "Microsoft.Exchange.Management.ServicePrincipalAuthorization",
                [
                    ("RoleName", Value::text(&one.role)),
                    ("GrantedPermissions", Value::text(permission)),
                    ("AllowedResourceScope", Value::text(scope)),
                    (
                        "ScopeType",
                        Value::text(if one.scope.is_empty() {
                            "Organization"
                        } else {
                            "CustomRecipientScope"
                        }),
                    ),
                    ("InScope", inside.map_or_else(|| Value::text("Not Run"), Value::Bool)),
                ],
            )
        })
        .collect())
}

fn truth(value: Option<bool>) -> Value {
    value.map_or(Value::Null, Value::Bool)
}

fn get_organization(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let online = online(run)?;
    // The list is only told when it is asked for (P7).
    let list = if call.on("RetrieveEwsOperationAccessPolicy") && !online.ews_allowed_app_ids.is_empty() {
        Value::text(&online.ews_allowed_app_ids)
    } else {
        Value::Null
    };
    Ok(vec![Value::known(
        "Microsoft.Exchange.Data.Directory.Management.ADOrganizationConfig",
        [
            ("Name", Value::text("contoso.onmicrosoft.com")),
            ("EwsEnabled", truth(online.ews_enabled)),
            ("EwsAllowedAppIDs", list),
            ("EwsApplicationAccessPolicy", online.ews_policy.as_ref().map_or(Value::Null, Value::text)),
            ("EwsAllowList", Value::Null),
            ("EwsBlockList", Value::Null),
        ],
    )])
}

fn set_organization(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut online = online(run)?;
    if let Some(list) = call.text("EwsAllowedAppIDs") {
        online.ews_allowed_app_ids = list;
    }
    if let Some(value) = call.get("EwsEnabled") {
        online.ews_enabled = (!matches!(value, Value::Null)).then(|| value.truthy());
    }
    Ok(Vec::new())
}

fn mailbox_object(address: &str, ews: Option<bool>) -> Value {
    Value::known(
        "Microsoft.Exchange.Data.Directory.Management.CASMailbox",
        [
            ("Identity", Value::text(address)),
            ("PrimarySmtpAddress", Value::text(address)),
            ("Name", Value::text(address)),
            ("EwsEnabled", truth(ews)),
        ],
    )
}

fn get_mailbox(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let identity = call.text("Identity");
    let found: Vec<Value> = online(run)?
        .mailboxes
        .iter()
        .filter(|(address, _)| identity.as_ref().is_none_or(|identity| same(address, identity)))
        .map(|(address, (ews, _))| mailbox_object(address, *ews))
        .collect();
    match identity {
        Some(identity) if found.is_empty() => missing(call, run, &identity),
        _ => Ok(found),
    }
}

fn set_mailbox(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let identity = call.text("Identity").unwrap_or_default();
    let enabled = call.get("EwsEnabled").map(Value::truthy);
    let mut online = online(run)?;
    let found = online.mailboxes.iter_mut().find(|(address, _)| same(address, &identity));
    let Some((_, (ews, _))) = found else {
        drop(online);
        return missing(call, run, &identity);
    };
    if enabled.is_some() {
        *ews = enabled;
    }
    Ok(Vec::new())
}
