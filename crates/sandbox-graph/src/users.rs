//! Directory objects: users and the organization (graph.md 5.3).

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    session::Session,
    setup::MailboxState,
    state::User,
    web::{
        answer::{Answer, Fault},
        filter::Filter,
        view::View,
    },
};

const USER_ROLES: [&str; 5] = [
    "User.Read.All",
    "User.ReadBasic.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

const ORGANIZATION_ROLES: [&str; 5] = [
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "User.Read.All",
];

/// What is shown of a user when nothing is selected.
const DEFAULT_PROPERTIES: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

impl Session<'_> {
    /// `GET /users`.
    pub(crate) fn list_users(&mut self) -> Result<Answer, Fault> {
        self.caller.require_any(&USER_ROLES)?;
        let query = &self.request.query;
        let view = user_view(View::read(query)?);
        let filter = query.get("filter").map(Filter::parse).transpose()?;
        let top = query.number("top", 1, 999)?.unwrap_or(100);
        let skip = query.number("skip", 0, usize::MAX)?.unwrap_or(0);
        let found: Vec<Value> = self
            .state
            .users
            .values()
            .filter(|user| filter.as_ref().is_none_or(|filter| filter.admits(&all_properties(user))))
            .skip(skip)
            .take(top + 1)
            .map(|user| shown(user, &view))
            .collect();
        let more = found.len() > top;
        let page: Vec<Value> = found.into_iter().take(top).collect();
        let mut body = json!({"value": page});
        if more && let Some(object) = body.as_object_mut() {
            object.insert("@odata.nextLink".to_owned(), json!(self.next_page(skip + top)));
        }
        Ok(Answer::ok(self.with_context("users", body)))
    }

    /// `GET /users/{id}`.
    pub(crate) fn get_user(&mut self) -> Result<Answer, Fault> {
        self.caller.require_any(&USER_ROLES)?;
        let name = self.request.path.text(1);
        let view = user_view(View::read(&self.request.query)?);
        let user = self.state.find_user(name).ok_or_else(|| not_in_directory(name))?;
        let body = shown(user, &view);
        Ok(Answer::ok(self.with_context("users/$entity", body)))
    }

    /// `GET /organization`.
    pub(crate) fn list_organization(&mut self) -> Result<Answer, Fault> {
        self.caller.require_any(&ORGANIZATION_ROLES)?;
        let domains: Vec<Value> = self
            .tenant
            .domains
            .iter()
            .enumerate()
            .map(|(position, name)| {
                json!({
                    "capabilities": "Email, OfficeCommunicationsOnline",
                    "isDefault": position == 0,
                    "isInitial": position == 0,
                    "name": name,
                    "type": "Managed",
                })
            })
            .collect();
        let organization = json!({
            "id": self.tenant.id,
            "displayName": self.tenant.domains.first(),
            "tenantType": "AAD",
            "verifiedDomains": domains,
        });
        let view = View::read(&self.request.query)?;
        let body = json!({"value": [selected(organization, &view)]});
        Ok(Answer::ok(self.with_context("organization", body)))
    }

    /// `GET /users/{id}/mailboxSettings`.
    pub(crate) fn get_mailbox_settings(&mut self) -> Result<Answer, Fault> {
        self.caller.require_any(&["MailboxSettings.Read", "MailboxSettings.ReadWrite"])?;
        let name = self.request.path.text(1);
        let user = self.state.find_user(name).ok_or_else(|| not_in_directory(name))?;
        if user.mailbox == MailboxState::NotEnabled {
            return Err(Fault::new(
                StatusCode::NOT_FOUND,
                "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            ));
        }
        let settings = json!({"timeZone": "UTC", "userPurpose": "user"});
        let context = format!("users('{}')/mailboxSettings", user.id);
        Ok(Answer::ok(self.with_context(&context, settings)))
    }

    /// `GET /users/{id}/todo/lists`: every user has one list from the beginning, and there is nothing in it. The
    /// permission can't be limited to mailboxes (graph.md section 9).
    pub(crate) fn list_task_lists(&mut self) -> Result<Answer, Fault> {
        self.caller.require_any(&["Tasks.Read.All", "Tasks.ReadWrite.All"])?;
        let name = self.request.path.text(1);
        let user = self.state.find_user(name).ok_or_else(|| not_in_directory(name))?;
        let list = json!({
            "id": format!("AAMk{}", user.id.simple()), "displayName": "Tasks", "isOwner": true, "isShared": false,
            "wellknownListName": "defaultList",
        });
        let context = format!("users('{}')/todo/lists", user.id);
        Ok(Answer::ok(self.with_context(&context, json!({ "value": [list] }))))
    }
}

fn not_in_directory(name: &str) -> Fault {
    Fault::new(
        StatusCode::NOT_FOUND,
        "Request_ResourceNotFound",
        format!(
            "Resource '{name}' does not exist or one of its queried reference-property objects are not present."
        ),
    )
}

fn user_view(mut view: View) -> View {
    if view.select.is_none() {
        view.select = View::only(DEFAULT_PROPERTIES).select;
    }
    view
}

fn shown(user: &User, view: &View) -> Value {
    selected(all_properties(user), view)
}

fn selected(entity: Value, view: &View) -> Value {
    match entity {
        Value::Object(object) => {
            object.into_iter().filter(|(name, _)| name == "id" || view.shows(name)).collect()
        }
        other => other,
    }
}

fn all_properties(user: &User) -> Value {
    let licensed = user.mailbox != MailboxState::NotEnabled;
    let proxies: Vec<String> = user
        .addresses
        .iter()
        .enumerate()
        .map(|(position, address)| format!("{}:{address}", if position == 0 { "SMTP" } else { "smtp" }))
        .collect();
    let (given, surname) = user.display_name.split_once(' ').unwrap_or((user.display_name.as_str(), ""));
    json!({
        "accountEnabled": true,
        "assignedPlans": if licensed {
            json!([{"capabilityStatus": "Enabled", "service": "exchange"}])
        } else {
            json!([])
        },
        "businessPhones": [],
        "displayName": user.display_name,
        "givenName": given,
        "id": user.id,
        "jobTitle": null,
        "mail": user.mail(),
        "mailNickname": user.mail().split('@').next(),
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
        "proxyAddresses": proxies,
        "surname": surname,
        "userPrincipalName": user.principal_name,
        "userType": "Member",
    })
}
