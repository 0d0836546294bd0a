//! One exchange with a sign-in service, as both kinds of token source need it.

use std::{future::Future, time::Duration};

use http::{HeaderValue, Method, header};
use hybridge_net::{Chance, Request, Response};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::{Error, Token};

/// How often one token request is made at the most.
const TRIES: u32 = 3;
/// The pause after the first failure; it doubles after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A service that asks for more than this is left alone: the caller decides.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A sign-in service has no reason to think longer, nor to say more.
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Repeats what failed in passing: three tries, growing pauses, `Retry-After` honoured.
pub(crate) async fn patiently<T, F, R>(chance: &Chance, mut attempt: F) -> Result<T, Error>
where
    F: FnMut() -> R,
    R: Future<Output = Result<T, Error>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        let error = match attempt().await {
            Err(error) if error.is_transient() => error,
            outcome => return outcome,
        };
        let wait = error.retry_after().unwrap_or_else(|| chance.jitter(pause));
        if wait > LONGEST_PAUSE {
            return Err(error);
        }
        tracing::debug!(%error, ?wait, "the sign-in is repeated");
        tokio::time::sleep(wait).await;
        pause *= 2;
    }
    attempt().await
}

/// A request for a JSON document.
pub(crate) fn get(url: Url) -> Request {
    limited(Request::new(Method::GET, url))
}

/// A form, as token endpoints want it. The values are secrets as a rule.
pub(crate) fn post_form(url: Url, fields: &[(&str, &str)]) -> Request {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    limited(Request::new(Method::POST, url).body("application/x-www-form-urlencoded", body))
}

fn limited(mut request: Request) -> Request {
    request.timeout = TIMEOUT;
    request.max_answer_bytes = MAX_ANSWER_BYTES;
    request.header(header::ACCEPT, HeaderValue::from_static("application/json"))
}

/// The pause that the answer asks for, in either form of `Retry-After` (RFC 9110, 10.2.3).
pub(crate) fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(until.duration_since(now)).ok()
}

/// How far this machine's clock is ahead of the server's (negative: behind), by the header `Date`.
pub(crate) fn clock_ahead(response: &Response, now: Timestamp) -> Option<SignedDuration> {
    let server = rfc2822::parse(response.header("date")?.trim()).ok()?.timestamp();
    Some(now.duration_since(server))
}

/// What a token endpoint grants.
pub(crate) struct Granted {
    pub(crate) token: Token,
    pub(crate) refresh_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: Seconds,
    refresh_token: Option<String>,
}

// An integer at Entra ID; some versions of AD FS write a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Text(String),
}

/// Reads a token endpoint's success. The life of the token is counted from when it was asked for.
pub(crate) fn read_grant(url: &Url, response: &Response, asked_at: Timestamp) -> Result<Granted, Error> {
    let strange = |detail: &str| Error::strange(url, response.status, detail);
    // The parser's own error can repeat a part of the answer.
    let grant: Grant =
        serde_json::from_slice(&response.body).map_err(|_| strange("it is not a token answer in JSON"))?;
    let value = SecretString::from(grant.access_token);
    let refresh_token = grant.refresh_token.filter(|text| !text.is_empty()).map(SecretString::from);
    let seconds = match grant.expires_in {
        Seconds::Number(seconds) => Some(seconds),
        Seconds::Text(text) => text.trim().parse().ok(),
    };
    let expires_at = seconds
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| asked_at.checked_add(SignedDuration::from_secs(seconds)).ok())
        .ok_or_else(|| strange("its expires_in is no number of seconds"))?;
    let token = Token::bearer(value, asked_at, expires_at)
        .ok_or_else(|| strange("its access_token can't stand in a header"))?;
    Ok(Granted { token, refresh_token })
}

/// The first line of a service's own words, without what can't be printed, and not too long.
pub(crate) fn first_words(text: &str) -> String {
    let end = [" Trace ID:", "\r", "\n"].iter().filter_map(|mark| text.find(mark)).min();
    let line = end.map_or(text, |end| text.split_at(end).0);
    line.chars().filter(|char| !char.is_control()).take(400).collect::<String>().trim().to_owned()
}

/// Replaces every occurrence of a secret, in case a service repeats what it was sent.
pub(crate) fn without(text: &str, secret: &SecretString) -> String {
    let secret = secret.expose_secret();
    if secret.is_empty() { text.to_owned() } else { text.replace(secret, "[secret]") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{answer, noon};

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let with = |value: &str| retry_after(&answer(429, "").with("retry-after", value), noon());
        assert_eq!(with("17"), Some(Duration::from_secs(17)));
        assert_eq!(with("Mon, 23 Nov 2026 12:01:00 GMT"), Some(Duration::from_mins(1)));
        assert_eq!(with("Mon, 23 Nov 2026 11:59:00 GMT"), None);
        assert_eq!(with("soon"), None);
    }

    #[test]
    fn a_form_is_escaped() {
        let request =
            post_form("https://x/".parse().unwrap(), &[("username", r"D\ö"), ("password", "a&b=c +")]);
        assert_eq!(request.body, "username=D%5C%C3%B6&password=a%26b%3Dc+%2B");
    }

    #[test]
    fn a_service_s_words_end_before_its_trace_ids() {
        assert_eq!(first_words("AADSTS1: No.\r\nTrace ID: 1"), "AADSTS1: No.");
        assert_eq!(first_words("AADSTS1: No. Trace ID: 1 Correlation ID: 2"), "AADSTS1: No.");
        assert_eq!(first_words("\u{7}x\u{1b}[31m"), "x[31m");
    }

    #[test]
    fn the_life_of_a_token_is_read_from_a_number_or_a_text() {
        let url: Url = "https://x/token".parse().unwrap();
        let read = |expires_in: &str| {
            let body = format!(r#"{{"access_token":"t","expires_in":{expires_in}}}"#);
            read_grant(&url, &answer(200, &body).0, noon()).map(|granted| granted.token.expires_at())
        };
        let in_an_hour = noon() + SignedDuration::from_hours(1);
        assert_eq!(read("3600").unwrap(), in_an_hour);
        assert_eq!(read("\"3600\"").unwrap(), in_an_hour);
        for bad in ["0", "-5", "\"soon\"", "null", "9223372036854775807"] {
            assert!(matches!(read(bad), Err(Error::UnexpectedAnswer { .. })), "{bad}");
        }
    }
}
