//! Windows Remote Management over HTTPS: `powershell.exe` in a remote shell (MS-WSMV; setup.md 6.1).

mod message;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{HeaderValue, Method, StatusCode, header};
use hybridge_core::trouble::{Class, Trouble};
use hybridge_identity::{Error, ExposeSecret, SecretString, SignedError, SignedTransport};
use hybridge_net::{Happened, Request};
use url::Url;
use uuid::Uuid;

use self::message::{Fault, Message, State};
use super::{Ended, Powershell};
use crate::Obstacle;

/// How long the server may keep a question for output open, in seconds.
const OPERATION: u64 = 60;
/// How often output is asked for: a quarter of an hour, as long as a service may take to stop (setup.md 6.3).
const QUESTIONS: u64 = 15 * 60 / OPERATION;
/// How much of the standard input goes into one message: well below the smallest envelope of 150 KiB.
const PART: usize = 60 << 10;

/// The way to one server by its listener of Windows Remote Management.
pub struct Winrm {
    address: Url,
    account: String,
    transport: Arc<dyn SignedTransport>,
}

impl fmt::Debug for Winrm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Winrm").field("address", &self.address.as_str()).finish_non_exhaustive()
    }
}

impl Winrm {
    /// By the listener at this address, such as `https://crm01.contoso.com:5986/wsman`, with a transport that signs in
    /// there as this account.
    pub fn new(address: Url, account: impl Into<String>, transport: Arc<dyn SignedTransport>) -> Self {
        Self { address, account: account.into(), transport }
    }

    async fn ask(&self, server: &str, message: Message<'_>) -> Result<State, Refused> {
        let mut request = Request::new(Method::POST, self.address.clone());
        request
            .headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/soap+xml;charset=UTF-8"));
        // Holds the standard input, and with it the secret: nothing here prints it.
        request.body = message.envelope(&self.address, Uuid::new_v4()).into();
        request.timeout = Duration::from_secs(OPERATION + 30);
        let answer = self.transport.send(request).await.map_err(|error| self.unreached(server, &error))?;
        match message::read(&answer.body) {
            Ok(state) if answer.status.is_success() => Ok(state),
            Err(fault) if fault.code == message::TIMED_OUT => Err(Refused::NotYet),
            Err(fault) => Err(self.refused(server, answer.status, &fault)),
            Ok(_) => Err(self.refused(server, answer.status, &Fault::default())),
        }
    }

    fn unreached(&self, server: &str, error: &SignedError) -> Refused {
        let (class, remedy) = match error {
            SignedError::SignIn(Error::Windows(_)) => (
                Class::Denied,
                format!(
                    "Check [native] account and password. The account {} has to be a local administrator of {server}, or in \
                     its group Remote Management Users.",
                    self.account
                ),
            ),
            SignedError::SignIn(Error::NoWindowsAuthentication { .. }) => (
                Class::Denied,
                format!(
                    "Allow Negotiate at the listener: winrm set winrm/config/service/auth @{{Negotiate=\"true\"}} on {server}."
                ),
            ),
            SignedError::SignIn(Error::Transport(error)) | SignedError::Transport(error) => {
                let class = if error.happened == Happened::No { Class::Transient } else { Class::Denied };
                (class, self.not_there(server))
            }
            SignedError::SignIn(other) => (Class::Denied, other.remedy()),
        };
        Refused::For(Box::new(Trouble::new(
            class,
            format!("{server} is not reached over WinRM: {error}"),
            remedy,
        )))
    }

    fn not_there(&self, server: &str) -> String {
        let port = self.address.port_or_known_default().unwrap_or_default();
        format!(
            "See on {server} whether it runs and listens: winrm enumerate winrm/config/listener. It has to have an HTTPS listener that is \
             reached on port {port}, with a certificate that this machine trusts ([trust] authorities). Or write reach = \"bundle\" for \
             this server."
        )
    }

    fn refused(&self, server: &str, status: StatusCode, fault: &Fault) -> Refused {
        let said = if fault.text.is_empty() { status.to_string() } else { fault.text.clone() };
        let remedy = if status == StatusCode::FORBIDDEN || fault.code == message::ACCESS_DENIED {
            format!(
                "Add {} to the local group Administrators of {server} (the group Remote Management Users is not enough to change \
                 certificates and services).",
                self.account
            )
        } else {
            format!("See the event log of {server}, Microsoft-Windows-WinRM/Operational.")
        };
        Refused::For(Box::new(Trouble::new(
            Class::Denied,
            format!("{server} refused over WinRM: {said}"),
            remedy,
        )))
    }

    async fn in_shell(
        &self,
        server: &str,
        shell: &str,
        arguments: &[String],
        input: &SecretString,
    ) -> Result<Ended, Refused> {
        let started = self.ask(server, Message::Command { shell, arguments }).await?;
        let command = started.command_id.as_str();
        let mut parts = input.expose_secret().as_bytes().chunks(PART).peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            self.ask(server, Message::Send { shell, command, part, last }).await?;
        }
        let mut ended = Ended::default();
        for _ in 0..QUESTIONS {
            match self.ask(server, Message::Receive { shell, command }).await {
                Ok(state) => {
                    ended.stdout.push_str(&state.stdout);
                    ended.stderr.push_str(&state.stderr);
                    if let Some(code) = state.exit_code {
                        ended.code = code;
                        // The shell is deleted next, which ends the command anyway.
                        let _signalled = self.ask(server, Message::Terminate { shell, command }).await;
                        return Ok(ended);
                    }
                }
                Err(Refused::NotYet) => {}
                Err(refused) => return Err(refused),
            }
        }
        let what = format!("{server}: the script did not end within {} minutes", QUESTIONS * OPERATION / 60);
        let remedy = format!(
            "Look on {server} what it waits for (a service that does not stop?), then run the same command again."
        );
        Err(Refused::For(Box::new(Trouble::new(Class::Transient, what, remedy))))
    }
}

#[derive(Debug)]
enum Refused {
    /// Nothing to tell yet.
    NotYet,
    For(Box<Trouble>),
}

impl Refused {
    fn obstacle(self, server: &str) -> Obstacle {
        match self {
            Self::For(trouble) => (*trouble).into(),
            Self::NotYet => {
                let what = format!("{server} gives no answer over WinRM in time");
                Trouble::new(Class::Transient, what, "Run the same command again.").into()
            }
        }
    }
}

#[async_trait]
impl Powershell for Winrm {
    async fn start(
        &self,
        server: &str,
        arguments: &[String],
        input: &SecretString,
    ) -> Result<Ended, Obstacle> {
        let shell =
            self.ask(server, Message::Create).await.map_err(|refused| refused.obstacle(server))?.shell_id;
        let ended = self.in_shell(server, &shell, arguments, input).await;
        // A shell that stays is ended by the server after its idle time.
        if let Err(error) = self.ask(server, Message::Delete { shell: &shell }).await {
            tracing::debug!(server, ?error, "the remote shell was not deleted");
        }
        ended.map_err(|refused| refused.obstacle(server))
    }
}
