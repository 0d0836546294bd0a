use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_graph::KeyCredential;
use hybridge_identity::Certificate;
use uuid::Uuid;

/// The key id that Hybridge asks for: computed, so that it is known without a look into the directory, which the
/// application itself may not take.
pub(super) fn key_id(registration: Uuid, thumbprint: &str) -> Uuid {
    Uuid::new_v5(&registration, thumbprint.as_bytes())
}

/// A certificate as it is registered, with its own dates (setup.md 3.1, defect 1).
pub(crate) fn key_credential(registration: Uuid, certificate: &Certificate) -> KeyCredential {
    KeyCredential {
        key_id: Some(key_id(registration, &certificate.sha1_hex())),
        display_name: Some(certificate.subject().to_owned()),
        key: Some(STANDARD.encode(certificate.der())),
        custom_key_identifier: None,
        start_date_time: Some(certificate.valid_from()),
        end_date_time: Some(certificate.valid_until()),
        kind: "AsymmetricX509Cert".to_owned(),
        usage: "Verify".to_owned(),
    }
}
