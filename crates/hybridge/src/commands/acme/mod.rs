//! `hybridge certificate request`: a certificate from an authority that speaks ACME.

mod files;
mod hook;
mod http01;

use std::{fs, sync::Arc};

use hybridge_connect::acme::{
    self, ChallengeKind, LETS_ENCRYPT, LETS_ENCRYPT_STAGING, Obtained, Order, Renewal, Responder, Server,
    Step, Watch,
};
use hybridge_identity::{IssuedCertificate, KeyAlgorithm};
use hybridge_net::Https;
use serde_json::json;
use url::Url;

use crate::{
    cli::{KeyName, ProofArgs, RequestArgs},
    error::{Failure, Result},
    exit::Exit,
    output::Output,
};
use files::{Account, Target};
use hook::Hook;
use http01::{Folder, Listener};

/// Runs the command.
pub(crate) async fn request(args: &RequestArgs, output: Output) -> Result<Exit> {
    let (kind, dry_run) = (args.proof.kind(), args.writing.dry_run);
    let names = acme::host_names(&args.host, kind)?;
    let target = Target::new(args)?;
    let due = match args.renew_before {
        Some(days) => target.renewal(&names, days)?,
        None => None,
    };
    if let Some(Renewal::NotDue { days_left }) = due {
        output.line(format!(
            "{}: nothing to do, {days_left} days left. It is renewed when fewer than {} are left.",
            args.out.display(),
            args.renew_before.unwrap_or_default()
        ));
        output
            .json(&json!({ "written": null, "renewed": false, "days_left": days_left, "dry_run": dry_run }));
        return Ok(Exit::Done);
    }
    target.check(due.is_some())?;
    let account = Account::read(&args.account)?;
    let transport = Arc::new(https(args)?);
    let responder = args.proof.responder()?;
    let server = Server::contact(directory(args)?, transport, Arc::new(Told)).await?;
    if dry_run {
        would(args, &names, &account, &server, output);
        return Ok(Exit::Done);
    }
    target.probe()?;
    let (taken, new) = server.account(account.saved(), &args.contact, args.accept_terms).await?;
    if let Some(new) = new {
        account.write(&new)?;
        Output::say(format!("Its key is in {}; keep it.", args.account.display()));
    }
    let order = Order { names: names.clone(), key: args.key.algorithm() };
    let obtained = taken.obtain(&order, responder.as_ref(), super::run::interrupted()).await;
    let Obtained { certificate, left_behind } = obtained;
    for left in &left_behind {
        Output::say(format!("LEFT BEHIND, take it away by hand: {left}"));
    }
    let issued = certificate?;
    target.write(&issued)?;
    told(args, &issued, taken.id(), &left_behind, output);
    Ok(if left_behind.is_empty() { Exit::Done } else { Exit::WithTroubles })
}

fn would(args: &RequestArgs, names: &[String], account: &Account<'_>, server: &Server, output: Output) {
    let new = account.saved().is_none();
    output.line(format!("Would order a certificate for {} at {}.", names.join(", "), server.directory()));
    output.line(format!("Would prove the names with {}.", args.proof.kind()));
    if new {
        let terms = server.terms().unwrap_or("(the authority names none)");
        output.line(format!(
            "Would make an account and write its key to {}. Terms: {terms}",
            args.account.display()
        ));
    }
    if new && !args.accept_terms {
        output.line("It needs --accept-terms for that.");
    }
    output.line(format!("Would write {}.", args.out.display()));
    output.json(&json!({
        "written": args.out, "names": names, "new_account": new, "terms": server.terms(), "dry_run": true,
    }));
}

fn told(
    args: &RequestArgs,
    issued: &IssuedCertificate,
    account: &str,
    left_behind: &[String],
    output: Output,
) {
    let Some(own) = issued.chain().first() else { return };
    let names = own.facts().map(|facts| facts.names).unwrap_or_default();
    output.line(format!(
        "Wrote {}: {}, valid until {}.",
        args.out.display(),
        names.join(", "),
        own.valid_until()
    ));
    output.line(format!("Issuer: {}. Thumbprint: {}.", own.issuer(), own.sha1_hex()));
    output.json(&json!({
        "written": args.out, "renewed": true, "names": names, "issuer": own.issuer(),
        "thumbprint": own.sha1_hex(), "valid_until": own.valid_until(), "account": account,
        "left_behind": left_behind, "dry_run": false,
    }));
}

fn directory(args: &RequestArgs) -> Result<Url> {
    let known = if args.staging { LETS_ENCRYPT_STAGING } else { LETS_ENCRYPT };
    match &args.directory {
        Some(directory) => Ok(directory.clone()),
        None => known
            .parse()
            .map_err(|error| Failure::new(Exit::Unexpected, format!("{known} is no address: {error}"))),
    }
}

fn https(args: &RequestArgs) -> Result<Https> {
    let read = |path: &std::path::PathBuf| {
        fs::read(path).map_err(|error| {
            Failure::new(
                Exit::Configuration,
                format!("the certificate authority {} can't be read: {error}", path.display()),
            )
            .help("Check --ca: a PEM file with the root that the ACME server's own certificate comes from.")
        })
    };
    let authorities = args.ca.iter().map(read).collect::<Result<Vec<_>>>()?;
    Https::new(&authorities).map_err(|error| {
        Failure::new(Exit::Configuration, error.to_string())
            .help("The file given with --ca has to hold certificates in PEM form.")
    })
}

impl ProofArgs {
    fn kind(&self) -> ChallengeKind {
        if self.dns01_hook.is_some() { ChallengeKind::Dns01 } else { ChallengeKind::Http01 }
    }

    fn responder(&self) -> Result<Box<dyn Responder>> {
        match (&self.dns01_hook, &self.http01_folder, self.http01) {
            (Some(program), _, _) => Ok(Box::new(Hook::new(program)?)),
            (None, Some(folder), _) => Ok(Box::new(Folder::new(folder)?)),
            (None, None, Some(address)) => Ok(Box::new(Listener::start(address)?)),
            (None, None, None) => {
                Err(Failure::new(Exit::Configuration, "no way to prove the names is given"))
            }
        }
    }
}

impl KeyName {
    fn algorithm(self) -> KeyAlgorithm {
        match self {
            Self::Rsa2048 => KeyAlgorithm::Rsa2048,
            Self::Rsa3072 => KeyAlgorithm::Rsa3072,
            Self::P256 => KeyAlgorithm::P256,
        }
    }
}

impl From<acme::Error> for Failure {
    fn from(error: acme::Error) -> Self {
        let exit = match &error {
            error if error.is_transient() => Exit::Temporary,
            error if error.is_refusal() => Exit::Denied,
            acme::Error::Protocol { .. } | acme::Error::Identity(_) | acme::Error::BadToken { .. } => {
                Exit::Unexpected
            }
            _ => Exit::Configuration,
        };
        Self::new(exit, error.to_string()).help(error.remedy())
    }
}

/// Tells each step on standard error.
struct Told;

impl Watch for Told {
    fn step(&self, step: Step) {
        Output::say(step.to_string());
    }
}
