//! What becomes of a message that could not be delivered now.

use std::time::Duration;

use hybridge_core::{
    decision::{Decision, Outcome},
    retry::{ITEM_ATTEMPTS, item_pause},
    trouble::{Class, Trouble},
};

use hybridge_odata::Error;

use super::Incoming;

impl Incoming<'_> {
    /// Sets a message aside with its reason: it waits for another attempt, or, refused often enough, has
    /// failed until a person looks at it.
    pub(super) fn set_aside(&mut self, decision: Decision, trouble: Trouble) {
        let item = decision.item.clone();
        self.set_aside_unsettled(decision, trouble);
        self.pending.closed.push(item);
    }

    /// Sets a message aside of which it is not known whether its delivery took place, or whose record lacks
    /// something yet. Its intent stays open while it waits: each run asks the organization again.
    pub(super) fn set_aside_unsettled(&mut self, mut decision: Decision, trouble: Trouble) {
        /// What a person must mend is not worth asking about every half minute.
        const DENIED: Duration = Duration::from_mins(5);
        let now = self.now();
        if trouble.class == Class::Gone {
            self.conclude(decision, Outcome::Gone);
            return;
        }
        let pause = match trouble.class {
            Class::Item | Class::Protocol | Class::Exists => {
                decision.attempts += 1;
                if decision.attempts >= ITEM_ATTEMPTS {
                    self.conclude(decision, Outcome::Failed { trouble });
                    return;
                }
                item_pause(decision.attempts)
            }
            Class::Denied => DENIED,
            // What passes by itself never makes a message fail, but each attempt waits longer.
            _ => {
                decision.attempts = (decision.attempts + 1).min(ITEM_ATTEMPTS - 1);
                item_pause(decision.attempts)
            }
        };
        let until = now.checked_add(self.engine.chance.jitter(pause)).unwrap_or(now);
        let until = trouble.not_before.map_or(until, |not_before| until.max(not_before));
        self.decide(decision, Outcome::Waiting { until, trouble });
    }
}

/// Whether a batch can have failed as a whole for one message in it: refused by the organization, or by the web
/// server, proxy or firewall before it (with a web page for an answer), or an error of the server's own. That
/// the server is down or overrun is no message's fault.
pub(super) fn may_be_for_one(error: &Error) -> bool {
    error.failure().is_some_and(|failure| {
        let before_the_api = failure.code.is_empty() && matches!(failure.status.as_u16(), 403 | 404 | 406);
        before_the_api
            || failure.status.as_u16() == 500
            || hybridge_dynamics::trouble(error).class == Class::Item
    })
}
