//! Who may use Exchange Web Services: the organization's switch, its list of applications, its policy for user
//! agents, and the mailboxes' own switch (setup.md 0.2, 2.3 P7 and X1, 2.6).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::cmdlets::{Given, Refused};
use crate::graph::Graph;

/// When tenants that never chose are switched off.
const SWITCHED_OFF: i64 = 1_790_812_800; // 2026-10-01
/// When the service ends for everybody.
const GONE: i64 = 1_806_537_600; // 2027-04-01

/// Why Exchange Web Services refuse a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EwsRefusal {
    /// Switched off for the organization or the mailbox.
    Disabled,
    /// The list of applications or the policy for user agents does not admit the caller; which, nobody is told.
    Policy,
    /// The scream test: one of the mailboxes that are refused to see who notices.
    ScreamTest,
    /// The tenant is not enabled for server-to-server calls of Dynamics on-premises.
    NotEnabledForDynamics,
    /// No mailbox has the address as its primary one.
    NotPrimary,
}

/// What the service itself decides, and no administrator of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EwsService {
    /// Exchange support has enabled the tenant for Dynamics on-premises (setup.md X2).
    pub enabled_for_dynamics: bool,
    /// Half of the mailboxes are refused while the organization's switch was never set.
    pub scream_test: bool,
    /// How long a new list of applications takes to count, in seconds; up to a day in real life.
    pub list_delay_seconds: u32,
}

impl Default for EwsService {
    fn default() -> Self {
        Self { enabled_for_dynamics: true, scream_test: false, list_delay_seconds: 0 }
    }
}

/// The state of the switches.
#[derive(Debug, Default)]
pub(crate) struct Ews {
    service: EwsService,
    enabled: Option<bool>,
    /// The list as it was written, with the instant from which each version counts; the newest last.
    allowed: Vec<(Timestamp, String)>,
    policy: Option<String>,
    allow_list: Vec<String>,
    block_list: Vec<String>,
    off: Vec<Uuid>,
}

impl Ews {
    /// The organization's switch; tenants that never set it are switched off on 1 October 2026.
    fn enabled(&self, now: Timestamp) -> Option<bool> {
        let switched_off = now.as_second() >= SWITCHED_OFF && !self.service.scream_test;
        self.enabled.or(switched_off.then_some(false))
    }

    fn list(&self) -> &str {
        self.allowed.last().map(|(_, list)| list.as_str()).unwrap_or_default()
    }

    fn list_in_force(&self, now: Timestamp) -> &str {
        let mut in_force = self.allowed.iter().rev().filter(|(from, _)| *from <= now);
        in_force.next().map(|(_, list)| list.as_str()).unwrap_or_default()
    }

    /// `Get-OrganizationConfig`.
    pub(super) fn organization(&self, given: &Given<'_>, now: Timestamp) -> Value {
        let with_list = given.on("RetrieveEwsOperationAccessPolicy");
        json!({
            "EwsEnabled": self.enabled(now),
            "EwsApplicationAccessPolicy": self.policy,
            "EwsAllowList": self.allow_list,
            "EwsBlockList": self.block_list,
            "EwsAllowedAppIDs": with_list.then(|| self.list()),
        })
    }

    /// `Set-OrganizationConfig`.
    pub(super) fn set_organization(&mut self, given: &Given<'_>, now: Timestamp) -> Result<(), Refused> {
        if let Some(list) = given.value("EwsAllowedAppIDs") {
            let list = list.as_str().unwrap_or_default();
            if let Some(bad) = ids(list).find(|id| id.parse::<Uuid>().is_err()) {
                return Err(Refused::parameter(format!(
                    "Cannot process argument transformation on parameter 'EwsAllowedAppIDs'. '{bad}' is not an application id."
                )));
            }
            let delay = SignedDuration::from_secs(i64::from(self.service.list_delay_seconds));
            self.allowed.push((now.checked_add(delay).unwrap_or(now), list.to_owned()));
        }
        if let Some(policy) = given.value("EwsApplicationAccessPolicy") {
            let wanted = policy.as_str();
            if let Some(bad) = wanted.filter(|name| !["EnforceAllowList", "EnforceBlockList"].contains(name))
            {
                return Err(Refused::parameter(format!(
                    "Cannot convert value \"{bad}\" to type EwsApplicationAccessPolicy."
                )));
            }
            self.policy = wanted.map(str::to_owned);
        }
        for (name, list) in [("EwsAllowList", &mut self.allow_list), ("EwsBlockList", &mut self.block_list)] {
            if let Some(wanted) = given.value(name) {
                *list = texts(wanted);
            }
        }
        if let Some(enabled) = given.value("EwsEnabled") {
            self.enabled = enabled.as_bool();
        }
        Ok(())
    }

