//! Client assertions as real clients write them, and each way in which one is refused (graph.md 1.3, 1.6).

mod support;

use hybridge_sandbox_identity::KeyCredential;
use jsonwebtoken::Algorithm;
use serde_json::json;
use support::{
    Assertion, CLIENT, DOMAIN, Holder, Named, TENANT, entra, fields, now, present, refused, request, token,
};

#[tokio::test(start_paused = true)]
async fn either_algorithm_goes_with_either_thumbprint_padded_or_not() {
    let entra = entra();
    for algorithm in [Algorithm::PS256, Algorithm::RS256] {
        for named in [Named::Sha1, Named::Sha256] {
            for padded_thumbprint in [false, true] {
                token(
                    present(&entra, &Assertion { named, padded_thumbprint, algorithm, ..Assertion::good() })
                        .await,
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_assertion_of_msal_for_python_passes() {
    let entra = entra();
    // Times are floating-point numbers, and there is no nbf.
    let seconds = 1_795_420_800.25;
    let assertion = Assertion::good()
        .with("nbf", json!(null))
        .with("iat", json!(seconds))
        .with("exp", json!(seconds + 600.0));
    assert_eq!(now(), 1_795_420_800);
    token(present(&entra, &Assertion { padded_thumbprint: true, ..assertion }).await);
}

#[tokio::test(start_paused = true)]
async fn neither_nbf_nor_iat_is_needed_and_a_jti_may_come_again() {
    let entra = entra();
    let assertion = Assertion::good().with("nbf", json!(null)).with("iat", json!(null)).sign();
    // msal sends one assertion for up to nine minutes.
    for _ in 0..3 {
        token(request(&entra, &TENANT.to_string(), &fields(&assertion)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_assertion_with_padded_segments_passes() {
    // Segments of every length: the header's is the same in all of them, the claims' is not.
    for jti in ["a", "ab", "abc"] {
        let assertion = Assertion { padded_segments: true, ..Assertion::good() }.with("jti", json!(jti));
        token(present(&entra(), &assertion).await);
    }
    let signed = Assertion { padded_segments: true, ..Assertion::good().with("jti", json!("ab")) }.sign();
    assert!(signed.contains('='), "nothing is padded, so nothing is proven");
}

#[tokio::test(start_paused = true)]
async fn the_token_endpoint_and_the_forms_of_the_issuer_are_audiences() {
    let entra = entra();
    let root = format!("https://login.sandbox.test/{TENANT}");
    for tail in ["/oauth2/v2.0/token", "/v2.0", "/v2", "/"] {
        token(present(&entra, &Assertion::good().with("aud", json!(format!("{root}{tail}")))).await);
    }
}

#[tokio::test(start_paused = true)]
async fn the_tenant_may_be_named_by_its_domain() {
    let signed = Assertion::good().sign();
    token(request(&entra(), DOMAIN, &fields(&signed)).await);
}

#[tokio::test(start_paused = true)]
async fn fields_that_clients_add_are_ignored() {
    let signed = Assertion::good().sign();
    let mut all = fields(&signed);
    all.extend([("client_info", "1"), ("x-client-SKU", "msal.js.node"), ("client-request-id", "x")]);
    let tenant = format!("{TENANT}/oauth2/v2.0/token?client-request-id=1&x=");
    // The rest of the address becomes the argument's value.
    token(request(&entra(), &tenant, &all).await);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_not_found() {
    let answer = present(&entra(), &Assertion::of(Holder::stranger())).await;
    let text = refused(answer, 700_027, "invalid_client", 401);
    let begin =
        "AADSTS700027: Client assertion contains an invalid signature. [Reason - The key was not found.";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.contains("Thumbprint of key used by client: '"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_known_as_long_as_it_is_registered() {
    let entra = entra();
    let (old, new) = (Holder::registered(), Holder::stranger());
    entra.change_application(CLIENT, |application| {
        application.key_credentials.push(KeyCredential::from_der(&new.certificate).unwrap());
    });
    token(present(&entra, &Assertion::of(old)).await);
    token(present(&entra, &Assertion::of(new)).await);
    entra.change_application(CLIENT, |application| {
        application.key_credentials.retain(|credential| credential.der == new.certificate);
    });
    refused(present(&entra, &Assertion::of(old)).await, 700_027, "invalid_client", 401);
    token(present(&entra, &Assertion::of(new)).await);
}

#[tokio::test(start_paused = true)]
async fn a_registered_key_counts_in_its_own_time_only() {
    let entra = entra();
    for holder in [Holder::expired(), Holder::early()] {
        entra.change_application(CLIENT, |application| {
            assert!(application.add_certificate(&holder.certificate));
        });
    }
    let text =
        refused(present(&entra, &Assertion::of(Holder::expired())).await, 700_027, "invalid_client", 401);
    assert!(text.contains("[Reason - The key used is expired."), "{text}");
    refused(present(&entra, &Assertion::of(Holder::early())).await, 1_000_502, "invalid_client", 401);
}

#[tokio::test(start_paused = true)]
async fn a_signature_of_another_key_is_invalid() {
    let forged = Assertion { signer: Holder::stranger(), ..Assertion::good() };
    let text = refused(present(&entra(), &forged).await, 700_027, "invalid_client", 401);
    assert!(text.contains("invalid signature") && !text.contains("not found"), "{text}");
    assert!(text.contains("Thumbprint of key used by client: '"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn claims_changed_after_signing_make_the_signature_invalid() {
    let (good, later) =
        (Assertion::good().sign(), Assertion::good().with("exp", json!(now() + 6_000)).sign());
    let (good, later): (Vec<&str>, Vec<&str>) = (good.split('.').collect(), later.split('.').collect());
    let mixed = format!("{}.{}.{}", good[0], later[1], good[2]);
    let answer = request(&entra(), &TENANT.to_string(), &fields(&mixed)).await;
    refused(answer, 700_027, "invalid_client", 401);
}

#[tokio::test(start_paused = true)]
async fn an_assertion_for_somebody_else_is_refused() {
    for audience in [
        json!("https://login.sandbox.test/elsewhere/v2.0"),
        json!("https://graph.microsoft.com"),
        json!(null),
    ] {
        let answer = present(&entra(), &Assertion::good().with("aud", audience)).await;
        refused(answer, 700_023, "invalid_client", 401);
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_speaks_for_itself_only() {
    let other = json!("00000000-0000-0000-0000-000000000008");
    let both = Assertion::good().with("iss", other.clone()).with("sub", other.clone());
    refused(present(&entra(), &both).await, 700_021, "invalid_client", 401);
    let one = Assertion::good().with("sub", other);
    refused(present(&entra(), &one).await, 50048, "invalid_client", 401);
}

#[tokio::test(start_paused = true)]
async fn clocks_may_differ_by_five_minutes_and_no_more() {
    let entra = entra();
    for (claim, within, beyond) in [("exp", now() - 299, now() - 301), ("nbf", now() + 299, now() + 301)] {
        token(present(&entra, &Assertion::good().with(claim, json!(within))).await);
        let answer = present(&entra, &Assertion::good().with(claim, json!(beyond))).await;
        let text = refused(answer, 700_024, "invalid_client", 401);
        assert!(
            text.contains("is not within its valid time range. Current time: 2026-11-23T08:00:00"),
            "{text}"
        );
    }
    refused(
        present(&entra, &Assertion::good().with("exp", json!(null))).await,
        700_024,
        "invalid_client",
        401,
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_jwt_is_malformed() {
    let entra = entra();
    let signed = Assertion::good().sign();
    let no_header = format!("e30{}", &signed[signed.find('.').unwrap()..]);
    for text in ["nonsense", "a.b.c", "..", no_header.as_str()] {
        let answer = request(&entra, &TENANT.to_string(), &fields(text)).await;
        refused(answer, 50027, "invalid_request", 400);
    }
}
