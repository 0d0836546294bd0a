//! Promise 8, "nothing leaks", for this crate: no public type prints a secret.

use std::{fmt::Debug, sync::Arc};

use hybridge_net::{Chance, Transport};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::{
    AdfsParts, AdfsTokens, AssertionAlgorithm, ClaimsSignIn, ClientAssertion, Cloud, Credential, EntraParts,
    EntraTokens, OrganizationSignIn, Tenant, TokenSource, parse_challenge,
    testing::{Service, answer, clock, credential, noon},
};

const TOKEN: &str = "the-access-token";
const REFRESH: &str = "the-refresh-token";
const PASSWORD: &str = "the-password";

fn service() -> Arc<Service> {
    Service::new(|seen| {
        if seen.field("grant_type").is_none() {
            let value = "Bearer authorization_uri=https://sts.contoso.com/adfs/oauth2/authorize";
            return Some(answer(401, "").with("www-authenticate", value));
        }
        let body = format!(r#"{{"access_token":"{TOKEN}","expires_in":3600,"refresh_token":"{REFRESH}"}}"#);
        Some(answer(200, &body))
    })
}

/// Everything that a `{:?}` of the whole could show, and what must not be in it.
fn assert_silent(shown: &[(&str, String)], secrets: &[String]) {
    for (name, text) in shown {
        assert!(!text.is_empty());
        for secret in secrets {
            assert!(!text.contains(secret.as_str()), "{name} prints a secret: {text}");
        }
    }
}

fn both<T: Debug>(name: &'static str, value: &T) -> [(&'static str, String); 2] {
    [(name, format!("{value:?}")), (name, format!("{value:#?}"))]
}

#[tokio::test(start_paused = true)]
async fn no_public_type_prints_a_secret() {
    let transport: Arc<dyn Transport> = service();
    let entra_parts = EntraParts {
        cloud: Cloud::Global,
        tenant: Tenant::Domain("contoso.com".to_owned()),
        client_id: Uuid::from_u128(7),
        credential: Arc::new(crate::Fixed(Arc::new(credential().clone()))),
        scope: Cloud::Global.scope(),
        algorithm: AssertionAlgorithm::Ps256,
        transport: Arc::clone(&transport),
        clock: clock(),
        chance: Chance::seeded(1),
    };
    let sign_in = ClaimsSignIn {
        client_id: Uuid::from_u128(9),
        user_name: "svc".to_owned(),
        password: PASSWORD.to_owned().into(),
        resource: None,
    };
    let adfs_parts = AdfsParts {
        organization: "https://org.contoso.com/".parse().unwrap(),
        sign_in: sign_in.clone(),
        transport,
        clock: clock(),
        chance: Chance::seeded(1),
    };
    let adfs = AdfsTokens::new(adfs_parts.clone());
    let token = adfs.token().await.unwrap();
    assert_eq!(token.value().expose_secret(), TOKEN, "the secret is really in there");
    let entra =
        EntraTokens::new(EntraParts { tenant: Tenant::Id(Uuid::from_u128(1)), ..entra_parts.clone() });
    entra.token().await.unwrap();
    let assertion = ClientAssertion {
        client_id: Uuid::from_u128(7),
        audience: "https://x/",
        id: Uuid::from_u128(8),
        issued_at: noon(),
        algorithm: AssertionAlgorithm::Ps256,
    };
    let signed = assertion.sign(credential()).unwrap();
    let headers =
        [(http::header::AUTHORIZATION, token.authorization())].into_iter().collect::<http::HeaderMap>();

    let shown = [
        both("Token", &token),
        both("authorization", &token.authorization()),
        both("headers", &headers),
        both("Challenge", &parse_challenge(&headers)),
        both("ClaimsSignIn", &sign_in),
        both("OrganizationSignIn", &OrganizationSignIn::Claims(sign_in.clone())),
        both("AdfsParts", &adfs_parts),
        both("AdfsTokens", &adfs),
        both("EntraParts", &entra_parts),
        both("EntraTokens", &entra),
        both("ClientAssertion", &assertion),
        both("signed", &signed),
        both("Credential", credential()),
        both("Certificate", credential().certificate()),
    ]
    .concat();

    let mut secrets: Vec<String> =
        [TOKEN, REFRESH, PASSWORD, signed.expose_secret(), "PRIVATE KEY"].map(str::to_owned).to_vec();
    let pem = credential().private_key_pem();
    secrets.extend(
        pem.expose_secret().lines().skip(2).step_by(7).filter(|line| line.len() > 40).map(str::to_owned),
    );
    assert!(secrets.len() > 6, "lines of the key are among the secrets");
    assert_silent(&shown, &secrets);
}

#[test]
fn no_error_about_a_key_or_password_repeats_it() {
    let pem = credential().private_key_pem();
    let key = pem.expose_secret();
    let secret_line = key.lines().nth(3).unwrap();
    let damaged: Vec<SecretString> = vec![
        key.replace("END PRIVATE KEY", "END").into(),
        key.replacen(secret_line, &secret_line.replace(char::is_alphanumeric, "!"), 1).into(),
        key.lines().skip(1).collect::<Vec<_>>().join("\n").into(),
        key.replace(secret_line, "").into(),
    ];
    let certificate = credential().certificate_pem();
    let file = credential().to_pfx(&PASSWORD.to_owned().into()).unwrap();
    let secrets = [key.lines().nth(5).unwrap(), PASSWORD, "another-password"].map(str::to_owned);
    let errors = damaged
        .iter()
        .map(|key| Credential::from_pem(&certificate, key).unwrap_err())
        .chain([Credential::from_pfx(&file, &"another-password".to_owned().into()).unwrap_err()]);
    for error in errors {
        let shown =
            [("Debug", format!("{error:?}")), ("Display", error.to_string()), ("remedy", error.remedy())];
        assert_silent(&shown, &secrets);
    }
}
