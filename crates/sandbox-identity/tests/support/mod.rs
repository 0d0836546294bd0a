//! An Entra ID, an AD FS, and clients that hold real keys.

// Every test file is a program of its own and uses a part of this.
#![allow(dead_code, unreachable_pub, reason = "shared by several test programs")]
#![allow(clippy::unwrap_used, reason = "a helper of a test that can't go on fails it")]

use std::sync::{Arc, OnceLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hybridge_sandbox_identity::{Application, Entra, EntraSetup};
use hybridge_sandbox_kit::{Call, Clock, Dice, Origins, Service};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use uuid::Uuid;

pub const NOW: &str = "2026-11-23T08:00:00Z";
pub const TENANT: Uuid = Uuid::from_u128(0x3f25_04e0_4f89_41d3_9a0c_0305_e82c_3301);
pub const DOMAIN: &str = "lindhagen.test";
pub const CLIENT: Uuid = Uuid::from_u128(7);
pub const GRAPH_SCOPE: &str = "https://graph.microsoft.com/.default";
pub const GRAPH: &str = "https://graph.microsoft.com";

pub fn origins() -> Origins {
    let at = |name: &str| format!("https://{name}.sandbox.test/").parse().unwrap();
    Origins {
        entra: at("login"),
        graph: at("graph"),
        adfs: at("adfs"),
        organization: at("crm"),
        control: at("control"),
    }
}

pub fn clock() -> Clock {
    Clock::starting_at(NOW.parse().unwrap())
}

pub fn now() -> i64 {
    NOW.parse::<Timestamp>().unwrap().as_second()
}

/// A certificate with its key.
pub struct Holder {
    pub certificate: Vec<u8>,
    signer: EncodingKey,
}

impl Holder {
    fn valid(from: (i32, u8, u8), to: (i32, u8, u8)) -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let mut parameters = CertificateParams::default();
        parameters.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        parameters.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            certificate: certificate.der().to_vec(),
            signer: EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap(),
        }
    }

    /// The one that is registered.
    pub fn registered() -> &'static Self {
        static KEY: OnceLock<Holder> = OnceLock::new();
        KEY.get_or_init(|| Self::valid((2026, 1, 1), (2027, 1, 1)))
    }

    /// One that nobody registered.
    pub fn stranger() -> &'static Self {
        static KEY: OnceLock<Holder> = OnceLock::new();
        KEY.get_or_init(|| Self::valid((2026, 1, 1), (2027, 1, 1)))
    }

    /// One whose time is over.
    pub fn expired() -> &'static Self {
        static KEY: OnceLock<Holder> = OnceLock::new();
        KEY.get_or_init(|| Self::valid((2025, 1, 1), (2026, 11, 23)))
    }

    /// One whose time has not come.
    pub fn early() -> &'static Self {
        static KEY: OnceLock<Holder> = OnceLock::new();
        KEY.get_or_init(|| Self::valid((2026, 11, 24), (2027, 11, 24)))
    }
}

/// How a client names its certificate.
#[derive(Debug, Clone, Copy)]
pub enum Named {
    Sha1,
    Sha256,
}

/// A client assertion before it is signed; every part of it can be spoilt.
pub struct Assertion {
    pub named: Named,
    /// Thumbprints with `=`, as msal for Python writes them.
    pub padded_thumbprint: bool,
    /// Segments with `=`, as the asynchronous azure-identity writes them.
    pub padded_segments: bool,
    pub algorithm: Algorithm,
    /// The certificate that the header names.
    pub certificate: &'static Holder,
    /// The key that signs.
    pub signer: &'static Holder,
    pub claims: Value,
}

impl Assertion {
    pub fn good() -> Self {
        Self {
            named: Named::Sha256,
            padded_thumbprint: false,
            padded_segments: false,
            algorithm: Algorithm::PS256,
            certificate: Holder::registered(),
            signer: Holder::registered(),
            claims: json!({
                "aud": format!("https://login.sandbox.test/{TENANT}/oauth2/v2.0/token"),
                "iss": CLIENT, "sub": CLIENT, "jti": "a-jti",
                "nbf": now(), "iat": now(), "exp": now() + 600,
            }),
        }
    }

