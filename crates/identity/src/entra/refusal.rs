//! What Entra ID's refusals mean, and what to do about each (graph.md 1.6).

use std::{fmt, time::Duration};

use http::StatusCode;
use hybridge_net::Response;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::{Error, error::is_passing, exchange};

/// Beyond this, a clock is called wrong: Entra ID itself allows for about five minutes.
const TOLERABLE: SignedDuration = SignedDuration::from_mins(1);

/// Entra ID refused to give a token, or to describe a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntraRefusal {
    fault: EntraFault,
    subject: Subject,
    status: StatusCode,
    error: String,
    code: Option<u32>,
    description: String,
    trace_id: Option<String>,
    correlation_id: Option<String>,
}

/// Whom the refusal is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) tenant: String,
    pub(super) client_id: Option<Uuid>,
    pub(super) thumbprint: Option<String>,
    pub(super) scope: Option<String>,
}

/// The meaning of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntraFault {
    /// The tenant does not exist in this cloud.
    UnknownTenant,
    /// The tenant lives in another national cloud.
    OtherCloud,
    /// The tenant has no such application.
    UnknownApplication,
    /// The application's service principal is disabled.
    ApplicationDisabled,
    /// The certificate is not accepted.
    Certificate(KeyProblem),
    /// The assertion was signed in the future or the past.
    AssertionTime {
        /// How far this machine's clock is ahead of Entra ID's (negative: behind), where that is known.
        clock_ahead: Option<SignedDuration>,
    },
    /// The assertion was made for another token endpoint.
    WrongAudience,
    /// The scope can't be asked for.
    Scope,
    /// The service that the token is for is not there in this tenant.
    UnknownResource,
    /// Too many requests.
    Throttled {
        /// The pause that it asks for.
        retry_after: Option<Duration>,
    },
    /// Out of order for a while.
    Unavailable {
        /// The pause that it asks for.
        retry_after: Option<Duration>,
    },
    /// Anything else: the description says more.
    Other,
}

/// Why a certificate is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProblem {
    /// It is not registered for the application.
    NotRegistered,
    /// Its validity, or that of its registration, is over or has not begun.
    OutsideValidity,
    /// It was revoked.
    Revoked,
    /// The signature does not match it.
    BadSignature,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    error: String,
    error_description: String,
    error_codes: Vec<u32>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
}

/// Reads a refusal. An answer in another form becomes [`Error::UnexpectedAnswer`].
pub(super) fn explain(url: &Url, answer: &Response, subject: Subject, now: Timestamp) -> Error {
    let retry_after = exchange::retry_after(answer, now);
    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    if body.error.is_empty() {
        return Error::UnexpectedAnswer {
            address: crate::error::without_query(url),
            status: answer.status,
            detail: "it is not an answer of Entra ID".to_owned(),
            retry_after,
        };
    }
    let code = body.error_codes.first().copied().or_else(|| code_in(&body.error_description));
    let waiting = answer.status == StatusCode::TOO_MANY_REQUESTS || code == Some(90055);
    let passing = is_passing(answer.status) || body.error == "temporarily_unavailable";
    let fault = match code {
        _ if waiting => EntraFault::Throttled { retry_after },
        _ if passing => EntraFault::Unavailable { retry_after },
        Some(700_024) => EntraFault::AssertionTime { clock_ahead: exchange::clock_ahead(answer, now) },
        code => meaning(code, &body),
    };
    Error::Entra(Box::new(EntraRefusal {
        fault,
        subject,
        status: answer.status,
        error: exchange::first_words(&body.error),
        code,
        description: exchange::first_words(&body.error_description),
        trace_id: body.trace_id,
        correlation_id: body.correlation_id,
    }))
}

