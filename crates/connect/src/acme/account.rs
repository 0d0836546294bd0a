//! The authority's directory, and the account with it.

use std::sync::{Arc, Mutex};

use hybridge_identity::{ExposeSecret, SecretString};
use hybridge_net::{
    Request, Transport,
    http::{Method, StatusCode},
};
use instant_acme::{AccountCredentials, Error as Acme, NewAccount};
use serde::Deserialize;
use url::Url;

use super::{
    Error, Problem, Step, Watch,
    wire::{Strange, Wire},
};

/// A certificate authority that was found to speak ACME.
#[derive(Debug)]
pub struct Server {
    directory: Url,
    terms: Option<String>,
    bound: bool,
    wire: Wire,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Directory {
    #[serde(rename = "newOrder")]
    _new_order: String,
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    terms_of_service: Option<String>,
    external_account_required: bool,
}

impl Server {
    /// Reads the directory (RFC 8555, 7.1.1).
    ///
    /// # Errors
    /// When it is not on https, can't be reached, or is none.
    pub async fn contact(
        directory: Url,
        transport: Arc<dyn Transport>,
        watch: Arc<dyn Watch>,
    ) -> Result<Self, Error> {
        if directory.scheme() != "https" {
            return Err(Error::NotEncrypted { address: directory.to_string() });
        }
        let wire = Wire { transport, watch, pause: Arc::default() };
        let mut request = Request::new(Method::GET, directory.clone());
        request.max_answer_bytes = 1 << 20;
        let answer = wire.send(request).await.map_err(Error::Transport)?;
        let strange = |detail: String| Error::NotAcme {
            address: directory.to_string(),
            status: answer.status.as_u16(),
            detail,
        };
        if answer.status != StatusCode::OK {
            return Err(strange("there is no directory".to_owned()));
        }
        let read: Directory = serde_json::from_slice(&answer.body)
            .map_err(|error| strange(format!("its answer is no ACME directory ({error})")))?;
        let (terms, bound) = (read.meta.terms_of_service, read.meta.external_account_required);
        Ok(Self { directory, terms, bound, wire })
    }

    /// The address of the directory.
    pub fn directory(&self) -> &Url {
        &self.directory
    }

    /// Where the terms are that an account agrees to, when the authority says.
    pub fn terms(&self) -> Option<&str> {
        self.terms.as_deref()
    }

    /// Takes up the account that was saved, or makes one. The second value is what to save of a new one: the
    /// account's private key, a secret.
    ///
    /// # Errors
    /// When the saved text is no account or one with another authority, a new one is asked for without accepting
    /// the terms, or the authority refuses.
    pub async fn account(
        &self,
        saved: Option<&SecretString>,
        contacts: &[String],
        accept_terms: bool,
    ) -> Result<(Account, Option<SecretString>), Error> {
        match saved {
            Some(saved) => Ok((self.take_up(saved, contacts).await?, None)),
            None => self.make(contacts, accept_terms).await.map(|(account, saved)| (account, Some(saved))),
        }
    }

    async fn take_up(&self, saved: &SecretString, contacts: &[String]) -> Result<Account, Error> {
        #[derive(Deserialize)]
        struct Whose {
            directory: String,
        }
        // The parser's own words can repeat what it read.
        let unreadable = |what: &str| Error::AccountUnreadable { detail: what.to_owned() };
        let whose: Whose = serde_json::from_str(saved.expose_secret())
            .map_err(|_| unreadable("it is not JSON with the account's directory"))?;
        if whose.directory != self.directory.as_str() {
            let ours = self.directory.to_string();
            return Err(Error::OtherDirectory { theirs: whose.directory, ours });
        }
        let credentials: AccountCredentials = serde_json::from_str(saved.expose_secret())
            .map_err(|_| unreadable("it lacks the account's address or key"))?;
        let builder = instant_acme::Account::builder_with_http(Box::new(self.wire.clone()));
        let inner = builder.from_credentials(credentials).await.map_err(|error| match error {
            Acme::KeyRejected | Acme::Crypto => unreadable("its key is none"),
            error => self.wire.explain("the account", error),
        })?;
        let account = Account { inner, wire: self.wire.clone() };
        account.wire.watch.step(Step::AccountReused(account.id().to_owned()));
        if !contacts.is_empty() {
            let addresses = mail_addresses(contacts);
            let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
            self.wire
                .patiently("the contact", async || account.inner.update_contacts(&addresses).await)
                .await?;
        }
        Ok(account)
    }

