//! Access tokens from Entra ID, by client credentials with a certificate (graph.md 1.2 to 1.7).

mod refusal;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use hybridge_net::{Chance, Clock, Response, Transport};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

pub use refusal::{EntraFault, EntraRefusal, KeyProblem};

use crate::{
    AssertionAlgorithm, ClientAssertion, Cloud, Credential, CredentialSource, Error, Tenant, Token,
    TokenSource, cache::TokenCache, exchange,
};
use refusal::Subject;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// All that [`EntraTokens`] is made of.
#[derive(Debug, Clone)]
pub struct EntraParts {
    /// The cloud of the tenant.
    pub cloud: Cloud,
    /// The tenant.
    pub tenant: Tenant,
    /// The application (client) id.
    pub client_id: Uuid,
    /// The certificate registered for the application: asked for before each token, as it can be rotated while the
    /// program runs.
    pub credential: Arc<dyn CredentialSource>,
    /// What the token is for: as a rule [`Cloud::scope`].
    pub scope: String,
    /// How assertions are signed.
    pub algorithm: AssertionAlgorithm,
    /// What Entra ID is reached through.
    pub transport: Arc<dyn Transport>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for assertion ids and the jitter of pauses.
    pub chance: Chance,
}

/// Access tokens of an application, from Entra ID.
pub struct EntraTokens {
    parts: EntraParts,
    endpoint: OnceCell<Url>,
    cache: TokenCache,
}

impl EntraTokens {
    /// Nothing is asked for yet.
    pub fn new(parts: EntraParts) -> Self {
        Self { parts, endpoint: OnceCell::new(), cache: TokenCache::default() }
    }

    /// The certificate in use.
    pub fn credential(&self) -> Arc<Credential> {
        self.parts.credential.current()
    }

    async fn issue(&self) -> Result<Token, Error> {
        let endpoint = self.endpoint.get_or_try_init(|| self.find_endpoint()).await?;
        exchange::patiently(&self.parts.chance, || self.ask(endpoint)).await
    }

    // A domain must be turned into the tenant's id first: the audience of the assertion is the endpoint
    // as Entra ID itself writes it (graph.md 1.3, 1.7).
    async fn find_endpoint(&self) -> Result<Url, Error> {
        let EntraParts { cloud, tenant, transport, clock, chance, .. } = &self.parts;
        match tenant {
            Tenant::Id(id) => address(&format!("{}/{id}/oauth2/v2.0/token", cloud.authority())),
            Tenant::Domain(_) => {
                Ok(discover_entra(transport.as_ref(), clock.as_ref(), chance, cloud, tenant)
                    .await?
                    .token_endpoint)
            }
        }
    }

    async fn ask(&self, endpoint: &Url) -> Result<Token, Error> {
        let EntraParts { tenant, client_id, credential, scope, algorithm, transport, clock, chance, .. } =
            &self.parts;
        let credential = credential.current();
        let asked_at = clock.now();
        let assertion = ClientAssertion {
            client_id: *client_id,
            audience: endpoint.as_str(),
            id: chance.uuid(),
            issued_at: asked_at,
            algorithm: *algorithm,
        };
        let assertion = assertion.sign(&credential)?;
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", &client_id.to_string()),
            ("scope", scope),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.expose_secret()),
        ];
        let answer = transport.send(exchange::post_form(endpoint.clone(), &fields)).await?;
        if answer.status.is_success() {
            return Ok(exchange::read_grant(endpoint, &answer, asked_at)?.token);
        }
        let subject = Subject {
            tenant: tenant.to_string(),
            client_id: Some(*client_id),
            thumbprint: Some(credential.certificate().sha1_hex()),
            scope: Some(scope.clone()),
        };
        Err(refusal::explain(endpoint, &answer, subject, clock.now()))
    }
}

impl fmt::Debug for EntraTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EntraTokens")
            .field("tenant", &self.parts.tenant)
            .field("client_id", &self.parts.client_id)
            .field("scope", &self.parts.scope)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenSource for EntraTokens {
    async fn token(&self) -> Result<Token, Error> {
        self.cache.get(self.parts.clock.as_ref(), || self.issue()).await
    }

    fn invalidate(&self, token: &Token) {
        self.cache.invalidate(token);
    }
}

/// What Entra ID publishes about a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntraTenant {
    /// The tenant's id, also where it was asked for by a domain.
    pub id: Uuid,
    /// The issuer of its v2.0 tokens.
    pub issuer: String,
    /// Where tokens are asked for.
    pub token_endpoint: Url,
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    token_endpoint: String,
}

/// Asks Entra ID whether a tenant exists, and where its tokens come from (graph.md 1.7).
pub async fn discover_entra(
    transport: &dyn Transport,
    clock: &dyn Clock,
    chance: &Chance,
    cloud: &Cloud,
    tenant: &Tenant,
) -> Result<EntraTenant, Error> {
    let text = format!("{}/{tenant}/v2.0/.well-known/openid-configuration", cloud.authority());
    let url = address(&text)?;
    exchange::patiently(chance, || async {
        let answer = transport.send(exchange::get(url.clone())).await?;
        if answer.status.is_success() {
            return read_tenant(&url, &answer);
        }
        let subject = Subject { tenant: tenant.to_string(), client_id: None, thumbprint: None, scope: None };
        Err(refusal::explain(&url, &answer, subject, clock.now()))
    })
    .await
}

fn read_tenant(url: &Url, answer: &Response) -> Result<EntraTenant, Error> {
    let strange = |detail: &str| Error::strange(url, answer.status, detail);
    let Configuration { issuer, token_endpoint } = serde_json::from_slice(&answer.body)
        .map_err(|_| strange("it is no OpenID configuration with issuer and token_endpoint"))?;
    let id = Url::parse(&issuer)
        .ok()
        .and_then(|issuer| Uuid::parse_str(issuer.path_segments()?.next()?).ok())
        .ok_or_else(|| strange("its issuer holds no tenant id"))?;
    let token_endpoint =
        Url::parse(&token_endpoint).map_err(|_| strange("its token_endpoint is no address"))?;
    Ok(EntraTenant { id, issuer, token_endpoint })
}

fn address(text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|error| Error::Address { address: text.to_owned(), detail: error.to_string() })
}
