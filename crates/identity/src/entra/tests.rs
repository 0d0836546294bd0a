use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use hybridge_net::TransportFault;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::Fixed;
use crate::testing::{Answer, Seen, Service, answer, clock, credential, noon};

const TENANT: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const ENDPOINT: &str =
    "https://login.microsoftonline.com/3f2504e0-4f89-41d3-9a0c-0305e82c3301/oauth2/v2.0/token";

fn tokens(service: &Arc<Service>, tenant: &str) -> EntraTokens {
    EntraTokens::new(EntraParts {
        cloud: Cloud::Global,
        tenant: tenant.parse().unwrap(),
        client_id: Uuid::from_u128(7),
        credential: Arc::new(Fixed(Arc::new(credential().clone()))),
        scope: Cloud::Global.scope(),
        algorithm: AssertionAlgorithm::default(),
        transport: Arc::clone(service) as Arc<dyn Transport>,
        clock: clock(),
        chance: Chance::seeded(1),
    })
}

fn granted(number: usize) -> Answer {
    let body = json!({
        "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": format!("token-{number}")
    });
    answer(200, &body.to_string())
}

fn refused(status: u16, error: &str, code: u32, text: &str) -> Answer {
    let description = format!(
        "AADSTS{code}: {text}\r\nTrace ID: t-1\r\nCorrelation ID: c-1\r\nTimestamp: 2026-01-09 02:02:12Z"
    );
    let body = json!({
        "error": error, "error_description": description, "error_codes": [code],
        "timestamp": "2026-01-09 02:02:12Z", "trace_id": "t-1", "correlation_id": "c-1"
    });
    answer(status, &body.to_string())
}

/// Answers every request in the same way.
fn always(make: impl Fn() -> Answer + Send + 'static) -> Arc<Service> {
    Service::new(move |_| Some(make()))
}

/// Answers one request after the other; the last answer is repeated.
fn in_turn(answers: Vec<fn() -> Option<Answer>>) -> Arc<Service> {
    let mut number = 0;
    Service::new(move |_| {
        number += 1;
        answers.get(number - 1).or(answers.last()).and_then(|make| make())
    })
}

