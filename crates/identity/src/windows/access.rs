use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderValue, Method, StatusCode, header};
use hybridge_net::{Clock, Connection, Connector, Happened, Messenger, Request, Response, TransportError};
use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::{
    SignedError, SignedIn, SignedTransport, WindowsFault, WindowsProtocol, WindowsRefusal, WindowsSecret,
    WindowsSignIn,
    kerberos::{Kerberos, NoToken},
    ntlm::Handshake,
};
use crate::{Error, adfs::with_slash, challenge::offered_schemes, error::without_query, exchange};

/// IIS ends idle connections after two minutes.
const IDLE: SignedDuration = SignedDuration::from_secs(90);
/// How long a request for the sake of signing in may take.
const TRIAL: Duration = Duration::from_secs(100);
/// The most connections that are kept while nothing is sent.
const MOST_IDLE: usize = 64;
/// After NTLM was used in its place, Kerberos is tried again after this.
const NTLM_STANDS: SignedDuration = SignedDuration::from_mins(30);

/// All that [`WindowsAccess`] is made of.
#[derive(Debug, Clone)]
pub struct WindowsParts {
    /// The organization's address, such as `https://crm.contoso.local/Contoso/`.
    pub organization: Url,
    /// The account.
    pub sign_in: WindowsSignIn,
    /// This machine's name, as domain controllers are told it.
    pub machine: String,
    /// What is asked to see whether a sign-in works.
    pub trial: Trial,
    /// What the organization is reached through.
    pub connector: Arc<dyn Connector>,
    /// What domain controllers are reached through.
    pub messenger: Arc<dyn Messenger>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// A request that changes nothing, by which a sign-in is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// `WhoAmI` of an organization.
    WhoAmI,
    /// An empty message to a listener of Windows Remote Management, as Windows itself sends it.
    EmptyMessage,
}

/// Connections to an organization that are signed in with Windows authentication.
///
/// Only one sign-in is under way at a time, and a refusal stands for a while without being asked for again:
/// 15 minutes for a wrong password. Otherwise the account would be locked soon.
pub struct WindowsAccess {
    parts: WindowsParts,
    service: String,
    trial: Url,
    signing: tokio::sync::Mutex<Signing>,
    idle: Mutex<Vec<Line>>,
}

#[derive(Debug)]
struct Signing {
    kerberos: Kerberos,
    way: Option<Way>,
    refused: Option<(Timestamp, Error)>,
}

/// What was found to work.
#[derive(Debug, Clone)]
enum Way {
    Kerberos,
    Ntlm { scheme: &'static str, since: Timestamp, instead: Option<WindowsRefusal> },
}

#[derive(Debug)]
struct Line {
    connection: Box<dyn Connection>,
    /// By NTLM; Kerberos signs in each request.
    signed_in: bool,
    used: Timestamp,
}

impl WindowsAccess {
    /// Nothing is asked for yet.
    ///
    /// # Errors
    /// When the organization's address has no host.
    pub fn new(parts: WindowsParts) -> Result<Self, Error> {
        let address = |detail: String| Error::Address { address: parts.organization.to_string(), detail };
        let host = parts.organization.host_str().ok_or_else(|| address("it has no host".to_owned()))?;
        let service = parts.sign_in.service.clone().unwrap_or_else(|| format!("HTTP/{host}"));
        let trial = match parts.trial {
            Trial::EmptyMessage => parts.organization.clone(),
            Trial::WhoAmI => with_slash(parts.organization.clone())
                .join("api/data/v9.1/WhoAmI")
                .map_err(|error| address(error.to_string()))?,
        };
        let kerberos = Kerberos::new(
            parts.sign_in.clone(),
            service.clone(),
            parts.machine.clone(),
            parts.messenger.clone(),
        );
        let signing = tokio::sync::Mutex::new(Signing { kerberos, way: None, refused: None });
        Ok(Self { parts, service, trial, signing, idle: Mutex::default() })
    }