fn meaning(code: Option<u32>, body: &Body) -> EntraFault {
    match code {
        Some(90002) => EntraFault::UnknownTenant,
        Some(90038 | 900_382) => EntraFault::OtherCloud,
        Some(700_016) => EntraFault::UnknownApplication,
        Some(7_000_112) => EntraFault::ApplicationDisabled,
        Some(700_027) => EntraFault::Certificate(key_problem(&body.error_description)),
        Some(1_000_502) => EntraFault::Certificate(KeyProblem::OutsideValidity),
        Some(7_000_214 | 7_000_277) => EntraFault::Certificate(KeyProblem::Revoked),
        Some(7_000_274 | 50012) => EntraFault::Certificate(KeyProblem::BadSignature),
        // One code, two meanings; the OAuth error tells them apart.
        Some(700_023) if body.error == "invalid_client" => EntraFault::WrongAudience,
        Some(70011 | 1_002_012 | 700_022 | 700_023) => EntraFault::Scope,
        Some(500_011 | 50001) => EntraFault::UnknownResource,
        _ => match body.error.as_str() {
            "invalid_tenant" => EntraFault::UnknownTenant,
            "invalid_scope" => EntraFault::Scope,
            "invalid_resource" => EntraFault::UnknownResource,
            _ => EntraFault::Other,
        },
    }
}

fn key_problem(description: &str) -> KeyProblem {
    let description = description.to_ascii_lowercase();
    if description.contains("key was not found") {
        KeyProblem::NotRegistered
    } else if description.contains("expired") {
        KeyProblem::OutsideValidity
    } else {
        KeyProblem::BadSignature
    }
}

fn code_in(description: &str) -> Option<u32> {
    let (_, rest) = description.split_once("AADSTS")?;
    let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    rest.split_at(end).0.parse().ok()
}

impl EntraRefusal {
    /// What it means.
    pub fn fault(&self) -> EntraFault {
        self.fault
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The OAuth error, such as `invalid_client`.
    pub fn error(&self) -> &str {
        &self.error
    }

    /// The number after `AADSTS`.
    pub fn code(&self) -> Option<u32> {
        self.code
    }

    /// Entra ID's own words.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The trace id: Microsoft's support asks for it.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// The correlation id: the sign-in log of the tenant is searched with it.
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.fault, EntraFault::Throttled { .. } | EntraFault::Unavailable { .. })
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.fault {
            EntraFault::Throttled { retry_after } | EntraFault::Unavailable { retry_after } => retry_after,
            _ => None,
        }
    }

    pub(crate) fn remedy(&self) -> String {
        let Subject { tenant, client_id, thumbprint, scope } = &self.subject;
        let client_id = client_id.map(|id| id.to_string()).unwrap_or_default();
        let thumbprint = thumbprint.as_deref().unwrap_or_default();
        match self.fault {
            EntraFault::UnknownTenant => format!(
                "Correct the tenant {tenant}: its id is on the overview page of the Entra admin center. If it is \
                 right, set the cloud that it lives in."
            ),
            EntraFault::OtherCloud => "Set the cloud that the tenant lives in.".to_owned(),
            EntraFault::UnknownApplication => format!(
                "Correct the application (client) id {client_id}, or the tenant: the application must be \
                 registered there, or have been consented to there."
            ),
            EntraFault::ApplicationDisabled => format!(
                "In the Entra admin center, under Enterprise applications, let users sign in to {client_id} again \
                 (accountEnabled)."
            ),
            EntraFault::Certificate(KeyProblem::NotRegistered) => format!(
                "Upload the certificate {thumbprint} to the application {client_id} under Certificates & secrets, \
                 or configure the one that is registered there. A certificate uploaded only now takes some \
                 minutes to be known everywhere."
            ),
            EntraFault::Certificate(KeyProblem::OutsideValidity) => format!(
                "Make a new certificate, upload it to the application {client_id}, and configure it in place of \
                 {thumbprint}."
            ),
            EntraFault::Certificate(KeyProblem::Revoked) => {
                format!("Replace the certificate {thumbprint}: it was revoked.")
            }
            EntraFault::Certificate(KeyProblem::BadSignature) => format!(
                "Upload the certificate {thumbprint} again, exactly as it is configured here: the registered one \
                 has another key."
            ),
            EntraFault::AssertionTime { clock_ahead } => clock_remedy(clock_ahead),
            EntraFault::WrongAudience => {
                "Check that tenant and cloud belong together, and that no proxy rewrites the address."
                    .to_owned()
            }
            EntraFault::Scope => format!(
                "Ask for one resource followed by /.default, such as https://graph.microsoft.com/.default, in place \
                 of {:?}.",
                scope.as_deref().unwrap_or_default()
            ),
            EntraFault::UnknownResource => format!(
                "Check that the cloud fits the tenant, and that the service behind {:?} is enabled in it.",
                scope.as_deref().unwrap_or_default()
            ),
            EntraFault::Throttled { .. } | EntraFault::Unavailable { .. } => {
                "Nothing: Hybridge tries again by itself.".to_owned()
            }
            EntraFault::Other => match self.correlation_id() {
                Some(id) => format!("Look in the tenant's sign-in log for the correlation id {id}."),
                None => "Look in the tenant's sign-in log.".to_owned(),
            },
        }
    }
}

