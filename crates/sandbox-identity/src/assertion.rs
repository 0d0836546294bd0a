//! Client assertions (graph.md 1.3): found by thumbprint, verified against the registered certificate.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;
use x509_parser::{parse_x509_certificate, public_key::PublicKey};

use crate::{directory::Application, refusal::Refusal};

/// How far the clocks may be apart, in seconds.
const SKEW: f64 = 300.0;

#[derive(Deserialize)]
struct RawHeader {
    alg: String,
    #[serde(default)]
    x5t: Option<String>,
    #[serde(default, rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

/// Verifies an assertion of an application: key, its validity, signature, audience, issuer, time.
pub(crate) fn verify(
    assertion: &str,
    application: &Application,
    audiences: &[String],
    now: Timestamp,
) -> Result<(), Refusal> {
    let claims = verify_signature(assertion, application, now)?;
    judge_claims(&claims, application.app_id, audiences, now)
}

/// Verifies a proof of possession: its issuer is the object that is to be changed (graph.md 2.4).
pub(crate) fn verify_proof(
    proof: &str,
    application: &Application,
    object: Uuid,
    audience: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let claims = verify_signature(proof, application, now)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("aud") != audience {
        return Err(Refusal::client(700_023, "the audience is not Windows Azure Active Directory."));
    }
    if text("iss").parse() != Ok(object) {
        return Err(Refusal::client(700_021, "the issuer is not the object id of the object."));
    }
    let second = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (Some(from), Some(until)) = (second("nbf"), second("exp")) else {
        return Err(Refusal::client(700_024, "nbf or exp is missing."));
    };
    if until - from > 600 || now.as_second() >= until || now.as_second() + 300 < from {
        return Err(Refusal::client(700_024, "it is out of its time, or valid for more than ten minutes."));
    }
    Ok(())
}

/// The claims of a JWT that is signed with one of the application's certificates.
fn verify_signature(assertion: &str, application: &Application, now: Timestamp) -> Result<Value, Refusal> {
    let malformed = || Refusal::request(50027, "invalid_request", "JWT token is invalid or malformed.");
    let segment = assertion.split('.').next().unwrap_or_default().trim_end_matches('=');
    let header = URL_SAFE_NO_PAD.decode(segment).map_err(|_| malformed())?;
    let header: RawHeader = serde_json::from_slice(&header).map_err(|_| malformed())?;
    let algorithm = match header.alg.as_str() {
        "PS256" => Algorithm::PS256,
        "RS256" => Algorithm::RS256,
        _ => return Err(malformed()),
    };
    let named = header.x5t_s256.as_deref().or(header.x5t.as_deref()).unwrap_or("none");
    let bad_key = |reason: &str| {
        Refusal::client(
            700_027,
            format!(
                "Client assertion contains an invalid signature. [Reason - {reason}, Thumbprint of key used by client: '{named}']"
            ),
        )
    };
    let credential = application
        .key_credentials
        .iter()
        .find(|credential| {
            credential.known_from <= now
                && credential.is_named(header.x5t.as_deref(), header.x5t_s256.as_deref())
        })
        .ok_or_else(|| bad_key("The key was not found."))?;
    if now >= credential.ends {
        return Err(bad_key("The key used is expired."));
    }
    if now < credential.starts {
        return Err(Refusal::client(
            1_000_502,
            "The provided certificate is not within its specified validity window.",
        ));
    }
    let (modulus, exponent) =
        public_components(&credential.der).ok_or_else(|| bad_key("The key was not found."))?;
    let key = DecodingKey::from_rsa_components(&modulus, &exponent).map_err(|_| malformed())?;
    // Judged by hand, as some clients pad the segments, which Entra ID lets pass, and times can be floating-point
    // numbers or missing: no JWT library takes all that.
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(malformed)?;
    let good =
        crypto::verify(signature.trim_end_matches('='), signed.as_bytes(), &key, algorithm).unwrap_or(false);
    if !good {
        return Err(bad_key("The key was found, but use of the key to verify the signature failed."));
    }
    let payload = signed.split('.').nth(1).unwrap_or_default().trim_end_matches('=');
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| malformed())?;
    serde_json::from_slice(&payload).map_err(|_| malformed())
}

fn judge_claims(claims: &Value, app_id: Uuid, audiences: &[String], now: Timestamp) -> Result<(), Refusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("iss") != text("sub") {
        return Err(Refusal::client(50048, "Subject must match Issuer claim in the client assertion."));
    }
    if text("iss").parse() != Ok(app_id) {
        return Err(Refusal::client(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ));
    }
    let audience = match claims.get("aud") {
        Some(Value::Array(list)) => list.first().and_then(Value::as_str).unwrap_or_default(),
        other => other.and_then(Value::as_str).unwrap_or_default(),
    };
    if !audiences.iter().any(|known| known.trim_end_matches('/') == audience.trim_end_matches('/')) {
        return Err(Refusal::client(700_023, "Client assertion audience claim does not match Realm issuer."));
    }
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in a double")]
    let present = now.as_second() as f64;
    let ended = seconds("exp").is_none_or(|end| present > end + SKEW);
    let early = seconds("nbf").is_some_and(|begin| present < begin - SKEW);
    if ended || early {
        return Err(Refusal::client(
            700_024,
            format!("Client assertion is not within its valid time range. Current time: {now}."),
        ));
    }
    Ok(())
}

/// Modulus and exponent of a certificate's RSA key, base64url.
pub(crate) fn public_components(der: &[u8]) -> Option<(String, String)> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => {
            let significant = |bytes: &[u8]| {
                let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
                URL_SAFE_NO_PAD.encode(bytes.get(start..).unwrap_or_default())
            };
            Some((significant(key.modulus), significant(key.exponent)))
        }
        _ => None,
    }
}