    /// The service principal name that tickets are asked for.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Signs in, unless that was done already, and says how.
    ///
    /// # Errors
    /// When neither Kerberos nor NTLM is possible.
    pub async fn sign_in(&self) -> Result<SignedIn, Error> {
        Ok(match self.way().await? {
            Way::Kerberos => SignedIn { protocol: WindowsProtocol::Kerberos, instead_of_kerberos: None },
            Way::Ntlm { instead, .. } => {
                SignedIn { protocol: WindowsProtocol::Ntlm, instead_of_kerberos: instead }
            }
        })
    }

    async fn way(&self) -> Result<Way, Error> {
        let now = self.parts.clock.now();
        let mut signing = self.signing.lock().await;
        match &signing.way {
            Some(Way::Ntlm { since, .. }) if now.duration_since(*since) > NTLM_STANDS => {}
            Some(way) => return Ok(way.clone()),
            None => {}
        }
        signing.standing(now)?;
        let found = self.find_way(&mut signing.kerberos).await;
        match &found {
            Ok(way) => signing.way = Some(way.clone()),
            Err(error) => signing.stand(error, now),
        }
        found
    }

    /// Tries Kerberos, then NTLM, with a request that changes nothing.
    async fn find_way(&self, kerberos: &mut Kerberos) -> Result<Way, Error> {
        let request = self.trial_request();
        let mut line = self.open(&request).await?;
        let answer = line.connection.send(request.clone()).await?;
        let offered = offered_schemes(&answer.headers);
        let offers = |scheme: &str| offered.iter().any(|offered| offered.eq_ignore_ascii_case(scheme));
        let (negotiate, ntlm) = (offers("Negotiate"), offers("NTLM"));
        if !is_challenge(&answer) {
            let organization = without_query(&self.parts.organization);
            return Err(Error::NoWindowsAuthentication { organization, status: answer.status, offered });
        }
        let mut instead = None;
        if negotiate {
            match kerberos.token(self.parts.clock.now()).await {
                Ok(token) => {
                    let answer = self.on(&mut line, signed(request.clone(), "Negotiate", &token)?).await?;
                    if !is_challenge(&answer) {
                        self.keep(line);
                        return Ok(Way::Kerberos);
                    }
                    kerberos.forget();
                    instead = Some(self.refusal(WindowsFault::TicketRefused, String::new()));
                }
                Err(NoToken { fault, server, detail }) => {
                    let refusal = WindowsRefusal { server, ..self.refusal(fault, detail) };
                    if fault.is_about_the_account() {
                        return Err(Error::Windows(Box::new(refusal)));
                    }
                    instead = Some(refusal);
                }
            }
            if let Some(instead) = &instead {
                tracing::debug!(%instead, "Kerberos is not possible");
            }
        }
        let before = instead.clone().map(Box::new);
        if matches!(self.parts.sign_in.secret, WindowsSecret::Keytab(_)) {
            let only_ntlm = || self.refusal(WindowsFault::NtlmNeedsPassword, String::new());
            return Err(Error::Windows(Box::new(instead.unwrap_or_else(only_ntlm))));
        }
        // IIS takes NTLM's messages under either name; without "NTLM" the administrator wants Negotiate only.
        let scheme = if ntlm { "NTLM" } else { "Negotiate" };
        let mut line = self.open(&request).await?;
        if let Err(detail) = self.shake_hands(&mut line, scheme).await? {
            let refusal = self.refusal(WindowsFault::NtlmRefused, detail);
            return Err(Error::Windows(Box::new(WindowsRefusal { before, ..refusal })));
        }
        self.keep(line);
        Ok(Way::Ntlm { scheme, since: self.parts.clock.now(), instead })
    }

    /// Authenticates a connection with NTLM. The inner error is the server's refusal.
    async fn shake_hands(&self, line: &mut Line, scheme: &str) -> Result<Result<(), String>, Error> {
        let WindowsSecret::Password(password) = &self.parts.sign_in.secret else {
            return Ok(Err("there is no password".to_owned()));
        };
        let user = &self.parts.sign_in.user;
        let mut handshake = match Handshake::new(user, password, &self.service, &self.parts.machine) {
            Ok(handshake) => handshake,
            Err(detail) => return Ok(Err(detail)),
        };
        let request = self.trial_request();
        let mut received = Vec::new();
        loop {
            let began = !received.is_empty();
            let message = match handshake.step(received) {
                Ok(message) => message,
                Err(detail) => return Ok(Err(detail)),
            };
            let answer = line.connection.send(signed(request.clone(), scheme, &message)?).await?;
            if !is_challenge(&answer) {
                line.signed_in = began;
                return Ok(if began { Ok(()) } else { Err("the server did not ask back".to_owned()) });
            }
            match token_of(&answer, scheme) {
                Some(token) if !began => received = token,
                _ if began => return Ok(Err(String::new())),
                _ => return Ok(Err(format!("the server offers {scheme}, but does not take it"))),
            }
            if !line.connection.is_open() {
                return Ok(Err("the server ends the connection that NTLM is to authenticate".to_owned()));
            }
        }
    }

