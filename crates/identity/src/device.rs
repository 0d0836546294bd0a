//! The sign-in of a person with a browser somewhere: the device code grant (RFC 8628).
//!
//! Setting up the trust takes an administrator's rights, with the second factor that the tenant asks for. No set-up
//! application and no secret is needed, and nothing is kept once the program ends (setup.md 2.3, E1).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use hybridge_net::{Chance, Clock, Transport};
use secrecy::SecretString;
use serde::Deserialize;
use uuid::{Uuid, uuid};

use crate::{Cloud, Error, Tenant, Token, TokenSource, cache::TokenCache, discover_entra, exchange};

/// Microsoft Graph Command Line Tools: the public client whose users an administrator has consented to in most tenants.
pub const GRAPH_TOOLS: Uuid = uuid!("14d82eec-204b-4c2f-b7e8-296a70dab67e");
/// The public client of the Exchange Online management module.
pub const EXCHANGE_TOOLS: Uuid = uuid!("fb78d390-0c51-40cd-8e17-fdbfab77341b");

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Shows a person where to type which code in.
pub trait Prompt: Send + Sync + std::fmt::Debug {
    /// `why` the sign-in is needed, the page to open, and the code to type in there.
    fn show(&self, why: &str, page: &str, code: &str);
}

/// All that [`DeviceTokens`] is made of.
#[derive(Debug, Clone)]
pub struct DeviceParts {
    /// The cloud of the tenant.
    pub cloud: Cloud,
    /// The tenant.
    pub tenant: Tenant,
    /// The public client that the person signs in to.
    pub client_id: Uuid,
    /// What is asked for, permissions separated by spaces.
    pub scope: String,
    /// Why, for the person.
    pub why: &'static str,
    /// Shows the code.
    pub prompt: Arc<dyn Prompt>,
    /// What Entra ID is reached through.
    pub transport: Arc<dyn Transport>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for the jitter of pauses.
    pub chance: Chance,
}

/// Access tokens of a person, asked for when the first one is needed.
#[derive(Debug)]
pub struct DeviceTokens {
    parts: DeviceParts,
    cache: TokenCache,
}

#[derive(Deserialize)]
struct Offer {
    device_code: String,
    user_code: String,
    verification_uri: String,
    expires_in: u64,
    #[serde(default = "five")]
    interval: u64,
}

fn five() -> u64 {
    5
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl DeviceTokens {
    /// Nobody is asked for anything yet.
    pub fn new(parts: DeviceParts) -> Self {
        Self { parts, cache: TokenCache::default() }
    }

    async fn issue(&self) -> Result<Token, Error> {
        let DeviceParts { cloud, tenant, client_id, scope, why, prompt, transport, clock, chance } =
            &self.parts;
        let found = discover_entra(transport.as_ref(), clock.as_ref(), chance, cloud, tenant).await?;
        let token_endpoint = found.token_endpoint;
        let offers = token_endpoint.join("devicecode").map_err(|error| Error::Address {
            address: token_endpoint.to_string(),
            detail: error.to_string(),
        })?;
        let client_id = client_id.to_string();
        let fields = [("client_id", client_id.as_str()), ("scope", scope.as_str())];
        let answer = transport.send(exchange::post_form(offers.clone(), &fields)).await?;
        let offer: Offer = serde_json::from_slice(&answer.body)
            .map_err(|_| Error::strange(&offers, answer.status, "it offers no device code"))?;
        prompt.show(why, &offer.verification_uri, &offer.user_code);
        let asked_at = clock.now();
        let mut pause = Duration::from_secs(offer.interval.clamp(1, 60));
        let mut waited = Duration::ZERO;
        loop {
            tokio::time::sleep(pause).await;
            waited += pause;
            let fields =
                [("grant_type", GRANT), ("client_id", &client_id), ("device_code", &offer.device_code)];
            let answer = transport.send(exchange::post_form(token_endpoint.clone(), &fields)).await?;
            if answer.status.is_success() {
                return Ok(exchange::read_grant(&token_endpoint, &answer, clock.now())?.token);
            }
            let refusal: Refusal = serde_json::from_slice(&answer.body)
                .map_err(|_| Error::strange(&token_endpoint, answer.status, "it is no OAuth error"))?;
            match refusal.error.as_str() {
                "authorization_pending" if waited.as_secs() < offer.expires_in => {}
                "slow_down" => pause += Duration::from_secs(5),
                "authorization_pending" | "expired_token" => {
                    return Err(Error::SignInNotFinished { since: asked_at });
                }
                _ => {
                    let text = refusal.error_description.split(" Trace ID").next().unwrap_or_default();
                    return Err(Error::SignInRefused { detail: text.to_owned() });
                }
            }
        }
    }
}

#[async_trait]
impl TokenSource for DeviceTokens {
    async fn token(&self) -> Result<Token, Error> {
        // A person is not asked again before the token has ended: nothing is won by that.
        self.cache.get_to_its_end(self.parts.clock.as_ref(), || self.issue()).await
    }

    fn invalidate(&self, token: &Token) {
        self.cache.invalidate(token);
    }
}

/// A token that somebody else got, from `az account get-access-token` for example. There is only this one.
#[derive(Debug)]
pub struct GivenToken(Token);

impl GivenToken {
    /// `None` when the text can't be a token.
    pub fn new(value: SecretString, clock: &dyn Clock) -> Option<Self> {
        let now = clock.now();
        // Its true end is not ours to read; the service says when it is over.
        let ends = now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap_or(now);
        Token::bearer(value, now, ends).map(Self)
    }
}

#[async_trait]
impl TokenSource for GivenToken {
    async fn token(&self) -> Result<Token, Error> {
        Ok(self.0.clone())
    }

    fn invalidate(&self, _token: &Token) {}
}