impl fmt::Display for EntraRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Subject { tenant, client_id, thumbprint, .. } = &self.subject;
        let client_id = client_id.map(|id| id.to_string()).unwrap_or_default();
        let thumbprint = thumbprint.as_deref().unwrap_or_default();
        match self.fault {
            EntraFault::UnknownTenant => write!(formatter, "Entra ID knows no tenant {tenant} in this cloud"),
            EntraFault::OtherCloud => {
                write!(formatter, "the tenant {tenant} lives in another national cloud")
            }
            EntraFault::UnknownApplication => {
                write!(formatter, "the tenant {tenant} has no application {client_id}")
            }
            EntraFault::ApplicationDisabled => {
                write!(formatter, "the application {client_id} is disabled in the tenant {tenant}")
            }
            EntraFault::Certificate(KeyProblem::NotRegistered) => {
                write!(
                    formatter,
                    "the certificate {thumbprint} is not registered for the application {client_id}"
                )
            }
            EntraFault::Certificate(KeyProblem::OutsideValidity) => {
                write!(
                    formatter,
                    "the certificate {thumbprint} of the application {client_id} is outside its validity"
                )
            }
            EntraFault::Certificate(KeyProblem::Revoked) => {
                write!(formatter, "the certificate {thumbprint} was revoked")
            }
            EntraFault::Certificate(KeyProblem::BadSignature) => {
                write!(formatter, "Entra ID can't verify what was signed with the certificate {thumbprint}")
            }
            EntraFault::AssertionTime { clock_ahead } => {
                formatter.write_str("Entra ID refused the time in the assertion")?;
                clock_ahead
                    .map_or(Ok(()), |ahead| write!(formatter, ": this machine's clock is {}", off_by(ahead)))
            }
            EntraFault::WrongAudience => write!(formatter, "the assertion is for another token endpoint"),
            EntraFault::Scope => write!(formatter, "Entra ID refused the scope"),
            EntraFault::UnknownResource => {
                write!(formatter, "the tenant {tenant} does not have the service that the token is for")
            }
            EntraFault::Throttled { .. } => write!(formatter, "Entra ID asks for fewer requests"),
            EntraFault::Unavailable { .. } => write!(formatter, "Entra ID is out of order for the moment"),
            EntraFault::Other => write!(formatter, "Entra ID refused ({}): {}", self.error, self.description),
        }?;
        self.code.map_or(Ok(()), |code| write!(formatter, " (AADSTS{code})"))
    }
}

fn clock_remedy(clock_ahead: Option<SignedDuration>) -> String {
    match clock_ahead {
        Some(ahead) if ahead.abs() > TOLERABLE => {
            format!(
                "Set this machine's clock, which is {}, and let it be kept by a time service.",
                off_by(ahead)
            )
        }
        _ => "Check this machine's clock and time service, and that no proxy delays requests for minutes."
            .to_owned(),
    }
}

fn off_by(ahead: SignedDuration) -> String {
    let seconds = ahead.as_secs().unsigned_abs();
    let amount = match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    };
    format!("{amount} {}", if ahead.is_negative() { "behind" } else { "ahead" })
}
