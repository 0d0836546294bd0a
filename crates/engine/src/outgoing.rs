//! The lane of outgoing email: one run of it (server-side-sync.md 3.2).
//!
//! A record in Pending Send is claimed, its draft made and submitted, and the record set to Sent. What stands in between
//! is on the record itself ([`hybridge_core::outgoing`]): whoever finds it in Sending looks for its draft first.

use hybridge_core::{
    decision::{Decision, Outcome},
    eligibility::Mailbox,
    ids::{ItemId, OrganizationId},
    lane::LaneId,
    outgoing::{Next, Outgoing, Ruling, after_interruption, link, rule},
    trouble::{Class, Trouble},
};
use hybridge_dynamics::Submission;
use hybridge_graph::{Attachment, SendItem, UserRef};
use hybridge_odata::Error;
use hybridge_store::{Commit, Epoch, Link};
use jiff::{SignedDuration, Timestamp};

use crate::{engine::Engine, error::LaneError, incoming::Tally};

/// What Exchange Online takes of one mailbox in a minute.
const MOST_A_MINUTE: usize = 30;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// One run of a mailbox's outgoing email lane.
pub(crate) struct Sending<'a> {
    engine: &'a Engine,
    lane: LaneId,
    epoch: Epoch,
    mailbox: &'a Mailbox,
    organization: OrganizationId,
    pub(crate) tally: Tally,
}

/// What came of one email.
enum Came {
    Of(Outcome),
    /// Nothing to tell: its time has not come, or somebody else is at it.
    OfNothing,
}

