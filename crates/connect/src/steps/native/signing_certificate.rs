use async_trait::async_trait;
use hybridge_identity::{Bundle, Credential, PfxForm, SecretString};
use jiff::{Timestamp, civil::date, tz::TimeZone};
use serde_json::{Value, json};

use super::signing_record;
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    purpose::{Purpose, Severity, judge},
};

/// The certificate that Dynamics signs its tokens with (setup.md C1, C2): a private one of its own where nothing else is
/// named, so that the renewals of the public TLS certificate need not be followed here (setup.md 5.1).
#[derive(Debug)]
pub(super) struct SigningCertificate;

static FACTS: Facts = Facts {
    id: "signing-certificate",
    title: "The certificate that Dynamics signs with",
    rows: &["C1", "C2"],
    place: Place::Here,
    role: "whoever runs Hybridge",
    after: &[],
};

/// How often a year a public certificate is renewed (setup.md 5.6).
fn public_renewals(now: Timestamp) -> &'static str {
    let today = now.to_zoned(TimeZone::UTC).date();
    if today < date(2027, 3, 15) {
        "twice a year"
    } else if today < date(2029, 3, 15) {
        "four times a year"
    } else {
        "8 to 12 times a year"
    }
}

fn years(days: u32) -> String {
    match days {
        days if days < 700 => format!("{days} days"),
        days => format!("{} years", days / 365),
    }
}

/// What makes the certificate unfit for signing, judged in the form in which it goes to the servers.
pub(crate) fn unfit(credential: &Credential, now: Timestamp) -> Result<(), Obstacle> {
    let failed = |error: hybridge_identity::Error| Obstacle::refused(error.to_string(), error.remedy());
    let password = SecretString::from(uuid::Uuid::new_v4().to_string());
    let pfx = credential.to_pfx_in(PfxForm::Legacy, &password).map_err(failed)?;
    let bundle = Bundle::read(&pfx, &password).map_err(failed)?;
    let judged = judge(Purpose::TokenSigning, &bundle, &[], now).map_err(failed)?;
    let Some(finding) = judged.findings.into_iter().find(|finding| finding.severity == Severity::Blocks)
    else {
        return Ok(());
    };
    Err(Obstacle::ByHand {
        what: format!("{}: {}", credential.certificate().subject(), finding.what),
        how: format!(
            "{} Or name no file in [native] certificate, and Hybridge makes a private one.",
            finding.remedy
        ),
    })
}

/// A renewal of the certificate in use, under its own name (setup.md 5.4).
async fn same_name(site: &Site, credential: &Credential) -> Result<(), Obstacle> {
    let own = credential.certificate();
    // Whether there is a record is told by the step that makes it.
    let Ok(Some(record)) = signing_record::current(site).await else { return Ok(()) };
    if record.subject().eq_ignore_ascii_case(own.subject()) && record.sha1_hex() != own.sha1_hex() {
        return Err(Obstacle::ByHand {
            what: format!(
                "Dynamics signs with another certificate of the same subject, {} ({}): two of them in one store are not told apart",
                record.subject(),
                record.sha1_hex()
            ),
            how: "Have it exchanged server by server: hybridge certificate rotate --target native --certificate <this file>. Or leave the name \
                  behind, with a private certificate of its own: hybridge certificate rotate --target native"
                .to_owned(),
        });
    }
    Ok(())
}

#[async_trait]
impl Step for SigningCertificate {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let signing = &site.native()?.signing;
        if !signing.files.exist() {
            let words = format!(
                "make a private one for {}: one renewal in that time, where a public one takes this procedure {}",
                years(signing.days),
                public_renewals(site.now())
            );
            return Ok(Reading { now: json!({ "made": false }), wanted: json!({ "made": true }), words });
        }
        let credential = super::signing(site)?;
        unfit(&credential, site.now())?;
        same_name(site, &credential).await?;
        let certificate = credential.certificate();
        let until = certificate.valid_until().to_zoned(TimeZone::UTC).date();
        let words = format!("{}, valid until {until}", certificate.subject());
        let told = json!({ "made": true });
        Ok(Reading { now: told.clone(), wanted: told, words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        let signing = &site.native()?.signing;
        let now = site.now();
        let name = format!("{}-{}", signing.name, now.strftime("%Y%m%d%H%M%S"));
        let made = Credential::self_signed(&name, now, signing.days)
            .map_err(|error| Obstacle::refused(error.to_string(), error.remedy()))?;
        signing
            .files
            .keep_first(&made)
            .map_err(|error| Obstacle::refused(error.to_string(), "Check that this account may write there."))
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        if before.get("made").and_then(Value::as_bool) == Some(true) {
            return Ok(());
        }
        let files = &site.native()?.signing.files;
        files
            .forget_current()
            .map_err(|error| Obstacle::refused(error.to_string(), "Remove the file by hand."))
    }
}
