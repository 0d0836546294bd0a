//! Kerberos: from a password or a key to what stands in `Authorization: Negotiate` (RFC 4559, RFC 4120).

use std::{fmt, sync::Arc};

use hybridge_net::Messenger;
use jiff::{SignedDuration, Timestamp};
use picky_krb::{
    crypto::CipherSuite,
    messages::{AsRep, KrbError},
};
use secrecy::ExposeSecret;
use sspi::{
    AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, Credentials, CredentialsBuffers,
    DataRepresentation, ErrorKind, KerberosConfig, KeytabIdentity, Negotiate, NegotiateConfig,
    NetworkRequest, Secret, SecurityBuffer, Sspi, SspiImpl,
    generator::GeneratorState,
    kerberos::client::extractors::{extract_encryption_params_from_as_rep, extract_salt_from_krb_error},
};
use zeroize::Zeroizing;

use super::{WindowsFault, WindowsSecret, WindowsSignIn};

/// How long tickets are used before the domain is asked again whether the account may still sign in.
const KEPT: SignedDuration = SignedDuration::from_mins(5);
const PORT: u16 = 88;
/// Tags of messages (RFC 4120, 5.4 and 5.9): a ticket for a user, a request for a service's ticket, an error.
const AS_REP: u8 = 0x6b;
const TGS_REQ: u8 = 0x6c;
const KRB_ERROR: u8 = 0x7e;
const SKEW: u32 = 37;

/// Makes tokens for one service.
pub(super) struct Kerberos {
    sign_in: WindowsSignIn,
    service: String,
    machine: String,
    messenger: Arc<dyn Messenger>,
    tickets: Option<Tickets>,
}

/// What the domain controllers answered the last time, and when: sspi asks anew for each token, and the same
/// answers hold the same tickets.
struct Tickets {
    since: Timestamp,
    answers: Vec<Vec<u8>>,
    key: Option<Key>,
}

/// The key that a password stands for; to make it takes longer than all the rest.
type Key = (Zeroizing<Vec<u8>>, CipherSuite);

/// Why there is no token.
#[derive(Debug)]
pub(super) struct NoToken {
    pub(super) fault: WindowsFault,
    pub(super) server: String,
    pub(super) detail: String,
}

/// One conversation with domain controllers.
#[derive(Default)]
struct Conversation {
    remembered: std::vec::IntoIter<Vec<u8>>,
    answers: Vec<Vec<u8>>,
    server: String,
    fault: Option<WindowsFault>,
    skewed: bool,
}

impl fmt::Debug for Kerberos {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Kerberos").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Kerberos {
    pub(super) fn new(
        sign_in: WindowsSignIn,
        service: String,
        machine: String,
        messenger: Arc<dyn Messenger>,
    ) -> Self {
        Self { sign_in, service, machine, messenger, tickets: None }
    }

    /// Tickets are asked for anew the next time.
    pub(super) fn forget(&mut self) {
        self.tickets = None;
    }

    /// A token for one request.
    pub(super) async fn token(&mut self, now: Timestamp) -> Result<Vec<u8>, NoToken> {
        let fresh = |tickets: &Tickets| {
            let age = now.duration_since(tickets.since);
            !age.is_negative() && age < KEPT
        };
        if let Some(tickets) = self.tickets.take().filter(fresh) {
            let remembered = tickets.answers.clone().into_iter();
            let mut conversation = Conversation { remembered, ..Conversation::default() };
            if let Ok(token) = self.ask(&mut conversation, tickets.key.as_ref()).await {
                self.tickets = Some(tickets);
                return Ok(token);
            }
        }
        let mut conversation = Conversation::default();
        let outcome = self.ask(&mut conversation, None).await;
        match outcome {
            Ok(token) => {
                let key = self.key(&conversation.answers);
                let tickets = Tickets { since: now, answers: conversation.answers, key };
                // The correction of a wrong clock is computed from when the answer came.
                self.tickets = (!conversation.skewed).then_some(tickets);
                Ok(token)
            }
            Err(error) => {
                let fault = conversation.fault.unwrap_or(match error.error_type {
                    ErrorKind::TimeSkew => WindowsFault::ClockSkew,
                    ErrorKind::NoAuthenticatingAuthority => WindowsFault::KdcUnreachable,
                    _ => WindowsFault::Other,
                });
                // The words of the error say nothing more where the fault is known, and can be very long.
                let detail = match fault {
                    WindowsFault::Other | WindowsFault::KdcUnreachable => {
                        error.description.chars().take(200).collect()
                    }
                    _ => String::new(),
                };
                Err(NoToken { fault, server: conversation.server, detail })
            }
        }
    }

    async fn ask(&self, conversation: &mut Conversation, key: Option<&Key>) -> sspi::Result<Vec<u8>> {
        let controller = self.controller();
        conversation.server.clone_from(&controller);
        let kerberos = KerberosConfig::new_with_kdc_url(&format!("tcp://{controller}"), self.machine.clone());
        let packages = Some("kerberos,!ntlm".to_owned());
        let config = NegotiateConfig::new(Box::new(kerberos), packages, self.machine.clone());
        let mut package = Negotiate::new_client(config)?;
        let mut handle = self.credentials(&mut package, key)?;
        let mut input = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut builder = package
            .initialize_security_context()
            .with_credentials_handle(&mut handle)
            .with_context_requirements(ClientRequestFlags::empty())
            .with_target_data_representation(DataRepresentation::Native)
            .with_target_name(&self.service)
            .with_input(&mut input)
            .with_output(&mut output);
        {
            let mut context = package.initialize_security_context_impl(&mut builder)?;
            let mut state = context.start();
            loop {
                match state {
                    GeneratorState::Suspended(request) => {
                        state = context.resume(conversation.carry(self.messenger.as_ref(), &request).await);
                    }
                    GeneratorState::Completed(outcome) => {
                        outcome?;
                        break;
                    }
                }
            }
        }
        let [token] = output;
        Ok(token.buffer)
    }