    async fn make(&self, contacts: &[String], accept_terms: bool) -> Result<(Account, SecretString), Error> {
        let directory = self.directory.to_string();
        if self.bound {
            return Err(Error::ExternalAccount { directory });
        }
        if !accept_terms {
            return Err(Error::Terms { directory, terms: self.terms.clone() });
        }
        let addresses = mail_addresses(contacts);
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let asked =
            NewAccount { contact: &addresses, terms_of_service_agreed: true, only_return_existing: false };
        let made = async || {
            let builder = instant_acme::Account::builder_with_http(Box::new(self.wire.clone()));
            builder.create(&asked, directory.clone(), None).await
        };
        let (inner, credentials) = self.wire.patiently("the account", made).await?;
        let saved = serde_json::to_string(&credentials).map_err(|error| Error::Protocol {
            doing: "the account can't be written down",
            detail: error.to_string(),
        })?;
        let account = Account { inner, wire: self.wire.clone() };
        account.wire.watch.step(Step::AccountMade(account.id().to_owned()));
        Ok((account, SecretString::from(saved)))
    }
}

/// An account with an authority.
pub struct Account {
    pub(super) inner: instant_acme::Account,
    pub(super) wire: Wire,
}

impl Account {
    /// Its address at the authority.
    pub fn id(&self) -> &str {
        self.inner.id()
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Account {}", self.id())
    }
}

fn mail_addresses(contacts: &[String]) -> Vec<String> {
    contacts.iter().map(|mail| format!("mailto:{}", mail.trim_start_matches("mailto:"))).collect()
}

/// The client itself asks three times when a nonce was not accepted; this is how often the whole is done.
const ROUNDS: u32 = 5;

impl Wire {
    /// Does something again while the authority only dislikes the nonce (RFC 8555, 6.5).
    pub(super) async fn patiently<T>(
        &self,
        doing: &'static str,
        mut work: impl AsyncFnMut() -> Result<T, Acme>,
    ) -> Result<T, Error> {
        let mut round = 1;
        loop {
            match work().await {
                Ok(done) => return Ok(done),
                Err(Acme::Api(problem)) if round < ROUNDS && Problem::of(&problem).is_bad_nonce() => {
                    self.watch.step(Step::Again("the authority wants a fresh nonce".to_owned()));
                    round += 1;
                }
                Err(error) => return Err(self.explain(doing, error)),
            }
        }
    }

    /// Puts the client's error into our words.
    pub(super) fn explain(&self, doing: &'static str, error: Acme) -> Error {
        match error {
            Acme::Api(problem) => {
                let problem = Problem::of(&problem);
                if problem.kind == "rateLimited" {
                    let pause = take(&self.pause);
                    return Error::RateLimited { problem, pause };
                }
                Error::Problem { doing, problem }
            }
            Acme::Other(other) => match other.downcast::<hybridge_net::TransportError>() {
                Ok(error) => Error::Transport(*error),
                Err(other) => match other.downcast::<Strange>() {
                    Ok(strange) => Error::NotAcme {
                        address: strange.address,
                        status: strange.status,
                        detail: "its answer explains nothing".to_owned(),
                    },
                    Err(other) => Error::Protocol { doing, detail: other.to_string() },
                },
            },
            Acme::Timeout(_) => Error::NotInTime { doing },
            other => Error::Protocol { doing, detail: other.to_string() },
        }
    }
}

fn take(pause: &Mutex<Option<String>>) -> Option<String> {
    pause.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
}
