use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Assignment, Exchange, Group, Principal, user};
use crate::state::State;

/// A cmdlet that ended with an error.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn not_found(name: &str) -> Self {
        let message = format!(
            "The operation couldn't be performed because object '{name}' couldn't be found on 'EURPR01A001DC01.EURPR01A001.PROD.OUTLOOK.COM'."
        );
        Self { kind: "ManagementObjectNotFoundException", message }
    }

    fn exists(name: &str) -> Self {
        let message = format!("The name \"{name}\" is already in use.");
        Self { kind: "ManagementObjectAlreadyExistsException", message }
    }

    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self { kind: "ParameterBindingException", message: message.into() }
    }
}

type Parameters = Map<String, Value>;
type Answer = Result<Vec<Value>, Refused>;

/// Runs a cmdlet; its objects, as the service writes them.
pub(super) fn run(state: &mut State, name: &str, parameters: &Parameters, now: Timestamp) -> Answer {
    let given = Given(parameters);
    match name.to_ascii_lowercase().as_str() {
        "get-serviceprincipal" => get_principals(&state.exchange, &given),
        "new-serviceprincipal" => new_principal(&mut state.exchange, &given),
        "remove-serviceprincipal" => remove_principal(&mut state.exchange, &given),
        "get-distributiongroup" => {
            Ok(vec![group_shown(group(&state.exchange, given.required("Identity")?)?)])
        }
        "new-distributiongroup" => new_group(state, &given),
        "remove-distributiongroup" => remove_group(&mut state.exchange, &given),
        "get-distributiongroupmember" => members(state, &given),
        "update-distributiongroupmember" => set_members(state, &given),
        "get-recipient" => Ok(state
            .users
            .values()
            .map(|user| json!({ "PrimarySmtpAddress": user.mail(), "RecipientTypeDetails": "UserMailbox" }))
            .collect()),
        "get-managementscope" => get_scopes(&state.exchange, &given),
        "new-managementscope" => new_scope(&mut state.exchange, &given),
        "set-managementscope" => set_scope(&mut state.exchange, &given),
        "remove-managementscope" => remove_scope(&mut state.exchange, &given),
        "get-managementroleassignment" => get_assignments(&state.exchange, &given),
        "new-managementroleassignment" => new_assignment(&mut state.exchange, &given, now),
        "remove-managementroleassignment" => remove_assignment(&mut state.exchange, &given),
        "test-serviceprincipalauthorization" => test(state, &given),
        "get-organizationconfig" => Ok(vec![state.exchange.ews.organization(&given, now)]),
        "set-organizationconfig" => {
            state.exchange.ews.set_organization(&given, now)?;
            Ok(Vec::new())
        }
        "get-casmailbox" => get_mailboxes(state, &given),
        "set-casmailbox" => set_mailbox(state, &given),
        other => Err(Refused {
            kind: "CommandNotFoundException",
            message: format!("The term '{other}' is not recognized as the name of a cmdlet."),
        }),
    }
}

pub(super) struct Given<'a>(&'a Parameters);

impl<'a> Given<'a> {
    /// Whether a switch is on.
    pub(super) fn on(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.as_bool().unwrap_or(true))
    }

    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.value(name).and_then(Value::as_str)
    }

    fn required(&self, name: &str) -> Result<&'a str, Refused> {
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| {
            Refused::parameter(format!(
                "Cannot process command because of one or more missing mandatory parameters: {name}."
            ))
        })
    }

    fn id(&self, name: &str) -> Result<Uuid, Refused> {
        let text = self.required(name)?;
        text.parse()
            .map_err(|_| Refused::parameter(format!("Cannot bind parameter '{name}': {text} is no GUID.")))
    }
}

fn principal<'a>(exchange: &'a Exchange, identity: &str) -> Result<&'a Principal, Refused> {
    exchange
        .principals
        .iter()
        .find(|known| {
            known.app_id.to_string() == identity
                || known.object_id.to_string() == identity
                || known.display_name.eq_ignore_ascii_case(identity)
        })
        .ok_or_else(|| Refused::not_found(identity))
}

fn principal_shown(principal: &Principal) -> Value {
    json!({
        "AppId": principal.app_id, "ObjectId": principal.object_id, "DisplayName": principal.display_name,
        "Identity": principal.object_id,
    })
}

fn get_principals(exchange: &Exchange, given: &Given<'_>) -> Answer {
    match given.text("Identity") {
        Some(identity) => Ok(vec![principal_shown(principal(exchange, identity)?)]),
        None => Ok(exchange.principals.iter().map(principal_shown).collect()),
    }
}

