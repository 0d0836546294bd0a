//! What a certificate can be used for in this topology, and what stands in the way (setup.md 2.1, 5.1).

use hybridge_identity::{
    Bundle, Certificate, CertificateFacts, Container, KeyKind, KeySpec, Protection, Validity,
};
use jiff::Timestamp;
use serde::Serialize;

/// The smallest RSA key that any of the purposes takes, in bits.
const SMALLEST_KEY: usize = 2048;

/// A use of a certificate in this topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Hybridge signs in to Entra ID with it (5.1 row 6).
    EntraApp,
    /// Dynamics signs server-to-server tokens with it, `S2STokenIssuer` (row 1).
    TokenSigning,
    /// TLS of the internet-facing deployment (row 2).
    WebTls,
    /// TLS and service communications of AD FS (row 4).
    AdfsService,
    /// Encryption of the claims that AD FS sends to Dynamics (row 3).
    ClaimsEncryption,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::EntraApp, Self::TokenSigning, Self::WebTls, Self::AdfsService, Self::ClaimsEncryption];

    /// The stable name, as it is typed and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EntraApp => "entra-app",
            Self::TokenSigning => "token-signing",
            Self::WebTls => "web-tls",
            Self::AdfsService => "adfs-service",
            Self::ClaimsEncryption => "claims-encryption",
        }
    }

    /// For an administrator.
    pub fn words(self) -> &'static str {
        match self {
            Self::EntraApp => "sign-in of Hybridge to Entra ID",
            Self::TokenSigning => "server-to-server token signing by Dynamics (S2STokenIssuer)",
            Self::WebTls => "TLS of the Dynamics web site (IFD)",
            Self::AdfsService => "TLS and service communications of AD FS",
            Self::ClaimsEncryption => "claims encryption of Dynamics",
        }
    }

    fn is_tls(self) -> bool {
        matches!(self, Self::WebTls | Self::AdfsService)
    }

    /// Whether the key has to lie in a legacy provider as `AT_KEYEXCHANGE`.
    fn wants_key_exchange(self) -> bool {
        matches!(self, Self::TokenSigning | Self::AdfsService)
    }

    /// Whether the certificate is brought into the store of a Windows server.
    fn is_on_windows(self) -> bool {
        self != Self::EntraApp
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It will not work.
    Blocks,
    /// It may not work, or only for a while.
    Doubt,
}

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// Whether a certificate file is good for a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suitability {
    /// The purpose.
    pub purpose: Purpose,
    /// What stands in the way, what blocks first.
    pub findings: Vec<Finding>,
}

impl Suitability {
    /// Whether nothing blocks.
    pub fn fits(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Blocks)
    }
}

/// Judges a certificate file for a purpose. `hosts` are the names that clients will use, where they are known.
///
/// # Errors
/// When the first certificate's extensions can't be read.
pub fn judge(
    purpose: Purpose,
    bundle: &Bundle,
    hosts: &[String],
    now: Timestamp,
) -> Result<Suitability, hybridge_identity::Error> {
    let mut judge = Judge { findings: Vec::new() };
    if let Some(certificate) = bundle.certificates.first() {
        let facts = certificate.facts()?;
        judge.validity(certificate, now);
        judge.key(bundle, &facts);
        if purpose.is_tls() {
            judge.names(&facts, hosts);
            judge.trust(bundle, &facts);
        }
        if purpose.wants_key_exchange() {
            judge.key_spec(bundle);
        }
        if purpose.is_on_windows() {
            judge.import(bundle);
        }
        if purpose == Purpose::TokenSigning {
            judge.token_signing(&facts);
        }
    }
    judge.findings.sort_by_key(|finding| finding.severity);
    Ok(Suitability { purpose, findings: judge.findings })
}

struct Judge {
    findings: Vec<Finding>,
}

