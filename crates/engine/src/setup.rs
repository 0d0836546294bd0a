//! Reads the configuration that lives in the organization, and refuses to work where Dynamics' own
//! synchronization does.

use std::sync::{Arc, PoisonError};

use hybridge_core::{
    eligibility::{Mailbox, judge, judge_outgoing},
    lane::{LaneId, LaneKind},
    options::Options,
    trouble::{Class, Trouble},
};
use hybridge_dynamics::{Channel, OrganizationSettings};
use hybridge_store::{Installation, MailboxRow};

use crate::{engine::Engine, error::Error};

/// What the organization's configuration says.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its settings.
    pub settings: OrganizationSettings,
    /// Its options, with what the configuration overrides.
    pub options: Options,
    /// The mailboxes that take part.
    pub eligible: Vec<Mailbox>,
    /// Mailboxes that take no part, with the reason.
    pub others: Vec<MailboxRow>,
    /// The mailboxes that take part in outgoing email.
    pub senders: Vec<Mailbox>,
}

/// Whether anything may run.
#[derive(Debug, Clone)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// No: what stands in the way.
    Refused(Trouble),
}

impl Setup {
    fn of(settings: OrganizationSettings, options: Options, rows: Vec<MailboxRow>) -> Self {
        let senders = rows.iter().filter(|row| row.does_not_send.is_none());
        let senders = senders.map(|row| row.mailbox.clone()).collect();
        let (taking_part, others): (Vec<MailboxRow>, Vec<MailboxRow>) =
            rows.into_iter().partition(|row| row.ineligible.is_none());
        Self {
            settings,
            options,
            eligible: taking_part.into_iter().map(|row| row.mailbox).collect(),
            others,
            senders,
        }
    }

    /// The lanes that have work, with their mailboxes.
    pub fn lanes(&self) -> impl Iterator<Item = (LaneId, &Mailbox)> {
        let of = |kind: LaneKind| move |mailbox: &'_ Mailbox| LaneId { mailbox: mailbox.id, kind };
        let (receives, sends) = (of(LaneKind::IncomingEmail), of(LaneKind::OutgoingEmail));
        let incoming = self.eligible.iter().map(move |mailbox| (receives(mailbox), mailbox));
        incoming.chain(self.senders.iter().map(move |mailbox| (sends(mailbox), mailbox)))
    }

    /// Whether Hybridge may work: the organization must have handed its email to an external synchroniser,
    /// or two would work on the same mailboxes (dynamics.md 6.6).
    pub fn readiness(&self) -> Readiness {
        match self.settings.channel {
            Channel::EmailRouter => Readiness::Ready,
            Channel::ServerSideSynchronization => Readiness::Refused(Trouble::new(
                Class::Denied,
                format!(
                    "the organization {} processes its email with its own server-side synchronization",
                    self.settings.name
                ),
                "Two synchronisers must not work on the same mailboxes. In Dynamics open Settings, Administration, System \
                 Settings, Email, and set \"Process Email Using\" to \"Microsoft Dynamics 365 Email Router\" (that means: an \
                 external synchroniser). Hybridge goes on by itself within five minutes. While this is not changed, Dynamics \
                 also refuses Hybridge's deliveries with RouterIsDisabled (0x8005e246).",
            )),
        }
    }
}

impl Engine {
    /// Reads settings and mailboxes, stores them, and binds the store to this organization and tenant.
    ///
    /// # Errors
    /// When the organization can't be asked, the store fails, or it belongs to another organization.
    pub async fn set_up(&self) -> Result<Setup, Error> {
        let (settings, options, rows) = self.read_organization().await?;
        self.store.bind(&Installation { organization: settings.id, tenant: self.tenant }).await?;
        *self.attachment_rules.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(options.attachments());
        *self.organization_options.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(options.clone());
        self.know_mailboxes(rows.iter().map(|row| (row.mailbox.id, row.clone())).collect());
        self.store.put_mailboxes(&rows).await?;
        self.load_subscriptions().await?;
        Ok(Setup::of(settings, options, rows))
    }

    /// Reads settings and mailboxes and stores nothing.
    ///
    /// # Errors
    /// When the organization can't be asked.
    pub async fn survey(&self) -> Result<Setup, Error> {
        let (settings, options, rows) = self.read_organization().await?;
        Ok(Setup::of(settings, options, rows))
    }

    async fn read_organization(&self) -> Result<(OrganizationSettings, Options, Vec<MailboxRow>), Error> {
        let failed = |error| Error::Organization(hybridge_dynamics::trouble(&error));
        let settings = self.dynamics.settings().await.map_err(failed)?;
        let options = Options::resolve(&settings.live, &self.options.overrides);
        let approval = options.approval();
        let mailboxes = self.dynamics.mailboxes().await.map_err(failed)?;
        let read = self.clock.now();
        let rows = mailboxes
            .into_iter()
            .map(|mailbox| {
                let ineligible = judge(&mailbox, approval).err();
                let does_not_send = judge_outgoing(&mailbox, approval).err();
                MailboxRow { mailbox, ineligible, does_not_send, read }
            })
            .collect();
        Ok((settings, options, rows))
    }

    /// Stores which road the email messages take, once that is known, so that it is probed only once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remember_route(&self) -> Result<(), hybridge_store::Error> {
        match self.dynamics.route() {
            Some(route) => self.store.put_fact(ROUTE_FACT, Some(&route.to_string())).await,
            None => Ok(()),
        }
    }
}

/// Under this key the store keeps the road that the email messages take.
pub const ROUTE_FACT: &str = "dynamics-route";
