//! What follows when a message is a record: an item in the queue whose mailbox holds it (server-side-sync.md 2.9), and its
//! removal from a mailbox that asks for that (2.10).

use hybridge_core::{
    address::Address,
    decision::Decision,
    ids::RecordId,
    trouble::{Class, Trouble},
};
use hybridge_graph::UserRef;
use hybridge_odata::Error;

use super::Incoming;

/// How the message's record came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    /// By this lane.
    Made,
    /// By another mailbox's copy.
    WasThere,
}

impl Incoming<'_> {
    /// Does what follows. What can't be done and does not pass is told in the decision and keeps nothing waiting.
    ///
    /// # Errors
    /// A trouble that passes: the message waits, and this is done again then.
    pub(super) async fn afterwards(
        &self,
        user: &UserRef,
        decision: &mut Decision,
        record: RecordId,
        how: Record,
    ) -> Result<(), Trouble> {
        self.queue(decision, record, how).await?;
        self.tidy(user, decision).await
    }

    async fn queue(&self, decision: &mut Decision, record: RecordId, how: Record) -> Result<(), Trouble> {
        let options = self.engine.organization_options();
        let wanted = match how {
            Record::Made => options.queue_item_for_reader(),
            Record::WasThere => options.queue_item_for_tracked(),
        };
        let Some(queue) = self.mailbox.queue.filter(|_| wanted) else { return Ok(()) };
        let sender = Address::new(&decision.sender);
        let put = self.engine.dynamics.put_into_queue(queue, record, sender.as_ref()).await;
        let words = match put {
            Ok(true) => format!("An item for it was put into the queue {}.", self.mailbox.name),
            Ok(false) => return Ok(()),
            Err(error) => not_now(&error, hybridge_dynamics::trouble, "no item could be put into its queue")?,
        };
        decision.note(self.now(), words);
        Ok(())
    }

    async fn tidy(&self, user: &UserRef, decision: &mut Decision) -> Result<(), Trouble> {
        if !self
            .mailbox
            .deletes_after_processing(self.engine.organization_options().deletes_after_processing())
        {
            return Ok(());
        }
        let words = match self.engine.graph.move_message(user, &decision.item.0, "deleteditems").await {
            Ok(()) => "It was moved to Deleted Items (Delete Emails After Processing).".to_owned(),
            Err(error) if hybridge_graph::trouble(&error).class == Class::Gone => return Ok(()),
            Err(error) => not_now(&error, hybridge_graph::trouble, "it could not be moved to Deleted Items")?,
        };
        decision.note(self.now(), words);
        Ok(())
    }
}

/// What is told of a failure that stays; one that passes is an error.
fn not_now(error: &Error, of: impl Fn(&Error) -> Trouble, what: &str) -> Result<String, Trouble> {
    let trouble = of(error);
    if trouble.class.passes() {
        return Err(trouble);
    }
    Ok(format!("But {what}: {}.", trouble.what))
}
