use http::{HeaderMap, header::WWW_AUTHENTICATE};
use url::Url;

/// What an organization says about where to sign in, in its `WWW-Authenticate: Bearer` header
/// (dynamics.md 2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    authorization_uri: Url,
    resource_id: Option<String>,
}

impl Challenge {
    /// The authorization endpoint of the AD FS that the organization trusts.
    pub fn authorization_uri(&self) -> &Url {
        &self.authorization_uri
    }

    /// The identifier to ask a token for, exactly as the organization wrote it: the slash at its end matters.
    pub fn resource_id(&self) -> Option<&str> {
        self.resource_id.as_deref()
    }

    /// The token endpoint: the authorization endpoint with its last segment replaced by `token`.
    pub fn token_endpoint(&self) -> Url {
        let mut url = self.authorization_uri.clone();
        url.set_query(None);
        url.set_fragment(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().pop().push("token");
        }
        url
    }
}

/// Finds the first usable Bearer challenge. Other schemes, in other headers or in the same one, are
/// passed over; values may be quoted or not.
pub fn parse_challenge(headers: &HeaderMap) -> Option<Challenge> {
    challenges(headers)
        .into_iter()
        .filter(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))
        .find_map(|challenge| challenge.read())
}

/// The authentication schemes on offer, in their order, each once: for saying what was found instead.
pub fn offered_schemes(headers: &HeaderMap) -> Vec<String> {
    let mut schemes = Vec::new();
    for Offered { scheme, .. } in challenges(headers) {
        if !schemes.contains(&scheme) {
            schemes.push(scheme);
        }
    }
    schemes
}

struct Offered {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offered {
    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn read(&self) -> Option<Challenge> {
        let authorization_uri = Url::parse(self.parameter("authorization_uri")?).ok()?;
        if !matches!(authorization_uri.scheme(), "https" | "http") {
            return None;
        }
        let resource_id = self.parameter("resource_id").filter(|id| !id.is_empty()).map(str::to_owned);
        Some(Challenge { authorization_uri, resource_id })
    }
}

fn challenges(headers: &HeaderMap) -> Vec<Offered> {
    let mut found: Vec<Offered> = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for item in split_outside_quotes(&text) {
            let (scheme, parameter) = take_scheme(item);
            if let Some(scheme) = scheme {
                found.push(Offered { scheme: scheme.to_owned(), parameters: Vec::new() });
            }
            if let (Some((key, value)), Some(last)) = (parameter.split_once('='), found.last_mut()) {
                last.parameters.push((key.trim().to_owned(), unquote(value.trim())));
            }
        }
    }
    found
}

// A list item either goes on with the parameters of the challenge before it, or begins the next one:
// then a word without `=` comes first (RFC 9110, 11.6.1).
fn take_scheme(item: &str) -> (Option<&str>, &str) {
    let (word, rest) = item.split_once(char::is_whitespace).unwrap_or((item, ""));
    let rest = rest.trim_start();
    if word.contains('=') || rest.starts_with('=') { (None, item) } else { (Some(word), rest) }
}