impl<'a> Sending<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        lane: LaneId,
        epoch: Epoch,
        mailbox: &'a Mailbox,
        organization: OrganizationId,
    ) -> Self {
        Self { engine, lane, epoch, mailbox, organization, tally: Tally::new() }
    }

    /// Sends what waits, as long as the mailbox may send.
    pub(crate) async fn run(&mut self) -> Result<(), LaneError> {
        let failed = |error| LaneError::dynamics(&error);
        let emails = self.engine.dynamics.waiting_to_be_sent(self.mailbox.id).await.map_err(failed)?;
        if emails.is_empty() {
            return Ok(());
        }
        let user = self.engine.user(self.mailbox).await?;
        let waiting = emails.len();
        for (number, email) in emails.into_iter().enumerate() {
            if !self.engine.may_send(self.mailbox.id, MOST_A_MINUTE, MINUTE) {
                tracing::info!(mailbox = %self.mailbox.id, backlog = waiting - number, "as much was sent as Exchange takes in a minute");
                break;
            }
            let came =
                if email.begun { self.settle(&user, &email).await } else { self.begin(&user, &email).await };
            match came? {
                Came::Of(outcome) => self.conclude(&email, outcome).await?,
                Came::OfNothing => {}
            }
        }
        Ok(())
    }

    async fn begin(&self, user: &UserRef, email: &Outgoing) -> Result<Came, LaneError> {
        match rule(email, self.now()) {
            Ruling::Send => self.send(user, email, false).await,
            Ruling::Later(_) => Ok(Came::OfNothing),
            Ruling::Never(trouble) => self.give_up(email, trouble).await,
        }
    }

    /// An email in Sending: an earlier run, or another node, has not come to an end with it.
    async fn settle(&self, user: &UserRef, email: &Outgoing) -> Result<Came, LaneError> {
        let graph = |error| LaneError::graph(&error);
        let key = link(self.organization, email.record);
        let found = self.engine.graph.linked_message(user, key).await.map_err(graph)?;
        match (after_interruption(email, SendItem::found(found.as_ref()), self.now()), found) {
            (Next::Anew, found) => {
                if let Some(leftover) = found {
                    self.engine.graph.purge_message(user, &leftover.id).await.map_err(graph)?;
                }
                self.send(user, email, true).await
            }
            (Next::Submit, Some(draft)) => self.submit(user, email, &email.version, &draft, true).await,
            (Next::Settle, _) => {
                self.was_sent(email).await?;
                let threaded = email.message_id.is_some();
                Ok(Came::Of(Outcome::Sent { record: email.record, recovered: true, threaded }))
            }
            (Next::Look(until), _) => {
                let trouble = Trouble::new(
                    Class::Transient,
                    "it was submitted, and is not in Sent Items yet",
                    "Exchange may be slow; it is looked for again.",
                );
                Ok(Came::Of(Outcome::Waiting { until, trouble }))
            }
            (Next::Unknown | Next::Submit, _) => {
                let trouble = Trouble::new(
                    Class::Denied,
                    "it was submitted to Exchange, but is neither in Sent Items nor among the drafts, so that it is not known whether it left",
                    "Ask the recipient, or trace it in the Exchange admin centre. Only if it did not arrive, send it again from the email's form.",
                );
                self.give_up(email, trouble).await
            }
        }
    }

    async fn send(&self, user: &UserRef, email: &Outgoing, recovered: bool) -> Result<Came, LaneError> {
        let dynamics = |error| LaneError::dynamics(&error);
        let Some(version) = self.engine.dynamics.claim(email).await.map_err(dynamics)? else {
            return Ok(Came::OfNothing);
        };
        match self.draft(user, email).await {
            Ok(draft) => self.submit(user, email, &version, &draft, recovered).await,
            Err(Undone::Message(trouble)) => self.give_up(email, trouble).await,
            Err(Undone::Lane(error)) => {
                // Nothing was submitted: the form shall not say that it is being sent while it waits.
                if let Err(error) = self.engine.dynamics.release(email.record).await {
                    tracing::info!(record = %email.record, %error, "an email stays in Sending; the next run goes on");
                }
                Err(error)
            }
        }
    }

    /// The draft with all its attachments.
    async fn draft(&self, user: &UserRef, email: &Outgoing) -> Result<SendItem, Undone> {
        let dynamics = |error| Undone::Lane(LaneError::dynamics(&error));
        let engine = self.engine;
        let answers = match email.answers {
            Some(earlier) => engine.dynamics.message_id_of(earlier).await.map_err(dynamics)?,
            None => None,
        };
        let files = engine.dynamics.files_of(email.record).await.map_err(dynamics)?;
        let key = link(self.organization, email.record);
        let draft = engine.graph.create_draft(user, email, key, answers.as_ref()).await.map_err(undone)?;
        for file in &files {
            let attachment = Attachment {
                name: &file.name,
                content_type: &file.content_type,
                content_id: file.content_id.as_deref(),
                bytes: &file.bytes,
            };
            if let Err(error) = engine.graph.attach(user, &draft.id, &attachment).await {
                let _removed = engine.graph.purge_message(user, &draft.id).await;
                return Err(undone(error));
            }
        }
        Ok(draft)
    }

    async fn submit(
        &self,
        user: &UserRef,
        email: &Outgoing,
        version: &str,
        draft: &SendItem,
        recovered: bool,
    ) -> Result<Came, LaneError> {
        let dynamics = |error| LaneError::dynamics(&error);
        let attempt = email.attempts + 1;
        let claimed =
            self.engine.dynamics.about_to_submit(email.record, version, attempt, draft.message_id.as_ref());
        let Submission::Mine { threaded } = claimed.await.map_err(dynamics)? else {
            return Ok(Came::OfNothing);
        };
        match self.engine.graph.submit(user, &draft.id).await.map_err(undone) {
            Ok(()) => {}
            Err(Undone::Message(trouble)) => {
                let _removed = self.engine.graph.purge_message(user, &draft.id).await;
                return self.give_up(email, trouble).await;
            }
            Err(Undone::Lane(error)) => return Err(error),
        }
        self.engine.sent(self.mailbox.id);
        self.was_sent(email).await?;
        Ok(Came::Of(Outcome::Sent { record: email.record, recovered, threaded }))
    }

    async fn was_sent(&self, email: &Outgoing) -> Result<(), LaneError> {
        self.engine.dynamics.was_sent(email.record).await.map_err(|error| LaneError::dynamics(&error))
    }

    async fn give_up(&self, email: &Outgoing, trouble: Trouble) -> Result<Came, LaneError> {
        self.engine.dynamics.was_not_sent(email.record).await.map_err(|error| LaneError::dynamics(&error))?;
        Ok(Came::Of(Outcome::Failed { trouble }))
    }

    async fn conclude(&mut self, email: &Outgoing, outcome: Outcome) -> Result<(), LaneError> {
        let now = self.now();
        let item = ItemId(email.record.to_string());
        let known = self.engine.store.decisions(self.lane, std::slice::from_ref(&item)).await?;
        let mut decision = known.into_iter().next().unwrap_or_else(|| Decision {
            lane: self.lane,
            item: item.clone(),
            message_id: None,
            subject: String::new(),
            sender: self.mailbox.address.as_ref().map(ToString::to_string).unwrap_or_default(),
            received: None,
            first_seen: now,
            decided: now,
            attempts: 0,
            in_inbox: false,
            outcome: Outcome::Gone,
            steps: Vec::new(),
        });
        decision.subject.clone_from(&email.subject);
        decision.message_id = email.message_id.clone().or(decision.message_id);
        decision.attempts = email.attempts + 1;
        decision.decided = now;
        decision.outcome = outcome;
        let words = decision.conclusion();
        decision.note(now, words);
        *self.tally.entry(decision.outcome.name()).or_default() += 1;
        self.engine.metrics.decided(&decision);
        self.engine.observer.decided(&decision);
        let links = match decision.outcome {
            Outcome::Sent { record, .. } => vec![Link { lane: self.lane, item, record, at: now }],
            _ => Vec::new(),
        };
        let commit = Commit { decisions: vec![decision], links, ..Commit::default() };
        self.engine.store.commit(self.lane, self.epoch, &commit).await?;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }
}

/// Why there is no draft, or it was not submitted.
enum Undone {
    /// This mail can't be sent as it is.
    Message(Trouble),
    /// The mailbox, or a service, is at fault: the mail waits.
    Lane(LaneError),
}

/// What Exchange says of one mail (graph.md 7.3); everything else is about the mailbox or the way to it.
fn undone(error: Error) -> Undone {
    const ABOUT_THE_MAIL: [&str; 4] = [
        "ErrorInvalidRecipients",
        "ErrorMessageSizeExceeded",
        "ErrorAttachmentSizeLimitExceeded",
        "ErrorInvalidRequest",
    ];
    let about_the_mail = error.failure().is_some_and(|failure| {
        failure.status.as_u16() == 413 || ABOUT_THE_MAIL.iter().any(|code| failure.has_code(code))
    });
    if about_the_mail {
        let trouble = hybridge_graph::trouble(&error);
        let remedy = "Correct the email and send it again.";
        return Undone::Message(Trouble::new(Class::Denied, trouble.what, remedy));
    }
    Undone::Lane(LaneError::graph(&error))
}
