//! How the organization behaves: what builds and installations differ in, and switches for tests.

use std::time::Duration;

use http::StatusCode;

/// What the organization does with the `ExtraProperties` of the email messages ("internal use" in the
/// reference; server-side-sync.md appendix B, question 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraProperties {
    /// `inreplyto` and `conversationindex` are used for correlation.
    Honoured,
    /// Accepted and not looked at.
    Ignored,
    /// Answered with 400.
    Refused,
}

/// What an anonymous request of a program is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnonymousAnswer {
    /// 401 with a Bearer challenge.
    Challenge,
    /// 200 with the HTML of a sign-in page (dynamics.md 2.1).
    SignInPage,
}

/// How one signs in to the organization (dynamics.md 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// With a token of AD FS: an internet-facing deployment.
    Claims,
    /// With Kerberos or NTLM. IIS does that before the CRM server sees the request; here a web server in
    /// front does, names the user in the header `X-Remote-User`, and is believed.
    Windows,
}

/// A plug-in that aborts the creation of some emails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoisonPlugin {
    /// Emails whose subject contains this text are refused.
    pub subject: String,
    /// The status of the answer; servers differ between 400 and 500.
    pub status: StatusCode,
}

/// The time it takes to create an email: it grows once more calls are in flight than the server can
/// work on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// For each email created, while there is capacity.
    pub per_email: Duration,
    /// The calls that the server works on at a time without slowing down.
    pub capacity: usize,
}

/// Everything that can be switched.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "switches that stand for themselves")]
pub struct OrganizationOptions {
    /// How one signs in.
    pub sign_in: SignIn,
    /// The accounts of the domain, of which alone users can be made; any name does where there is no list.
    pub domain_accounts: Option<Vec<String>>,
    /// What an anonymous program is answered.
    pub anonymous: AnonymousAnswer,
    /// Whether the path `v9.2` is served as well (on-premises: no).
    pub serves_v92: bool,
    /// Whether the Web API offers `Check*Email` and `Deliver*Email`; SOAP always does.
    pub web_api_email_actions: bool,
    /// What happens to `ExtraProperties`.
    pub extra_properties: ExtraProperties,
    /// Whether `Deliver*Email` take `Attachments`; when not they answer 400.
    pub takes_attachments: bool,
    /// Whether attachments may be added to an email that is closed already (Received).
    pub attachments_on_closed: bool,
    /// The longest body kept, in characters.
    pub longest_body: usize,
    /// The largest request body, in bytes (IIS' `maxAllowedContentLength`).
    pub largest_request: usize,
    /// The most operations in a batch or change set.
    pub largest_batch: usize,
    /// Whether `"nav@odata.bind": "$1"` works in a change set; an on-premises v9 fails with 500.
    pub binds_content_ids: bool,
    /// The plug-in that aborts.
    pub poison: Option<PoisonPlugin>,
    /// The time that creating emails takes.
    pub latency: Option<Latency>,
    /// Whether a mailbox is approved by writing `emailrouteraccessapproval`; otherwise only the button does it
    /// (setup.md M5: which of them holds is unconfirmed).
    pub approves_by_web_api: bool,
}

impl Default for OrganizationOptions {
    fn default() -> Self {
        Self {
            sign_in: SignIn::Claims,
            domain_accounts: None,
            anonymous: AnonymousAnswer::Challenge,
            serves_v92: false,
            web_api_email_actions: true,
            extra_properties: ExtraProperties::Honoured,
            takes_attachments: true,
            attachments_on_closed: true,
            longest_body: 1_048_576,
            largest_request: 16 * 1024 * 1024,
            largest_batch: 1000,
            binds_content_ids: false,
            poison: None,
            latency: None,
            approves_by_web_api: true,
        }
    }
}