fn split_outside_quotes(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |char| {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return true,
            _ => {}
        }
        false
    })
    .map(str::trim)
    .filter(|item| !item.is_empty())
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut chars = inner.strip_suffix('"').unwrap_or(inner).chars();
    let mut plain = String::with_capacity(inner.len());
    while let Some(char) = chars.next() {
        plain.extend(if char == '\\' { chars.next() } else { Some(char) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const AUTHORIZE: &str = "https://sts.contoso.com/adfs/oauth2/authorize";
    const RESOURCE: &str = "https://org.contoso.com/";

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap())).collect()
    }

    fn expected() -> Challenge {
        Challenge { authorization_uri: AUTHORIZE.parse().unwrap(), resource_id: Some(RESOURCE.to_owned()) }
    }

    #[test]
    fn the_observed_header_is_read() {
        let observed = format!("Bearer authorization_uri={AUTHORIZE}, resource_id={RESOURCE}");
        let challenge = parse_challenge(&headers(&[&observed])).unwrap();
        assert_eq!(challenge, expected());
        assert_eq!(challenge.token_endpoint().as_str(), "https://sts.contoso.com/adfs/oauth2/token");
    }

    #[test]
    fn quotes_case_and_spaces_make_no_difference() {
        for value in [
            format!(r#"bearer Authorization_URI="{AUTHORIZE}",RESOURCE_ID="{RESOURCE}""#),
            format!(r#"BEARER  resource_id = {RESOURCE} ,, authorization_uri = "{AUTHORIZE}","#),
            format!(r#"Bearer realm="a, \"b\"", authorization_uri={AUTHORIZE}, resource_id={RESOURCE}"#),
        ] {
            assert_eq!(parse_challenge(&headers(&[&value])), Some(expected()), "{value}");
        }
    }

    #[test]
    fn other_schemes_are_passed_over_wherever_they_stand() {
        let bearer = format!("Bearer authorization_uri={AUTHORIZE}, resource_id={RESOURCE}");
        assert_eq!(parse_challenge(&headers(&["Negotiate", "NTLM", &bearer])), Some(expected()));
        let joined = format!(r#"Negotiate, Basic realm="x", {bearer}, NTLM"#);
        assert_eq!(parse_challenge(&headers(&[&joined])), Some(expected()));
        assert_eq!(offered_schemes(&headers(&[&joined])), ["Negotiate", "Basic", "Bearer", "NTLM"]);
        let digest = format!("Digest authorization_uri={AUTHORIZE}");
        assert_eq!(parse_challenge(&headers(&["Negotiate", &digest])), None);
    }

    #[test]
    fn a_bearer_challenge_without_an_address_is_none() {
        for value in
            ["Bearer", "Bearer realm=x", "Bearer authorization_uri=", "Bearer authorization_uri=/adfs"]
        {
            assert_eq!(parse_challenge(&headers(&[value])), None, "{value}");
        }
        let usable = format!("Bearer authorization_uri={AUTHORIZE}, resource_id={RESOURCE}");
        assert_eq!(parse_challenge(&headers(&["Bearer", &usable])), Some(expected()));
    }

    #[test]
    fn the_last_segment_is_replaced_whatever_follows_it() {
        for end in ["authorize/", "authorize?a=b", "authorize#c"] {
            let value = format!("Bearer authorization_uri=https://sts.contoso.com/adfs/oauth2/{end}");
            let challenge = parse_challenge(&headers(&[&value])).unwrap();
            assert_eq!(challenge.token_endpoint().as_str(), "https://sts.contoso.com/adfs/oauth2/token");
            assert_eq!(challenge.resource_id(), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_sends_makes_it_panic(
            values in proptest::collection::vec(proptest::collection::vec(32_u8..=255, 0..80), 0..4)
        ) {
            let headers: HeaderMap = values
                .iter()
                .filter_map(|value| HeaderValue::from_bytes(value).ok())
                .map(|value| (WWW_AUTHENTICATE, value))
                .collect();
            if let Some(challenge) = parse_challenge(&headers) {
                prop_assert!(challenge.token_endpoint().path().ends_with("/token"));
            }
            offered_schemes(&headers);
        }

        #[test]
        fn what_is_written_is_read(
            host in "[a-z][a-z0-9]{0,10}\\.[a-z]{2,5}",
            path in "(/[a-z0-9]{1,8}){1,4}",
            resource in "[!-~&&[^\",\\\\]]{1,40}",
            quoted: bool,
            strangers in proptest::collection::vec("Negotiate|NTLM|Basic realm=\"a, b\"", 0..3),
        ) {
            let uri = format!("https://{host}{path}");
            let quote = |text: &str| if quoted { format!("\"{text}\"") } else { text.to_owned() };
            let own = format!("Bearer authorization_uri={}, resource_id={}", quote(&uri), quote(&resource));
            let line = strangers.iter().cloned().chain([own]).collect::<Vec<_>>().join(", ");
            let challenge = parse_challenge(&headers(&[&line])).expect("a challenge");
            prop_assert_eq!(challenge.authorization_uri().as_str(), uri);
            prop_assert_eq!(challenge.resource_id(), Some(resource.as_str()));
        }
    }
}
