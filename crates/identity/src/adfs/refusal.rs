//! What the refusals of AD FS mean, and what to do about each (dynamics.md 2.3).

use std::{fmt, time::Duration};

use http::StatusCode;
use hybridge_net::Response;
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::{
    ClaimsSignIn, Error,
    error::{is_passing, without_query},
    exchange,
};

/// AD FS refused to give a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdfsRefusal {
    fault: AdfsFault,
    endpoint: String,
    user_name: String,
    client_id: Uuid,
    resource: String,
    status: StatusCode,
    error: String,
    description: String,
}

/// The meaning of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdfsFault {
    /// User name or password is wrong, or the account is locked or disabled: AD FS does not say which.
    WrongPassword,
    /// The refresh token is not accepted any more.
    RefreshTokenRefused,
    /// This AD FS takes no passwords: Windows Server 2012 R2.
    PasswordGrantUnsupported,
    /// No such client is registered.
    UnknownClient,
    /// The client may not ask for tokens for this organization.
    ClientNotPermitted,
    /// No relying party has this identifier.
    UnknownResource,
    /// A second factor is asked of the account.
    SecondFactor,
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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    error: String,
    error_description: String,
}

/// Reads a refusal. An answer in another form becomes [`Error::UnexpectedAnswer`].
pub(super) fn explain(
    endpoint: &Url,
    answer: &Response,
    sign_in: &ClaimsSignIn,
    resource: String,
    now: Timestamp,
) -> Error {
    let retry_after = exchange::retry_after(answer, now);
    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    if body.error.is_empty() {
        return Error::UnexpectedAnswer {
            address: without_query(endpoint),
            status: answer.status,
            detail: "it is not an answer of AD FS".to_owned(),
            retry_after,
        };
    }
    let fault = if answer.status == StatusCode::TOO_MANY_REQUESTS {
        AdfsFault::Throttled { retry_after }
    } else if is_passing(answer.status) || body.error == "temporarily_unavailable" {
        AdfsFault::Unavailable { retry_after }
    } else {
        meaning(&body)
    };
    let description = exchange::without(&body.error_description, &sign_in.password);
    Error::Adfs(Box::new(AdfsRefusal {
        fault,
        endpoint: without_query(endpoint),
        user_name: sign_in.user_name.clone(),
        client_id: sign_in.client_id,
        resource,
        status: answer.status,
        error: exchange::first_words(&body.error),
        description: exchange::first_words(&description),
    }))
}

fn meaning(body: &Body) -> AdfsFault {
    let description = body.error_description.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| description.contains(word));
    match body.error.as_str() {
        "interaction_required" => AdfsFault::SecondFactor,
        _ if says(&["multi-factor", "multifactor", "multiple factor", "mfa"]) => AdfsFault::SecondFactor,
        "unsupported_grant_type" => AdfsFault::PasswordGrantUnsupported,
        "invalid_resource" => AdfsFault::UnknownResource,
        "invalid_client" => AdfsFault::UnknownClient,
        "unauthorized_client" => AdfsFault::ClientNotPermitted,
        "invalid_grant" if says(&["refresh_token", "refresh token"]) => AdfsFault::RefreshTokenRefused,
        "invalid_grant" => AdfsFault::WrongPassword,
        // Some versions call everything about a parameter an invalid request.
        _ if says(&["'resource'"]) => AdfsFault::UnknownResource,
        _ if says(&["'client_id'"]) => AdfsFault::UnknownClient,
        _ => AdfsFault::Other,
    }
}

impl AdfsRefusal {
    /// What it means.
    pub fn fault(&self) -> AdfsFault {
        self.fault
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The OAuth error, such as `invalid_grant`.
    pub fn error(&self) -> &str {
        &self.error
    }

    /// The words of AD FS, with their `MSIS` number.
    pub fn description(&self) -> &str {
        &self.description
    }

    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.fault, AdfsFault::Throttled { .. } | AdfsFault::Unavailable { .. })
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.fault {
            AdfsFault::Throttled { retry_after } | AdfsFault::Unavailable { retry_after } => retry_after,
            _ => None,
        }
    }

    pub(crate) fn remedy(&self) -> String {
        let Self { user_name, client_id, resource, .. } = self;
        match self.fault {
            AdfsFault::WrongPassword => format!(
                "Check the password of {user_name}, that the account is neither locked nor disabled, and the form \
                 of the name: some AD FS take DOMAIN\\user only, others user@domain only."
            ),
            AdfsFault::RefreshTokenRefused => "Nothing: Hybridge signs in with the password again.".to_owned(),
            AdfsFault::PasswordGrantUnsupported => {
                "Use AD FS of Windows Server 2016 or later: that of 2012 R2 offers no way to sign in unattended. \
                 Or use the organization's internal address with Windows authentication."
                    .to_owned()
            }
            AdfsFault::UnknownClient => format!(
                "Register the client in AD FS: Add-AdfsClient -ClientId {client_id} -Name Hybridge -RedirectUri \
                 http://localhost/. It must be a public client, without secret."
            ),
            AdfsFault::ClientNotPermitted => format!(
                "Permit the client in AD FS: Grant-AdfsApplicationPermission -ClientRoleIdentifier {client_id} \
                 -ServerRoleIdentifier {resource}, then restart the service adfssrv."
            ),
            AdfsFault::UnknownResource if resource.ends_with('/') => format!(
                "Compare {resource} with the identifiers of the organization's relying party trust \
                 (Get-AdfsRelyingPartyTrust): one must be exactly the same, with the slash at its end."
            ),
            AdfsFault::UnknownResource => format!(
                "Add the slash at the end: {resource}/ in place of {resource}. AD FS compares the identifiers of \
                 the relying party trust letter by letter."
            ),
            AdfsFault::SecondFactor => format!(
                "Exempt {user_name} from multi-factor authentication in the access control policy of the relying \
                 party trust: a service can't answer a second factor."
            ),
            AdfsFault::Throttled { .. } | AdfsFault::Unavailable { .. } => {
                "Nothing: Hybridge tries again by itself.".to_owned()
            }
            AdfsFault::Other => "Look in the event log AD FS/Admin of the AD FS server.".to_owned(),
        }
    }
}

impl fmt::Display for AdfsRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, user_name, client_id, resource, error, description, .. } = self;
        write!(formatter, "AD FS at {endpoint} ")?;
        match self.fault {
            AdfsFault::WrongPassword => {
                write!(formatter, "does not accept user name and password of {user_name}")
            }
            AdfsFault::RefreshTokenRefused => write!(formatter, "does not accept the refresh token any more"),
            AdfsFault::PasswordGrantUnsupported => write!(formatter, "does not sign in with a password"),
            AdfsFault::UnknownClient => write!(formatter, "knows no client {client_id}"),
            AdfsFault::ClientNotPermitted => {
                write!(formatter, "does not permit the client {client_id} to ask for tokens for {resource}")
            }
            AdfsFault::UnknownResource => write!(formatter, "knows no relying party {resource}"),
            AdfsFault::SecondFactor => write!(formatter, "asks {user_name} for a second factor"),
            AdfsFault::Throttled { .. } => write!(formatter, "asks for fewer requests"),
            AdfsFault::Unavailable { .. } => write!(formatter, "is out of order for the moment"),
            AdfsFault::Other => return write!(formatter, "refused ({error}): {description}"),
        }?;
        if description.is_empty() { Ok(()) } else { write!(formatter, " ({description})") }
    }
}