    /// A request that changes nothing.
    fn trial_request(&self) -> Request {
        let mut request = exchange::get(self.trial.clone());
        if self.parts.trial == Trial::EmptyMessage {
            request.method = Method::POST;
            let kind = HeaderValue::from_static("application/soap+xml;charset=UTF-8");
            request.headers.insert(header::CONTENT_TYPE, kind);
        }
        // It can be the one that starts the application pool, which takes a CRM server more than a minute.
        request.timeout = TRIAL;
        request
    }

    async fn open(&self, request: &Request) -> Result<Line, TransportError> {
        let connection = self.parts.connector.connect(request).await?;
        Ok(Line { connection, signed_in: false, used: self.parts.clock.now() })
    }

    /// Sends over a connection, or over a new one where the server has ended it.
    async fn on(&self, line: &mut Line, request: Request) -> Result<Response, TransportError> {
        if line.connection.is_open() {
            match line.connection.send(request.clone()).await {
                Err(error) if error.happened == Happened::No => {}
                outcome => return outcome,
            }
        }
        *line = self.open(&request).await?;
        line.connection.send(request).await
    }

    fn keep(&self, mut line: Line) {
        let now = self.parts.clock.now();
        line.used = now;
        let mut idle = self.idle();
        idle.retain(|line| line.connection.is_open() && now.duration_since(line.used) < IDLE);
        if line.connection.is_open() && idle.len() < MOST_IDLE {
            idle.push(line);
        }
    }

