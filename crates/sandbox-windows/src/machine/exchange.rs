//! What an administrator's session with Exchange Online shows.

use std::collections::BTreeMap;

/// A service principal as Exchange Online knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlinePrincipal {
    /// The application's id.
    pub app_id: String,
    /// The enterprise application's object id.
    pub object_id: String,
    /// Its name.
    pub display_name: String,
}

/// A management scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlineScope {
    /// Its name.
    pub name: String,
    /// The filter of recipients, as given.
    pub filter: String,
}

/// A role given to an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlineRole {
    /// The assignment's name.
    pub name: String,
    /// Such as `Application Mail.ReadWrite`.
    pub role: String,
    /// The application's id or object id, as given.
    pub app: String,
    /// The scope's name; empty for the whole organization.
    pub scope: String,
}

/// An Exchange Online organization.
#[derive(Debug, Default)]
pub struct Exchange {
    /// The service principals.
    pub principals: Vec<OnlinePrincipal>,
    /// The scopes.
    pub scopes: Vec<OnlineScope>,
    /// The role assignments.
    pub roles: Vec<OnlineRole>,
    /// `EwsEnabled` of the organization; none where it was never set.
    pub ews_enabled: Option<bool>,
    /// `EwsAllowedAppIDs`: one string with commas.
    pub ews_allowed_app_ids: String,
    /// `EwsApplicationAccessPolicy`.
    pub ews_policy: Option<String>,
    /// Mailboxes by address, with `EwsEnabled`, and whether each lies in a scope, by the scope's name.
    pub mailboxes: BTreeMap<String, (Option<bool>, Vec<String>)>,
}
