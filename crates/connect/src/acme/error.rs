use hybridge_net::{TransportError, TransportFault};

use super::{
    ChallengeKind,
    problem::{EXTERNAL_ACCOUNT, Problem, RefusedName},
};

/// No certificate was had. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name can't be asked for.
    #[error("{name:?} is no host name that a certificate can be asked for")]
    NoHostName {
        /// The text.
        name: String,
    },
    /// HTTP-01 proves no wildcards.
    #[error("{name} can't be proven over HTTP: wildcards need a DNS record")]
    WildcardNeedsDns {
        /// The name.
        name: String,
    },
    /// No (whole) answer.
    #[error("the authority can't be reached: {0}")]
    Transport(TransportError),
    /// The address is not one of https (RFC 8555, 6.1).
    #[error("{address} is not encrypted: ACME is spoken over https only")]
    NotEncrypted {
        /// The address.
        address: String,
    },
    /// The address speaks, but not ACME.
    #[error("{address} answered {status}, not as an ACME server does: {detail}")]
    NotAcme {
        /// The address.
        address: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        detail: String,
    },
    /// An account can't be made without agreeing.
    #[error("the authority {directory} makes an account only for who accepts its terms{}", at(terms.as_deref()))]
    Terms {
        /// The directory.
        directory: String,
        /// Where the terms are, when the authority says.
        terms: Option<String>,
    },
    /// The authority wants accounts bound to another one.
    #[error("the authority {directory} wants external account binding")]
    ExternalAccount {
        /// The directory.
        directory: String,
    },
    /// The account file is not one.
    #[error("the account can't be read: {detail}")]
    AccountUnreadable {
        /// Why.
        detail: String,
    },
    /// The account is with another authority.
    #[error("the account is one at {theirs}, not at {ours}")]
    OtherDirectory {
        /// The account's directory.
        theirs: String,
        /// The directory asked for.
        ours: String,
    },
    /// The authority wants fewer requests.
    #[error("the authority's rate limit is reached: {problem}{}", after(pause.as_deref()))]
    RateLimited {
        /// What it said.
        problem: Problem,
        /// When to come back, in its words or as seconds.
        pause: Option<String>,
    },
    /// The authority said no to a request.
    #[error("the authority refused {doing}: {problem}")]
    Problem {
        /// What was asked for.
        doing: &'static str,
        /// What it said.
        problem: Problem,
    },
    /// The authority does not offer the kind of proof.
    #[error("the authority offers no {kind} proof for {name}")]
    NotOffered {
        /// The name.
        name: String,
        /// The kind.
        kind: ChallengeKind,
    },
    /// A token that could be another file's path (RFC 8555, 8.3: base64url only).
    #[error("the authority gave a token for {name} that is none")]
    BadToken {
        /// The name.
        name: String,
    },
    /// Names were not found to be ours.
    #[error("the authority did not find the proof for {}", list(names))]
    Refused {
        /// The names, at least one.
        names: Vec<RefusedName>,
    },
    /// A proof can't be put up.
    #[error("the proof for {name} can't be put up: {detail}")]
    Responder {
        /// The name.
        name: String,
        /// The kind of proof.
        kind: ChallengeKind,
        /// What failed.
        detail: String,
    },
    /// The authority did not come to an end.
    #[error("the authority did not come to an end with {doing} in time")]
    NotInTime {
        /// What it was at.
        doing: &'static str,
    },
    /// The certificate, or a key, can't be used.
    #[error(transparent)]
    Identity(#[from] hybridge_identity::Error),
    /// Stopped from outside.
    #[error("stopped before the certificate was there")]
    Stopped,
    /// The protocol went a way that it should not.
    #[error("{doing}: {detail}")]
    Protocol {
        /// What was being done.
        doing: &'static str,
        /// What happened.
        detail: String,
    },
}

impl Error {
    /// What to do about it, in words for an administrator.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoHostName { .. } => {
                "Give full host names, such as crm.contoso.com; international ones in their xn-- form.".to_owned()
            }
            Self::WildcardNeedsDns { .. } => {
                "Use --dns01-hook, or ask for each host name by itself.".to_owned()
            }
            Self::Transport(error) if error.fault == TransportFault::Tls => format!(
                "This machine does not trust the certificate of {}. For an authority of the house, give its root with --ca.",
                error.target
            ),
            Self::Transport(error) => {
                format!("Check name resolution, firewall and proxy between this machine and {}.", error.target)
            }
            Self::NotEncrypted { .. } => "Give the authority's https address with --directory.".to_owned(),
            Self::NotAcme { .. } => {
                "Check --directory: it is the address of the ACME directory itself. A proxy may have answered in its place."
                    .to_owned()
            }
            Self::Terms { .. } => "Read them, then say --accept-terms.".to_owned(),
            Self::ExternalAccount { .. } => EXTERNAL_ACCOUNT.to_owned(),
            Self::AccountUnreadable { .. } => {
                "Give the account file that Hybridge wrote, or move this one away to make a new account.".to_owned()
            }
            Self::OtherDirectory { .. } => {
                "Name another --account file for each authority, also for Let's Encrypt's staging.".to_owned()
            }
            Self::RateLimited { .. } => {
                "Wait until then: asking again earlier only makes it longer. To try things out use --staging, whose limits are wide; to renew, use --renew-before so that nothing is asked for too often."
                    .to_owned()
            }
            Self::Problem { problem, .. } => problem.remedy().to_owned(),
            Self::NotOffered { .. } => "Prove the name in another way: --http01, --http01-folder or --dns01-hook.".to_owned(),
            Self::BadToken { .. } | Self::Protocol { .. } => {
                "Ask again; if it stays, report it.".to_owned()
            }
            Self::Refused { names } => {
                let mut told: Vec<String> = names.iter().map(RefusedName::remedy).collect();
                told.dedup();
                told.join(" ")
            }
            Self::Responder { kind: ChallengeKind::Dns01, .. } => {
                "Run the hook by hand with `present`, HYBRIDGE_ACME_NAME and HYBRIDGE_ACME_VALUE set, and put right what it says."
                    .to_owned()
            }
            Self::Responder { .. } => {
                "Check that the folder exists and that this account may write there.".to_owned()
            }
            Self::NotInTime { .. } => "Ask again later; proofs that were found are remembered.".to_owned(),
            Self::Identity(error) => error.remedy(),
            Self::Stopped => "Ask again; nothing was left behind.".to_owned(),
        }
    }

    /// Whether it can go away without anybody doing something.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(error) => !matches!(error.fault, TransportFault::Tls | TransportFault::TooLarge),
            Self::RateLimited { .. } | Self::NotInTime { .. } | Self::Stopped => true,
            Self::NotAcme { status, .. } => *status >= 500,
            Self::Problem { problem, .. } => problem.kind == "serverInternal",
            _ => false,
        }
    }

    /// Whether the authority said no.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Problem { .. } | Self::Refused { .. } | Self::ExternalAccount { .. })
    }
}

fn at(terms: Option<&str>) -> String {
    terms.map(|terms| format!(": {terms}")).unwrap_or_default()
}

fn after(pause: Option<&str>) -> String {
    match pause {
        Some(pause) if pause.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("; ask again after {pause} s")
        }
        Some(pause) => format!("; ask again after {pause}"),
        None => String::new(),
    }
}

fn list(names: &[RefusedName]) -> String {
    names.iter().map(RefusedName::to_string).collect::<Vec<_>>().join("; and for ")
}
