use serde_json::json;
use tokio::time::advance;

use super::*;
use crate::testing::{Answer, Seen, Service, answer, clock};

const RESOURCE: &str = "https://org.contoso.com/";
const CHALLENGE: &str = "Bearer authorization_uri=https://sts.contoso.com/adfs/oauth2/authorize, resource_id=https://org.contoso.com/";

fn sign_in() -> ClaimsSignIn {
    ClaimsSignIn {
        client_id: Uuid::from_u128(9),
        user_name: r"CONTOSO\svc-hybridge".to_owned(),
        password: "pa$$ w&rd".to_owned().into(),
        resource: None,
    }
}

fn tokens(service: &Arc<Service>) -> AdfsTokens {
    AdfsTokens::new(AdfsParts {
        organization: "https://org.contoso.com".parse().unwrap(),
        sign_in: sign_in(),
        transport: Arc::clone(service) as Arc<dyn Transport>,
        clock: clock(),
        chance: Chance::seeded(1),
    })
}

fn challenge() -> Answer {
    answer(401, "").with("www-authenticate", "Negotiate").with("www-authenticate", CHALLENGE)
}

/// An organization that sends its challenge, and an AD FS that answers by a closure.
fn deployment(mut adfs: impl FnMut(&Seen) -> Option<Answer> + Send + 'static) -> Arc<Service> {
    Service::new(move |seen| {
        if seen.url.starts_with(RESOURCE) {
            assert_eq!(seen.url, "https://org.contoso.com/api/data/v9.1/WhoAmI");
            return Some(challenge());
        }
        assert_eq!(seen.url, "https://sts.contoso.com/adfs/oauth2/token");
        adfs(seen)
    })
}

fn granted(token: &str) -> Answer {
    let body = json!({
        "access_token": token, "token_type": "bearer", "expires_in": 3600, "resource": RESOURCE,
        "refresh_token": format!("refresh-{token}"), "refresh_token_expires_in": 28799, "id_token": "i"
    });
    answer(200, &body.to_string())
}

fn refused(error: &str, description: &str) -> Answer {
    answer(400, &json!({"error": error, "error_description": description}).to_string())
}