impl Judge {
    fn blocks(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding { severity: Severity::Blocks, what: what.into(), remedy: remedy.into() });
    }

    fn doubt(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.findings.push(Finding { severity: Severity::Doubt, what: what.into(), remedy: remedy.into() });
    }

    fn validity(&mut self, certificate: &Certificate, now: Timestamp) {
        match certificate.validity_at(now) {
            Validity::Expired => self.blocks(
                format!("it expired on {}", certificate.valid_until()),
                "Renew it, or make a new one.",
            ),
            Validity::NotYet => self.blocks(
                format!("it is valid only from {} on", certificate.valid_from()),
                "Wait until then, or check this machine's clock.",
            ),
            Validity::Valid { days_left } => {
                let life = certificate.valid_until().duration_since(certificate.valid_from()).as_hours() / 24;
                // A third of the life is the first threshold of setup.md 5.5.
                if days_left < life / 3 {
                    self.doubt(
                        format!("{days_left} of its {life} days are left"),
                        "Renew it now: a third of its life is the time that a change should have.",
                    );
                }
            }
        }
    }

    fn key(&mut self, bundle: &Bundle, facts: &CertificateFacts) {
        match &facts.key {
            KeyKind::Rsa(bits) if *bits >= SMALLEST_KEY => {}
            KeyKind::Rsa(bits) => self.blocks(
                format!("its key has only {bits} bits"),
                format!("Have it issued again for an RSA key of {SMALLEST_KEY} bits or more."),
            ),
            other => self.blocks(
                format!("its key is of another kind than RSA ({other})"),
                format!("Have it issued again for an RSA key of {SMALLEST_KEY} bits or more."),
            ),
        }
        if !bundle.has_key {
            self.blocks(
                "the file has no private key",
                "Export it again where the key lies, as PFX and with \"export the private key\".",
            );
        }
    }

    fn names(&mut self, facts: &CertificateFacts, hosts: &[String]) {
        if facts.names.is_empty() {
            self.blocks(
                "it names no host: it has no subject alternative names, and clients ignore the common name",
                "Have it issued again with the DNS names of the organization, auth, dev and AD FS.",
            );
        }
        for host in hosts.iter().filter(|host| !facts.names.is_empty() && !facts.covers(host)) {
            self.blocks(
                format!("it is not for {host}"),
                format!("Have it issued again with the name {host}, or with a wildcard for its domain (one label deep)."),
            );
        }
        if hosts.is_empty() && !facts.names.is_empty() {
            self.doubt(
                "which names clients use was not said",
                "Give them with --host, once each: organization, auth, dev, AD FS.",
            );
        }
        if !facts.for_servers {
            self.blocks(
                "its extended key usage does not allow server authentication",
                "Have it issued again from a web server template.",
            );
        }
        if facts.authority {
            self.blocks(
                "it is a certificate authority's own",
                "Use a certificate that the authority has issued.",
            );
        }
    }

    fn trust(&mut self, bundle: &Bundle, facts: &CertificateFacts) {
        if facts.self_signed {
            self.blocks(
                "it is self-signed, so no client trusts it",
                "Have it issued by an authority that all clients trust.",
            );
        } else if bundle.certificates.len() == 1 {
            self.doubt(
                "the file does not hold its issuer's certificate",
                "Export it with all certificates in the path, or see that the servers have the intermediate one.",
            );
        }
    }

    /// `KeySpec` 1 in a legacy provider (setup.md 2.1).
    fn key_spec(&mut self, bundle: &Bundle) {
        const AGAIN: &str = "No new certificate is needed. On each server: certutil -csp \"Microsoft Enhanced RSA and AES \
             Cryptographic Provider\" -importpfx <file> AT_KEYEXCHANGE";
        let Container::Pfx(facts) = &bundle.container else { return };
        let Some(key) = facts.keys.first().filter(|_| bundle.has_key) else { return };
        let provider = key.provider.as_deref().unwrap_or_default();
        if provider.contains("Key Storage Provider") {
            self.blocks(
                format!(
                    "its key comes from the CNG provider \"{provider}\", which Windows imports with KeySpec 0"
                ),
                AGAIN,
            );
        } else if key.key_spec == Some(KeySpec::Signature) {
            self.blocks("its key is for signatures only (KeySpec 2, AT_SIGNATURE)", AGAIN);
        } else if key.key_spec.is_none() {
            self.doubt("the file does not say how Windows is to keep the key (KeySpec)", AGAIN);
        }
    }

    fn import(&mut self, bundle: &Bundle) {
        let Container::Pfx(facts) = &bundle.container else {
            if bundle.has_key {
                self.doubt(
                    "Windows imports a private key from a PFX file only",
                    "hybridge certificate convert <file> --to pfx",
                );
            }
            return;
        };
        if facts.protections.contains(&Protection::Aes) {
            self.doubt(
                "the file is protected with AES: Windows Server 2016 and earlier say that its password is wrong",
                "For those: hybridge certificate convert <file> --to pfx-legacy",
            );
        }
        if facts.protections.contains(&Protection::None) {
            self.doubt("its key is not encrypted", "Export it again with a password.");
        }
    }

    fn token_signing(&mut self, facts: &CertificateFacts) {
        if facts.self_signed {
            self.doubt(
                "it is self-signed, which Microsoft supports for evaluation only",
                "Entra ID does not check who issued it; whether you want support for it is yours to decide.",
            );
        }
        if !facts.names.is_empty() {
            self.doubt(
                "it is a web server's certificate: each time that is renewed, the whole procedure comes back",
                "Token signing needs no public certificate. One of its own, valid for years, saves all those repetitions.",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use hybridge_identity::{Credential, SecretString};

    use super::*;

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn bundle() -> Bundle {
        let credential = Credential::self_signed("hybridge-s2s-2026b", noon(), 730).unwrap();
        let password = SecretString::from("secret");
        Bundle::read(&credential.to_pfx(&password).unwrap(), &password).unwrap()
    }

    fn told(purpose: Purpose, bundle: &Bundle, hosts: &[String], now: Timestamp) -> (bool, String) {
        let suitability = judge(purpose, bundle, hosts, now).unwrap();
        let words: Vec<String> = suitability.findings.iter().map(|finding| finding.what.clone()).collect();
        (suitability.fits(), words.join("; "))
    }

    #[test]
    fn a_signing_certificate_of_its_own_is_good_for_signing_and_for_no_web_site() {
        let bundle = bundle();
        assert_eq!(told(Purpose::EntraApp, &bundle, &[], noon()), (true, String::new()));
        let (fits, why) = told(Purpose::TokenSigning, &bundle, &[], noon());
        assert!(
            fits && why.contains("self-signed") && why.contains("KeySpec") && why.contains("2016"),
            "{why}"
        );
        let (fits, why) = told(Purpose::WebTls, &bundle, &[], noon());
        assert!(!fits && why.contains("names no host") && why.contains("server authentication"), "{why}");
    }

    #[test]
    fn time_is_told_before_it_is_over() {
        let bundle = bundle();
        let after = |days: i64| noon() + jiff::SignedDuration::from_hours(days * 24);
        assert!(told(Purpose::EntraApp, &bundle, &[], after(400)).1.is_empty());
        let (fits, why) = told(Purpose::EntraApp, &bundle, &[], after(500));
        assert!(fits && why.contains("230 of its 730 days"), "{why}");
        let (fits, why) = told(Purpose::EntraApp, &bundle, &[], after(731));
        assert!(!fits && why.contains("expired"), "{why}");
    }

    #[test]
    fn a_key_that_windows_would_keep_wrongly_blocks_signing_only() {
        let mut bundle = bundle();
        let Container::Pfx(facts) = &mut bundle.container else { panic!("no PFX") };
        facts.keys[0].provider = Some("Microsoft Software Key Storage Provider".to_owned());
        let (fits, why) = told(Purpose::TokenSigning, &bundle, &[], noon());
        assert!(!fits && why.contains("CNG"), "{why}");
        assert!(told(Purpose::EntraApp, &bundle, &[], noon()).0);

        let Container::Pfx(facts) = &mut bundle.container else { panic!("no PFX") };
        facts.keys[0].provider = None;
        facts.keys[0].key_spec = Some(KeySpec::Signature);
        assert!(!told(Purpose::TokenSigning, &bundle, &[], noon()).0);
        let Container::Pfx(facts) = &mut bundle.container else { panic!("no PFX") };
        facts.keys[0].key_spec = Some(KeySpec::Exchange);
        assert!(!told(Purpose::TokenSigning, &bundle, &[], noon()).1.contains("KeySpec"));
    }

    #[test]
    fn a_file_without_key_can_be_used_for_nothing() {
        let credential = Credential::self_signed("x", noon(), 730).unwrap();
        let bundle = Bundle::read(credential.certificate_pem().as_bytes(), &SecretString::default()).unwrap();
        for purpose in Purpose::ALL {
            assert!(!told(purpose, &bundle, &[], noon()).0, "{purpose:?}");
        }
    }
}
