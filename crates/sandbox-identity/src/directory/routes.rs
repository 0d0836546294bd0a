//! The directory's part of Microsoft Graph: applications, service principals, consent (graph.md section 2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use hybridge_sandbox_kit::{Call, Claims, Reply, TokenJudge};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Application, DirectoryFaults,
    answer::{Answer, Refused, reply},
    keys,
    permissions::{APP_ROLES, GRAPH_APP, id_of, name_of},
};
use crate::entra::{Entra, State};

const AUDIENCES: [&str; 2] = ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"];
const READERS: [&str; 4] =
    ["Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];
const WRITERS: [&str; 2] = ["Application.ReadWrite.All", "Directory.ReadWrite.All"];
const CONSENTERS: [&str; 1] = ["AppRoleAssignment.ReadWrite.All"];

impl Entra {
    /// Answers a call to Graph that is about directory objects; `None` for every other call.
    pub fn directory(&self, call: &Call) -> Option<Reply> {
        let path = percent_decoded(call.url.path());
        let mut segments = path.trim_matches('/').split('/');
        let _version = segments.next().filter(|version| matches!(*version, "v1.0" | "beta"))?;
        let segments: Vec<&str> = segments.collect();
        let collection = segments.first()?.split('(').next()?.to_ascii_lowercase();
        if collection == "organization" && call.method == Method::GET {
            return self.organization(call);
        }
        if !matches!(collection.as_str(), "applications" | "serviceprincipals" | "subscribedskus") {
            return None;
        }
        let request_id = self.trace_id().to_string();
        Some(reply(self.answer_directory(call, &collection, &segments), &request_id))
    }

    /// `GET /organization` by a person; what an application gets is not answered here.
    fn organization(&self, call: &Call) -> Option<Reply> {
        let claims = self.judge(call.bearer()?, &AUDIENCES).ok()?;
        let allowed = ["Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"];
        if !claims.scopes.iter().any(|scope| allowed.contains(&scope.as_str())) {
            return None;
        }
        let (tenant, domains) = self.tenant();
        let domains: Vec<Value> = domains
            .iter()
            .enumerate()
            .map(|(index, name)| json!({ "name": name, "isDefault": index == 0, "isInitial": false }))
            .collect();
        let value = json!({ "value": [{ "id": tenant, "verifiedDomains": domains }] });
        Some(reply(Ok((StatusCode::OK, value)), &self.trace_id().to_string()))
    }

    fn answer_directory(&self, call: &Call, collection: &str, segments: &[&str]) -> Answer {
        let token = call.bearer().ok_or_else(|| Refused::unauthorized("Access token is empty."))?;
        let claims = self
            .judge(token, &AUDIENCES)
            .map_err(|fault| Refused::unauthorized(&format!("The token is refused: {fault:?}.")))?;
        let now = self.now();
        let mut state = self.state();
        if state.faults.throttle > 0 {
            state.faults.throttle -= 1;
            let text = "Too many requests";
            return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", text));
        }
        let body = if call.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&call.body)
                .map_err(|_| Refused::bad("Unable to read JSON request payload."))?
        };
        let query = |name: &str| {
            call.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let mut request = Directory {
            state: &mut state,
            claims: &claims,
            of_principal: collection == "serviceprincipals",
            select: query("$select"),
            filter: query("$filter"),
            body,
            now,
        };
        if collection == "subscribedskus" {
            request.require(&["Organization.Read.All", "Directory.Read.All"])?;
            return Ok((StatusCode::OK, json!({ "value": request.state.skus })));
        }
        request.dispatch(&call.method, segments)
    }
}

struct Directory<'a> {
    state: &'a mut State,
    claims: &'a Claims,
    of_principal: bool,
    select: Option<String>,
    filter: Option<String>,
    body: Value,
    now: Timestamp,
}

