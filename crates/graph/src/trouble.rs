use hybridge_core::trouble::{Class, Trouble};
use hybridge_odata::{Error, Failure};

/// A failed call to Graph as a trouble: its class, and who must do what (graph.md 7.3).
pub fn trouble(error: &Error) -> Trouble {
    let Some(failure) = error.failure() else { return error.trouble(error.class(), error.remedy()) };
    let (class, remedy) = classify(failure, error.class());
    error.trouble(class, remedy)
}

fn classify(failure: &Failure, by_protocol: Class) -> (Class, &'static str) {
    const KNOWN: &[(&[&str], Class, &str)] = &[
        (&["syncStateNotFound", "resyncRequired", "SyncStateInvalid"], Class::CursorLost, ""),
        (
            &["MailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI"],
            Class::Denied,
            "The user has no mailbox in Exchange Online that Graph can reach: assign an Exchange Online licence, or, if the \
             mailbox still lies on-premises, migrate it.",
        ),
        (
            &["ErrorInvalidUser", "Request_ResourceNotFound"],
            Class::Denied,
            "No user of the tenant has this address: correct the address of the mailbox record in Dynamics, or create the \
             mailbox.",
        ),
        (
            &["ErrorAccessDenied", "AccessDenied", "ErrorItemAccessDenied"],
            Class::Denied,
            "The app may not read this mailbox: include it in the scope of the app's RBAC for Applications role assignment \
             (Application Mail.ReadWrite), or remove the application access policy that excludes it. Exchange takes up to two \
             hours to notice.",
        ),
        (
            &["Authorization_RequestDenied"],
            Class::Denied,
            "The app lacks a directory permission: grant it User.Read.All (application) and give admin consent.",
        ),
        (
            &["ErrorQuotaExceeded"],
            Class::Denied,
            "The mailbox is full, and Exchange needs a little room to keep track of changes: free some space or raise the quota.",
        ),
        (
            &["InvalidAuthenticationToken"],
            Class::Denied,
            "Graph refuses the access token: check that [graph] cloud fits the tenant, and this machine's clock.",
        ),
        (&["ErrorItemNotFound", "ErrorSyncFolderNotFound"], Class::Gone, ""),
        (&["ApplicationThrottled", "TooManyRequests", "activityLimitReached"], Class::Throttled, ""),
    ];
    for (codes, class, remedy) in KNOWN {
        if codes.iter().any(|code| failure.has_code(code)) {
            return (*class, remedy);
        }
    }
    // A bare 404 comes from a proxy or a wrong address, not from a mailbox.
    let class = if by_protocol == Class::Gone { Class::Denied } else { by_protocol };
    (class, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hybridge_odata::http::{Method, StatusCode};

    fn class(status: u16, code: &str) -> Class {
        let failure = Failure {
            service: "Microsoft Graph",
            method: Method::GET,
            path: String::new(),
            status: StatusCode::from_u16(status).unwrap(),
            code: code.into(),
            inner_codes: Vec::new(),
            message: String::new(),
            retry_after: None,
            not_before: None,
            request_id: None,
        };
        trouble(&Error::Failed(Box::new(failure))).class
    }

    #[test]
    fn every_known_answer_has_its_class() {
        let table = [
            (410, "", Class::CursorLost),
            (410, "syncStateNotFound", Class::CursorLost),
            (400, "SyncStateNotFound", Class::CursorLost),
            (404, "resyncRequired", Class::CursorLost),
            (404, "MailboxNotEnabledForRESTAPI", Class::Denied),
            (404, "ErrorInvalidUser", Class::Denied),
            (404, "ErrorItemNotFound", Class::Gone),
            (403, "ErrorAccessDenied", Class::Denied),
            (403, "ErrorQuotaExceeded", Class::Denied),
            (401, "InvalidAuthenticationToken", Class::Denied),
            (429, "ApplicationThrottled", Class::Throttled),
            (429, "", Class::Throttled),
            (500, "InternalServerError", Class::Transient),
            (503, "serviceNotAvailable", Class::Transient),
            (504, "", Class::Transient),
            (400, "InefficientFilter", Class::Item),
        ];
        for (status, code, expected) in table {
            assert_eq!(class(status, code), expected, "{status} {code}");
        }
    }
}
