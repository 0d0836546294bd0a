//! Everything the organization holds, behind one lock.

use std::collections::{BTreeMap, BTreeSet};

use hybridge_sandbox_kit::{Clock, Dice, Origins};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    odata::prefer::Prefer, options::OrganizationOptions, records::orgdborg::OrgDbOrgSettings, rows::Row,
    rows::Store, schema,
};

/// The organization's data and what it needs to work.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) options: OrganizationOptions,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) origins: Origins,
    pub(crate) identity: Identity,
    /// The tables with change tracking switched on.
    pub(crate) tracked: BTreeSet<&'static str>,
    /// Those where it was switched on, but not published yet.
    pub(crate) unpublished: BTreeSet<&'static str>,
    /// How often each operation was asked for.
    pub(crate) counts: BTreeMap<String, u64>,
    /// Mailboxes whose test was asked for, and when.
    pub(crate) tests: BTreeMap<Uuid, Timestamp>,
    /// Emails created since the organization began; the front turns them into latency.
    pub(crate) emails_created: u32,
}

/// The rows that every organization has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) organization: Uuid,
    pub(crate) business_unit: Uuid,
    /// The user that the server itself works as.
    pub(crate) system: Uuid,
    pub(crate) administrator_role: Uuid,
    /// The user who looks after the organization.
    pub(crate) administrator: Uuid,
    pub(crate) service_account: Uuid,
}

/// Who asks, and how he wants the answer.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The user whose rights count and who stands in `createdby`.
    pub(crate) caller: Uuid,
    /// The user who really called, when he acts for `caller`.
    pub(crate) delegate: Option<Uuid>,
    /// The address of the Web API asked, `https://…/api/data/v9.1/`.
    pub(crate) base: String,
    pub(crate) prefer: Prefer,
    /// The entities made in this change set, by content id.
    pub(crate) content_ids: BTreeMap<String, String>,
}

impl Session {
    /// The server acting for itself.
    pub(crate) fn system(state: &State) -> Self {
        Self {
            caller: state.identity.system,
            delegate: None,
            base: format!("{}api/data/v9.1/", state.origins.organization),
            prefer: Prefer::default(),
            content_ids: BTreeMap::new(),
        }
    }
}

impl State {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The organization's one row.
    pub(crate) fn organization(&self) -> Row {
        schema::table("organization")
            .and_then(|table| self.store.get(table, self.identity.organization))
            .map(|row| (**row).clone())
            .unwrap_or_default()
    }

    /// The settings in `organization.orgdborgsettings`.
    pub(crate) fn settings(&self) -> OrgDbOrgSettings {
        OrgDbOrgSettings::read(self.organization().text("orgdborgsettings"))
    }

    /// Runs a change that happens as a whole or not at all.
    pub(crate) fn atomically<T, E>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let outermost = self.store.begin();
        let created = self.emails_created;
        let outcome = change(self);
        if outermost {
            if outcome.is_ok() {
                self.store.commit();
            } else {
                self.store.roll_back();
                self.emails_created = created;
            }
        }
        outcome
    }

    pub(crate) fn count(&mut self, operation: &str) {
        if let Some(count) = self.counts.get_mut(operation) {
            *count += 1;
        } else {
            self.counts.insert(operation.to_owned(), 1);
        }
    }
}
