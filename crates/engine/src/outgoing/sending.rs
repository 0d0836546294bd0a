//! One email's way out: claimed, drafted, submitted, settled.

use hybridge_core::{
    decision::Outcome,
    outgoing::{Departure, Next, Outgoing, after_interruption, departure, link},
    trouble::{Class, Trouble},
};
use hybridge_dynamics::{AlertLevel, Submission};
use hybridge_graph::{Attachment, SendItem, UserRef};
use hybridge_net::Happened;
use hybridge_odata::Error;

use super::{Came, Sending};
use crate::error::LaneError;

impl Sending<'_> {
    pub(super) async fn begin(&self, user: &UserRef, email: &Outgoing) -> Result<Came, LaneError> {
        match departure(email, self.now()) {
            Departure::Now => self.send(user, email, false).await,
            Departure::Later(until) => {
                let trouble = Trouble::new(Class::Transient, "its user chose to send it later", "");
                Ok(Came::Of(Outcome::Waiting { until, trouble }))
            }
            Departure::Never(trouble) => self.fail(email, trouble).await,
        }
    }

    /// An email in Sending: an earlier run, or another node, has not come to an end with it.
    pub(super) async fn settle(&self, user: &UserRef, email: &Outgoing) -> Result<Came, LaneError> {
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
                self.fail(email, trouble).await
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
            Err(Undone::Message(trouble)) => self.fail(email, trouble).await,
            Err(Undone::PerhapsDrafted(error)) => {
                // It stays in Sending, so that the next run looks for the draft and takes it away: two drafts of one
                // email could both be submitted.
                Err(error)
            }
            Err(Undone::Lane(error)) => {
                // There is no draft: the form shall not say that it is being sent while it waits.
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
        let draft = engine.graph.create_draft(user, email, key, answers.as_ref()).await.map_err(|error| {
            let happened = error.happened();
            let undone = undone(&error);
            if happened == Happened::No { undone } else { undone.perhaps_drafted() }
        })?;
        for file in &files {
            let attachment = Attachment {
                name: &file.name,
                content_type: &file.content_type,
                content_id: file.content_id.as_deref(),
                bytes: &file.bytes,
            };
            if let Err(error) = engine.graph.attach(user, &draft.id, &attachment).await {
                return Err(match engine.graph.purge_message(user, &draft.id).await {
                    Ok(()) => undone(&error),
                    Err(error) => Undone::PerhapsDrafted(LaneError::graph(&error)),
                });
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
        match self.engine.graph.submit(user, &draft.id).await.map_err(|error| undone(&error)) {
            Ok(()) => {}
            Err(Undone::Message(trouble)) => {
                // Sent again by its user, it must not meet this draft.
                let purged = self.engine.graph.purge_message(user, &draft.id).await;
                purged.map_err(|error| LaneError::graph(&error))?;
                return self.fail(email, trouble).await;
            }
            Err(Undone::Lane(error) | Undone::PerhapsDrafted(error)) => return Err(error),
        }
        self.engine.sent(self.mailbox.id);
        self.was_sent(email).await?;
        Ok(Came::Of(Outcome::Sent { record: email.record, recovered, threaded }))
    }

    async fn was_sent(&self, email: &Outgoing) -> Result<(), LaneError> {
        self.engine.dynamics.was_sent(email.record).await.map_err(|error| LaneError::dynamics(&error))
    }

    /// It becomes Failed, and says why on its form.
    async fn fail(&self, email: &Outgoing, trouble: Trouble) -> Result<Came, LaneError> {
        self.give_up(email, &trouble).await?;
        Ok(Came::Of(Outcome::Failed { trouble }))
    }

    /// Sets an email to Failed. Its user reads the reason in a note on it, the owner of the mailbox in an alert; that these
    /// can't be written keeps nothing from going on.
    pub(super) async fn give_up(&self, email: &Outgoing, trouble: &Trouble) -> Result<(), LaneError> {
        let dynamics = &self.engine.dynamics;
        let text = format!("{}. {}", sentence(&trouble.what), trouble.remedy);
        let title = "This email was not sent";
        if let Err(error) = dynamics.note_on_email(email.record, title, text.trim_end()).await {
            tracing::warn!(record = %email.record, %error, "the reason can't be written onto an email that was not sent");
        }
        let alert = format!("The email \"{}\" was not sent: {text}", email.subject);
        if let Err(error) = dynamics.alert_mailbox(self.mailbox.id, AlertLevel::Error, alert.trim_end()).await
        {
            tracing::warn!(record = %email.record, %error, "the alert about an email that was not sent can't be written");
        }
        dynamics.was_not_sent(email.record).await.map_err(|error| LaneError::dynamics(&error))
    }
}

/// Why there is no draft, or it was not submitted.
enum Undone {
    /// This mail can't be sent as it is.
    Message(Trouble),
    /// The mailbox, or a service, is at fault: the mail waits.
    Lane(LaneError),
    /// Likewise, and there may be a draft.
    PerhapsDrafted(LaneError),
}

impl Undone {
    fn perhaps_drafted(self) -> Self {
        match self {
            Self::Lane(error) => Self::PerhapsDrafted(error),
            other => other,
        }
    }
}

/// What Exchange says of one mail (graph.md 7.3); everything else is about the mailbox or the way to it.
fn undone(error: &Error) -> Undone {
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
        let trouble = hybridge_graph::trouble(error);
        let remedy = "Correct the email and send it again.";
        return Undone::Message(Trouble::new(Class::Denied, trouble.what, remedy));
    }
    Undone::Lane(LaneError::graph(error))
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
