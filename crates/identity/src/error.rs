use std::time::Duration;

use http::StatusCode;
use hybridge_net::{TransportError, TransportFault};
use url::Url;

use crate::{AdfsFault, AdfsRefusal, EntraRefusal, WindowsFault, WindowsRefusal};

/// Active Directory locks accounts after some wrong passwords within half an hour, as a rule.
const WRONG_PASSWORD_STANDS: Duration = Duration::from_mins(15);
/// Somebody must change something first.
const REFUSAL_STANDS: Duration = Duration::from_secs(30);

/// A certificate can't be used, or no token was given. Never holds a secret.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A PFX file can't be used.
    #[error("the PFX file can't be used: {0}")]
    Pfx(#[from] PfxError),
    /// A certificate can't be read.
    #[error("the certificate can't be read: {detail}")]
    CertificateUnreadable {
        /// Why.
        detail: String,
    },
    /// A private key can't be read.
    #[error("the private key can't be read: {detail}")]
    KeyUnreadable {
        /// Why.
        detail: String,
    },
    /// A private key is of a kind that Entra ID does not take for assertions.
    #[error("the private key is of an unsupported kind: {kind}")]
    UnsupportedKey {
        /// The kind.
        kind: String,
    },
    /// Certificate and key are not a pair.
    #[error("the private key does not belong to the certificate {subject} ({thumbprint})")]
    KeyMismatch {
        /// The certificate's subject.
        subject: String,
        /// Its SHA-1 thumbprint.
        thumbprint: String,
    },
    /// A self-signed certificate can't be made.
    #[error("no certificate can be made for {common_name:?}: {detail}")]
    SelfSigned {
        /// The common name asked for.
        common_name: String,
        /// Why.
        detail: String,
    },
    /// A certificate can't be asked for.
    #[error("no certificate request can be made for {names}: {detail}")]
    Request {
        /// The host names asked for.
        names: String,
        /// Why.
        detail: String,
    },
    /// An authority's certificate is not for the key that it was asked for.
    #[error("the issued certificate {subject} is not for the key that was made for it")]
    NotOurKey {
        /// The certificate's subject.
        subject: String,
    },
    /// An assertion can't be signed.
    #[error("nothing can be signed with the key of the certificate {thumbprint}: {detail}")]
    Signing {
        /// The certificate's SHA-1 thumbprint.
        thumbprint: String,
        /// Why.
        detail: String,
    },
    /// An address can't be formed.
    #[error("{address:?} is no address: {detail}")]
    Address {
        /// The text.
        address: String,
        /// Why.
        detail: String,
    },
    /// No (whole) answer.
    #[error("the sign-in service can't be reached: {0}")]
    Transport(#[from] TransportError),
    /// Entra ID refused.
    #[error("{0}")]
    Entra(Box<EntraRefusal>),
    /// AD FS refused.
    #[error("{0}")]
    Adfs(Box<AdfsRefusal>),
    /// Windows authentication failed.
    #[error("{0}")]
    Windows(Box<WindowsRefusal>),
    /// The organization does not offer Windows authentication.
    #[error(
        "{organization} answered {status} without offering Windows authentication{}",
        offered_suffix(offered)
    )]
    NoWindowsAuthentication {
        /// The address asked.
        organization: String,
        /// Its answer.
        status: StatusCode,
        /// The authentication schemes that it offered instead.
        offered: Vec<String>,
    },
    /// A user name can't be used for Windows authentication.
    #[error("the user name {name:?} can't be used: {detail}")]
    UserName {
        /// The name.
        name: String,
        /// Why.
        detail: String,
    },
    /// A keytab can't be used.
    #[error("the keytab can't be used: {detail}")]
    Keytab {
        /// Why.
        detail: String,
    },
    /// The organization does not say where to sign in.
    #[error("{organization} answered {status} without saying where to sign in{}", offered_suffix(offered))]
    NoChallenge {
        /// The address asked.
        organization: String,
        /// Its answer.
        status: StatusCode,
        /// The authentication schemes that it offered instead.
        offered: Vec<String>,
    },
    /// The organization names a sign-in address that a password must not be sent to.
    #[error("{organization} wants the password at {address}, which is not encrypted")]
    InsecureSignIn {
        /// The organization's address.
        organization: String,
        /// The token endpoint.
        address: String,
    },
    /// Nobody typed the code in.
    #[error("nobody signed in with the code that was shown")]
    SignInNotFinished {
        /// When it was shown.
        since: jiff::Timestamp,
    },
    /// A person's sign-in was refused.
    #[error("the sign-in was refused: {detail}")]
    SignInRefused {
        /// Entra ID's words.
        detail: String,
    },
    /// An answer that is neither a token nor an explained refusal.
    #[error("{address} answered {status}: {detail}")]
    UnexpectedAnswer {
        /// The address, without query.
        address: String,
        /// The status.
        status: StatusCode,
        /// What is wrong with it.
        detail: String,
        /// The pause it asks for.
        retry_after: Option<Duration>,
    },
}

