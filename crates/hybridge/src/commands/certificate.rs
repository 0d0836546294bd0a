//! `hybridge certificate`: what is in a certificate file, what it is good for, and the same in another form.

use std::{fs, path::Path};

use hybridge_connect::purpose::{Purpose, Severity, Suitability, judge};
use hybridge_identity::{
    Bundle, Certificate, CertificateFacts, Container, Credential, Error, KeySpec, PfxError, PfxForm,
    Protection, SecretString, Validity,
};
use hybridge_net::{Chance, Clock as _, SystemClock};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::{CertificateCommand, CertificateForm, PurposeName, Writing},
    config::pfx_password,
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    wiring::write_secret,
};

/// Runs one of the commands.
pub(crate) async fn certificate(config: &Path, command: &CertificateCommand, output: Output) -> Result<Exit> {
    match command {
        CertificateCommand::Inspect { file, host, purpose, password_file } => {
            let (bundle, _) = read(file, password_file.as_deref())?;
            inspect(file, &bundle, host, purpose.map(PurposeName::purpose), output)
        }
        CertificateCommand::Convert { file, to, out, password_file, writing } => {
            let (bundle, password) = read(file, password_file.as_deref())?;
            let form =
                Converted { bundle: &bundle, to: *to, password, password_file: password_file.as_deref() };
            convert(file, &form, out, *writing, output)
        }
        CertificateCommand::New { name, days, out, password_file, writing } => {
            make(name, *days, out, password_file.as_deref(), *writing, output)
        }
        CertificateCommand::Rotate(args) => super::rotate::rotate(config, args, output).await,
        CertificateCommand::Status | CertificateCommand::Watch { dry_run: true, .. } => {
            super::rotate::status(config, output).await
        }
        CertificateCommand::Watch { once, dry_run: false } => {
            super::rotate::watch(config, *once, output).await
        }
        CertificateCommand::Request(args) => super::acme::request(args, output).await,
    }
}

impl PurposeName {
    fn purpose(self) -> Purpose {
        match self {
            Self::EntraApp => Purpose::EntraApp,
            Self::TokenSigning => Purpose::TokenSigning,
            Self::WebTls => Purpose::WebTls,
            Self::AdfsService => Purpose::AdfsService,
            Self::ClaimsEncryption => Purpose::ClaimsEncryption,
        }
    }
}

/// Reads a file; the password is looked for only when the file needs one.
fn read(file: &Path, password_file: Option<&Path>) -> Result<(Bundle, Option<SecretString>)> {
    let bytes = fs::read(file).map_err(|error| {
        Failure::new(Exit::Configuration, format!("{} can't be read: {error}", file.display()))
            .help("Check the path and that this account may read it.")
    })?;
    match Bundle::read(&bytes, &SecretString::default()) {
        Ok(bundle) => Ok((bundle, None)),
        Err(Error::Pfx(PfxError::WrongPassword)) => {
            let password = pfx_password(password_file)?;
            let bundle = Bundle::read(&bytes, &password).map_err(|error| unusable(file, &error))?;
            Ok((bundle, Some(password)))
        }
        Err(error) => Err(unusable(file, &error)),
    }
}

/// A certificate file that is not what it should be.
pub(super) fn unusable(file: &Path, error: &Error) -> Failure {
    Failure::new(Exit::Configuration, format!("{}: {error}", file.display())).help(error.remedy())
}

fn inspect(
    file: &Path,
    bundle: &Bundle,
    hosts: &[String],
    only: Option<Purpose>,
    output: Output,
) -> Result<Exit> {
    let now = SystemClock.now();
    let purposes: Vec<Purpose> =
        Purpose::ALL.into_iter().filter(|one| only.is_none_or(|only| only == *one)).collect();
    let judged = purposes
        .into_iter()
        .map(|purpose| judge(purpose, bundle, hosts, now))
        .collect::<std::result::Result<Vec<_>, Error>>()
        .map_err(|error| unusable(file, &error))?;
    let report = Report { bundle, judged: &judged, now };
    output.line(format!("{}: {}", file.display(), form(&bundle.container)));
    for line in report.lines().map_err(|error| unusable(file, &error))? {
        output.line(line);
    }
    output.json(&report.json().map_err(|error| unusable(file, &error))?);
    let good = only.is_none() || judged.iter().all(Suitability::fits);
    Ok(if good { Exit::Done } else { Exit::WithTroubles })
}

/// What is told about a file.
struct Report<'a> {
    bundle: &'a Bundle,
    judged: &'a [Suitability],
    now: Timestamp,
}