    fn credentials(
        &self,
        package: &mut Negotiate,
        key: Option<&Key>,
    ) -> sspi::Result<Option<CredentialsBuffers>> {
        let unusable = || sspi::Error::new(ErrorKind::InvalidParameter, "the user's name can't be used");
        let username = self.sign_in.user.for_kerberos().ok_or_else(unusable)?;
        let with_key = |principal, key: Vec<u8>, key_enctype| {
            Credentials::Keytab(KeytabIdentity { principal, key: Secret::new(key), key_enctype })
        };
        let credentials = match (&self.sign_in.secret, key) {
            (WindowsSecret::Password(_), Some((key, suite))) => {
                with_key(username, key.to_vec(), suite.clone())
            }
            (WindowsSecret::Password(password), None) => Credentials::AuthIdentity(AuthIdentity {
                username,
                password: password.expose_secret().to_owned().into(),
            }),
            (WindowsSecret::Keytab(keytab), _) => {
                let (key, suite) = keytab.key();
                with_key(username, key, suite)
            }
        };
        Ok(package
            .acquire_credentials_handle()
            .with_credential_use(CredentialUse::Outbound)
            .with_auth_data(&credentials)
            .execute(package)?
            .credentials_handle)
    }

    /// The key of the password, made as the domain controller told (RFC 4120, 5.2.7.5).
    fn key(&self, answers: &[Vec<u8>]) -> Option<Key> {
        let WindowsSecret::Password(password) = &self.sign_in.secret else { return None };
        let mut salt = String::new();
        for answer in answers.iter().filter_map(|answer| answer.get(4..)) {
            match *answer.first()? {
                KRB_ERROR => {
                    let error: KrbError = picky_asn1_der::from_bytes(answer).ok()?;
                    salt = extract_salt_from_krb_error(&error).ok()??;
                }
                AS_REP => {
                    let reply: AsRep = picky_asn1_der::from_bytes(answer).ok()?;
                    let (encryption, own) = extract_encryption_params_from_as_rep(&reply).ok()?;
                    let suite = CipherSuite::try_from(usize::from(encryption)).ok()?;
                    let salt = if own.is_empty() { salt } else { own };
                    let password = password.expose_secret().as_bytes();
                    let key = suite.cipher().generate_key_from_password(password, salt.as_bytes()).ok()?;
                    return Some((Zeroizing::new(key), suite));
                }
                _ => return None,
            }
        }
        None
    }

    /// The domain controller to ask, as `host:port`: the configured one, that of `krb5.conf`, or any: the
    /// domain's own name leads to all of them.
    fn controller(&self) -> String {
        let with_port = |host: &str| {
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            if has_port { host.to_owned() } else { format!("{host}:{PORT}") }
        };
        if let Some(configured) = &self.sign_in.kdc {
            return with_port(configured);
        }
        let realm = self.sign_in.user.realm();
        let found = sspi::detect_kdc_url(realm).filter(|url| url.scheme() == "tcp");
        let host = found.as_ref().and_then(|url| url.host_str());
        match (host, found.as_ref().and_then(url::Url::port)) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => with_port(host),
            (None, _) => with_port(&realm.to_lowercase()),
        }
    }
}

impl Conversation {
    /// Carries one message to a domain controller, or finds the answer of the last time.
    async fn carry(&mut self, messenger: &dyn Messenger, request: &NetworkRequest) -> sspi::Result<Vec<u8>> {
        if let Some(answer) = self.remembered.next() {
            return Ok(answer);
        }
        let unreachable = |detail: String| sspi::Error::new(ErrorKind::NoAuthenticatingAuthority, detail);
        let host = request.url.host_str().unwrap_or_default();
        let port = request.url.port().unwrap_or(PORT);
        self.server = format!("{host}:{port}");
        // sspi writes and reads the length in front itself.
        let message = request.data.get(4..).unwrap_or_default();
        let answer = messenger.ask(host.trim_matches(['[', ']']), port, message).await.map_err(|error| {
            self.fault = Some(WindowsFault::KdcUnreachable);
            unreachable(error.to_string())
        })?;
        if answer.first() == Some(&KRB_ERROR)
            && let Ok(error) = picky_asn1_der::from_bytes::<KrbError>(&answer)
        {
            let data = error.0.e_data.0.map(|data| data.0.0).unwrap_or_default();
            let code = error.0.error_code.0;
            let asked_for_service = message.first() == Some(&TGS_REQ);
            self.skewed |= code == SKEW;
            self.fault = Some(WindowsFault::of_kerberos(code, asked_for_service, &data));
        } else {
            self.fault = None;
        }
        let length = u32::try_from(answer.len()).unwrap_or(u32::MAX);
        let answer = [&length.to_be_bytes()[..], &answer].concat();
        self.answers.push(answer.clone());
        Ok(answer)
    }
}