impl Directory<'_> {
    fn require(&self, permissions: &[&str]) -> Result<(), Refused> {
        let held = |name: &String| permissions.contains(&name.as_str());
        let may = self.claims.roles.iter().any(held) || self.claims.scopes.iter().any(held);
        may.then_some(()).ok_or_else(Refused::privileges)
    }

    fn dispatch(&mut self, method: &Method, segments: &[&str]) -> Answer {
        let first = segments.first().copied().unwrap_or_default();
        let (key, rest): (Option<&str>, &[&str]) = match (first.split_once('('), segments) {
            (Some((_, key)), [_, rest @ ..]) => (Some(key.trim_end_matches(')')), rest),
            (None, [_, key, rest @ ..]) => (Some(key), rest),
            _ => (None, &[]),
        };
        let Some(key) = key else {
            return match *method {
                Method::GET => self.list(),
                Method::POST => self.create(),
                _ => Err(unsupported()),
            };
        };
        let app_id = self.find(key)?;
        let action = rest.first().map(|action| action.to_ascii_lowercase()).unwrap_or_default();
        match (method.as_str(), action.as_str(), rest.get(1)) {
            ("GET", "", _) => {
                self.require(&READERS)?;
                Ok((StatusCode::OK, self.shown(app_id, true)))
            }
            ("PATCH", "", _) => self.update(app_id),
            ("DELETE", "", _) => self.delete(app_id),
            ("POST", "addkey", _) => self.roll(app_id, true),
            ("POST", "removekey", _) => self.roll(app_id, false),
            ("GET", "approleassignments", None) if self.of_principal => {
                self.require(&READERS)?;
                Ok((StatusCode::OK, json!({ "value": self.assignments(app_id) })))
            }
            ("POST", "approleassignments" | "approleassignedto", None) if self.of_principal => self.grant(),
            ("DELETE", "approleassignments" | "approleassignedto", Some(id)) if self.of_principal => {
                self.revoke(app_id, id)
            }
            _ => Err(unsupported()),
        }
    }

    fn object_id(&self, application: &Application) -> Option<Uuid> {
        if self.of_principal { application.principal_id } else { application.object_id }
    }

    /// The application that a key names: an object id of this collection, or `appId='…'`.
    fn find(&self, key: &str) -> Result<Uuid, Refused> {
        let by_app = key.strip_prefix("appId=").map(|quoted| quoted.trim_matches('\''));
        let id: Option<Uuid> = by_app.unwrap_or(key).parse().ok();
        self.state
            .applications
            .values()
            .filter(|application| self.object_id(application).is_some())
            .find(|application| {
                let own =
                    if by_app.is_some() { Some(application.app_id) } else { self.object_id(application) };
                id.is_some() && own == id
            })
            .map(|application| application.app_id)
            .ok_or_else(|| Refused::not_found(key))
    }

    fn application(&mut self, app_id: Uuid) -> Result<&mut Application, Refused> {
        self.state.applications.get_mut(&app_id).ok_or_else(|| Refused::not_found(&app_id.to_string()))
    }

    fn shown(&self, app_id: Uuid, single: bool) -> Value {
        let Some(application) = self.state.applications.get(&app_id) else { return Value::Null };
        let with_key =
            single && self.select.as_deref().is_some_and(|select| select.contains("keyCredentials"));
        let keys: Vec<Value> =
            application.key_credentials.iter().map(|credential| keys::shown(credential, with_key)).collect();
        let mut shown = json!({
            "id": self.object_id(application),
            "appId": app_id,
            "displayName": application.display_name,
            "keyCredentials": keys,
        });
        if let (true, Some(shown)) = (self.of_principal, shown.as_object_mut()) {
            shown.insert("accountEnabled".to_owned(), json!(application.enabled));
            shown.insert("servicePrincipalNames".to_owned(), json!(application.names));
            if app_id == GRAPH_APP {
                let roles: Vec<Value> = APP_ROLES
                    .iter()
                    .map(|(name, id)| {
                        json!({ "id": id, "value": name, "displayName": name, "isEnabled": true,
                                "allowedMemberTypes": ["Application"] })
                    })
                    .collect();
                shown.insert("appRoles".to_owned(), json!(roles));
            }
        }
        shown
    }

    /// Filters of the form `appId eq '…'` and `displayName eq '…'`.
    fn list(&mut self) -> Answer {
        self.require(&READERS)?;
        let filter = self.filter.clone().unwrap_or_default();
        let (field, value) = filter.split_once(" eq ").unwrap_or_default();
        let value = value.trim().trim_matches('\'').replace("''", "'");
        let admits = |application: &Application| match field.trim() {
            "" => Ok(true),
            "appId" => Ok(application.app_id.to_string() == value),
            "displayName" => Ok(application.display_name.eq_ignore_ascii_case(&value)),
            other => Err(Refused::bad(format!("The sandbox can't filter by '{other}'."))),
        };
        let mut found = Vec::new();
        for application in self.state.applications.values() {
            if self.object_id(application).is_some() && admits(application)? {
                found.push(application.app_id);
            }
        }
        let found: Vec<Value> = found.into_iter().map(|app_id| self.shown(app_id, false)).collect();
        Ok((StatusCode::OK, json!({ "value": found })))
    }

    fn create(&mut self) -> Answer {
        self.require(&WRITERS)?;
        if self.of_principal {
            let app_id: Uuid =
                self.body.get("appId").and_then(|id| id.as_str()?.parse().ok()).ok_or_else(|| {
                    Refused::bad("The appId of the service principal is missing or invalid.")
                })?;
            let fresh = self.state.fresh_id();
            let application = self.application(app_id)?;
            if application.principal_id.is_some() {
                let text = "The service principal cannot be created because the service principal name is already in use.";
                return Err(Refused::new(
                    StatusCode::CONFLICT,
                    "Request_MultipleObjectsWithSameKeyValue",
                    text,
                ));
            }
            application.principal_id = Some(fresh);
            return Ok((StatusCode::CREATED, self.shown(app_id, true)));
        }
        let name = self.body.get("displayName").and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Refused::bad("A value is required for property 'displayName'."))?;
        let mut application = Application::new(self.state.fresh_id(), name);
        application.object_id = Some(self.state.fresh_id());
        application.principal_id = None;
        let app_id = application.app_id;
        self.state.applications.insert(app_id, application);
        Ok((StatusCode::CREATED, self.shown(app_id, true)))
    }

    fn update(&mut self, app_id: Uuid) -> Answer {
        self.require(&WRITERS)?;
        let faults = self.state.faults;
        let (now, body) = (self.now, self.body.clone());
        let foreign = self.state.applications.get(&app_id).is_some_and(|known| known.object_id.is_none());
        if faults.lock_first_party && foreign && body.get("keyCredentials").is_some() {
            return Err(Refused::privileges());
        }
        let lost = body.get("keyCredentials").is_some() && faults.lose_updates > 0;
        let application = self.application(app_id)?;
        let mut changed = application.clone();
        if let Some(wanted) = body.get("keyCredentials") {
            keys::replace(&mut changed, wanted, &faults, now)?;
        }
        if let Some(name) = body.get("displayName").and_then(Value::as_str) {
            name.clone_into(&mut changed.display_name);
        }
        if let Some(names) = body.get("servicePrincipalNames").and_then(Value::as_array) {
            changed.names = names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        }
        if lost {
            self.state.faults.lose_updates -= 1;
        } else {
            *application = changed;
        }
        Ok((StatusCode::NO_CONTENT, Value::Null))
    }

    fn delete(&mut self, app_id: Uuid) -> Answer {
        self.require(&WRITERS)?;
        if self.of_principal {
            let application = self.application(app_id)?;
            application.principal_id = None;
            application.roles.clear();
        } else {
            self.state.applications.remove(&app_id);
        }
        Ok((StatusCode::NO_CONTENT, Value::Null))
    }

    /// `addKey` and `removeKey`: an application needs no permission for its own.
    fn roll(&mut self, app_id: Uuid, add: bool) -> Answer {
        if self.claims.app_id != Some(app_id) {
            self.require(&WRITERS)?;
        }
        let (faults, now, body) = (self.state.faults, self.now, self.body.clone());
        let of_principal = self.of_principal;
        let application = self.application(app_id)?;
        let object = if of_principal { application.principal_id } else { application.object_id };
        let object = object.unwrap_or_default();
        if add {
            Ok((StatusCode::OK, keys::add(application, object, &body, &faults, now)?))
        } else {
            keys::remove(application, object, &body, now)?;
            Ok((StatusCode::NO_CONTENT, Value::Null))
        }
    }

    fn assignments(&self, app_id: Uuid) -> Vec<Value> {
        let Some(application) = self.state.applications.get(&app_id) else { return Vec::new() };
        let graph = self.state.applications.get(&GRAPH_APP);
        application
            .roles
            .iter()
            .filter_map(|role| {
                Some(json!({
                    "id": assignment_id(app_id, role),
                    "appRoleId": id_of(role)?,
                    "principalId": application.principal_id,
                    "principalType": "ServicePrincipal",
                    "principalDisplayName": application.display_name,
                    "resourceId": graph?.principal_id,
                    "resourceDisplayName": graph?.display_name,
                }))
            })
            .collect()
    }

    fn grant(&mut self) -> Answer {
        self.require(&CONSENTERS)?;
        let id = |name: &str| self.body.get(name).and_then(|id| id.as_str()?.parse::<Uuid>().ok());
        let role = id("appRoleId").and_then(name_of).ok_or_else(|| {
            Refused::bad("Permission entry was not found: the appRoleId is no app role of the resource.")
        })?;
        let principal = id("principalId");
        let resource = id("resourceId");
        let graph = self.state.applications.get(&GRAPH_APP).and_then(|graph| graph.principal_id);
        if resource.is_none() || resource != graph {
            return Err(Refused::not_found("resourceId"));
        }
        let application = self
            .state
            .applications
            .values_mut()
            .find(|application| principal.is_some() && application.principal_id == principal)
            .ok_or_else(|| Refused::not_found("principalId"))?;
        if application.roles.iter().any(|held| held == role) {
            return Err(Refused::bad("Permission being assigned already exists on the object"));
        }
        application.roles.push(role.to_owned());
        let app_id = application.app_id;
        let made = self
            .assignments(app_id)
            .into_iter()
            .find(|made| made.get("id").and_then(Value::as_str) == Some(&assignment_id(app_id, role)));
        Ok((StatusCode::CREATED, made.unwrap_or(Value::Null)))
    }

    fn revoke(&mut self, app_id: Uuid, id: &str) -> Answer {
        self.require(&CONSENTERS)?;
        let application = self.application(app_id)?;
        let before = application.roles.len();
        application.roles.retain(|role| assignment_id(app_id, role) != id);
        if application.roles.len() == before {
            return Err(Refused::not_found(id));
        }
        Ok((StatusCode::NO_CONTENT, Value::Null))
    }
}