fn refusal(error: &Error) -> &EntraRefusal {
    match error {
        Error::Entra(refusal) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

fn claims(seen: &Seen) -> Value {
    let assertion = seen.field("client_assertion").unwrap();
    let claims = assertion.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_turned_into_a_token() {
    let service = always(|| granted(1));
    let token = tokens(&service, TENANT).token().await.unwrap();
    assert_eq!(token.value().expose_secret(), "token-1");
    assert_eq!(token.authorization(), "Bearer token-1");
    assert_eq!(token.expires_at(), noon() + SignedDuration::from_secs(3599));

    let seen = service.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].url, ENDPOINT);
    assert_eq!(seen[0].accept, "application/json");
    assert_eq!(seen[0].field("grant_type"), Some("client_credentials"));
    assert_eq!(seen[0].field("client_id"), Some("00000000-0000-0000-0000-000000000007"));
    assert_eq!(seen[0].field("scope"), Some("https://graph.microsoft.com/.default"));
    assert_eq!(seen[0].field("client_assertion_type"), Some(ASSERTION_TYPE));
    assert_eq!(claims(&seen[0])["aud"], ENDPOINT);
    assert_eq!(claims(&seen[0])["iat"], noon().as_second());
}

#[tokio::test(start_paused = true)]
async fn a_domain_is_turned_into_the_tenant_s_own_endpoint_once() {
    let service = Service::new(|seen| {
        if seen.url.ends_with("/contoso.com/v2.0/.well-known/openid-configuration") {
            let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
            return Some(answer(200, &json!({"issuer": issuer, "token_endpoint": ENDPOINT}).to_string()));
        }
        Some(granted(1))
    });
    let tokens = tokens(&service, "contoso.com");
    let first = tokens.token().await.unwrap();
    tokens.invalidate(&first);
    tokens.token().await.unwrap();

    let seen = service.seen();
    assert_eq!(seen.len(), 3, "one discovery, two tokens");
    assert!(seen[1..].iter().all(|request| request.url == ENDPOINT && claims(request)["aud"] == ENDPOINT));
    assert_ne!(claims(&seen[1])["jti"], claims(&seen[2])["jti"], "an assertion id is never used twice");
}

#[tokio::test(start_paused = true)]
async fn discovery_says_whether_a_tenant_exists() {
    let discover = async |service: Arc<Service>| {
        let tenant = "contoso.com".parse().unwrap();
        discover_entra(service.as_ref(), clock().as_ref(), &Chance::seeded(1), &Cloud::Global, &tenant).await
    };
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let body = json!({"issuer": issuer, "token_endpoint": ENDPOINT}).to_string();
    let found = discover(always(move || answer(200, &body))).await.unwrap();
    assert_eq!(found.id.to_string(), TENANT);
    assert_eq!(found.token_endpoint.as_str(), ENDPOINT);

    let missing =
        discover(always(|| refused(400, "invalid_tenant", 90002, "Tenant 'contoso.com' not found.")));
    let error = missing.await.unwrap_err();
    assert_eq!(refusal(&error).fault(), EntraFault::UnknownTenant);
    assert_eq!(error.to_string(), "Entra ID knows no tenant contoso.com in this cloud (AADSTS90002)");

    let page = discover(always(|| answer(200, "<html>a proxy's page</html>"))).await.unwrap_err();
    assert!(matches!(page, Error::UnexpectedAnswer { status: StatusCode::OK, .. }));
}

#[tokio::test(start_paused = true)]
async fn every_known_refusal_has_its_meaning_and_is_not_repeated() {
    let key = |reason: &str| format!("Client assertion contains an invalid signature. [Reason - {reason}]");
    let not_found = key("The key was not found., Thumbprint of key used by client: 'AB'");
    let expired = key("The key used is expired.");
    let certificate = EntraFault::Certificate;
    for (status, error, code, text, fault) in [
        (400, "invalid_request", 90002, "", EntraFault::UnknownTenant),
        (400, "unauthorized_client", 700_016, "", EntraFault::UnknownApplication),
        (400, "unauthorized_client", 7_000_112, "", EntraFault::ApplicationDisabled),
        (401, "invalid_client", 700_027, not_found.as_str(), certificate(KeyProblem::NotRegistered)),
        (401, "invalid_client", 700_027, &expired, certificate(KeyProblem::OutsideValidity)),
        (401, "invalid_client", 700_027, "", certificate(KeyProblem::BadSignature)),
        (401, "invalid_client", 7_000_214, "", certificate(KeyProblem::Revoked)),
        (401, "invalid_client", 1_000_502, "", certificate(KeyProblem::OutsideValidity)),
        (401, "invalid_client", 700_023, "", EntraFault::WrongAudience),
        (400, "invalid_scope", 70011, "", EntraFault::Scope),
        (400, "invalid_scope", 999, "", EntraFault::Scope),
        (400, "invalid_resource", 500_011, "", EntraFault::UnknownResource),
        (400, "invalid_request", 90038, "", EntraFault::OtherCloud),
        (400, "invalid_request", 900_144, "", EntraFault::Other),
    ] {
        let text = text.to_owned();
        let service = always(move || refused(status, error, code, &text));
        let error = tokens(&service, TENANT).token().await.unwrap_err();
        let refusal = refusal(&error);
        assert_eq!((refusal.fault(), refusal.code()), (fault, Some(code)));
        assert_eq!((refusal.trace_id(), refusal.correlation_id()), (Some("t-1"), Some("c-1")));
        assert!(!refusal.description().contains("Trace"), "{}", refusal.description());
        assert!(error.to_string().ends_with(&format!("(AADSTS{code})")), "{error}");
        assert!(!error.is_transient() && error.remedy().len() > 20, "{}", error.remedy());
        assert_eq!(service.seen().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_is_measured_against_the_service_s() {
    for (date, words) in [
        ("Mon, 23 Nov 2026 11:43:01 GMT", "17 min ahead"),
        ("Mon, 23 Nov 2026 15:30:01 GMT", "3 h 30 min behind"),
    ] {
        let service =
            always(move || refused(401, "invalid_client", 700_024, "not within").with("date", date));
        let error = tokens(&service, TENANT).token().await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.remedy().contains(words), "{}", error.remedy());
    }
    let service = always(|| refused(401, "invalid_client", 700_024, "not within"));
    let error = tokens(&service, TENANT).token().await.unwrap_err();
    assert_eq!(refusal(&error).fault(), EntraFault::AssertionTime { clock_ahead: None });
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_passing_is_repeated_with_pauses() {
    let service = in_turn(vec![
        || None,
        || Some(refused(503, "temporarily_unavailable", 90033, "").with("retry-after", "7")),
        || Some(granted(3)),
    ]);
    let tokens = tokens(&service, TENANT);
    let token = tokens.token().await.unwrap();
    assert_eq!(token.value().expose_secret(), "token-3");
    let elapsed = tokens.parts.clock.now().duration_since(noon()).as_secs_f64();
    // Three answers of a second each, a pause of half to one second, and the seven asked for.
    assert!((10.4..11.1).contains(&elapsed), "{elapsed}");
    assert_ne!(claims(&service.seen()[0])["jti"], claims(&service.seen()[2])["jti"]);
}

#[tokio::test(start_paused = true)]
async fn three_tries_are_the_most() {
    let cut = Service::new(|_| None);
    let error = tokens(&cut, TENANT).token().await.unwrap_err();
    assert!(matches!(&error, Error::Transport(error) if error.fault == TransportFault::Closed));
    assert!(error.is_transient());
    assert_eq!(cut.seen().len(), 3);

    let broken = always(|| answer(502, "<html>Bad gateway</html>"));
    let error = tokens(&broken, TENANT).token().await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(broken.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_is_left_to_the_caller() {
    let service = always(|| refused(429, "temporarily_unavailable", 90055, "").with("retry-after", "300"));
    let error = tokens(&service, TENANT).token().await.unwrap_err();
    let pause = Some(Duration::from_mins(5));
    assert_eq!(refusal(&error).fault(), EntraFault::Throttled { retry_after: pause });
    assert_eq!((error.is_transient(), error.retry_after()), (true, pause));
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_code_is_found_in_the_words_where_the_list_is_missing() {
    let body =
        json!({"error": "unauthorized_client", "error_description": "AADSTS700016: Application not found."});
    let service = always(move || answer(400, &body.to_string()));
    let error = tokens(&service, TENANT).token().await.unwrap_err();
    assert_eq!(refusal(&error).fault(), EntraFault::UnknownApplication);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_usable_token_is_no_token() {
    for body in
        ["<html>", "{}", r#"{"access_token":"","expires_in":1}"#, r#"{"access_token":"a\nb","expires_in":1}"#]
    {
        let service = always(move || answer(200, body));
        let error = tokens(&service, TENANT).token().await.unwrap_err();
        assert!(matches!(error, Error::UnexpectedAnswer { .. }), "{body}: {error}");
    }
}
