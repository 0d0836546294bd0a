//! What an authority says when it says no, and what to do about it (RFC 8555, 6.7).

use std::fmt;

use super::ChallengeKind;

const PREFIX: &str = "urn:ietf:params:acme:error:";

/// A refusal in the authority's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    /// The type without its prefix, such as `rateLimited`; empty when the authority gave none.
    pub kind: String,
    /// The authority's explanation.
    pub detail: String,
    /// The same for single names: the name, and what is said of it.
    pub names: Vec<(String, String)>,
}

impl Problem {
    pub(super) fn of(problem: &instant_acme::Problem) -> Self {
        let names = problem.subproblems.iter().map(|sub| {
            let name =
                sub.identifier.as_ref().map_or_else(String::new, |id| id.authorized(false).to_string());
            (name, sub.detail.clone().unwrap_or_default())
        });
        Self {
            kind: problem
                .r#type
                .as_deref()
                .map(|kind| kind.trim_start_matches(PREFIX))
                .unwrap_or_default()
                .to_owned(),
            detail: problem.detail.clone().unwrap_or_default(),
            names: names.collect(),
        }
    }

    /// Whether the same request may go through when it is signed again.
    pub(super) fn is_bad_nonce(&self) -> bool {
        self.kind == "badNonce"
    }

    pub(super) fn remedy(&self) -> &'static str {
        match self.kind.as_str() {
            "accountDoesNotExist" => {
                "The authority does not know the account of the account file (any more). Move that file away; a new account is made with --accept-terms."
            }
            "unauthorized" => {
                "The authority does not accept this account, or it was deactivated. Move the account file away to make a new one."
            }
            "externalAccountRequired" => EXTERNAL_ACCOUNT,
            "invalidContact" | "unsupportedContact" => "Give a --contact that gets mail.",
            "rejectedIdentifier" | "unsupportedIdentifier" => {
                "This authority does not issue for that name: public ones take public domains only. Ask for another name, or an authority of the house with --directory."
            }
            "caa" => CAA,
            "userActionRequired" => {
                "The authority wants something done by hand first, usually new terms accepted: see the address in its answer."
            }
            "badCSR" => "The authority does not take this key or these names: try another --key.",
            "badPublicKey" => "The authority does not take this account's key: move the account file away.",
            "serverInternal" => "The fault is the authority's. Ask again later.",
            _ => "See what the authority said; ask again when that is put right.",
        }
    }
}

pub(super) const EXTERNAL_ACCOUNT: &str = "This authority only takes accounts that are bound to one that you have with it (external account binding), which Hybridge does not do. Use another --directory.";

const CAA: &str = "A CAA record in the DNS says which authorities may issue for this name, and this one is not among them. Add it to the record, or use the authority that is named there.";

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.detail.is_empty(), self.kind.is_empty()) {
            (false, false) => write!(formatter, "\"{}\" ({})", self.detail, self.kind)?,
            (false, true) => write!(formatter, "\"{}\"", self.detail)?,
            (true, false) => write!(formatter, "{}", self.kind)?,
            (true, true) => formatter.write_str("no reason")?,
        }
        self.names.iter().try_for_each(|(name, detail)| write!(formatter, "; {name}: \"{detail}\""))
    }
}

/// A name that the authority did not find to be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedName {
    /// The name as it was asked for.
    pub name: String,
    /// The kind of proof.
    pub kind: ChallengeKind,
    /// Where the authority looked.
    pub place: String,
    /// What it said.
    pub problem: Problem,
}

impl RefusedName {
    /// What to do, in words for an administrator.
    pub fn remedy(&self) -> String {
        let name = self.name.trim_start_matches("*.");
        match (self.kind, self.problem.kind.as_str()) {
            (_, "caa") => CAA.to_owned(),
            (ChallengeKind::Http01, "connection") => format!(
                "The authority could not reach port 80 of {name}. Check that the public DNS records of {name} (A, and AAAA if there is one) lead to this server, and that firewall, NAT and load balancer let port 80 in from everywhere. Where that is not wanted, prove the name with --dns01-hook."
            ),
            (ChallengeKind::Http01, "dns") => format!(
                "The public DNS has no usable address for {name}, or its servers do not answer. Check its A and AAAA records and their DNSSEC."
            ),
            (ChallengeKind::Http01, "tls") => format!(
                "Port 80 of {name} sent the authority on to https, which failed. Leave /.well-known/acme-challenge/ out of that redirection."
            ),
            (ChallengeKind::Http01, _) => format!(
                "Something else answered for {name}: another server, a proxy, or a web root that is not the folder given. Open http://{name}/.well-known/acme-challenge/ from outside while this runs, and check that all of its addresses (A and AAAA) lead here."
            ),
            (ChallengeKind::Dns01, _) => format!(
                "Look up the TXT record _acme-challenge.{name} at the domain's public name servers. The hook has to return only when all of them have it (wait for the zone to be transferred), must keep several values at one name, and has to write to the public zone, not to one that only the house sees."
            ),
        }
    }
}

impl fmt::Display for RefusedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, looked for at {}: {}", self.name, self.place, self.problem)
    }
}
