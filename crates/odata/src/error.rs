use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use hybridge_core::trouble::{Class, Trouble};
use hybridge_identity as identity;
use hybridge_net::{Happened, TransportError};
use jiff::Timestamp;
use serde::Deserialize;

/// A call to a service failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not signed in: no access token, or no Windows authentication.
    #[error("signing in to {service} failed: {source}")]
    Token {
        /// The service.
        service: &'static str,
        /// Why not.
        source: identity::Error,
    },
    /// No (whole) answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The service answered with a failure.
    #[error("{0}")]
    Failed(Box<Failure>),
    /// A sign-in page came in place of data.
    #[error(
        "{service} answered {method} {path} with a web page instead of data: the request was not signed in"
    )]
    WebPage {
        /// The service.
        service: &'static str,
        /// The method.
        method: Method,
        /// The path, without query.
        path: String,
    },
    /// The answer can't be understood.
    #[error("the {what} can't be read: {detail}")]
    Unreadable {
        /// What was to be read.
        what: &'static str,
        /// Why it can't.
        detail: String,
    },
    /// A request can't be written down.
    #[error("the {what} can't be written: {detail}")]
    Unwritable {
        /// What was to be written.
        what: &'static str,
        /// Why it can't.
        detail: String,
    },
    /// A link leads away from the service.
    #[error("{service} handed out a link to another server ({host}); it is not followed")]
    ForeignLink {
        /// The service.
        service: &'static str,
        /// The host that the link names.
        host: String,
    },
}

/// A failure that a service reported.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The service.
    pub service: &'static str,
    /// The method asked for.
    pub method: Method,
    /// The path asked for, without query.
    pub path: String,
    /// The status.
    pub status: StatusCode,
    /// The error code (`ErrorItemNotFound`, `0x80040217`), may be empty.
    pub code: String,
    /// Further codes inside the error.
    pub inner_codes: Vec<String>,
    /// The service's words. They can quote the request, so they are cut short.
    pub message: String,
    /// The pause the service asks for.
    pub retry_after: Option<Duration>,
    /// The same as an instant.
    pub not_before: Option<Timestamp>,
    /// The service's id of the request.
    pub request_id: Option<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} answered {} {} with {}",
            self.service,
            self.method,
            self.path,
            self.status.as_u16()
        )?;
        if !self.code.is_empty() {
            write!(formatter, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(formatter, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl Failure {
    /// Whether the error or one inside it has this code, whatever its case (services differ,
    /// graph.md 3.3).
    pub fn has_code(&self, code: &str) -> bool {
        self.code.eq_ignore_ascii_case(code)
            || self.inner_codes.iter().any(|inner| inner.eq_ignore_ascii_case(code))
    }

    /// Reads a failure's body in the envelope that both services use.
    pub(crate) fn read(
        service: &'static str,
        method: Method,
        path: String,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Self {
        let mut failure = Self {
            service,
            method,
            path,
            status,
            code: String::new(),
            inner_codes: Vec::new(),
            message: String::new(),
            retry_after: retry_after(headers, now),
            not_before: None,
            request_id: first_header(headers, &["request-id", "req_id", "x-ms-service-request-id"]),
        };
        failure.not_before = failure.retry_after.and_then(|pause| now.checked_add(pause).ok());
        match serde_json::from_slice::<Envelope>(body) {
            Ok(Envelope { reported: error }) => {
                failure.code = error.code;
                failure.message = shortened(&error.message);
                let mut inner = error.inner;
                while let Some(next) = inner {
                    failure.inner_codes.extend(next.code.filter(|code| !code.is_empty()));
                    failure.request_id = failure.request_id.or(next.request_id);
                    inner = next.inner;
                }
            }
            Err(_)
                if !body.is_empty()
                    && let Some((code, message)) = soap_fault(body) =>
            {
                failure.code = code;
                failure.message = shortened(&message);
            }
            Err(_) if !body.is_empty() => {
                failure.message = match page_title(body) {
                    Some(title) => format!("a web page came instead of the API's answer: \"{title}\""),
                    None => "the answer is not in the form of the API".to_owned(),
                };
            }
            Err(_) => {}
        }
        // What a refused token is refused for stands in the challenge: `ID4175`, for example.
        if let Some(refused) = described(headers).filter(|refused| !failure.message.contains(refused)) {
            let message = format!("{} {refused}", failure.message);
            failure.message = shortened(&message);
        }
        failure
    }
}

/// The `error_description` of a challenge (RFC 6750 section 3).
fn described(headers: &HeaderMap) -> Option<&str> {
    const NAME: &str = "error_description=\"";
    let challenges = headers.get_all(http::header::WWW_AUTHENTICATE).into_iter();
    challenges.filter_map(|challenge| challenge.to_str().ok()).find_map(|challenge| {
        let rest = challenge.get(challenge.find(NAME)? + NAME.len()..)?;
        rest.get(..rest.find('"')?).filter(|text| !text.is_empty())
    })
}

/// Code and text of a SOAP fault, which stands for a whole request and comes with status 500: `<ErrorCode>` holds the
/// code as a signed number (dynamics.md section 1).
fn soap_fault(body: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.contains("Fault>"))?;
    let inside = |name: &str| {
        let from = text.find(&format!("{name}>"))? + name.len() + 1;
        let rest = text.get(from..)?;
        rest.get(..rest.find('<')?).map(str::trim)
    };
    let code = inside("ErrorCode").and_then(|code| code.parse::<i32>().ok());
    let message = inside("Message").filter(|text| !text.is_empty()).or_else(|| faultstring(text))?;
    Some((code.map(|code| format!("0x{code:08x}")).unwrap_or_default(), message.to_owned()))
}

fn faultstring(text: &str) -> Option<&str> {
    let rest = text.get(text.find("<faultstring")?..)?;
    let rest = rest.get(rest.find('>')? + 1..)?;
    rest.get(..rest.find('<')?).map(str::trim)
}

/// The title of a web page. Web servers, proxies and firewalls answer with one where they refuse what the API
/// never saw; the title says which of them it was.
fn page_title(body: &[u8]) -> Option<String> {
    /// Where titles stand.
    const HEAD: usize = 4096;
    let head = String::from_utf8_lossy(body.get(..HEAD).unwrap_or(body));
    let small = head.to_ascii_lowercase();
    let from = small.find("<title>")? + "<title>".len();
    let until = from + small.get(from..)?.find("</title>")?;
    let title = shortened(head.get(from..until)?);
    (!title.is_empty()).then_some(title)
}

fn shortened(message: &str) -> String {
    const MOST: usize = 400;
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST { line } else { line.chars().take(MOST).chain(['…']).collect() }
}

fn first_header(headers: &HeaderMap, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| headers.get(*name)?.to_str().ok().map(str::to_owned))
}

/// `Retry-After` as a pause: seconds, or an HTTP date.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(at.duration_since(now)).ok()
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "error")]
    reported: Reported,
}

