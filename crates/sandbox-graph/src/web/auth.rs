use http::StatusCode;
use hybridge_sandbox_kit::{Call, TokenFault, TokenJudge};
use uuid::Uuid;

use super::answer::Fault;

/// The audiences that a token for Microsoft Graph may name (graph.md 1.5).
const AUDIENCES: [&str; 2] = ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"];

const CHALLENGE: &str = "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"";

/// The application behind a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) app_id: Uuid,
    pub(crate) object_id: Option<Uuid>,
    pub(crate) roles: Vec<String>,
}

/// What an operation on a mailbox needs (graph.md 1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Metadata of mail.
    ReadBasic,
    /// All of a message.
    Read,
    Write,
    Send,
    /// To be told about changes: a write role does not do.
    Subscribe,
}

impl Need {
    fn roles(self) -> &'static [&'static str] {
        match self {
            Self::ReadBasic => &["Mail.ReadBasic", "Mail.ReadBasic.All", "Mail.Read", "Mail.ReadWrite"],
            Self::Read => &["Mail.Read", "Mail.ReadWrite"],
            Self::Write => &["Mail.ReadWrite"],
            Self::Send => &["Mail.Send"],
            Self::Subscribe => &["Mail.ReadBasic", "Mail.ReadBasic.All", "Mail.Read"],
        }
    }

    pub(crate) fn is_met_by(self, role: &str) -> bool {
        self.roles().contains(&role)
    }
}

impl Caller {
    /// Verifies the bearer token of a request to a tenant.
    pub(crate) fn authenticate(call: &Call, judge: &dyn TokenJudge, tenant_id: Uuid) -> Result<Self, Fault> {
        let token = call.bearer().ok_or_else(|| refusal("Access token is empty."))?;
        let claims = judge.judge(token, &AUDIENCES).map_err(|fault| match fault {
            TokenFault::Invalid(_) => refusal("Invalid JWT access token."),
            TokenFault::OutOfTime => refusal("Lifetime validation failed, the token is expired."),
            TokenFault::WrongAudience(_) => refusal("Access token validation failure. Invalid audience."),
        })?;
        if claims.tenant_id.is_some_and(|issued_for| issued_for != tenant_id) {
            return Err(refusal("Access token validation failure. Invalid tenant."));
        }
        let app_id = claims.app_id.ok_or_else(|| refusal("Access token has no application."))?;
        // A user's permissions open the directory as an application's do; no user comes for mail here.
        let roles = claims.roles.into_iter().chain(claims.scopes).collect();
        Ok(Self { app_id, object_id: claims.object_id, roles })
    }

    pub(crate) fn has(&self, need: Need) -> bool {
        self.roles.iter().any(|role| need.is_met_by(role))
    }

    /// Directory operations: any of the roles will do.
    pub(crate) fn require_any(&self, roles: &[&str]) -> Result<(), Fault> {
        let held = self.roles.iter().any(|role| roles.contains(&role.as_str()));
        held.then_some(()).ok_or_else(Fault::insufficient_privileges)
    }
}

fn refusal(message: &str) -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
        .with_header("www-authenticate", CHALLENGE)
}
