//! The authorities' signing keys. RSA keys take long to make and simulations make many worlds, so a
//! process has one set of them.

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hybridge_sandbox_kit::{Claims, TokenFault};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::assertion::public_components;

/// A key that an authority signs tokens with.
pub(crate) struct SigningKey {
    id: String,
    signer: EncodingKey,
    verifier: DecodingKey,
    jwk: Value,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    fn make(name: &str) -> Result<Self, String> {
        let failed = |error: rcgen::Error| error.to_string();
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map_err(failed)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let certificate = parameters.self_signed(&key).map_err(failed)?;
        let (modulus, exponent) = public_components(certificate.der()).ok_or("the key has no modulus")?;
        let id = URL_SAFE_NO_PAD.encode(Sha1::digest(certificate.der()));
        let jwk = json!({
            "kty": "RSA", "use": "sig", "kid": id, "x5t": id, "n": modulus, "e": exponent,
            "x5c": [base64::engine::general_purpose::STANDARD.encode(certificate.der())],
        });
        Ok(Self {
            signer: EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes())
                .map_err(|error| error.to_string())?,
            verifier: DecodingKey::from_rsa_components(&modulus, &exponent)
                .map_err(|error| error.to_string())?,
            id,
            jwk,
        })
    }

    /// Signs claims.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, String> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.id.clone());
        header.x5t = Some(self.id.clone());
        encode(&header, claims, &self.signer).map_err(|error| error.to_string())
    }
}

/// The keys of this process: two for Entra ID (both published, the first one signs), one for AD FS.
pub(crate) fn shared() -> &'static [SigningKey; 3] {
    static KEYS: OnceLock<[SigningKey; 3]> = OnceLock::new();
    KEYS.get_or_init(|| {
        ["sandbox.entra.1", "sandbox.entra.2", "sandbox.adfs"].map(|name| match SigningKey::make(name) {
            Ok(key) => key,
            Err(error) => unreachable!("a fixed recipe for a key failed: {error}"),
        })
    })
}

/// The key set that an authority publishes.
pub(crate) fn key_set(keys: &[SigningKey], issuer: &str) -> Value {
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| {
            let mut jwk = key.jwk.clone();
            if let Some(jwk) = jwk.as_object_mut() {
                jwk.insert("issuer".to_owned(), Value::from(issuer));
            }
            jwk
        })
        .collect();
    json!({ "keys": keys })
}

/// Judges a token against published keys: signature, audience, time.
pub(crate) fn judge(
    keys: &[SigningKey],
    token: &str,
    audiences: &[&str],
    now: Timestamp,
) -> Result<Claims, TokenFault> {
    let invalid = |detail: String| TokenFault::Invalid(detail);
    let header = decode_header(token).map_err(|error| invalid(error.to_string()))?;
    let kid = header.kid.unwrap_or_default();
    let key = keys.iter().find(|key| key.id == kid).ok_or_else(|| invalid("unknown key".to_owned()))?;
    // Times and audience are judged below, by the sandbox's clock.
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = decode::<Value>(token, &key.verifier, &validation)
        .map_err(|error| invalid(error.to_string()))?
        .claims;
    let second =
        |name: &str| claims.get(name).and_then(Value::as_i64).and_then(|at| Timestamp::from_second(at).ok());
    let expires = second("exp").ok_or_else(|| invalid("no exp".to_owned()))?;
    if now >= expires || second("nbf").is_some_and(|begin| now < begin) {
        return Err(TokenFault::OutOfTime);
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let audience = text("aud").unwrap_or_default();
    if !audiences.contains(&audience) {
        return Err(TokenFault::WrongAudience(audience.to_owned()));
    }
    let id = |name: &str| text(name).and_then(|id| id.parse().ok());
    Ok(Claims {
        app_id: id("appid"),
        object_id: id("oid"),
        tenant_id: id("tid"),
        roles: claims
            .get("roles")
            .and_then(Value::as_array)
            .map(|roles| roles.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect())
            .unwrap_or_default(),
        scopes: text("scp").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        user_name: text("unique_name").or_else(|| text("upn")).map(str::to_owned),
        expires,
    })
}