/// Why a PFX (PKCS #12) file can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PfxError {
    /// The password does not open it.
    #[error("the password is wrong")]
    WrongPassword,
    /// There is no private key in it.
    #[error("there is no private key in it")]
    NoKey,
    /// No certificate in it belongs to a private key in it.
    #[error("none of its certificates belongs to its private key")]
    NoCertificate,
    /// It is protected in a way that is not understood.
    #[error("it is protected in an unsupported way ({detail})")]
    Unsupported {
        /// What is not understood.
        detail: String,
    },
    /// It is no PFX file, or a part of it is missing or altered.
    #[error("it is damaged, or no PFX file ({detail})")]
    Damaged {
        /// Where reading ended.
        detail: String,
    },
    /// It can't be written.
    #[error("it can't be written ({detail})")]
    Unwritable {
        /// Why.
        detail: String,
    },
}

impl Error {
    /// What to do about it, in words for an administrator.
    pub fn remedy(&self) -> String {
        match self {
            Self::Pfx(problem) => problem.remedy().to_owned(),
            Self::CertificateUnreadable { .. } => {
                "Give a certificate as PEM (-----BEGIN CERTIFICATE-----) or a PFX file.".to_owned()
            }
            Self::KeyUnreadable { .. } => {
                "Give the private key as unencrypted PEM (-----BEGIN PRIVATE KEY-----), readable by Hybridge \
                 only, or give a PFX file with its password."
                    .to_owned()
            }
            Self::UnsupportedKey { .. } => {
                "Use a certificate with an RSA key of 2048 bits or more: Entra ID takes no other.".to_owned()
            }
            Self::KeyMismatch { .. } => {
                "Give the private key that was made together with this certificate.".to_owned()
            }
            Self::SelfSigned { .. } => "Choose another name or another validity.".to_owned(),
            Self::Request { .. } => "Check the host names: labels of letters, digits and hyphens.".to_owned(),
            Self::NotOurKey { .. } => {
                "Ask again. If it stays, ask the authority's operator: it answered with another's certificate."
                    .to_owned()
            }
            Self::Signing { .. } => "Export the certificate with its private key again.".to_owned(),
            Self::Address { .. } => "Correct the address in the configuration.".to_owned(),
            Self::Transport(error) => reach(error),
            Self::Entra(refusal) => refusal.remedy(),
            Self::Adfs(refusal) => refusal.remedy(),
            Self::Windows(refusal) => refusal.remedy(),
            Self::NoWindowsAuthentication { organization, status, offered } => {
                no_windows(organization, *status, offered)
            }
            Self::UserName { .. } => "Correct user and domain in [organization].".to_owned(),
            Self::Keytab { .. } => {
                "Export it again, with AES keys: ktpass -princ user@REALM -mapuser DOMAIN\\user -crypto AES256-SHA1 \
                 -ptype KRB5_NT_PRINCIPAL -pass * -out user.keytab, or samba-tool domain exportkeytab."
                    .to_owned()
            }
            Self::NoChallenge { organization, status, offered } => no_challenge(organization, *status, offered),
            Self::InsecureSignIn { .. } => {
                "Let AD FS be reached with https, and correct its address in the deployment's claims settings."
                    .to_owned()
            }
            Self::SignInNotFinished { .. } => {
                "Run the command again, open the page it shows and type the code in within 15 minutes.".to_owned()
            }
            Self::SignInRefused { .. } => "Sign in with an account that has the roles named above; a policy of the \
                 tenant may forbid device codes: then give a token in HYBRIDGE_DIRECTORY_TOKEN or \
                 HYBRIDGE_EXCHANGE_TOKEN."
                .to_owned(),
            Self::UnexpectedAnswer { address, .. } => format!(
                "Open {address} in a browser on this machine: a proxy may stand in between, or the address is \
                 not that of a sign-in service."
            ),
        }
    }

