use jiff::Timestamp;
use uuid::Uuid;

/// What a verified access token says about its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The client application (`appid`).
    pub app_id: Option<Uuid>,
    /// The object that acts: the service principal or user (`oid`).
    pub object_id: Option<Uuid>,
    /// The tenant (`tid`); AD FS tokens have none.
    pub tenant_id: Option<Uuid>,
    /// The app roles (`roles`), empty when nothing was consented.
    pub roles: Vec<String>,
    /// The delegated permissions (`scp`), empty for an application's token.
    pub scopes: Vec<String>,
    /// The user principal name or `DOMAIN\user` (`upn`), for a user's token.
    pub user_name: Option<String>,
    /// When the token ends.
    pub expires: Timestamp,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFault {
    /// Not a JWT, unknown key, or its signature does not verify.
    Invalid(String),
    /// Past its `exp`, or before its `nbf`.
    OutOfTime,
    /// Issued for another audience.
    WrongAudience(String),
}

/// Verifies the access tokens that an emulated authority issued, as a resource server would with
/// the authority's published keys.
pub trait TokenJudge: Send + Sync + std::fmt::Debug {
    /// The claims of a valid token whose `aud` is one of `audiences`, now.
    fn judge(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenFault>;
}
