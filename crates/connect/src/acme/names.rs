//! Which names are asked for, and whether it is time.

use hybridge_identity::{Certificate, Validity};
use jiff::Timestamp;

use super::{ChallengeKind, Error};

/// Host names as they are ordered: lower case, without a dot at the end, each once, in the order given.
///
/// # Errors
/// When there is none, one is no host name, or a wildcard is asked for without DNS-01 (RFC 8555, 7.1.4 and 8.3).
pub fn host_names(given: &[String], kind: ChallengeKind) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for name in given {
        let clean = name.trim().trim_end_matches('.').to_ascii_lowercase();
        let (wildcard, host) = clean.strip_prefix("*.").map_or((false, clean.as_str()), |rest| (true, rest));
        if !is_host(host) {
            return Err(Error::NoHostName { name: name.clone() });
        }
        if wildcard && kind != ChallengeKind::Dns01 {
            return Err(Error::WildcardNeedsDns { name: clean });
        }
        if !names.contains(&clean) {
            names.push(clean);
        }
    }
    if names.is_empty() {
        return Err(Error::NoHostName { name: String::new() });
    }
    Ok(names)
}

/// Letters, digits and hyphens in labels of 1 to 63, two labels at least, not an IPv4 address (RFC 1123, 2.1).
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253
        && host.contains('.')
        && host.split('.').all(label)
        && host.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a certificate has to be renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// Not yet.
    NotDue {
        /// Whole days until it ends.
        days_left: i64,
    },
    /// Its time has come.
    Due {
        /// Whole days until it ends; 0 when it is over.
        days_left: i64,
    },
    /// It does not have all the names that are asked for.
    NamesMissing(Vec<String>),
    /// It has none of the names: another certificate altogether.
    Foreign,
}

/// Whether a certificate has to be renewed when fewer than `before` days are left.
///
/// # Errors
/// When its extensions can't be read.
pub fn renewal(
    certificate: &Certificate,
    names: &[String],
    before: u32,
    now: Timestamp,
) -> Result<Renewal, hybridge_identity::Error> {
    let facts = certificate.facts()?;
    // A wildcard in the certificate stands for itself only: example.com's wildcard is not asked for by host.
    let has = |name: &String| {
        facts.names.iter().any(|one| one.eq_ignore_ascii_case(name))
            || (!name.starts_with("*.") && facts.covers(name))
    };
    let missing: Vec<String> = names.iter().filter(|name| !has(name)).cloned().collect();
    if missing.len() == names.len() {
        return Ok(Renewal::Foreign);
    }
    if !missing.is_empty() {
        return Ok(Renewal::NamesMissing(missing));
    }
    Ok(match certificate.validity_at(now) {
        Validity::Valid { days_left } if days_left >= i64::from(before) => Renewal::NotDue { days_left },
        Validity::Valid { days_left } => Renewal::Due { days_left },
        Validity::NotYet | Validity::Expired => Renewal::Due { days_left: 0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn names_are_cleaned_and_each_is_ordered_once() {
        let names = host_names(
            &given(&["CRM.Contoso.com.", "crm.contoso.com", "auth.contoso.com"]),
            ChallengeKind::Http01,
        );
        assert_eq!(names.unwrap(), given(&["crm.contoso.com", "auth.contoso.com"]));
    }

    #[test]
    fn what_is_no_host_name_is_told() {
        for bad in [
            "",
            "crm",
            "10.0.0.1",
            "a..b",
            "-a.b",
            "crm contoso.com",
            "*.*.contoso.com",
            "größe.de",
            "https://a.b",
        ] {
            let error = host_names(&given(&[bad]), ChallengeKind::Dns01).unwrap_err();
            assert!(matches!(error, Error::NoHostName { .. }), "{bad}: {error}");
        }
        assert!(host_names(&[], ChallengeKind::Dns01).is_err());
    }

    #[test]
    fn a_wildcard_needs_dns() {
        let wildcard = given(&["*.contoso.com"]);
        assert_eq!(host_names(&wildcard, ChallengeKind::Dns01).unwrap(), wildcard);
        let error = host_names(&wildcard, ChallengeKind::Http01).unwrap_err();
        assert!(matches!(error, Error::WildcardNeedsDns { .. }), "{error}");
    }

    fn certificate(names: &[&str]) -> Certificate {
        let key = rcgen::KeyPair::generate().unwrap();
        let signed = rcgen::CertificateParams::new(given(names)).unwrap().self_signed(&key).unwrap();
        Certificate::from_der(signed.der().to_vec()).unwrap()
    }

    #[test]
    fn a_certificate_is_renewed_when_its_time_has_come_or_a_name_is_missing() {
        let certificate = certificate(&["crm.contoso.com", "*.contoso.com"]);
        let end = certificate.valid_until();
        let at = |days: i64| end - jiff::SignedDuration::from_hours(days * 24 + 1);
        let ask = |names: &[&str], days: i64| renewal(&certificate, &given(names), 30, at(days)).unwrap();
        assert_eq!(ask(&["crm.contoso.com"], 30), Renewal::NotDue { days_left: 30 });
        assert_eq!(ask(&["crm.contoso.com"], 29), Renewal::Due { days_left: 29 });
        assert_eq!(ask(&["auth.contoso.com", "*.contoso.com"], 30), Renewal::NotDue { days_left: 30 });
        assert_eq!(
            ask(&["crm.contoso.com", "a.b.contoso.com"], 90),
            Renewal::NamesMissing(given(&["a.b.contoso.com"]))
        );
        assert_eq!(ask(&["*.fabrikam.com"], 90), Renewal::Foreign);
    }
}
