use sspi::Username;

use crate::Error;

/// A domain account, in the forms that Kerberos and NTLM want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowsUser {
    shown: String,
    account: String,
    /// As NTLM wants it: the short or the DNS name of the domain.
    domain: String,
    realm: String,
    /// The name is a user principal name whose suffix alone says where it belongs.
    principal_name: bool,
}

impl WindowsUser {
    /// An account from its name: `DOMAIN\user`, `user@domain` or `user`. `domain` is the DNS name of the
    /// Active Directory domain (`contoso.local`); only for `user@domain` it may be left out.
    ///
    /// # Errors
    /// When there is no account in the name, or the domain can't be told.
    pub fn new(name: &str, domain: Option<&str>) -> Result<Self, Error> {
        let unusable = |detail: &str| Error::UserName { name: name.to_owned(), detail: detail.to_owned() };
        let (account, named, suffix) = match (name.split_once('\\'), name.rsplit_once('@')) {
            (Some((short, account)), _) => (account, Some(short), None),
            (None, Some((account, suffix))) => (account, None, Some(suffix)),
            (None, None) => (name, None, None),
        };
        if account.is_empty() || named == Some("") || suffix == Some("") {
            return Err(unusable("write DOMAIN\\user or user@domain"));
        }
        let domain = domain.map(str::trim).filter(|domain| !domain.is_empty());
        let realm = domain.or(suffix).ok_or_else(|| {
            unusable("the domain's DNS name is missing: set domain = \"contoso.local\", for example")
        })?;
        let known = Self {
            shown: name.to_owned(),
            account: account.to_owned(),
            domain: named.unwrap_or(realm).to_owned(),
            realm: realm.to_uppercase(),
            principal_name: domain.is_none(),
        };
        known.for_kerberos().and(known.for_ntlm()).ok_or_else(|| unusable("it has a backslash too many"))?;
        Ok(known)
    }

    /// The name as it was given.
    pub fn name(&self) -> &str {
        &self.shown
    }

    /// The Kerberos realm: the domain's DNS name in capitals.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The account's name without its domain.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    pub(super) fn for_kerberos(&self) -> Option<Username> {
        let made = if self.principal_name {
            Username::new_upn(&self.account, &self.realm.to_lowercase())
        } else {
            Username::new_down_level_logon_name(&self.account, &self.realm)
        };
        made.ok()
    }

    pub(super) fn for_ntlm(&self) -> Option<Username> {
        Username::new_down_level_logon_name(&self.account, &self.domain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_name_leads_to_account_domain_and_realm() {
        for (name, domain, account, short, realm) in [
            (r"CONTOSO\svc", Some("contoso.local"), "svc", "CONTOSO", "CONTOSO.LOCAL"),
            ("svc@contoso.local", None, "svc", "contoso.local", "CONTOSO.LOCAL"),
            ("svc@contoso.com", Some("contoso.local"), "svc", "contoso.local", "CONTOSO.LOCAL"),
            ("svc", Some("contoso.local"), "svc", "contoso.local", "CONTOSO.LOCAL"),
        ] {
            let user = WindowsUser::new(name, domain).unwrap();
            assert_eq!((user.account(), &*user.domain, user.realm()), (account, short, realm), "{name}");
        }
    }

    #[test]
    fn a_name_without_a_domain_is_refused_with_what_is_missing() {
        let missing = WindowsUser::new(r"CONTOSO\svc", None).unwrap_err();
        assert!(missing.to_string().contains("domain = "), "{missing}");
        for name in ["", r"CONTOSO\", "@contoso.local", r"A\B\c"] {
            assert!(WindowsUser::new(name, Some("contoso.local")).is_err(), "{name}");
        }
    }
}
