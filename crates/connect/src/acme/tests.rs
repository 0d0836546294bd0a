//! What pebble never does: rate limits, passing faults, and answers that are none.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use hybridge_identity::{KeyAlgorithm, SecretString};
use hybridge_net::{
    Request, Response, Transport, TransportError,
    http::{HeaderMap, HeaderValue, Method, StatusCode},
};

use super::*;

const DIRECTORY: &str = "https://ca.example/dir";

/// The path that it is the answer of, the status, a `Retry-After` and the body.
type Answer = (&'static str, u16, Option<&'static str>, &'static str);

/// An authority of a few canned answers.
#[derive(Debug, Default)]
struct Canned {
    /// What is answered first; later it is as good as any.
    first: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let path = request.url.path().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        let mut headers = HeaderMap::new();
        headers.insert("replay-nonce", HeaderValue::from_static("bm9uY2U"));
        headers.insert("location", HeaderValue::from_static("https://ca.example/account/1"));
        let mut first = self.first.lock().unwrap();
        let (status, body) = if first.front().is_some_and(|(which, ..)| *which == path) {
            let (_, status, pause, body) = first.pop_front().unwrap();
            if let Some(pause) = pause {
                headers.insert("retry-after", HeaderValue::from_static(pause));
            }
            (status, body)
        } else if path == "/dir" {
            (
                200,
                r#"{"newNonce":"https://ca.example/nonce","newAccount":"https://ca.example/account","newOrder":"https://ca.example/order"}"#,
            )
        } else {
            (if request.method == Method::POST { 201 } else { 200 }, "{}")
        };
        let status = StatusCode::from_u16(status).unwrap();
        Ok(Response { status, headers, body: body.as_bytes().to_vec().into() })
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Watch for Heard {
    fn step(&self, step: Step) {
        self.0.lock().unwrap().push(step.to_string());
    }
}

struct Nobody;

#[async_trait]
impl Responder for Nobody {
    fn kind(&self) -> ChallengeKind {
        ChallengeKind::Dns01
    }

    async fn present(&self, _: &Proof) -> Result<(), String> {
        Err("not reached".to_owned())
    }

    async fn withdraw(&self, _: &Proof) -> Result<(), String> {
        Ok(())
    }
}

struct Tried {
    error: Error,
    asked: Vec<String>,
    heard: Vec<String>,
}

/// Asks for a certificate and fails.
async fn fail(first: &[Answer]) -> Tried {
    let canned = Arc::new(Canned { first: Mutex::new(first.iter().copied().collect()), ..Canned::default() });
    let heard = Arc::new(Heard::default());
    let outcome = async {
        let server = Server::contact(DIRECTORY.parse().unwrap(), canned.clone(), heard.clone()).await?;
        let (account, saved) = server.account(None, &[], true).await?;
        assert!(saved.is_some());
        let order = Order { names: vec!["crm.contoso.com".to_owned()], key: KeyAlgorithm::P256 };
        account.obtain(&order, &Nobody, std::future::pending()).await.certificate
    };
    let error = outcome.await.unwrap_err();
    let asked = canned.asked.lock().unwrap().clone();
    let heard = heard.0.lock().unwrap().clone();
    Tried { error, asked, heard }
}

const LIMIT: &str = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates already issued for \"contoso.com\"","status":429}"#;

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_told_with_its_end_and_not_asked_against() {
    let tried = fail(&[("/order", 429, Some("3600"), LIMIT)]).await;
    let told = tried.error.to_string();
    assert!(told.contains("too many certificates") && told.contains("ask again after 3600 s"), "{told}");
    assert!(tried.error.is_transient() && tried.error.remedy().contains("--staging"));
    assert_eq!(tried.asked.iter().filter(|path| *path == "/order").count(), 1, "{:?}", tried.asked);
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_is_asked_against_until_it_passes() {
    let down = ("/dir", 503, Some("2"), "busy");
    let began = tokio::time::Instant::now();
    let tried = fail(&[down, down, ("/order", 429, None, LIMIT)]).await;
    assert!(matches!(tried.error, Error::RateLimited { pause: None, .. }), "{}", tried.error);
    assert_eq!(tried.heard.iter().filter(|step| step.contains("ca.example answered 503")).count(), 2);
    assert!(began.elapsed() >= std::time::Duration::from_secs(4), "the pauses that were asked for are kept");
    let forever = [down; 4];
    let tried = fail(&forever).await;
    assert!(matches!(tried.error, Error::NotAcme { status: 503, .. }), "{}", tried.error);
    assert_eq!(tried.asked.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_acme_server_is_told_with_its_address() {
    for (status, body) in [(200, "<html>Sign in</html>"), (404, "nothing here"), (200, "{}")] {
        let tried = fail(&[("/dir", status, None, body)]).await;
        assert!(matches!(tried.error, Error::NotAcme { .. }), "{}", tried.error);
        assert!(tried.error.to_string().contains(DIRECTORY), "{}", tried.error);
    }
    let proxy = fail(&[("/order", 403, None, "<html>Blocked</html>")]).await;
    assert!(proxy.error.to_string().contains("https://ca.example/order answered 403"), "{}", proxy.error);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_without_encryption() {
    let canned = Arc::new(Canned::default());
    let address = "http://ca.example/dir".parse().unwrap();
    let error = Server::contact(address, canned.clone(), Arc::new(Heard::default())).await.unwrap_err();
    assert!(matches!(error, Error::NotEncrypted { .. }), "{error}");
    assert!(canned.asked.lock().unwrap().is_empty());
    let open = r#"{"newNonce":"http://ca.example/nonce","newAccount":"https://ca.example/account","newOrder":"https://ca.example/order"}"#;
    // The directory is read twice.
    let tried = fail(&[("/dir", 200, None, open), ("/dir", 200, None, open)]).await;
    assert!(tried.error.to_string().contains("http://ca.example/nonce"), "{}", tried.error);
    assert_eq!(tried.asked, ["/dir", "/dir"]);
}

#[tokio::test(start_paused = true)]
async fn an_account_needs_consent_and_may_need_more_than_that() {
    let heard = Arc::new(Heard::default());
    let with = |body: &'static str| {
        let first = Mutex::new([("/dir", 200, None, body)].into_iter().collect());
        Server::contact(
            DIRECTORY.parse().unwrap(),
            Arc::new(Canned { first, ..Canned::default() }),
            heard.clone(),
        )
    };
    let server =
        with(r#"{"newOrder":"x","meta":{"termsOfService":"https://ca.example/terms"}}"#).await.unwrap();
    let error = server.account(None, &[], false).await.unwrap_err();
    assert!(error.to_string().contains("https://ca.example/terms"), "{error}");
    let server = with(r#"{"newOrder":"x","meta":{"externalAccountRequired":true}}"#).await.unwrap();
    let error = server.account(None, &[], true).await.unwrap_err();
    assert!(matches!(error, Error::ExternalAccount { .. }) && error.is_refusal(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_account_file_is_told_without_its_content() {
    let server =
        Server::contact(DIRECTORY.parse().unwrap(), Arc::new(Canned::default()), Arc::new(Heard::default()))
            .await
            .unwrap();
    // The third has a key, but none of its kind.
    let other = r#"{"directory":"https://ca.example/dir","id":"x","key_pkcs8":"c2VjcmV0"}"#;
    for text in
        ["c2VjcmV0", other, r#"{"directory":"https://ca.example/dir","id":"x","key_pkcs8":"c2VjcmV0!"}"#]
    {
        let error = server.account(Some(&SecretString::from(text)), &[], true).await.unwrap_err();
        assert!(matches!(error, Error::AccountUnreadable { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("c2VjcmV0"), "{error}");
    }
}

#[test]
fn every_refusal_of_a_name_has_words_for_it() {
    for kind in [ChallengeKind::Http01, ChallengeKind::Dns01] {
        for problem in ["connection", "dns", "tls", "unauthorized", "caa", "incorrectResponse", ""] {
            let problem = Problem { kind: problem.to_owned(), ..Problem::default() };
            let refused =
                RefusedName { name: "*.contoso.com".to_owned(), kind, place: "x".to_owned(), problem };
            let remedy = refused.remedy();
            assert!(remedy.len() > 60 && !remedy.contains('*'), "{remedy}");
        }
    }
}
