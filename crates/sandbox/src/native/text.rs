//! What administrators read when the trust fails, as the error catalogue has it (setup.md 2.6).

/// Why a sign-in to Exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The text of the alert.
    pub(crate) text: String,
    /// What stands behind it: headers of the answer.
    pub(crate) details: String,
    /// It may go by itself: tried again before the mailbox is switched off (server-side-sync.md 1.6).
    pub(crate) transient: bool,
}

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), details: String::new(), transient: false }
    }

    fn with(text: &str, details: String) -> Self {
        Self { text: text.to_owned(), details, transient: false }
    }

    /// The certificate is missing or invalid.
    pub(super) fn authentication(why: &str) -> Self {
        Self::with("Failed Authentication", why.to_owned())
    }

    /// The token service gave no token.
    pub(super) fn token(why: &str) -> Self {
        Self::new(format!("ACS token acquisition error: {why}"))
    }

    /// Two certificates of one subject, or a key that CRM can't use.
    pub(super) fn private_key() -> Self {
        Self::new("Private key not found")
    }

    /// The web server holds the old certificate.
    pub(super) fn bad_request() -> Self {
        Self::new("The remote server returned an error: (400) Bad Request.")
    }

    /// .NET began with a version of TLS that the service refuses.
    pub(super) fn old_tls() -> Self {
        let text = "The underlying connection was closed: An unexpected error occurred on a send.";
        Self { transient: true, ..Self::new(text) }
    }

    /// The tenant is not enabled for Dynamics on-premises.
    pub(super) fn not_enabled(tenant: &str) -> Self {
        let header = format!(
            "WWW-Authenticate: Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", \
             trusted_issuers=\"00000001-0000-0000-c000-000000000000@*\", \
             token_types=\"app_asserted_user_v1 service_asserted_app_v1\", \
             authorization_uri=\"https://login.windows.net/common/oauth2/authorize\", realm=\"{tenant}\", \
             error=\"invalid_token\""
        );
        Self {
            text: format!(
                "The request failed. The remote server returned an error: (401) Unauthorized. {header}"
            ),
            details: header,
            transient: false,
        }
    }

    /// EWS refuses the caller, and says by which policy.
    pub(super) fn forbidden(reason: Option<&str>) -> Self {
        let text = "The request failed. The remote server returned an error: (403) Forbidden.";
        match reason {
            Some(reason) => {
                let header = format!("X-EWS-Policy-Reason: {reason}");
                Self { text: format!("{text} {header}"), details: header, transient: false }
            }
            None => Self::new(text),
        }
    }

    /// The address is not the mailbox's primary one, or the profile is of a wrong kind.
    pub(super) fn unauthorized() -> Self {
        Self::new("Http server returned 401 Unauthorized")
    }
}
