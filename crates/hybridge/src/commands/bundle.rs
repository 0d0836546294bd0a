//! `hybridge connect export` and `import`: scripts for servers that a person carries there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hybridge_connect::{
    Goal, Step,
    bundle::{self, Bundle, BundleError, Imported, Seal},
    steps_of,
};
use hybridge_identity::ExposeSecret;
use serde_json::json;

use crate::{
    cli::TargetName,
    config::Config,
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    trust, wiring,
};

fn failed(error: &BundleError) -> Failure {
    let exit = match error {
        BundleError::Altered { .. } | BundleError::Unknown { .. } => Exit::Refused,
        _ => Exit::Storage,
    };
    Failure::new(exit, error.to_string()).help(error.remedy().to_owned())
}

/// Writes a bundle.
pub(super) async fn export(
    config: &Config,
    file: &Path,
    (steps, target): (&[Box<dyn Step>], TargetName),
    (to, password_file): (&Path, Option<&Path>),
    output: Output,
) -> Result<Exit> {
    if target != TargetName::Native {
        return Err(Failure::new(Exit::Configuration, "no server is worked on for the target graph")
            .help("hybridge connect export --target native --to FOLDER"));
    }
    if to.exists() {
        return Err(Failure::new(Exit::Refused, format!("{} is there already", to.display()))
            .help("Name a folder that does not exist yet: a bundle is made once."));
    }
    let (site, bundles) = trust::with_bundles(config, file.to_path_buf(), trust::journal(config)?.changes())?;
    let seal = Seal::new();
    let made = bundle::export(site, steps, &bundles, &seal).await.map_err(|error| failed(&error))?;
    if made.manifest.orders.is_empty() {
        let why = made.left.first().map(|left| format!("{}: {}", left.step, left.trouble.what));
        let why =
            why.unwrap_or_else(|| "there is nothing to do on servers with reach = \"bundle\"".to_owned());
        let how =
            made.left.first().map_or("hybridge connect plan --target native", |left| &left.trouble.remedy);
        return Err(
            Failure::new(Exit::Configuration, format!("nothing to export: {why}")).help(how.to_owned())
        );
    }
    if made.sealed && output.json && password_file.is_none() {
        return Err(Failure::new(
            Exit::Configuration,
            "the bundle holds a PFX file, and --json never shows its password",
        )
        .help("Name a file for it: --password-file FILE"));
    }
    write(to, &made)?;
    if let Some(path) = password_file.filter(|_| made.sealed) {
        wiring::write_secret(path, seal.secret().expose_secret().as_bytes()).map_err(|error| {
            Failure::new(Exit::Storage, format!("{} can't be written: {error}", path.display()))
                .help("Check the path. The bundle is of no use without its password: remove it.")
        })?;
    }
    tell(to, &made, (&seal, password_file), output);
    Ok(if made.left.is_empty() { Exit::Done } else { Exit::WithTroubles })
}

fn write(to: &Path, made: &Bundle) -> Result<()> {
    for (name, bytes) in &made.files {
        let path = to.join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            if path.extension().is_some_and(|kind| kind == "pfx") {
                wiring::write_secret(&path, bytes)
            } else {
                fs::write(&path, bytes)
            }
        });
        written.map_err(|error| {
            Failure::new(Exit::Storage, format!("{} can't be written: {error}", path.display()))
                .help("Check that this account may write there.")
        })?;
    }
    Ok(())
}

fn tell(to: &Path, made: &Bundle, (seal, password_file): (&Seal, Option<&Path>), output: Output) {
    let manifest = &made.manifest;
    output.line(format!("Bundle {} in {}, good until {}:", manifest.bundle, to.display(), manifest.expires));
    for order in &manifest.orders {
        let does = if order.applies.is_empty() { "looks" } else { "changes" };
        output.line(format!("  {} on {}: {does} ({})", order.step, order.server, order.script));
        if !order.elsewhere.is_empty() {
            output.line(format!("      only after {}", order.elsewhere.join(", ")));
        }
    }
    for left in &made.left {
        output.line(format!("  not in it: {}: {}", left.step, left.trouble.what));
        output.line(format!("      What to do: {}", left.trouble.remedy));
    }
    output.line("");
    match password_file {
        Some(path) if made.sealed => {
            output.line(format!("The one-time password of the PFX file is in {}.", path.display()));
        }
        None if made.sealed => output.line(format!(
            "One-time password of the PFX file, shown only now: {}",
            seal.secret().expose_secret()
        )),
        _ => {}
    }
    output.line("On each server, as administrator: powershell.exe -NoProfile -File .\\run.ps1 -Mode Plan, then -Mode Apply.");
    output.line("Then here: hybridge connect import results-*.json");
    output.json(&json!({ "folder": to, "manifest": manifest, "left": made.left, "sealed": made.sealed }));
}

/// Takes over results.
pub(super) async fn import(config: &Config, file: &Path, paths: &[PathBuf], output: Output) -> Result<Exit> {
    let mut files = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::new(Exit::Configuration, format!("{} can't be read: {error}", path.display()))
                .help("Name the results-*.json files that run.ps1 wrote on the servers.")
        })?;
        files.push((path.display().to_string(), text));
    }
    let mut journal = trust::journal(config)?;
    let (site, bundles) = trust::with_bundles(config, file.to_path_buf(), journal.changes())?;
    let steps = steps_of(Goal::Native);
    let imported = bundle::import(&site, &steps, &bundles, &files, &mut journal).await;
    let imported = imported.map_err(|error| failed(&error))?;
    for one in &imported {
        show(one, output);
    }
    output.line("");
    output.line("Next: hybridge connect plan --target native");
    output.json(&json!({ "imported": imported }));
    let fails = imported.iter().any(|one| !one.failed.is_empty());
    Ok(if fails { Exit::WithTroubles } else { Exit::Done })
}

fn show(one: &Imported, output: Output) {
    if one.known {
        output.line(format!("{}: was taken over before", one.file));
        return;
    }
    output.line(format!("{}: {}, run by {}", one.file, one.server, one.who));
    for step in &one.changed {
        output.line(format!("  done     {step}"));
    }
    for step in &one.unchanged {
        output.line(format!("  as it is {step}"));
    }
    for (step, error) in &one.failed {
        output.line(format!("  FAILED   {step}: {error}"));
        output.line("           What to do: mend it on that server and run run.ps1 -Mode Apply again; it does what is left.");
    }
}