    pub fn of(holder: &'static Holder) -> Self {
        Self { certificate: holder, signer: holder, ..Self::good() }
    }

    /// With a claim changed, or left out when the value is null.
    pub fn with(mut self, claim: &str, value: Value) -> Self {
        if value.is_null() {
            self.claims.as_object_mut().unwrap().remove(claim);
        } else {
            self.claims[claim] = value;
        }
        self
    }

    pub fn sign(&self) -> String {
        let padding = |text: String, on: bool| {
            let missing = if on { (4 - text.len() % 4) % 4 } else { 0 };
            text + &"=".repeat(missing)
        };
        let der = &self.certificate.certificate;
        let (name, hash) = match self.named {
            Named::Sha1 => ("x5t", URL_SAFE_NO_PAD.encode(Sha1::digest(der))),
            Named::Sha256 => ("x5t#S256", URL_SAFE_NO_PAD.encode(Sha256::digest(der))),
        };
        let header = json!({
            "typ": "JWT",
            "alg": format!("{:?}", self.algorithm),
            name: padding(hash, self.padded_thumbprint),
        });
        let segment =
            |value: &Value| padding(URL_SAFE_NO_PAD.encode(value.to_string()), self.padded_segments);
        let signed = format!("{}.{}", segment(&header), segment(&self.claims));
        let signature = crypto::sign(signed.as_bytes(), &self.signer.signer, self.algorithm).unwrap();
        format!("{signed}.{}", padding(signature, self.padded_segments))
    }
}

pub fn call(method: Method, url: &str, headers: &[(&'static str, &str)], body: String) -> Call {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    Call { method, url: url.parse().unwrap(), headers: map, body: Bytes::from(body) }
}

pub fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

pub async fn ask(service: &dyn Service, call: Call) -> (StatusCode, Value) {
    let reply = service.call(call).await;
    let body = serde_json::from_slice(reply.body()).unwrap_or(Value::Null);
    (reply.status(), body)
}

pub fn entra() -> Arc<Entra> {
    let entra = Entra::new(EntraSetup {
        clock: clock(),
        dice: Dice::seeded(1),
        origins: origins(),
        tenant_id: TENANT,
        tenant_domains: vec![DOMAIN.to_owned()],
    });
    let mut application = Application::new(CLIENT, "Hybridge");
    assert!(application.add_certificate(&Holder::registered().certificate));
    application.roles = vec!["Mail.ReadWrite".to_owned(), "Mail.Send".to_owned()];
    entra.add_application(application);
    entra
}

/// The fields of a good token request.
pub fn fields(assertion: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", "00000000-0000-0000-0000-000000000007"),
        ("scope", GRAPH_SCOPE),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ]
}

/// A token request with these fields.
pub async fn request(entra: &Entra, tenant: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
    let url = format!("https://login.sandbox.test/{tenant}/oauth2/v2.0/token");
    ask(entra, call(Method::POST, &url, &[], form(fields))).await
}

/// A token request with an assertion.
pub async fn present(entra: &Entra, assertion: &Assertion) -> (StatusCode, Value) {
    let signed = assertion.sign();
    request(entra, &TENANT.to_string(), &fields(&signed)).await
}

/// The access token of an answer.
pub fn token((status, body): (StatusCode, Value)) -> String {
    assert_eq!(status, StatusCode::OK, "{body}");
    body["access_token"].as_str().unwrap().to_owned()
}

/// What a token says, unverified.
pub fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// Checks a refusal in all its parts (graph.md 1.6); returns its text.
#[track_caller]
pub fn refused((status, body): (StatusCode, Value), code: u32, error: &str, expected: u16) -> String {
    assert_eq!((status.as_u16(), &body["error"]), (expected, &json!(error)), "{body}");
    assert_eq!(body["error_codes"], json!([code]), "{body}");
    let text = body["error_description"].as_str().unwrap();
    assert!(text.starts_with(&format!("AADSTS{code}: ")), "{text}");
    for part in ["Trace ID: ", "Correlation ID: ", "Timestamp: 2026-11-23 08:"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    for name in ["timestamp", "trace_id", "correlation_id"] {
        assert!(body[name].is_string(), "no {name} in {body}");
    }
    text.to_owned()
}
