//! `hybridge init`: writes a commented configuration.

use std::{fs, io::IsTerminal, path::Path};

use serde_json::json;

use crate::{
    cli::InitArgs,
    config::{AccountSecret, Answers, SignInAnswer, render},
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    wiring,
};

/// Writes the configuration, and a certificate where none was named.
pub(crate) fn init(config: &Path, args: &InitArgs, output: Output) -> Result<Exit> {
    if config.exists() && !args.force && !args.dry_run {
        return Err(Failure::new(Exit::Configuration, format!("{} exists already", config.display()))
            .help("Name another file with --config, or replace this one with --force."));
    }
    if let Some(folder) = &args.sandbox {
        return from_sandbox(config, folder, args.dry_run, output);
    }
    let answers = ask(args)?;
    let text = render(&answers);
    let makes_certificate = args.certificate.is_none();
    if args.dry_run {
        output.line(&text);
        output
            .json(&json!({ "dry_run": true, "configuration": text, "makes_certificate": makes_certificate }));
        return Ok(Exit::Done);
    }
    let folder = config.parent().unwrap_or(Path::new(""));
    if makes_certificate {
        wiring::make_certificate(folder)?;
        output.line("Made a certificate: hybridge.pfx (keep it safe) with its password in pfx-password.");
        if answers.client_id.is_some() {
            output.line("`hybridge connect apply` registers its public part, or upload hybridge-certificate.pem yourself.");
        }
    }
    write(config, &text)?;
    let next = if answers.client_id.is_some() { "hybridge check" } else { "hybridge connect plan" };
    output.line(format!("Wrote {}. Next: {next}", config.display()));
    output.json(&json!({ "configuration": config, "made_certificate": makes_certificate }));
    Ok(Exit::Done)
}

/// The sandbox wrote a ready configuration; here it is copied with paths that lead to the sandbox's folder.
fn from_sandbox(config: &Path, folder: &Path, dry_run: bool, output: Output) -> Result<Exit> {
    let ready = folder.join("hybridge.toml");
    let text = fs::read_to_string(&ready).map_err(|error| {
        Failure::new(Exit::Configuration, format!("{} can't be read: {error}", ready.display()))
            .help("Start the sandbox first: `hybridge sandbox` writes its folder when it is up.")
    })?;
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let mut text = text;
    for file in files_in(&absolute)? {
        let path = absolute.join(&file).display().to_string().replace('\\', "\\\\");
        text = text.replace(&format!("\"{file}\""), &format!("\"{path}\""));
    }
    if dry_run {
        output.line(&text);
    } else {
        write(config, &text)?;
        output.line(format!("Wrote {}. Next: hybridge check", config.display()));
    }
    output.json(&json!({ "dry_run": dry_run, "configuration": config }));
    Ok(Exit::Done)
}

/// The names of the files that the sandbox wrote: what its configuration names.
fn files_in(folder: &Path) -> Result<Vec<String>> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Configuration, format!("{} can't be read: {error}", folder.display()))
    };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.path().is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

fn write(path: &Path, text: &str) -> Result<()> {
    wiring::replace(path, text.as_bytes()).map_err(|error| {
        Failure::new(Exit::Storage, format!("{} can't be written: {error}", path.display())).help(
            "Check that the folder exists, that this account may write there and that the disk has room.",
        )
    })
}

fn ask(args: &InitArgs) -> Result<Answers> {
    let reference = |file: &str| format!("{{ file = {file:?} }}");
    let tenant_id =
        answer(args.tenant.as_ref(), "--tenant", "Tenant id (GUID; Entra admin centre, Overview)")?;
    let client_id = args.client_id.as_ref().map(|id| id.trim().to_owned());
    for (name, text) in [("--tenant", Some(&tenant_id)), ("--client-id", client_id.as_ref())] {
        let Some(text) = text else { continue };
        if text.parse::<uuid::Uuid>().is_err() {
            return Err(Failure::new(Exit::Configuration, format!("{name}: {text:?} is not a GUID"))
                .help("It looks like 5ad4f45d-0d4b-4a1f-8a37-0e4f1f9f7c01."));
        }
    }
    let (certificate, certificate_password) = match &args.certificate {
        Some(certificate) => (certificate.clone(), args.certificate_password_file.as_deref().map(reference)),
        None => ("hybridge.pfx".to_owned(), Some(reference("pfx-password"))),
    };
    Ok(Answers {
        tenant_id,
        client_id,
        certificate,
        certificate_password,
        authority: args.login_url.clone(),
        graph: args.graph_url.clone(),
        organization_url: answer(
            args.organization.as_ref(),
            "--organization",
            "URL of the Dynamics organization",
        )?,
        user: answer(
            args.user.as_ref(),
            "--user",
            "Service account in Dynamics (DOMAIN\\user or user@domain)",
        )?,
        secret: match (&args.keytab, &args.password_file) {
            (Some(keytab), _) => AccountSecret::Keytab(keytab.clone()),
            (None, Some(file)) => AccountSecret::Password(reference(file)),
            (None, None) => {
                AccountSecret::Password("{ env = \"HYBRIDGE_ORGANIZATION_PASSWORD\" }".to_owned())
            }
        },
        sign_in: match &args.domain {
            Some(domain) => SignInAnswer::Windows { domain: domain.trim().to_owned() },
            None => SignInAnswer::Adfs {
                client_id: answer(
                    args.adfs_client_id.as_ref(),
                    "--adfs-client-id",
                    "Client id registered in AD FS (none with Windows authentication: --domain)",
                )?,
            },
        },
        authorities: args.authority.clone(),
        listen: None,
        notification_url: None,
        exchange: None,
        administrator: None,
    })
}

fn answer(given: Option<&String>, flag: &str, words: &str) -> Result<String> {
    if let Some(given) = given {
        return Ok(given.trim().to_owned());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Configuration,
            format!("{flag} is missing, and there is no terminal to ask on"),
        )
        .help("`hybridge init --help` lists all answers that can be given as arguments."));
    }
    dialoguer::Input::<String>::new()
        .with_prompt(words)
        .interact_text()
        .map(|text| text.trim().to_owned())
        .map_err(|error| {
            Failure::new(Exit::Configuration, format!("nothing could be read from the terminal: {error}"))
        })
}