impl Report<'_> {
    fn lines(&self) -> std::result::Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        let Some((own, issuers)) = self.bundle.certificates.split_first() else { return Ok(lines) };
        let facts = own.facts()?;
        let mut fact = |name: &str, value: String| lines.push(format!("  {name:<12}{value}"));
        fact("subject", own.subject().to_owned());
        fact(
            "issuer",
            if facts.self_signed { "itself (self-signed)".to_owned() } else { own.issuer().to_owned() },
        );
        if !facts.names.is_empty() {
            fact("host names", facts.names.join(", "));
        }
        fact("key", self.key(&facts));
        fact("valid", format!("{} to {}, {}", own.valid_from(), own.valid_until(), self.left(own)));
        fact("thumbprint", own.sha1_hex());
        fact("SHA-256", own.sha256_hex());
        fact("serial", own.serial().to_owned());
        if !issuers.is_empty() {
            let names: Vec<&str> = issuers.iter().map(Certificate::subject).collect();
            fact("with it", names.join("; "));
        }
        lines.push(String::new());
        lines.push("What it can be used for".to_owned());
        for suitability in self.judged {
            let word = if suitability.fits() { "yes" } else { "no" };
            lines.push(format!("  {word:<5} {}", suitability.purpose.words()));
            for finding in &suitability.findings {
                let mark = if finding.severity == Severity::Blocks { "but" } else { "mind" };
                lines.push(format!("        {mark}: {}", finding.what));
                lines.push(format!("          {}", finding.remedy));
            }
        }
        Ok(lines)
    }

    fn key(&self, facts: &CertificateFacts) -> String {
        let private =
            if self.bundle.has_key { "the private key is in the file" } else { "no private key in the file" };
        let mut words = vec![facts.key.to_string(), private.to_owned()];
        if let Container::Pfx(pfx) = &self.bundle.container
            && let Some(key) = pfx.keys.first()
        {
            words.extend(key.provider.as_ref().map(|provider| format!("provider \"{provider}\"")));
            words.extend(key.key_spec.map(|spec| match spec {
                KeySpec::Exchange => "KeySpec 1 (AT_KEYEXCHANGE)".to_owned(),
                KeySpec::Signature => "KeySpec 2 (AT_SIGNATURE)".to_owned(),
            }));
        }
        words.join("; ")
    }

    fn left(&self, certificate: &Certificate) -> String {
        match certificate.validity_at(self.now) {
            Validity::Valid { days_left: 1 } => "1 day left".to_owned(),
            Validity::Valid { days_left } => format!("{days_left} days left"),
            Validity::Expired => "EXPIRED".to_owned(),
            Validity::NotYet => "NOT YET VALID".to_owned(),
        }
    }

    fn json(&self) -> std::result::Result<Value, Error> {
        let certificates = self
            .bundle
            .certificates
            .iter()
            .map(|certificate| {
                let facts = certificate.facts()?;
                Ok(json!({
                    "subject": certificate.subject(),
                    "issuer": certificate.issuer(),
                    "self_signed": facts.self_signed,
                    "host_names": facts.names,
                    "key": facts.key.to_string(),
                    "valid_from": certificate.valid_from(),
                    "valid_until": certificate.valid_until(),
                    "thumbprint": certificate.sha1_hex(),
                    "sha256": certificate.sha256_hex(),
                    "serial": certificate.serial(),
                }))
            })
            .collect::<std::result::Result<Vec<Value>, Error>>()?;
        let purposes: Vec<Value> = self
            .judged
            .iter()
            .map(|judged| {
                json!({ "purpose": judged.purpose, "fits": judged.fits(), "findings": judged.findings })
            })
            .collect();
        Ok(json!({
            "form": form(&self.bundle.container),
            "has_key": self.bundle.has_key,
            "certificates": certificates,
            "purposes": purposes,
        }))
    }
}

fn form(container: &Container) -> String {
    match container {
        Container::Pfx(facts) => {
            let ways: Vec<&str> = facts
                .protections
                .iter()
                .map(|protection| match protection {
                    Protection::Aes => "AES",
                    Protection::TripleDes => "Triple DES",
                    Protection::Rc2 => "RC2 (40 bits)",
                    Protection::None => "nothing",
                    Protection::Other(scheme) => scheme,
                })
                .collect();
            format!("PFX, protected with {}", ways.join(" and "))
        }
        Container::P7b => "P7B, certificates only".to_owned(),
        Container::Pem => "PEM text".to_owned(),
        Container::Der => "one certificate in binary form".to_owned(),
    }
}

/// A file on its way into another form.
struct Converted<'a> {
    bundle: &'a Bundle,
    to: CertificateForm,
    /// The password that opened it, if it needed one.
    password: Option<SecretString>,
    password_file: Option<&'a Path>,
}

