use std::{fmt, sync::Arc};

use hybridge_identity::{SignedError, SignedTransport, Token, TokenSource};
use hybridge_net::{Request, Response, Transport};

use crate::error::Error;

/// How requests reach a service, signed in.
#[derive(Clone)]
pub enum Access {
    /// Each request carries an access token, over any connection.
    Tokens {
        /// Where the tokens come from.
        tokens: Arc<dyn TokenSource>,
        /// What the service is reached through.
        transport: Arc<dyn Transport>,
    },
    /// The transport signs in by itself: Windows authentication.
    Signed(Arc<dyn SignedTransport>),
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens { tokens, .. } => tokens.fmt(formatter),
            Self::Signed(transport) => transport.fmt(formatter),
        }
    }
}

impl Access {
    /// The token that the next request carries, if it carries one.
    pub(crate) async fn token(&self, service: &'static str) -> Result<Option<Token>, Error> {
        match self {
            Self::Tokens { tokens, .. } => {
                tokens.token().await.map(Some).map_err(|source| Error::Token { service, source })
            }
            Self::Signed(_) => Ok(None),
        }
    }

    pub(crate) async fn send(&self, service: &'static str, request: Request) -> Result<Response, Error> {
        match self {
            Self::Tokens { transport, .. } => Ok(transport.send(request).await?),
            Self::Signed(transport) => transport.send(request).await.map_err(|error| match error {
                SignedError::SignIn(source) => Error::Token { service, source },
                SignedError::Transport(error) => error.into(),
            }),
        }
    }

    /// The service refused this token.
    pub(crate) fn invalidate(&self, token: &Token) {
        if let Self::Tokens { tokens, .. } = self {
            tokens.invalidate(token);
        }
    }
}
