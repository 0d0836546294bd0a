use std::{fmt, sync::Arc};

use async_trait::async_trait;
use http::HeaderValue;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::Error;

/// An access token. Cheap to clone; its value is never printed.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    value: SecretString,
    authorization: HeaderValue,
    obtained_at: Timestamp,
    expires_at: Timestamp,
}

impl Token {
    /// A bearer token. `None` if the value is empty or can't stand in an HTTP header.
    pub fn bearer(value: SecretString, obtained_at: Timestamp, expires_at: Timestamp) -> Option<Self> {
        let text = value.expose_secret();
        if text.is_empty() {
            return None;
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {text}")).ok()?;
        authorization.set_sensitive(true);
        Some(Self(Arc::new(Inner { value, authorization, obtained_at, expires_at })))
    }

    /// The token's text.
    pub fn value(&self) -> &SecretString {
        &self.0.value
    }

    /// The value of the header `Authorization`, marked sensitive.
    pub fn authorization(&self) -> HeaderValue {
        self.0.authorization.clone()
    }

    /// When it was asked for.
    pub fn obtained_at(&self) -> Timestamp {
        self.0.obtained_at
    }

    /// When it ends, by this machine's clock.
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// Whether both are the very same token, not just equal texts.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Token").field("expires_at", &self.0.expires_at).finish_non_exhaustive()
    }
}

/// Gives out access tokens for one service.
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// A token that is good for a while: the one at hand, or a new one. Callers that wait at the same
    /// time share one request and its outcome. A refusal stands for a while without being asked for
    /// again: 30 seconds, 15 minutes for a wrong password, or as long as the service asked for.
    async fn token(&self) -> Result<Token, Error>;

    /// The service refused this token (401): it is not given out again.
    fn invalidate(&self, token: &Token);
}