#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default, alias = "innerError", alias = "innererror")]
    inner: Option<Box<Nested>>,
}

#[derive(Deserialize)]
struct Nested {
    #[serde(default)]
    code: Option<String>,
    #[serde(default, rename = "request-id")]
    request_id: Option<String>,
    #[serde(default, alias = "innerError", alias = "innererror")]
    inner: Option<Box<Nested>>,
}

impl Error {
    /// The failure that the service reported, where it is that.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether the request may have taken effect all the same.
    pub fn happened(&self) -> Happened {
        match self {
            Self::Transport(error) => error.happened,
            Self::Failed(failure) if failure.status.is_server_error() => Happened::Perhaps,
            Self::Unreadable { .. } => Happened::Perhaps,
            _ => Happened::No,
        }
    }

    /// How it is reacted to, as far as the protocol alone tells; the services' own crates know more.
    pub fn class(&self) -> Class {
        match self {
            Self::Token { source, .. } if source.is_transient() => Class::Transient,
            Self::Token { .. } | Self::WebPage { .. } => Class::Denied,
            Self::Transport(_) => Class::Transient,
            Self::Unreadable { .. } | Self::Unwritable { .. } | Self::ForeignLink { .. } => Class::Protocol,
            Self::Failed(failure) => match failure.status {
                StatusCode::TOO_MANY_REQUESTS => Class::Throttled,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Class::Denied,
                StatusCode::NOT_FOUND => Class::Gone,
                StatusCode::GONE => Class::CursorLost,
                StatusCode::REQUEST_TIMEOUT => Class::Transient,
                status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                    Class::Transient
                }
                _ => Class::Item,
            },
        }
    }

    /// A trouble of a class, with the protocol's facts filled in.
    pub fn trouble(&self, class: Class, remedy: impl Into<String>) -> Trouble {
        let mut trouble = Trouble::new(class, self.to_string(), remedy);
        if let Self::Failed(failure) = self {
            trouble.not_before = failure.not_before;
            trouble.request_id.clone_from(&failure.request_id);
        }
        trouble
    }

    /// What to do, as far as the protocol alone tells.
    pub fn remedy(&self) -> String {
        match self {
            Self::Token { source, .. } => source.remedy(),
            Self::Transport(error) => match error.fault {
                hybridge_net::TransportFault::Connect => {
                    "Check the address, the name resolution, the proxy and the firewall between this machine and the server.".into()
                }
                hybridge_net::TransportFault::Tls => {
                    "The server's certificate is not trusted by this machine. If it comes from an internal authority, name that \
                     authority's certificate in the configuration ([trust] authorities)."
                        .into()
                }
                _ => "Nothing, if it happens now and then: it is tried again.".into(),
            },
            Self::WebPage { .. } => {
                "The server shows its sign-in page: check the organization's URL, and that OAuth is enabled on the CRM server \
                 (OAuthClaimsSettings)."
                    .into()
            }
            Self::ForeignLink { .. } => "Check that no proxy rewrites the service's answers.".into(),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Failure {
        let mut headers = HeaderMap::new();
        headers.insert("request-id", "r-1".parse().unwrap());
        headers.insert("retry-after", "17".parse().unwrap());
        Failure::read(
            "Microsoft Graph",
            Method::GET,
            "users/x".into(),
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.as_bytes(),
            "2026-11-23T08:00:00Z".parse().unwrap(),
        )
    }

    #[test]
    fn what_a_token_is_refused_for_is_told() {
        let mut headers = HeaderMap::new();
        let challenge =
            "Bearer error=\"invalid_token\", error_description=\"ID4175: The issuer is not known.\"";
        headers.append("www-authenticate", "Negotiate".parse().unwrap());
        headers.append("www-authenticate", challenge.parse().unwrap());
        let now = "2026-11-23T08:00:00Z".parse().unwrap();
        let page = b"<html><title>401</title></html>";
        let failure =
            Failure::read("x", Method::GET, "y".into(), StatusCode::UNAUTHORIZED, &headers, page, now);
        assert!(failure.message.ends_with("\"401\" ID4175: The issuer is not known."), "{failure}");
    }

    #[test]
    fn codes_inside_an_error_are_found_in_any_case() {
        let failure = read(
            400,
            r#"{"error":{"code":"BadRequest","message":"Sync  state\r\nis gone","innerError":{"code":"SyncStateNotFound"}}}"#,
        );
        assert!(failure.has_code("syncStateNotFound") && failure.has_code("badrequest"));
        assert_eq!(failure.message, "Sync state is gone");
        assert_eq!(
            failure.to_string(),
            "Microsoft Graph answered GET users/x with 400 BadRequest: Sync state is gone"
        );
    }

    #[test]
    fn a_soap_fault_for_a_whole_request_keeps_its_code() {
        let fault = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode>
            <faultstring xml:lang="en-US">The user is disabled.</faultstring><detail><OrganizationServiceFault>
            <ErrorCode>-2147220955</ErrorCode></OrganizationServiceFault></detail></s:Fault></s:Body></s:Envelope>"#;
        let failure = read(500, fault);
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("0x80040225", "The user is disabled.")
        );
        assert_eq!(read(500, "<html>Fault</html>").code, "");
    }

    #[test]
    fn the_pause_is_read_in_both_forms() {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        assert_eq!(read(429, "").retry_after, Some(Duration::from_secs(17)));
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "Mon, 23 Nov 2026 08:01:00 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers, now), Some(Duration::from_mins(1)));
        headers.insert("retry-after", "soon".parse().unwrap());
        assert_eq!(retry_after(&headers, now), None);
    }

    #[test]
    fn a_body_in_another_form_is_not_repeated_in_the_error() {
        assert!(!read(502, "<html>secret</html>").to_string().contains("secret"));
    }
}