    pub(super) fn mailbox_is_on(&self, user: Uuid) -> bool {
        !self.off.contains(&user)
    }

    pub(super) fn switch_mailbox(&mut self, user: Uuid, on: bool) {
        self.off.retain(|off| *off != user);
        if !on {
            self.off.push(user);
        }
    }

    fn admits(
        &self,
        user: Uuid,
        place: usize,
        app: &str,
        agent: &str,
        now: Timestamp,
    ) -> Result<(), EwsRefusal> {
        if now.as_second() >= GONE || !self.mailbox_is_on(user) {
            return Err(EwsRefusal::Disabled);
        }
        match self.enabled(now) {
            Some(false) => return Err(EwsRefusal::Disabled),
            None if self.service.scream_test && place.is_multiple_of(2) => {
                return Err(EwsRefusal::ScreamTest);
            }
            // A switch that was turned on lets in only who stands in the list.
            Some(true) if !ids(self.list_in_force(now)).any(|id| id.eq_ignore_ascii_case(app)) => {
                return Err(EwsRefusal::Policy);
            }
            Some(true) | None => {}
        }
        let named = |list: &[String]| list.iter().any(|pattern| fits(pattern, agent));
        let passes = match self.policy.as_deref() {
            Some("EnforceAllowList") => named(&self.allow_list),
            Some("EnforceBlockList") => !named(&self.block_list),
            _ => true,
        };
        if passes { Ok(()) } else { Err(EwsRefusal::Policy) }
    }
}

fn ids(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|id| !id.is_empty())
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        Value::String(one) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// A pattern with `*` at its ends.
fn fits(pattern: &str, agent: &str) -> bool {
    let core = pattern.trim_matches('*').to_lowercase();
    let agent = agent.to_lowercase();
    match (pattern.starts_with('*'), pattern.ends_with('*')) {
        (true, true) => agent.contains(&core),
        (true, false) => agent.ends_with(&core),
        (false, true) => agent.starts_with(&core),
        (false, false) => agent == core,
    }
}

impl Graph {
    /// Whether Exchange Web Services let Dynamics on-premises into the mailbox of an address.
    ///
    /// `app` is the id that the token carries, `agent` the user agent of the call.
    ///
    /// # Errors
    /// Why not. What the service looks at first is told first.
    pub fn admits_ews(&self, address: &str, app: Uuid, agent: &str) -> Result<(), EwsRefusal> {
        let now = self.now();
        let state = self.state();
        let ews = &state.exchange.ews;
        if !ews.service.enabled_for_dynamics {
            return Err(EwsRefusal::NotEnabledForDynamics);
        }
        let found = state
            .users
            .values()
            .filter(|user| user.mailbox != crate::setup::MailboxState::NotEnabled)
            .enumerate()
            .find(|(_, user)| user.mail().eq_ignore_ascii_case(address));
        let Some((place, user)) = found else { return Err(EwsRefusal::NotPrimary) };
        ews.admits(user.id, place, &app.to_string(), agent, now)
    }

    /// Switches Exchange Web Services on for an application, as an administrator has done it some time ago.
    pub fn switch_ews_on(&self, app: Uuid) {
        let now = self.now();
        let ews = &mut self.state().exchange.ews;
        ews.allowed.push((now, app.to_string()));
        ews.enabled = Some(true);
    }

    /// What the service itself decides about Exchange Web Services.
    pub fn ews_service(&self) -> EwsService {
        self.state().exchange.ews.service
    }

    /// Changes what the service itself decides about Exchange Web Services.
    pub fn set_ews_service(&self, service: EwsService) {
        self.state().exchange.ews.service = service;
    }
}
