//! What servers, Dynamics, Entra ID and Exchange say when the trust fails, what it means, and what to type next
//! (setup.md 2.6).

use serde::Serialize;

/// A known failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Known {
    /// The words that it is known by; all of them have to be there.
    #[serde(skip)]
    pub(crate) says: &'static [&'static str],
    /// What is wrong.
    pub means: &'static str,
    /// What to do; `{machine}` is the name of the machine where it happened.
    #[serde(skip)]
    remedy: &'static str,
}

impl Known {
    /// What to do, on a machine.
    pub fn remedy(&self, machine: &str) -> String {
        let machine = if machine.is_empty() { "that server" } else { machine };
        self.remedy.replace("{machine}", machine)
    }
}

const fn known(says: &'static [&'static str], means: &'static str, remedy: &'static str) -> Known {
    Known { says, means, remedy }
}

/// The table; the first that fits counts.
pub(crate) const CATALOGUE: [Known; 20] = [
    known(
        &["allowImpersonationOfOrganizationSystemUser"],
        "the account is not in the Active Directory group PrivUserGroup",
        "Add the account to the PrivUserGroup of the deployment (Active Directory Users and Computers), sign in anew on {machine}, \
         then: hybridge connect plan --target native --step deployment-inventory",
    ),
    known(
        &["The user Id(s) ["],
        "the account is not in the Active Directory group PrivUserGroup",
        "Add the account to the PrivUserGroup of the deployment (Active Directory Users and Computers), sign in anew on {machine}, \
         then: hybridge connect plan --target native --step deployment-inventory",
    ),
    known(
        &["Private key not found"],
        "Dynamics does not find the private key by the certificate's subject: two certificates of one subject in the store, no key, or a \
         key in a CNG provider (KeySpec 0)",
        "See what lies in the store of {machine}: hybridge connect plan --target native --step signing-store --details",
    ),
    known(
        &["(400) Bad Request"],
        "the web server still holds the certificate from before the change",
        "Start its services anew: hybridge connect apply --target native --step service-restart (or iisreset on {machine})",
    ),
    known(
        &["Failed Authentication"],
        "the signing certificate is missing on that server, or is not valid",
        "See where it is missing ({machine}): hybridge connect plan --target native --step signing-store --step key-access --step \
         signing-record",
    ),
    known(
        &["token acquisition", "AADSTS700027"],
        "Entra ID does not know the certificate that Dynamics signs with",
        "Register it: hybridge connect apply --target native --step dynamics-key. A new one takes some minutes to be known everywhere.",
    ),
    known(
        &["token acquisition", "AADSTS700016"],
        "the tenant has no principal for Dynamics",
        "Make it: hybridge connect apply --target native --step hybrid-connector --step dynamics-principal",
    ),
    known(
        &["token acquisition"],
        "that server gets no token: its service account may not read the key, the certificate is absent there, or the deployment's \
         settings for the token service are wrong",
        "Compare {machine} with the others: hybridge connect plan --target native --step signing-store --step key-access --step \
         token-service --step organization-tenant. Then hybridge connect apply --target native",
    ),
    known(
        &["trusted_issuers", "invalid_token"],
        "the tenant is not enabled for Dynamics on-premises by Exchange Online; every step on your side can be right",
        "Open a case with Exchange Online support: \"Please enable CRM on-premises server-to-server authentication for our tenant\", with \
         the tenant id. Since 1 October 2025 new tenants are refused; hybridge connect plan (target graph) does without it.",
    ),
    known(
        &["EWS is disabled for this user or tenant"],
        "Exchange Web Services are switched off for the tenant or the mailbox",
        "hybridge connect apply --target native --step exchange-web-services; for a single mailbox in Exchange Online PowerShell: \
         Set-CASMailbox ADDRESS -EwsEnabled:$true",
    ),
    known(
        &["EWS is blocked by policy for this user or tenant"],
        "Dynamics is not on the list of applications that may use Exchange Web Services, or the user-agent policy shuts it out",
        "hybridge connect apply --target native --step exchange-web-services. A change of the list takes up to 24 hours; the plan of that \
         step shows the user-agent policy.",
    ),
    known(
        &["(403) Forbidden"],
        "Exchange Online refuses without a reason: Microsoft switches tenants off by and by that never set EwsEnabled",
        "Set it explicitly: hybridge connect apply --target native --step exchange-web-services",
    ),
    known(
        &["Http server returned 401 Unauthorized"],
        "the mailbox's address is not its primary SMTP address, or its profile is not of the type Exchange Online (Hybrid)",
        "Compare the address with the mailbox in Exchange Online (Get-Mailbox ADDRESS), then: hybridge connect plan --target native --step \
         email-server-profile --step mailbox-profile",
    ),
    known(
        &["MSOnline"],
        "the published instructions use the MSOnline modules, which Microsoft has retired",
        "No module is needed: hybridge connect plan --target native",
    ),
    known(
        &["Cannot bind argument to parameter 'Command'"],
        "the published instructions pass a variable to Invoke-Expression that was never set",
        "Leave that script: hybridge connect plan --target native",
    ),
    known(
        &["AADSTS7000222"],
        "the client secret of a set-up application has expired",
        "Hybridge needs no set-up application and no secret: hybridge connect plan asks an administrator to sign in. Delete the \
         application in the Entra admin centre.",
    ),
    known(
        &["AADSTS7000215"],
        "the client secret of a set-up application is wrong (often its id in place of its value)",
        "Hybridge needs no set-up application and no secret: hybridge connect plan asks an administrator to sign in. Delete the \
         application in the Entra admin centre.",
    ),
    known(
        &["AADSTS700027"],
        "Entra ID does not know the certificate that the request was signed with",
        "Hybridge's own: hybridge connect apply --step app-certificate. That of Dynamics: hybridge connect apply --target native --step \
         dynamics-key",
    ),
    known(
        &["ID4175"],
        "AD FS signs with a new certificate, and Dynamics still holds the old metadata",
        "On the deployment server run Configure Claims-Based Authentication and then Configure Internet-Facing Deployment again (no \
         value changes), iisreset on every web server, then: hybridge connect verify --target native --step relying-party",
    ),
    known(
        &["36888"],
        "the key of the AD FS service certificate lies in the wrong provider or is for signing only (KeySpec 0 or 2)",
        "On {machine}: export the certificate with its key, delete it, import it with certutil -importpfx FILE AT_KEYEXCHANGE, then \
         Restart-Service adfssrv. hybridge certificate inspect FILE --for adfs-service says whether a file will do.",
    ),
];

/// What a text of these services means, where it is known.
pub fn find(said: &str) -> Option<&'static Known> {
    let said = said.to_lowercase();
    CATALOGUE.iter().find(|known| known.says.iter().all(|words| said.contains(&words.to_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_counts_and_names_the_machine() {
        let found = find("ACS token acquisition error: AADSTS700027: ...").unwrap();
        assert!(found.means.contains("does not know the certificate"), "{found:?}");
        let found = find("ACS token acquisition error: the key").unwrap();
        assert!(found.remedy("crm02").contains("Compare crm02"), "{found:?}");
        assert!(find("something else").is_none());
    }
}
