use hybridge_core::trouble::{Class, Trouble};
use hybridge_odata::{Error, Failure};

/// A failed call to the organization as a trouble: its class, and who must do what (dynamics.md 3.13).
pub fn trouble(error: &Error) -> Trouble {
    let Some(failure) = error.failure() else { return error.trouble(error.class(), error.remedy()) };
    let (class, remedy) = classify(failure, error.class());
    error.trouble(class, remedy)
}

/// Whether a failed delivery says that the email exists already. `0x8005e20b` stands for several refusals
/// and counts only with reason code 0.
pub fn is_known_duplicate(error: &Error) -> bool {
    error.failure().is_some_and(|failure| {
        failure.has_code("0x80040237")
            || failure.has_code("0x80040333")
            || failure.has_code("0x8005e20b") && failure.message.contains("Reason Code: 0")
    })
}

/// Whether a request was refused for its size.
pub fn is_request_too_large(error: &Error) -> bool {
    // IIS answers an over-long request with 404.13 and a web page.
    error
        .failure()
        .is_some_and(|failure| failure.status.as_u16() == 413 || failure.message.contains("404.13"))
}

fn classify(failure: &Failure, by_protocol: Class) -> (Class, &'static str) {
    const KNOWN: &[(&[&str], Class, &str)] = &[
        (
            &["0x8005e246"],
            Class::Denied,
            "The organization processes its email with its own server-side synchronization and refuses an external synchroniser \
             (RouterIsDisabled). In System Settings, Email, set \"Process Email Using\" to \"Microsoft Dynamics 365 Email Router\"; \
             Hybridge goes on by itself.",
        ),
        (
            &["0x80040220", "0x80040231", "0x80048405"],
            Class::Denied,
            "The service account lacks a privilege: give its security role organization-wide create, read, write, append and \
             append-to on activities, and read on users, queues, mailboxes and email server profiles.",
        ),
        (
            &["0x80040225", "0x8004a112"],
            Class::Denied,
            "The service account is disabled in Dynamics: enable the user.",
        ),
        (&["0x80042f09"], Class::Denied, "The service account has no security role: assign one."),
        (
            &["0x80072560", "0x80044302"],
            Class::Denied,
            "The service account is no user of this organization: add it.",
        ),
        (
            &["0x8004a104"],
            Class::Denied,
            "The organization is disabled: enable it in the Deployment Manager.",
        ),
        (
            &["0x80040265", "0x80040224"],
            Class::Item,
            "A plug-in or workflow of the organization stopped the email. Look for the plug-in's own message in Settings, \
             Plug-In Trace Log, or ask who maintains the customisations.",
        ),
        (
            &["0x80043e09"],
            Class::Item,
            "The organization blocks an attachment's file extension (System Settings, General, blocked file extensions).",
        ),
        (&["0x80040237", "0x80040333"], Class::Exists, ""),
        // Something that the email points at, a plug-in's row for example; the message itself lies in Exchange.
        (
            &["0x80040217"],
            Class::Item,
            "The organization says that a row is not there. A plug-in may have looked for it: see its Plug-In Trace Log.",
        ),
        (&["0x80044150", "0x80044151", "0x80040216"], Class::Transient, ""),
    ];
    for (codes, class, remedy) in KNOWN {
        if codes.iter().any(|code| failure.has_code(code)) {
            return (*class, remedy);
        }
    }
    let remedy = match failure.status.as_u16() {
        401 | 403 => {
            "Check the service account: its password, that it is an enabled user of the organization, and its security role."
        }
        404 => "Check [organization] url and api_version in the configuration.",
        _ => "",
    };
    // Only Exchange can say that a message is gone.
    let class = match by_protocol {
        Class::Gone if failure.code.is_empty() => Class::Denied,
        Class::Gone => Class::Item,
        class => class,
    };
    (class, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hybridge_odata::http::{Method, StatusCode};

    fn failed(status: u16, code: &str, message: &str) -> Error {
        Error::Failed(Box::new(Failure {
            service: "the organization",
            method: Method::POST,
            path: String::new(),
            status: StatusCode::from_u16(status).unwrap(),
            code: code.into(),
            inner_codes: Vec::new(),
            message: message.into(),
            retry_after: None,
            not_before: None,
            request_id: None,
        }))
    }

    #[test]
    fn every_known_answer_has_its_class() {
        let table = [
            (403, "0x80040220", Class::Denied),
            (400, "0x8005e246", Class::Denied),
            (500, "0x80040265", Class::Item),
            (500, "0x80044151", Class::Transient),
            (412, "0x80040237", Class::Exists),
            (404, "0x80040217", Class::Item),
            (503, "", Class::Transient),
            (400, "", Class::Item),
            (401, "", Class::Denied),
        ];
        for (status, code, expected) in table {
            assert_eq!(trouble(&failed(status, code, "")).class, expected, "{status} {code}");
        }
    }

    #[test]
    fn a_refusal_counts_as_a_duplicate_only_with_reason_zero() {
        assert!(is_known_duplicate(&failed(412, "0x80040237", "")));
        assert!(is_known_duplicate(&failed(
            400,
            "0x8005E20B",
            "The email can't be accepted. Reason Code: 0"
        )));
        assert!(!is_known_duplicate(&failed(
            400,
            "0x8005e20b",
            "The email can't be accepted. Reason Code: 3"
        )));
        assert!(!is_known_duplicate(&failed(500, "0x80040265", "")));
    }
}
