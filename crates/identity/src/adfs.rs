//! Access tokens for an organization, from the AD FS it trusts (dynamics.md 2.1 to 2.4).

mod refusal;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use http::StatusCode;
use hybridge_net::{Chance, Clock, Transport};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use uuid::Uuid;

pub use refusal::{AdfsFault, AdfsRefusal};

use crate::{
    Challenge, Error, Token, TokenSource, WindowsSignIn,
    cache::TokenCache,
    challenge::{offered_schemes, parse_challenge},
    error::{is_passing, without_query},
    exchange::{self, Granted},
};

/// How Hybridge signs in to an organization, by the way the deployment authenticates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum OrganizationSignIn {
    /// Claims: an internet-facing deployment with AD FS.
    Claims(ClaimsSignIn),
    /// Windows authentication: a deployment without claims, in the same Active Directory.
    Windows(WindowsSignIn),
}

/// A user of an organization behind AD FS.
#[derive(Clone)]
pub struct ClaimsSignIn {
    /// The client registered in AD FS (`Add-AdfsClient`).
    pub client_id: Uuid,
    /// The user, as AD FS takes it: `DOMAIN\user` at some places, `user@domain` at others. Sent as it is.
    pub user_name: String,
    /// The password.
    pub password: SecretString,
    /// The relying party's identifier, where it differs from what the organization says.
    pub resource: Option<String>,
}

impl fmt::Debug for ClaimsSignIn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClaimsSignIn")
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// All that [`AdfsTokens`] is made of.
#[derive(Debug, Clone)]
pub struct AdfsParts {
    /// The organization's address, such as `https://org.contoso.com/`.
    pub organization: Url,
    /// The user.
    pub sign_in: ClaimsSignIn,
    /// What organization and AD FS are reached through.
    pub transport: Arc<dyn Transport>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for the jitter of pauses.
    pub chance: Chance,
}

/// Access tokens of a user, for one organization. Where AD FS is, the organization itself says.
pub struct AdfsTokens {
    parts: AdfsParts,
    known: Mutex<Known>,
    cache: TokenCache,
}

#[derive(Default)]
struct Known {
    challenge: Option<Challenge>,
    refresh_token: Option<SecretString>,
}

impl AdfsTokens {
    /// Nothing is asked for yet.
    pub fn new(parts: AdfsParts) -> Self {
        Self { parts, known: Mutex::default(), cache: TokenCache::default() }
    }

    /// Asks the organization where to sign in.
    pub async fn discover(&self) -> Result<Challenge, Error> {
        exchange::patiently(&self.parts.chance, || self.ask_organization()).await
    }

    async fn issue(&self) -> Result<Token, Error> {
        let (challenge, refresh_token) = {
            let known = self.known();
            (known.challenge.clone(), known.refresh_token.clone())
        };
        let challenge = match challenge {
            Some(challenge) => challenge,
            None => self.discover().await?,
        };
        let granted = self.sign_in(&challenge, refresh_token).await;
        let mut known = self.known();
        match granted {
            Ok(granted) => {
                known.challenge = Some(challenge);
                known.refresh_token = granted.refresh_token;
                Ok(granted.token)
            }
            Err(error) => {
                // AD FS may have moved: the organization is asked again next time.
                known.challenge = None;
                Err(error)
            }
        }
    }

    async fn sign_in(
        &self,
        challenge: &Challenge,
        refresh_token: Option<SecretString>,
    ) -> Result<Granted, Error> {
        let ClaimsSignIn { user_name, password, .. } = &self.parts.sign_in;
        if let Some(refresh_token) = refresh_token {
            let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
            match self.ask_patiently(challenge, &grant).await {
                // The next refresh uses the same one, where AD FS does not hand out another.
                Ok(granted) => {
                    let refresh_token = granted.refresh_token.or(Some(refresh_token));
                    return Ok(Granted { token: granted.token, refresh_token });
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, "the refresh token is not accepted, the password is used");
                }
            }
            self.known().refresh_token = None;
        }
        let grant =
            [("grant_type", "password"), ("username", user_name), ("password", password.expose_secret())];
        self.ask_patiently(challenge, &grant).await
    }

    async fn ask_patiently(&self, challenge: &Challenge, grant: &[(&str, &str)]) -> Result<Granted, Error> {
        exchange::patiently(&self.parts.chance, || self.ask_adfs(challenge, grant)).await
    }

    async fn ask_adfs(&self, challenge: &Challenge, grant: &[(&str, &str)]) -> Result<Granted, Error> {
        let AdfsParts { organization, sign_in, transport, clock, .. } = &self.parts;
        let endpoint = challenge.token_endpoint();
        if endpoint.scheme() != "https" {
            return Err(Error::InsecureSignIn {
                organization: without_query(organization),
                address: endpoint.into(),
            });
        }
        let client_id = sign_in.client_id.to_string();
        let resource = self.resource(challenge);
        let fields = [&[("client_id", client_id.as_str()), ("resource", &resource)], grant].concat();
        let asked_at = clock.now();
        let answer = transport.send(exchange::post_form(endpoint.clone(), &fields)).await?;
        if answer.status.is_success() {
            return exchange::read_grant(&endpoint, &answer, asked_at);
        }
        Err(refusal::explain(&endpoint, &answer, sign_in, resource, clock.now()))
    }

    fn resource(&self, challenge: &Challenge) -> String {
        let configured = self.parts.sign_in.resource.as_deref().or(challenge.resource_id());
        configured.map_or_else(|| with_slash(self.parts.organization.clone()).into(), str::to_owned)
    }

    async fn ask_organization(&self) -> Result<Challenge, Error> {
        let AdfsParts { organization, transport, clock, .. } = &self.parts;
        let url = with_slash(organization.clone()).join("api/data/v9.1/WhoAmI").map_err(|error| {
            Error::Address { address: organization.to_string(), detail: error.to_string() }
        })?;
        let answer = transport.send(exchange::get(url.clone())).await?;
        if answer.status == StatusCode::UNAUTHORIZED
            && let Some(challenge) = parse_challenge(&answer.headers)
        {
            return Ok(challenge);
        }
        if is_passing(answer.status) {
            return Err(Error::UnexpectedAnswer {
                address: without_query(&url),
                status: answer.status,
                detail: "it does not say where to sign in".to_owned(),
                retry_after: exchange::retry_after(&answer, clock.now()),
            });
        }
        Err(Error::NoChallenge {
            organization: without_query(organization),
            status: answer.status,
            offered: offered_schemes(&answer.headers),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AdfsTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AdfsTokens")
            .field("organization", &self.parts.organization.as_str())
            .field("sign_in", &self.parts.sign_in)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenSource for AdfsTokens {
    async fn token(&self) -> Result<Token, Error> {
        self.cache.get(self.parts.clock.as_ref(), || self.issue()).await
    }

    fn invalidate(&self, token: &Token) {
        if self.cache.invalidate(token) {
            // What was refreshed from a refused session would be refused as well.
            self.known().refresh_token = None;
        }
    }
}

pub(crate) fn with_slash(mut url: Url) -> Url {
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}