fn convert(file: &Path, form: &Converted<'_>, out: &Path, writing: Writing, output: Output) -> Result<Exit> {
    let failed = |error: &Error| unusable(file, error);
    let bytes = match form.to {
        CertificateForm::Cer => {
            form.bundle.certificates.first().map(|certificate| certificate.der().to_vec()).unwrap_or_default()
        }
        CertificateForm::Pem => {
            let credential = form.credential(file)?;
            let key = credential.private_key_pem();
            [
                credential.certificate_pem().into_bytes(),
                hybridge_identity::ExposeSecret::expose_secret(&key).as_bytes().to_vec(),
            ]
            .concat()
        }
        CertificateForm::Pfx | CertificateForm::PfxLegacy => {
            let pfx_form = if form.to == CertificateForm::Pfx { PfxForm::Modern } else { PfxForm::Legacy };
            form.credential(file)?.to_pfx_in(pfx_form, &form.password()?).map_err(|error| failed(&error))?
        }
    };
    put(out, &bytes, writing)?;
    let verb = if writing.dry_run { "Would write" } else { "Wrote" };
    output.line(format!("{verb} {}.", out.display()));
    if form.to == CertificateForm::Pem {
        output.line("Its private key is not encrypted: keep the file where nobody else can read it.");
    }
    output.json(&json!({ "written": out, "dry_run": writing.dry_run }));
    Ok(Exit::Done)
}

/// A certificate with its key from a file.
pub(super) fn credential(file: &Path, password_file: Option<&Path>) -> Result<Credential> {
    let (bundle, password) = read(file, password_file)?;
    with_key(file, &bundle, &password.unwrap_or_default())
}

/// Certificate and key together, read again with the password.
fn with_key(file: &Path, bundle: &Bundle, password: &SecretString) -> Result<Credential> {
    if !bundle.has_key {
        return Err(Failure::new(Exit::Configuration, format!("{} has no private key", file.display()))
            .help("Export it again where the key lies, with its private key. Without it, only `convert --to cer` can be done."));
    }
    let bytes = fs::read(file).map_err(|error| {
        Failure::new(Exit::Configuration, format!("{} can't be read: {error}", file.display()))
    })?;
    let credential = match (&bundle.container, str::from_utf8(&bytes)) {
        (Container::Pem, Ok(text)) => Credential::from_pem(text, &SecretString::from(text)),
        _ => Credential::from_pfx(&bytes, password),
    };
    credential.map_err(|error| unusable(file, &error))
}

impl Converted<'_> {
    fn credential(&self, file: &Path) -> Result<Credential> {
        with_key(file, self.bundle, &self.password.clone().unwrap_or_default())
    }

    /// The password to write with: the one that opened the file, else the one that is given.
    fn password(&self) -> Result<SecretString> {
        match &self.password {
            Some(password) => Ok(password.clone()),
            None => pfx_password(self.password_file),
        }
    }
}

fn make(
    name: &str,
    days: u32,
    out: &Path,
    password_file: Option<&Path>,
    writing: Writing,
    output: Output,
) -> Result<Exit> {
    let given = password_file.is_some() || std::env::var_os("HYBRIDGE_PFX_PASSWORD").is_some();
    let chance = Chance::from_system();
    let password = if given {
        pfx_password(password_file)?
    } else {
        SecretString::from(format!("{}{}", chance.uuid().simple(), chance.uuid().simple()))
    };
    let failed = |error: Error| Failure::new(Exit::Unexpected, error.to_string()).help(error.remedy());
    let credential = Credential::self_signed(name, SystemClock.now(), days).map_err(failed)?;
    let pfx = credential.to_pfx(&password).map_err(failed)?;
    let beside = out.with_extension("password");
    if !given {
        put(&beside, hybridge_identity::ExposeSecret::expose_secret(&password).as_bytes(), writing)?;
    }
    put(out, &pfx, writing)?;
    let verb = if writing.dry_run { "Would write" } else { "Wrote" };
    let certificate = credential.certificate();
    output.line(format!(
        "{verb} {}: {}, valid until {}.",
        out.display(),
        certificate.subject(),
        certificate.valid_until()
    ));
    if !given {
        output.line(format!("{verb} its password to {}.", beside.display()));
    }
    output.line("`hybridge certificate inspect` tells what it can be used for; `convert --to cer` writes the part that portals take.");
    output.json(&json!({
        "written": out, "password_file": (!given).then_some(beside), "dry_run": writing.dry_run,
        "thumbprint": certificate.sha1_hex(), "valid_until": certificate.valid_until(),
    }));
    Ok(Exit::Done)
}

/// Writes a file, when it is not there or may be replaced, and when this is no dry run.
fn put(path: &Path, bytes: &[u8], writing: Writing) -> Result<()> {
    if path.exists() && !writing.force {
        return Err(exists_already(path));
    }
    if writing.dry_run { Ok(()) } else { write_whole(path, bytes) }
}

/// Nothing is overwritten unasked.
pub(super) fn exists_already(path: &Path) -> Failure {
    Failure::new(Exit::Configuration, format!("{} exists already", path.display()))
        .help("Name another file, or replace this one with --force.")
}

/// Writes a file whole or not at all, for its owner's eyes only. Replaces what is there.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Storage, format!("{} can't be written: {error}", path.display()))
            .help("Check that its folder exists and that this account may write there.")
    };
    let part = path.with_extension("part");
    let _left_by_an_interruption = fs::remove_file(&part);
    write_secret(&part, bytes).and_then(|()| fs::rename(&part, path)).map_err(failed)
}
