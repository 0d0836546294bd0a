use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hybridge_net::Clock;
use jiff::{SignedDuration, Timestamp};

use crate::{Error, Token};

/// How long before its end a token is replaced, at the most.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How long before its end a token is not given out any more, at the most: a request takes its time.
const RESERVE: SignedDuration = SignedDuration::from_secs(30);
/// How long a token that could not be replaced ahead of time is used before that is tried again.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Keeps one token and lets only one request for a new one be under way.
#[derive(Debug, Default)]
pub(crate) struct TokenCache {
    held: Mutex<Held>,
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Token>,
    /// Not before this instant is the token at hand replaced ahead of time.
    replace_from: Option<Timestamp>,
    /// How many requests have ended, and how the last one failed: whoever waited for it shares that.
    ended: u64,
    failure: Option<Error>,
    /// Until this instant the failure stands for every further request.
    refused_until: Option<Timestamp>,
}

enum AtHand {
    Fresh(Token),
    Ageing(Token),
    None { ended: u64 },
}

impl TokenCache {
    /// The token at hand, or a new one from `issue`.
    ///
    /// Cancelling the caller that asks `issue` lets the next waiting one ask.
    pub(crate) async fn get<F, R>(&self, clock: &dyn Clock, issue: F) -> Result<Token, Error>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Token, Error>>,
    {
        let ended = match self.at_hand(clock.now()) {
            AtHand::Fresh(token) => return Ok(token),
            AtHand::Ageing(token) => {
                let Ok(_flight) = self.flight.try_lock() else { return Ok(token) };
                return Ok(self.replace_ahead(clock, token, issue).await);
            }
            AtHand::None { ended } => ended,
        };
        let _flight = self.flight.lock().await;
        match self.at_hand(clock.now()) {
            AtHand::Fresh(token) | AtHand::Ageing(token) => return Ok(token),
            AtHand::None { .. } => {}
        }
        if let Some(failure) = self.standing_failure(ended, clock.now()) {
            return Err(failure);
        }
        let outcome = issue().await;
        match &outcome {
            Ok(token) => self.keep(token.clone()),
            Err(error) => self.keep_failure(error.clone(), clock.now()),
        }
        outcome
    }

    /// As [`Self::get`], but a token that is still good is not replaced ahead of time.
    pub(crate) async fn get_to_its_end<F, R>(&self, clock: &dyn Clock, issue: F) -> Result<Token, Error>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Token, Error>>,
    {
        if let AtHand::Ageing(token) = self.at_hand(clock.now()) {
            return Ok(token);
        }
        self.get(clock, issue).await
    }

    /// Forgets a token, if it is the one at hand. Says whether it was.
    pub(crate) fn invalidate(&self, token: &Token) -> bool {
        let mut held = self.held();
        let known = held.token.as_ref().is_some_and(|own| own.is(token));
        if known {
            held.token = None;
        }
        known
    }

    async fn replace_ahead<F, R>(&self, clock: &dyn Clock, current: Token, issue: F) -> Token
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Token, Error>>,
    {
        match issue().await {
            Ok(token) => {
                self.keep(token.clone());
                token
            }
            Err(error) => {
                tracing::warn!(%error, expires_at = %current.expires_at(), "the token could not be renewed ahead of time");
                let now = clock.now();
                self.keep_failure(error, now);
                let mut held = self.held();
                held.replace_from = held.refused_until.max(now.checked_add(PAUSE).ok());
                current
            }
        }
    }

    fn at_hand(&self, now: Timestamp) -> AtHand {
        let held = self.held();
        let Some(token) = held.token.as_ref().filter(|token| is_usable(token, now)) else {
            return AtHand::None { ended: held.ended };
        };
        if held.replace_from.is_some_and(|from| now >= from) {
            AtHand::Ageing(token.clone())
        } else {
            AtHand::Fresh(token.clone())
        }
    }

    /// The last failure, if it came while the caller waited (`ended` was counted before), or still stands.
    fn standing_failure(&self, ended: u64, now: Timestamp) -> Option<Error> {
        let held = self.held();
        let stands = held.ended > ended || held.refused_until.is_some_and(|until| now < until);
        if stands { held.failure.clone() } else { None }
    }

    fn keep_failure(&self, error: Error, now: Timestamp) {
        let mut held = self.held();
        let pause = SignedDuration::try_from(error.stands_for()).unwrap_or(SignedDuration::MAX);
        held.refused_until = now.checked_add(pause).ok();
        held.ended += 1;
        held.failure = Some(error);
    }

    fn keep(&self, token: Token) {
        let mut held = self.held();
        held.replace_from = token.expires_at().checked_sub(margin(&token, AHEAD, 5)).ok();
        held.token = Some(token);
        held.ended += 1;
        held.failure = None;
        held.refused_until = None;
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_usable(token: &Token, now: Timestamp) -> bool {
    token.expires_at().duration_since(now) > margin(token, RESERVE, 10)
}

// Short-lived tokens must not spend their whole life within a margin made for an hour.
fn margin(token: &Token, longest: SignedDuration, part: i32) -> SignedDuration {
    longest.min(token.expires_at().duration_since(token.obtained_at()) / part)
}

#[cfg(test)]
mod tests;