fn new_principal(exchange: &mut Exchange, given: &Given<'_>) -> Answer {
    let made = Principal {
        app_id: given.id("AppId")?,
        object_id: given.id("ObjectId")?,
        display_name: given.text("DisplayName").unwrap_or_default().to_owned(),
    };
    if exchange.principals.iter().any(|known| known.app_id == made.app_id) {
        return Err(Refused::exists(&made.app_id.to_string()));
    }
    exchange.principals.push(made.clone());
    Ok(vec![principal_shown(&made)])
}

fn remove_principal(exchange: &mut Exchange, given: &Given<'_>) -> Answer {
    let id = principal(exchange, given.required("Identity")?)?.object_id;
    exchange.principals.retain(|known| known.object_id != id);
    Ok(Vec::new())
}

fn group<'a>(exchange: &'a Exchange, identity: &str) -> Result<&'a Group, Refused> {
    exchange
        .groups
        .iter()
        .find(|group| group.name.eq_ignore_ascii_case(identity) || group.dn() == identity)
        .ok_or_else(|| Refused::not_found(identity))
}

fn group_shown(group: &Group) -> Value {
    json!({ "Name": group.name, "DistinguishedName": group.dn(), "RecipientTypeDetails": "MailUniversalSecurityGroup" })
}

fn named_members(state: &State, given: &Given<'_>) -> Result<Vec<Uuid>, Refused> {
    let members = given.value("Members").and_then(Value::as_array).cloned().unwrap_or_default();
    members.iter().filter_map(Value::as_str).map(|name| user(state, name)).collect()
}

fn new_group(state: &mut State, given: &Given<'_>) -> Answer {
    let name = given.required("Name")?;
    if given.text("Type") != Some("Security") {
        return Err(Refused::parameter("The sandbox makes security groups only."));
    }
    if group(&state.exchange, name).is_ok() {
        return Err(Refused::exists(name));
    }
    let made = Group { name: name.to_owned(), members: named_members(state, given)? };
    let shown = group_shown(&made);
    state.exchange.groups.push(made);
    Ok(vec![shown])
}

fn remove_group(exchange: &mut Exchange, given: &Given<'_>) -> Answer {
    let name = group(exchange, given.required("Identity")?)?.name.clone();
    exchange.groups.retain(|group| group.name != name);
    Ok(Vec::new())
}

fn members(state: &State, given: &Given<'_>) -> Answer {
    let group = group(&state.exchange, given.required("Identity")?)?;
    Ok(group
        .members
        .iter()
        .filter_map(|id| state.users.get(id))
        .map(|user| json!({ "PrimarySmtpAddress": user.mail(), "ExternalDirectoryObjectId": user.id }))
        .collect())
}

fn set_members(state: &mut State, given: &Given<'_>) -> Answer {
    let members = named_members(state, given)?;
    let name = group(&state.exchange, given.required("Identity")?)?.name.clone();
    for group in state.exchange.groups.iter_mut().filter(|group| group.name == name) {
        group.members.clone_from(&members);
    }
    Ok(Vec::new())
}

fn scope_shown((name, filter): &(String, String)) -> Value {
    json!({ "Name": name, "RecipientFilter": filter, "ScopeRestrictionType": "RecipientScope" })
}

fn find_scope(exchange: &Exchange, name: &str) -> Result<usize, Refused> {
    exchange
        .scopes
        .iter()
        .position(|(known, _)| known.eq_ignore_ascii_case(name))
        .ok_or_else(|| Refused::not_found(name))
}

fn get_scopes(exchange: &Exchange, given: &Given<'_>) -> Answer {
    match given.text("Identity") {
        Some(name) => {
            Ok(exchange.scopes.get(find_scope(exchange, name)?).map(scope_shown).into_iter().collect())
        }
        None => Ok(exchange.scopes.iter().map(scope_shown).collect()),
    }
}

fn filter_of<'a>(given: &Given<'a>) -> Result<&'a str, Refused> {
    let filter = given.required("RecipientRestrictionFilter")?;
    let fits = filter.starts_with("MemberOfGroup -eq 'CN=") && filter.ends_with('\'');
    fits.then_some(filter).ok_or_else(|| {
        Refused::parameter("The recipient filter is not valid: MemberOfGroup takes a distinguished name.")
    })
}

fn new_scope(exchange: &mut Exchange, given: &Given<'_>) -> Answer {
    let (name, filter) = (given.required("Name")?, filter_of(given)?);
    if find_scope(exchange, name).is_ok() {
        return Err(Refused::exists(name));
    }
    let made = (name.to_owned(), filter.to_owned());
    let shown = scope_shown(&made);
    exchange.scopes.push(made);
    Ok(vec![shown])
}