fn grants(service: &Service) -> Vec<String> {
    service.seen().iter().filter_map(|seen| seen.field("grant_type").map(str::to_owned)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_organization_says_where_and_the_password_opens() {
    let service = deployment(|_| Some(granted("a")));
    let token = tokens(&service).token().await.unwrap();
    assert_eq!(token.authorization(), "Bearer a");

    let seen = service.seen();
    assert_eq!(seen.len(), 2);
    let field = |name| seen[1].field(name).unwrap();
    assert_eq!(field("grant_type"), "password");
    assert_eq!(field("client_id"), "00000000-0000-0000-0000-000000000009");
    assert_eq!(field("resource"), RESOURCE);
    assert_eq!(field("username"), r"CONTOSO\svc-hybridge");
    assert_eq!(field("password"), "pa$$ w&rd");
}

#[tokio::test(start_paused = true)]
async fn the_next_token_comes_from_the_refresh_token() {
    let service = deployment(|seen| match seen.field("refresh_token") {
        Some("refresh-a") => Some(granted("b")),
        _ => Some(granted("a")),
    });
    let tokens = tokens(&service);
    tokens.token().await.unwrap();
    advance(std::time::Duration::from_mins(58)).await;
    assert_eq!(tokens.token().await.unwrap().authorization(), "Bearer b");
    assert_eq!(grants(&service), ["password", "refresh_token"]);
    assert_eq!(service.seen().len(), 3, "the organization is asked once");
}

#[tokio::test(start_paused = true)]
async fn a_refused_refresh_token_gives_way_to_the_password() {
    let service = deployment(|seen| match seen.field("grant_type") {
        Some("refresh_token") => Some(refused("invalid_grant", "MSIS9615: The refresh token is invalid.")),
        _ => Some(granted("a")),
    });
    let tokens = tokens(&service);
    tokens.token().await.unwrap();
    advance(std::time::Duration::from_hours(10)).await;
    tokens.token().await.unwrap();
    assert_eq!(grants(&service), ["password", "refresh_token", "password"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_organization_refused_is_replaced_by_the_password() {
    let service = deployment(|_| Some(granted("a")));
    let tokens = tokens(&service);
    let token = tokens.token().await.unwrap();
    tokens.invalidate(&token);
    tokens.token().await.unwrap();
    assert_eq!(grants(&service), ["password", "password"]);
}

#[tokio::test(start_paused = true)]
async fn every_known_refusal_has_its_meaning() {
    for (error, description, fault) in [
        ("invalid_grant", "MSIS9659: Invalid 'username' or 'password'.", AdfsFault::WrongPassword),
        ("unsupported_grant_type", "MSIS9611: …", AdfsFault::PasswordGrantUnsupported),
        ("invalid_client", "MSIS9607: …", AdfsFault::UnknownClient),
        ("unauthorized_client", "MSIS9605: …", AdfsFault::ClientNotPermitted),
        (
            "invalid_resource",
            "MSIS9602: The received 'resource' parameter is invalid.",
            AdfsFault::UnknownResource,
        ),
        ("invalid_request", "The received 'resource' parameter is invalid.", AdfsFault::UnknownResource),
        ("invalid_request", "The received 'client_id' is invalid.", AdfsFault::UnknownClient),
        ("interaction_required", "", AdfsFault::SecondFactor),
        ("invalid_grant", "Multi-factor authentication is required.", AdfsFault::SecondFactor),
        ("server_error", "MSIS9: …", AdfsFault::Other),
    ] {
        let service = deployment(move |_| Some(refused(error, description)));
        let refused = tokens(&service).token().await.unwrap_err();
        let Error::Adfs(refusal) = &refused else { panic!("{refused:?}") };
        assert_eq!((refusal.fault(), refusal.error()), (fault, error));
        assert!(!refused.is_transient() && refused.remedy().len() > 20);
        assert_eq!(grants(&service).len(), 1, "a wrong password tried again locks the account");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_slash_is_pointed_out() {
    let service = deployment(|_| Some(refused("invalid_resource", "MSIS9602")));
    let parts = AdfsParts {
        sign_in: ClaimsSignIn { resource: Some("https://org.contoso.com".to_owned()), ..sign_in() },
        ..tokens(&service).parts.clone()
    };
    let remedy = AdfsTokens::new(parts).token().await.unwrap_err().remedy();
    assert!(remedy.contains("https://org.contoso.com/ in place of https://org.contoso.com"), "{remedy}");
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_the_organization_is_asked_again() {
    let mut refuse = true;
    let service = deployment(move |_| {
        if std::mem::take(&mut refuse) {
            return Some(refused("invalid_client", ""));
        }
        Some(granted("a"))
    });
    let tokens = tokens(&service);
    tokens.token().await.unwrap_err();
    advance(std::time::Duration::from_secs(30)).await;
    tokens.token().await.unwrap();
    assert_eq!(service.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_not_tried_until_the_account_is_locked() {
    let service =
        deployment(|_| Some(refused("invalid_grant", "MSIS9659: Invalid 'username' or 'password'.")));
    let tokens = tokens(&service);
    for _ in 0..120 {
        tokens.token().await.unwrap_err();
        advance(std::time::Duration::from_secs(15)).await;
    }
    assert!(grants(&service).len() <= 2, "two tries in half an hour, not 120");
}

#[tokio::test(start_paused = true)]
async fn a_password_changed_meanwhile_is_not_tried_over_and_over_before_the_token_ends() {
    let mut first = true;
    let service = deployment(move |_| {
        if std::mem::take(&mut first) {
            return Some(granted("a"));
        }
        Some(refused("invalid_grant", "MSIS9659: Invalid 'username' or 'password'."))
    });
    let tokens = tokens(&service);
    tokens.token().await.unwrap();
    advance(std::time::Duration::from_mins(55)).await;
    for _ in 0..60 {
        tokens.token().await.ok();
        advance(std::time::Duration::from_secs(14)).await;
    }
    assert_eq!(grants(&service), ["password", "refresh_token", "password"], "one try in 14 minutes");
}

#[tokio::test(start_paused = true)]
async fn an_organization_without_oauth_is_explained() {
    let windows =
        || answer(401, "<html>").with("www-authenticate", "Negotiate").with("www-authenticate", "NTLM");
    for (make, words) in [
        (windows as fn() -> Answer, "Windows authentication"),
        (|| answer(302, "").with("location", "https://sts.contoso.com/adfs/ls/"), "OAuthClaimsSettings"),
        (|| answer(200, "<html>").with("content-type", "text/html"), "OAuthClaimsSettings"),
        (|| answer(404, ""), "check the organization's address"),
    ] {
        let service = Service::new(move |_| Some(make()));
        let error = tokens(&service).token().await.unwrap_err();
        assert!(matches!(error, Error::NoChallenge { .. }), "{error:?}");
        assert!(!error.is_transient() && error.remedy().contains(words), "{}", error.remedy());
        assert_eq!(service.seen().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_organization_that_starts_up_is_asked_again() {
    let mut tries = 0;
    let service = Service::new(move |seen| {
        tries += 1;
        Some(match tries {
            1 => answer(503, "starting"),
            _ if seen.url.starts_with(RESOURCE) => challenge(),
            _ => granted("a"),
        })
    });
    tokens(&service).token().await.unwrap();
    assert_eq!(service.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_password_is_never_sent_unencrypted() {
    let service = Service::new(|_| {
        let value = "Bearer authorization_uri=http://sts.contoso.com/adfs/oauth2/authorize";
        Some(answer(401, "").with("www-authenticate", value))
    });
    let error = tokens(&service).token().await.unwrap_err();
    assert!(matches!(error, Error::InsecureSignIn { .. }), "{error:?}");
    assert_eq!(grants(&service), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_password_that_ad_fs_repeats_does_not_reach_the_error() {
    let service = deployment(|_| Some(refused("server_error", "bad request: password=pa$$ w&rd")));
    let error = tokens(&service).token().await.unwrap_err();
    assert!(error.to_string().contains("password=[secret]"), "{error}");
}
