//! Certificates of an object: replaced as a whole, or rolled with proof of possession (graph.md 2.3, 2.4).

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Application, DirectoryFaults, KeyCredential, answer::Refused};
use crate::assertion;

/// The audience of proofs: Windows Azure Active Directory.
const PROOF_AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";

/// As Graph shows it; the key itself only where a single object is asked for with `$select`.
pub(super) fn shown(credential: &KeyCredential, with_key: bool) -> Value {
    json!({
        "customKeyIdentifier": STANDARD.encode(thumbprint(&credential.der)),
        "displayName": credential.display_name,
        "startDateTime": credential.starts.to_string(),
        "endDateTime": credential.ends.to_string(),
        "key": with_key.then(|| STANDARD.encode(&credential.der)),
        "keyId": credential.key_id,
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    })
}

fn thumbprint(der: &[u8]) -> Vec<u8> {
    use sha1::{Digest, Sha1};
    Sha1::digest(der).to_vec()
}

/// Puts a whole new collection in place of the old one; an entry with a known `keyId` and no key stays.
pub(super) fn replace(
    application: &mut Application,
    wanted: &Value,
    faults: &DirectoryFaults,
    now: Timestamp,
) -> Result<(), Refused> {
    let wanted =
        wanted.as_array().ok_or_else(|| Refused::bad("Invalid value specified for keyCredentials."))?;
    let mut next = Vec::new();
    for entry in wanted {
        let id = entry.get("keyId").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok());
        let known = application.key_credentials.iter().find(|known| Some(known.key_id) == id);
        match (known, entry.get("key").filter(|key| !key.is_null())) {
            (Some(known), _) => next.push(known.clone()),
            (None, Some(_)) => next.push(read(entry, faults, now)?),
            (None, None) => {
                return Err(Refused::bad(
                    "New key credential must have a value for property 'key' of the keyCredentials.",
                ));
            }
        }
    }
    application.key_credentials = next;
    Ok(())
}

/// A new certificate from a request.
fn read(entry: &Value, faults: &DirectoryFaults, now: Timestamp) -> Result<KeyCredential, Refused> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    if text("type") != Some("AsymmetricX509Cert") || text("usage") != Some("Verify") {
        return Err(Refused::bad("Invalid value specified for 'type' or 'usage' of the keyCredential."));
    }
    let der = text("key").and_then(|key| STANDARD.decode(key).ok());
    let mut credential = der
        .as_deref()
        .and_then(KeyCredential::from_der)
        .ok_or_else(|| Refused::bad("Key credential value is invalid: it is no certificate."))?;
    let instant = |name: &str| text(name).map(str::parse::<Timestamp>).transpose();
    let unreadable = |_| Refused::bad("A date of the keyCredential can't be read.");
    credential.starts = instant("startDateTime").map_err(unreadable)?.unwrap_or(now);
    let year = now.checked_add(SignedDuration::from_hours(365 * 24)).unwrap_or(Timestamp::MAX);
    let certificate_ends = credential.ends;
    credential.ends = instant("endDateTime").map_err(unreadable)?.unwrap_or(year);
    if credential.ends > certificate_ends {
        return Err(Refused::bad("The credential's end date is after the certificate's."));
    }
    if let Some(days) = faults.longest_validity_days
        && credential.starts.duration_until(credential.ends)
            > SignedDuration::from_hours(i64::from(days) * 24)
    {
        return Err(Refused::bad(
            "Credential lifetime exceeds the max value allowed as per assigned policy (asymmetricKeyLifetime).",
        ));
    }
    if let Some(name) = text("displayName") {
        name.clone_into(&mut credential.display_name);
    }
    if let Some(id) = text("keyId").and_then(|id| id.parse().ok()) {
        credential.key_id = id;
    }
    let delay = SignedDuration::from_secs(i64::from(faults.propagation_seconds));
    credential.known_from = now.checked_add(delay).unwrap_or(now);
    Ok(credential)
}

/// `addKey`: with a proof signed by a certificate that the object has.
pub(super) fn add(
    application: &mut Application,
    object: Uuid,
    body: &Value,
    faults: &DirectoryFaults,
    now: Timestamp,
) -> Result<Value, Refused> {
    prove(application, object, body, now)?;
    let entry = body.get("keyCredential").ok_or_else(|| Refused::bad("keyCredential is missing."))?;
    let credential = read(entry, faults, now)?;
    if application.key_credentials.iter().any(|known| known.der == credential.der) {
        return Err(Refused::bad("The certificate is registered already."));
    }
    let told = shown(&credential, false);
    application.key_credentials.push(credential);
    Ok(told)
}

/// `removeKey`: with a proof signed by a certificate that the object has.
pub(super) fn remove(
    application: &mut Application,
    object: Uuid,
    body: &Value,
    now: Timestamp,
) -> Result<(), Refused> {
    prove(application, object, body, now)?;
    let id = body.get("keyId").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok());
    let before = application.key_credentials.len();
    application.key_credentials.retain(|known| Some(known.key_id) != id);
    if application.key_credentials.len() == before {
        return Err(Refused::bad("No credentials found to be removed."));
    }
    Ok(())
}

fn prove(application: &Application, object: Uuid, body: &Value, now: Timestamp) -> Result<(), Refused> {
    let refused = |message: String| {
        Refused::new(http::StatusCode::UNAUTHORIZED, "Authentication_MissingOrMalformed", message)
    };
    let proof = body.get("proof").and_then(Value::as_str).unwrap_or_default();
    if proof.split('.').any(|segment| segment.ends_with('=')) {
        return Err(refused("Access Token missing or malformed.".to_owned()));
    }
    assertion::verify_proof(proof, application, object, PROOF_AUDIENCE, now)
        .map_err(|refusal| refused(format!("Proof of possession is not valid: {}", refusal.text)))
}