fn set_scope(exchange: &mut Exchange, given: &Given<'_>) -> Answer {
    let filter = filter_of(given)?;
    let position = find_scope(exchange, given.required("Identity")?)?;
    if let Some(scope) = exchange.scopes.get_mut(position) {
        filter.clone_into(&mut scope.1);
    }
    Ok(Vec::new())
}

fn remove_scope(exchange: &mut Exchange, given: &Given<'_>) -> Answer {
    let name = given.required("Identity")?;
    let position = find_scope(exchange, name)?;
    if exchange.assignments.iter().any(|assignment| assignment.scope.as_deref() == Some(name)) {
        return Err(Refused {
            kind: "CannotRemoveScopeException",
            message: format!("The management scope \"{name}\" is in use by management role assignments."),
        });
    }
    exchange.scopes.remove(position);
    Ok(Vec::new())
}

fn assignment_shown(assignment: &Assignment) -> Value {
    json!({
        "Name": assignment.name, "Identity": assignment.name, "Role": assignment.role,
        "RoleAssignee": assignment.principal, "RoleAssigneeType": "ServicePrincipal",
        "CustomResourceScope": assignment.scope,
    })
}

fn get_assignments(exchange: &Exchange, given: &Given<'_>) -> Answer {
    let assignee = match given.text("RoleAssignee") {
        Some(name) => Some(principal(exchange, name)?.object_id),
        None => None,
    };
    let shown = exchange
        .assignments
        .iter()
        .filter(|assignment| assignee.is_none_or(|assignee| assignment.principal == assignee))
        .map(assignment_shown);
    Ok(shown.collect())
}

fn new_assignment(exchange: &mut Exchange, given: &Given<'_>, now: Timestamp) -> Answer {
    let principal = principal(exchange, given.required("App")?)?.object_id;
    let role = given.required("Role")?;
    if !role.starts_with("Application ") {
        return Err(Refused::not_found(role));
    }
    let scope = given.text("CustomResourceScope").map(str::to_owned);
    if let Some(scope) = &scope {
        find_scope(exchange, scope)?;
    }
    let name = given.text("Name").map_or_else(|| format!("{role}-{}", principal.simple()), str::to_owned);
    if exchange.assignments.iter().any(|known| known.name.eq_ignore_ascii_case(&name)) {
        return Err(Refused::exists(&name));
    }
    let made = Assignment { name, principal, role: role.to_owned(), scope, counts_from: exchange.delay(now) };
    let shown = assignment_shown(&made);
    exchange.assignments.push(made);
    Ok(vec![shown])
}

fn remove_assignment(exchange: &mut Exchange, given: &Given<'_>) -> Answer {
    let name = given.required("Identity")?;
    let before = exchange.assignments.len();
    exchange.assignments.retain(|assignment| !assignment.name.eq_ignore_ascii_case(name));
    if exchange.assignments.len() == before { Err(Refused::not_found(name)) } else { Ok(Vec::new()) }
}

/// Says what is assigned, whether or not it counts yet: the cmdlet bypasses the cache (graph.md 1.9).
fn test(state: &State, given: &Given<'_>) -> Answer {
    let principal = principal(&state.exchange, given.required("Identity")?)?.object_id;
    let resource = given.text("Resource").map(|name| user(state, name)).transpose()?;
    Ok(state
        .exchange
        .assignments
        .iter()
        .filter(|assignment| assignment.principal == principal)
        .map(|assignment| {
            let inside =
                resource.is_some_and(|user| state.exchange.in_scope(assignment.scope.as_deref(), user));
            json!({
                "RoleName": assignment.role,
                "GrantedPermissions": assignment.role.trim_start_matches("Application "),
                "AllowedResourceScope": assignment.scope,
                "ScopeType": if assignment.scope.is_some() { "CustomRecipientScope" } else { "Organization" },
                "InScope": if resource.is_some() { inside.to_string() } else { "Not Run".to_owned() },
            })
        })
        .collect())
}

fn get_mailboxes(state: &State, given: &Given<'_>) -> Answer {
    let shown = |id: Uuid, address: &str| json!({ "Identity": address, "PrimarySmtpAddress": address, "EwsEnabled": state.exchange.ews.mailbox_is_on(id) });
    if let Some(identity) = given.text("Identity") {
        let user = user(state, identity)?;
        return Ok(state.users.get(&user).map(|user| shown(user.id, user.mail())).into_iter().collect());
    }
    Ok(state.users.values().map(|user| shown(user.id, user.mail())).collect())
}

fn set_mailbox(state: &mut State, given: &Given<'_>) -> Answer {
    let user = user(state, given.required("Identity")?)?;
    if let Some(enabled) = given.value("EwsEnabled").and_then(Value::as_bool) {
        state.exchange.ews.switch_mailbox(user, enabled);
    }
    Ok(Vec::new())
}