    /// Whether it can go away without anybody doing something.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(error) => !matches!(error.fault, TransportFault::Tls | TransportFault::TooLarge),
            Self::Entra(refusal) => refusal.is_transient(),
            Self::Adfs(refusal) => refusal.is_transient(),
            Self::Windows(refusal) => refusal.is_transient(),
            Self::NoWindowsAuthentication { status, .. } | Self::UnexpectedAnswer { status, .. } => {
                is_passing(*status)
            }
            _ => false,
        }
    }

    /// The pause that the service asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Entra(refusal) => refusal.retry_after(),
            Self::Adfs(refusal) => refusal.retry_after(),
            Self::UnexpectedAnswer { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// How long the answer would be the same, so that asking again does harm: a password tried over and
    /// over locks the account, and a service that asks for a pause means every caller.
    pub(crate) fn stands_for(&self) -> Duration {
        match self {
            _ if self.is_transient() => self.retry_after().unwrap_or(Duration::ZERO),
            Self::Adfs(refusal) if refusal.fault() == AdfsFault::WrongPassword => WRONG_PASSWORD_STANDS,
            Self::Windows(refusal)
                if matches!(refusal.fault(), WindowsFault::WrongPassword | WindowsFault::NtlmRefused) =>
            {
                WRONG_PASSWORD_STANDS
            }
            _ => REFUSAL_STANDS,
        }
    }

    pub(crate) fn strange(url: &Url, status: StatusCode, detail: &str) -> Self {
        let address = without_query(url);
        Self::UnexpectedAnswer { address, status, detail: detail.to_owned(), retry_after: None }
    }
}

impl PfxError {
    fn remedy(&self) -> &'static str {
        match self {
            Self::WrongPassword => {
                "Check the password, and that the reference to it in the configuration yields exactly it, without \
                 a line end. If it is right, the file was altered."
            }
            Self::NoKey => "Export the certificate again, together with its private key.",
            Self::NoCertificate => "Export the certificate and its own private key together into one file.",
            Self::Unsupported { .. } => {
                "Export the file again with AES256_SHA256 or TripleDES_SHA1 encryption."
            }
            Self::Damaged { .. } => "Give the file as it was exported, in binary form, not as base64 or PEM.",
            Self::Unwritable { .. } => "Report this as a fault of Hybridge.",
        }
    }
}

/// Answers worth another try (graph.md 1.6).
pub(crate) fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

pub(crate) fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn offered_suffix(offered: &[String]) -> String {
    if offered.is_empty() { String::new() } else { format!(" (it offers {})", offered.join(", ")) }
}

fn reach(error: &TransportError) -> String {
    match error.fault {
        TransportFault::Tls => format!(
            "This machine does not trust the certificate of {}: add its certificate authority to the \
             configuration, and check the machine's clock.",
            error.target
        ),
        _ => format!("Check name resolution, firewall and proxy between this machine and {}.", error.target),
    }
}

fn no_challenge(organization: &str, status: StatusCode, offered: &[String]) -> String {
    let windows =
        |scheme: &String| scheme.eq_ignore_ascii_case("negotiate") || scheme.eq_ignore_ascii_case("ntlm");
    if status == StatusCode::NOT_FOUND {
        format!("There is no Web API at {organization}: check the organization's address.")
    } else if offered.iter().any(windows) {
        format!(
            "{organization} wants Windows authentication (Kerberos or NTLM), not claims: set sign_in = \"windows\" in \
             [organization]. Or use its internet-facing address, or enable OAuth on the deployment (Set-CrmSetting OAuthClaimsSettings, Enabled = True)."
        )
    } else {
        "Enable OAuth on the deployment: in PowerShell on the CRM server, as deployment administrator, \
         $s = Get-CrmSetting -SettingType OAuthClaimsSettings; $s.Enabled = $true; Set-CrmSetting -Setting $s. \
         Check also that the address is that of the organization."
            .to_owned()
    }
}

fn no_windows(organization: &str, status: StatusCode, offered: &[String]) -> String {
    if status == StatusCode::NOT_FOUND {
        format!("There is no Web API at {organization}: check the organization's address.")
    } else if offered.iter().any(|scheme| scheme.eq_ignore_ascii_case("bearer")) || status.is_redirection() {
        format!(
            "{organization} wants claims: set sign_in = \"adfs\" in [organization], or use its internal address."
        )
    } else if is_passing(status) {
        "Nothing: Hybridge tries again by itself.".to_owned()
    } else {
        "Turn on Windows Authentication for the organization's web site in IIS, with the providers Negotiate and NTLM. \
         Check also that the address is that of the organization."
            .to_owned()
    }
}