fn assignment_id(app_id: Uuid, role: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}{role}", app_id.simple()))
}

fn unsupported() -> Refused {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "Request_BadRequest",
        "Specified HTTP method is not allowed for the request target.",
    )
}

fn percent_decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

impl Entra {
    /// The registrations of the tenant's own applications: the ground truth.
    pub fn census(&self) -> Value {
        let state = self.state();
        let own = state.applications.values().filter(|application| application.object_id.is_some());
        let shown = own.map(|application| {
            let keys: Vec<Value> =
                application.key_credentials.iter().map(|credential| keys::shown(credential, false)).collect();
            json!({
                "appId": application.app_id, "displayName": application.display_name, "keys": keys,
                "principal": application.principal_id, "roles": application.roles,
            })
        });
        let shown: Vec<Value> = shown.collect();
        let foreign = state.applications.values().filter(|application| application.object_id.is_none());
        let principals: Vec<Value> = foreign
            .filter(|application| application.principal_id.is_some())
            .map(|application| {
                let keys: Vec<Value> =
                    application.key_credentials.iter().map(|key| keys::shown(key, false)).collect();
                json!({ "appId": application.app_id, "keys": keys, "names": application.names })
            })
            .collect();
        json!({ "applications": shown, "principals": principals, "tokens": { "granted": state.granted, "refused": state.refused } })
    }

    /// Changes how the directory misbehaves.
    pub fn set_directory_faults(&self, faults: DirectoryFaults) {
        self.state().faults = faults;
    }
}
