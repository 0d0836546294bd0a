use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header};
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use crate::{Credential, Error};

/// How long an assertion is good for. Entra ID recommends 5 to 10 minutes (graph.md 1.3).
const LIFETIME_SECONDS: i64 = 600;

/// The signature of a client assertion, and how it names the certificate (graph.md 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AssertionAlgorithm {
    /// RSASSA-PSS with the SHA-256 thumbprint `x5t#S256`: the documented form.
    #[default]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with the SHA-1 thumbprint `x5t`: the older form, and the one AD FS reads.
    Rs256,
}

/// A statement "I am this client", to be signed with the client's key (RFC 7523; graph.md 1.3).
#[derive(Debug, Clone, Copy)]
pub struct ClientAssertion<'a> {
    /// The application (client) id: issuer and subject.
    pub client_id: Uuid,
    /// The token endpoint that it is for.
    pub audience: &'a str,
    /// An id that is never used twice.
    pub id: Uuid,
    /// From when on it is good; it ends ten minutes later.
    pub issued_at: Timestamp,
    /// The form of the signature.
    pub algorithm: AssertionAlgorithm,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: Uuid,
    sub: Uuid,
    jti: Uuid,
    nbf: i64,
    iat: i64,
    exp: i64,
}

impl ClientAssertion<'_> {
    /// The signed JWT. It is worth a token until it ends, so it is a secret.
    pub fn sign(&self, credential: &Credential) -> Result<SecretString, Error> {
        let certificate = credential.certificate();
        let header = match self.algorithm {
            AssertionAlgorithm::Ps256 => {
                Header { x5t_s256: Some(certificate.sha256_base64url()), ..Header::new(Algorithm::PS256) }
            }
            AssertionAlgorithm::Rs256 => {
                Header { x5t: Some(certificate.sha1_base64url()), ..Header::new(Algorithm::RS256) }
            }
        };
        let now = self.issued_at.as_second();
        let claims = Claims {
            aud: self.audience,
            iss: self.client_id,
            sub: self.client_id,
            jti: self.id,
            nbf: now,
            iat: now,
            exp: now + LIFETIME_SECONDS,
        };
        jsonwebtoken::encode(&header, &claims, credential.key().signing())
            .map(SecretString::from)
            .map_err(|error| Error::Signing { thumbprint: certificate.sha1_hex(), detail: error.to_string() })
    }
}

/// The audience of proofs of possession: Windows Azure Active Directory (graph.md 2.4).
const DIRECTORY: &str = "00000002-0000-0000-c000-000000000000";

#[derive(Serialize)]
struct Proof {
    aud: &'static str,
    iss: Uuid,
    nbf: i64,
    exp: i64,
}

/// A statement "I hold the key of a certificate of this directory object", as `addKey` and `removeKey` want it; it
/// ends ten minutes later. `object_id` is the object's id, not the application's (graph.md 2.4).
pub fn proof_of_possession(
    object_id: Uuid,
    issued_at: Timestamp,
    credential: &Credential,
) -> Result<SecretString, Error> {
    let certificate = credential.certificate();
    let header = Header { x5t: Some(certificate.sha1_base64url()), ..Header::new(Algorithm::RS256) };
    let now = issued_at.as_second();
    let claims = Proof { aud: DIRECTORY, iss: object_id, nbf: now, exp: now + LIFETIME_SECONDS };
    jsonwebtoken::encode(&header, &claims, credential.key().signing())
        .map(SecretString::from)
        .map_err(|error| Error::Signing { thumbprint: certificate.sha1_hex(), detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{DecodingKey, Validation};
    use secrecy::ExposeSecret;
    use serde_json::Value;

    use super::*;
    use crate::testing::{credential, noon};

    const ENDPOINT: &str = "https://login.microsoftonline.com/t/oauth2/v2.0/token";

    fn signed(algorithm: AssertionAlgorithm) -> (Value, Value, SecretString) {
        let assertion = ClientAssertion {
            client_id: Uuid::from_u128(7),
            audience: ENDPOINT,
            id: Uuid::from_u128(8),
            issued_at: noon(),
            algorithm,
        };
        let jwt = assertion.sign(credential()).unwrap();
        let part = |index: usize| {
            let text = jwt.expose_secret().split('.').nth(index).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        let parts = (part(0), part(1));
        (parts.0, parts.1, jwt)
    }

    fn verifies(jwt: &SecretString, algorithm: Algorithm) -> bool {
        let mut rules = Validation::new(algorithm);
        rules.set_audience(&[ENDPOINT]);
        rules.validate_exp = false;
        let key = DecodingKey::from_rsa_der(credential().key().public_key());
        jsonwebtoken::decode::<Value>(jwt.expose_secret(), &key, &rules).is_ok()
    }

    #[test]
    fn the_documented_form_is_ps256_with_the_sha256_thumbprint() {
        let (header, claims, jwt) = signed(AssertionAlgorithm::Ps256);
        let thumbprint = credential().certificate().sha256_base64url();
        assert_eq!(header, serde_json::json!({"typ": "JWT", "alg": "PS256", "x5t#S256": thumbprint}));
        let now = noon().as_second();
        let id = "00000000-0000-0000-0000-000000000007";
        let jti = "00000000-0000-0000-0000-000000000008";
        assert_eq!(
            claims,
            serde_json::json!({
                "aud": ENDPOINT, "iss": id, "sub": id, "jti": jti, "nbf": now, "iat": now, "exp": now + 600
            })
        );
        assert!(verifies(&jwt, Algorithm::PS256));
    }

    #[test]
    fn the_older_form_is_rs256_with_the_sha1_thumbprint() {
        let (header, _, jwt) = signed(AssertionAlgorithm::Rs256);
        let thumbprint = credential().certificate().sha1_base64url();
        assert_eq!(header, serde_json::json!({"typ": "JWT", "alg": "RS256", "x5t": thumbprint}));
        assert!(verifies(&jwt, Algorithm::RS256));
        assert!(!verifies(&jwt, Algorithm::PS256));
    }
}