    /// A kept connection that still looks good: signed in, where it has to be.
    fn kept(&self, signed_in: bool) -> Option<Line> {
        let now = self.parts.clock.now();
        let mut idle = self.idle();
        idle.retain(|line| line.connection.is_open() && now.duration_since(line.used) < IDLE);
        let place = idle.iter().rposition(|line| line.signed_in == signed_in)?;
        Some(idle.remove(place))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusal(&self, fault: WindowsFault, detail: String) -> WindowsRefusal {
        let WindowsSignIn { user, secret, .. } = &self.parts.sign_in;
        WindowsRefusal {
            fault,
            user_name: user.name().to_owned(),
            with_keytab: matches!(secret, WindowsSecret::Keytab(_)),
            realm: user.realm().to_owned(),
            service: self.service.clone(),
            server: without_query(&self.parts.organization),
            detail,
            before: None,
        }
    }

    /// One try on one connection. `None` where the server wants another sign-in.
    async fn try_once(&self, way: &Way, request: &Request) -> Result<Option<Response>, SignedError> {
        let ntlm = matches!(way, Way::Ntlm { .. });
        loop {
            let kept = self.kept(ntlm);
            let reused = kept.is_some();
            let mut line = match kept {
                Some(line) => line,
                None => self.open(request).await?,
            };
            let signed_request = match way {
                Way::Kerberos => match self.ticket().await? {
                    Some(ticket) => signed(request.clone(), "Negotiate", &ticket)?,
                    None => return Ok(None),
                },
                Way::Ntlm { scheme, .. } => {
                    if !line.signed_in && !self.sign_in_line(&mut line, scheme).await? {
                        return Ok(None);
                    }
                    request.clone()
                }
            };
            match line.connection.send(signed_request).await {
                // The server had ended it while it was idle.
                Err(error) if reused && error.happened == Happened::No => {}
                Err(error) => return Err(error.into()),
                Ok(answer) if is_challenge(&answer) => return Ok(None),
                Ok(answer) => {
                    self.keep(line);
                    return Ok(Some(answer));
                }
            }
        }
    }

    /// A ticket for one request. `None` where Kerberos has become impossible for another reason than the account.
    async fn ticket(&self) -> Result<Option<Vec<u8>>, Error> {
        let now = self.parts.clock.now();
        let mut signing = self.signing.lock().await;
        signing.standing(now)?;
        match signing.kerberos.token(now).await {
            Ok(ticket) => Ok(Some(ticket)),
            Err(NoToken { fault, server, detail }) if fault.is_about_the_account() => {
                let refusal = WindowsRefusal { server, ..self.refusal(fault, detail) };
                let error = Error::Windows(Box::new(refusal));
                signing.stand(&error, now);
                Err(error)
            }
            Err(error) => {
                tracing::debug!(?error, "there are no tickets any more");
                Ok(None)
            }
        }
    }

    /// Authenticates one more connection. Only one at a time: each refusal counts as a wrong password.
    async fn sign_in_line(&self, line: &mut Line, scheme: &str) -> Result<bool, Error> {
        let mut signing = self.signing.lock().await;
        signing.standing(self.parts.clock.now())?;
        if signing.way.is_none() {
            return Ok(false);
        }
        let accepted = self.shake_hands(line, scheme).await?.is_ok();
        if !accepted {
            signing.way = None;
        }
        Ok(accepted)
    }
}

impl Signing {
    /// The refusal that still stands.
    fn standing(&self, now: Timestamp) -> Result<(), Error> {
        match &self.refused {
            Some((until, error)) if now < *until => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn stand(&mut self, error: &Error, now: Timestamp) {
        self.way = None;
        self.refused = now.checked_add(error.stands_for()).ok().map(|until| (until, error.clone()));
    }
}

impl fmt::Debug for WindowsAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WindowsAccess")
            .field("organization", &self.parts.organization.as_str())
            .field("sign_in", &self.parts.sign_in)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SignedTransport for WindowsAccess {
    async fn send(&self, request: Request) -> Result<Response, SignedError> {
        let way = self.way().await?;
        if let Some(answer) = self.try_once(&way, &request).await? {
            return Ok(answer);
        }
        // The ticket or the connection may be too old, or the server has changed its mind: from the beginning.
        {
            let mut signing = self.signing.lock().await;
            signing.way = None;
            signing.kerberos.forget();
            self.idle().clear();
        }
        let way = self.way().await?;
        if let Some(answer) = self.try_once(&way, &request).await? {
            return Ok(answer);
        }
        let fault = match way {
            Way::Kerberos => WindowsFault::TicketRefused,
            Way::Ntlm { .. } => WindowsFault::NtlmRefused,
        };
        let detail = "signing in works, but this request was not accepted".to_owned();
        Err(Error::Windows(Box::new(self.refusal(fault, detail))).into())
    }
}

/// Whether the server wants a sign-in. The CRM server's own 401 is an answer: IIS adds a challenge to it, but the
/// body is an OData error, where that of IIS is a web page (dynamics.md 2.1).
fn is_challenge(answer: &Response) -> bool {
    answer.status == StatusCode::UNAUTHORIZED
        && !answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
        && offered_schemes(&answer.headers)
            .iter()
            .any(|scheme| scheme.eq_ignore_ascii_case("negotiate") || scheme.eq_ignore_ascii_case("ntlm"))
}

/// The token that a server answers a token with.
fn token_of(answer: &Response, scheme: &str) -> Option<Vec<u8>> {
    answer.headers.get_all(header::WWW_AUTHENTICATE).iter().find_map(|value| {
        let (named, token) = value.to_str().ok()?.split_once(' ')?;
        named.eq_ignore_ascii_case(scheme).then(|| BASE64_STANDARD.decode(token.trim()).ok())?
    })
}

fn signed(mut request: Request, scheme: &str, token: &[u8]) -> Result<Request, Error> {
    let value = format!("{scheme} {}", BASE64_STANDARD.encode(token));
    let mut value = HeaderValue::try_from(value).map_err(|error| Error::Address {
        address: without_query(&request.url),
        detail: error.to_string(),
    })?;
    value.set_sensitive(true);
    request.headers.insert(header::AUTHORIZATION, value);
    Ok(request)
}
