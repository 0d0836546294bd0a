//! Items by path: certificate stores, key files, the registry and the pools of IIS.

use super::cmdlet;
use crate::{
    machine::{Certificate, Rule},
    run::{
        Run,
        call::{Call, Cmdlet},
        flow::{Failure, Ran, failed, unknown},
        operators::wildcard,
        statics,
        value::Value,
    },
};

pub(super) const CMDLETS: &[Cmdlet] = &[
    cmdlet!("Get-ChildItem", Shell, "Path Filter | LiteralPath Force?", get_child_item),
    cmdlet!("Get-Item", Shell, "Path | LiteralPath Force?", get_item),
    cmdlet!("Test-Path", Shell, "Path | LiteralPath", test_path),
    cmdlet!("Remove-Item", Shell, "Path | LiteralPath DeleteKey? Force? Recurse?", remove_item),
    cmdlet!("Move-Item", Shell, "Path Destination | LiteralPath Force?", move_item),
    cmdlet!("New-Item", Shell, "Path | ItemType Force?", new_item),
    cmdlet!("Get-ItemProperty", Shell, "Path Name | LiteralPath", get_item_property),
    cmdlet!("Get-ItemPropertyValue", Shell, "Path Name! | LiteralPath", get_item_property_value),
    cmdlet!("Export-Certificate", Shell, "| Cert! FilePath! Type Force? NoClobber?", export_certificate),
    cmdlet!(
        "Import-PfxCertificate",
        Shell,
        "FilePath! CertStoreLocation! | Password Exportable?",
        import_pfx
    ),
    cmdlet!("Get-Acl", Shell, "Path | LiteralPath", get_acl),
    cmdlet!("Set-Acl", Shell, "Path AclObject! | LiteralPath", set_acl),
];

/// A path by the provider that it names.
enum Place {
    /// A store, or a certificate of it by thumbprint.
    Certificates {
        store: Option<String>,
        thumbprint: Option<String>,
    },
    Registry(String),
    Pools(Option<String>),
    File(String),
}

fn place(line: usize, path: &str) -> Ran<Place> {
    let path = path.replace('/', "\\");
    let path = path.rsplit_once("::").map_or(path.as_str(), |(_, rest)| rest).trim_end_matches('\\');
    let (drive, rest) = path.split_once(':').unwrap_or(("C", path));
    let parts: Vec<&str> = rest.split('\\').filter(|part| !part.is_empty()).collect();
    Ok(match (drive.to_ascii_lowercase().as_str(), parts.as_slice()) {
        ("cert", [location, rest @ ..])
            if location.eq_ignore_ascii_case("LocalMachine") && rest.len() < 3 =>
        {
            let part = |at: usize| rest.get(at).map(|part| (*part).to_owned());
            Place::Certificates { store: part(0), thumbprint: part(1) }
        }
        ("hklm", _) => Place::Registry(path.to_owned()),
        ("iis", [kind, rest @ ..]) if kind.eq_ignore_ascii_case("AppPools") && rest.len() < 2 => {
            Place::Pools(rest.first().map(|name| (*name).to_owned()))
        }
        ("c", _) => Place::File(path.to_owned()),
        _ => return unknown(line, format!("the path {path}")),
    })
}

fn paths(call: &Call) -> Vec<String> {
    let given = call.texts("LiteralPath");
    if !given.is_empty() {
        return given;
    }
    let path_of = |value: &Value| match value {
        Value::Object(object) => {
            object.borrow().properties.get("PSPath").map_or_else(|| value.show(), Value::show)
        }
        other => other.show(),
    };
    call.input_or("Path").iter().map(path_of).collect()
}

fn not_found(path: &str) -> Failure {
    let mut failure = Failure::new(
        "System.Management.Automation.ItemNotFoundException",
        format!("Cannot find path '{path}' because it does not exist."),
    );
    "PathNotFound".clone_into(&mut failure.id);
    failure
}

/// The items at a path: the item itself, or what lies under it.
fn items(run: &Run<'_>, line: usize, path: &str, under: bool) -> Ran<Option<Vec<Value>>> {
    Ok(match place(line, path)? {
        Place::Certificates { store: None, .. } => return unknown(line, "all stores of a location at once"),
        Place::Certificates { store: Some(store), thumbprint } => {
            let there = is_store(run, &store);
            let wanted = thumbprint.clone().unwrap_or_else(|| "*".to_owned());
            let found: Vec<Value> = run
                .machine
                .certificates
                .iter()
                .filter(|one| {
                    one.store.eq_ignore_ascii_case(&store)
                        && wildcard(&one.certificate.thumbprint, &wanted, false)
                })
                .map(|one| {
                    let object = run.certificate_object(&one.certificate);
                    if let Value::Object(inner) = &object {
                        let path = format!(
                            r"Microsoft.PowerShell.Security\Certificate::LocalMachine\{}\{}",
                            one.store, one.certificate.thumbprint
                        );
                        // The provider's path, as a script would pass it on.
                        let short = path.replace("Microsoft.PowerShell.Security\\Certificate::", "Cert:\\");
                        inner.borrow_mut().properties.set("PSPath", Value::text(short));
                        inner
                            .borrow_mut()
                            .properties
                            .set("PSParentPath", Value::text(format!(r"Cert:\LocalMachine\{}", one.store)));
                    }
                    object
                })
                .collect();
            match thumbprint {
                None if !there => None,
                None if under => Some(found),
                None => Some(vec![Value::known(
                    "System.Security.Cryptography.X509Certificates.X509Store",
                    [("Name", Value::text(store))],
                )]),
                Some(_) => Some(found).filter(|found| !found.is_empty()),
            }
        }
        Place::Registry(key) => {
            let there = run.machine.registry.keys().any(|(known, _)| known.eq_ignore_ascii_case(&key));
            there.then(|| vec![Value::known("Microsoft.Win32.RegistryKey", [("Name", Value::text(key))])])
        }
        Place::Pools(_) if !run.modules.iter().any(|name| name.eq_ignore_ascii_case("WebAdministration")) => {
            return failed(
                "System.Management.Automation.DriveNotFoundException",
                "Cannot find drive. A drive with the name 'IIS' does not exist.",
            );
        }
        Place::Pools(name) => {
            let wanted = name.unwrap_or_else(|| "*".to_owned());
            let pools = run.machine.app_pools.iter().filter(|pool| wildcard(&pool.name, &wanted, false));
            let found: Vec<Value> = pools
                .map(|pool| {
                    let model = Value::known(
                        "Microsoft.IIs.PowerShell.Framework.ConfigurationElement",
                        [
                            ("identityType", Value::text(&pool.identity)),
                            ("userName", Value::text(&pool.user)),
                        ],
                    );
                    Value::known(
                        "Microsoft.IIs.PowerShell.Framework.ConfigurationElement",
                        [
                            ("Name", Value::text(&pool.name)),
                            ("processModel", model),
                            ("state", Value::text("Started")),
                        ],
                    )
                })
                .collect();
            Some(found).filter(|found| !found.is_empty())
        }
        Place::File(path) => file(run, &path, under),
    })
}

fn file(run: &Run<'_>, path: &str, under: bool) -> Option<Vec<Value>> {
    let item = |path: &str| {
        let name = path.rsplit('\\').next().unwrap_or(path);
        Value::known(
            "System.IO.FileInfo",
            [
                ("FullName", Value::text(path)),
                ("Name", Value::text(name)),
                ("PSPath", Value::text(path)),
                ("\u{0}show", Value::text(path)),
            ],
        )
    };
    let known = run.machine.keys.iter().map(|key| &key.path).chain(run.machine.files.keys());
    let folder = format!("{}\\*", path.trim_end_matches("\\*"));
    let found: Vec<Value> = known
        .filter(|one| {
            if under {
                wildcard(one, &folder, false) || wildcard(one, path, false)
            } else {
                wildcard(one, path, false)
            }
        })
        .map(|one| item(one))
        .collect();
    Some(found).filter(|found| !found.is_empty())
}

fn is_store(run: &Run<'_>, store: &str) -> bool {
    ["My", "Root", "CA", "TrustedPublisher"].iter().any(|known| known.eq_ignore_ascii_case(store))
        || run.machine.stores.iter().any(|known| known.eq_ignore_ascii_case(store))
        || run.machine.certificates.iter().any(|one| one.store.eq_ignore_ascii_case(store))
}

fn list(run: &mut Run<'_>, call: &Call, under: bool) -> Ran<Vec<Value>> {
    let mut out = Vec::new();
    for path in paths(call) {
        match items(run, call.line, &path, under)? {
            Some(found) => out.extend(found),
            None if path.contains('*') => {}
            None => call.complain(run, not_found(&path))?,
        }
    }
    if let Some(filter) = call.text("Filter") {
        let mut kept = Vec::new();
        for value in out {
            if wildcard(&run.member(&value, "Name")?.show(), &filter, false) {
                kept.push(value);
            }
        }
        return Ok(kept);
    }
    Ok(out)
}

fn get_child_item(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    list(run, call, true)
}

fn get_item(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    list(run, call, false)
}

fn test_path(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut out = Vec::new();
    for path in paths(call) {
        let there = match items(run, call.line, &path, false) {
            Ok(found) => found.is_some(),
            Err(crate::run::flow::Flow::Failed(_)) => false,
            Err(other) => return Err(other),
        };
        let folder =
            matches!(place(call.line, &path)?, Place::File(path) if file(run, &path, true).is_some());
        out.push(Value::Bool(there || folder));
    }
    Ok(out)
}

fn denied(what: &str) -> Failure {
    Failure::new("System.UnauthorizedAccessException", format!("Access to the path '{what}' is denied."))
}

fn remove_item(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    for path in paths(call) {
        if items(run, call.line, &path, false)?.is_none() {
            call.complain(run, not_found(&path))?;
            continue;
        }
        if run.machine.faults.not_elevated {
            call.complain(run, denied(&path))?;
            continue;
        }
        match place(call.line, &path)? {
            Place::Certificates { store: Some(store), thumbprint: Some(thumbprint) } => {
                let (gone, kept) =
                    std::mem::take(&mut run.machine.certificates).into_iter().partition(|one| {
                        one.store.eq_ignore_ascii_case(&store)
                            && one.certificate.thumbprint.eq_ignore_ascii_case(&thumbprint)
                    });
                run.machine.certificates = kept;
                let gone: Vec<crate::machine::Stored> = gone;
                for key in gone.iter().filter_map(|one| one.certificate.key.as_ref()) {
                    if call.on("DeleteKey") {
                        run.machine.keys.retain(|file| !file.path.eq_ignore_ascii_case(&key.path()));
                    }
                }
            }
            Place::File(path) => {
                run.machine.files.retain(|known, _| !known.eq_ignore_ascii_case(&path));
                run.machine.keys.retain(|key| !key.path.eq_ignore_ascii_case(&path));
            }
            _ => return unknown(call.line, format!("removing {path}")),
        }
        run.machine.changes.push(format!("remove {path}"));
    }
    Ok(Vec::new())
}

fn move_item(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let target = call.text("Destination").unwrap_or_default();
    let Place::Certificates { store: Some(target), thumbprint: None } = place(call.line, &target)? else {
        return unknown(call.line, format!("moving to {target}"));
    };
    if !is_store(run, &target) {
        call.complain(run, not_found(&target))?;
        return Ok(Vec::new());
    }
    for path in paths(call) {
        let Place::Certificates { store: Some(store), thumbprint: Some(thumbprint) } =
            place(call.line, &path)?
        else {
            return unknown(call.line, format!("moving {path}"));
        };
        let found = run.machine.certificates.iter_mut().find(|one| {
            one.store.eq_ignore_ascii_case(&store)
                && one.certificate.thumbprint.eq_ignore_ascii_case(&thumbprint)
        });
        match found {
            Some(one) => one.store.clone_from(&target),
            None => call.complain(run, not_found(&path))?,
        }
        run.machine.changes.push(format!("move {path} to {target}"));
    }
    Ok(Vec::new())
}

fn new_item(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    for path in paths(call) {
        match place(call.line, &path)? {
            Place::Certificates { store: Some(store), thumbprint: None } => {
                if is_store(run, &store) {
                    let message = format!("The store '{store}' already exists.");
                    call.complain(run, Failure::new("System.ArgumentException", message))?;
                } else {
                    run.machine.stores.push(store);
                }
            }
            Place::File(path) => {
                run.machine.files.entry(path).or_default();
            }
            _ => return unknown(call.line, format!("a new item {path}")),
        }
        run.machine.changes.push(format!("make {path}"));
    }
    Ok(Vec::new())
}

fn registry(run: &Run<'_>, key: &str) -> Vec<(String, String)> {
    let all = run.machine.registry.iter().filter(|((known, _), _)| known.eq_ignore_ascii_case(key));
    all.map(|((_, name), value)| (name.clone(), value.clone())).collect()
}

fn get_item_property(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut out = Vec::new();
    for path in paths(call) {
        match place(call.line, &path)? {
            Place::Registry(key) => {
                let values = registry(run, &key);
                let wanted = call.text("Name");
                let there = wanted
                    .as_ref()
                    .is_none_or(|name| values.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)));
                if values.is_empty() || !there {
                    call.complain(run, not_found(&path))?;
                    continue;
                }
                let names = values.into_iter().map(|(name, value)| (name, Value::text(value))).collect();
                out.push(Value::custom(crate::run::value::Names(names)));
            }
            Place::Pools(Some(_)) => {
                let pool = items(run, call.line, &path, false)?.unwrap_or_default();
                for value in pool {
                    let mut value = value;
                    for part in
                        call.text("Name").unwrap_or_default().split('.').filter(|part| !part.is_empty())
                    {
                        value = run.member(&value, part)?;
                    }
                    out.push(value);
                }
            }
            _ => return unknown(call.line, format!("properties of {path}")),
        }
    }
    Ok(out)
}

fn get_item_property_value(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let name = call.text("Name").unwrap_or_default();
    let mut out = Vec::new();
    for object in get_item_property(run, call)? {
        out.push(run.member(&object, &name)?);
    }
    Ok(out)
}

fn export_certificate(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    if call.text("Type").is_some_and(|kind| !kind.eq_ignore_ascii_case("CERT")) {
        return unknown(call.line, "Export-Certificate of another type than CERT");
    }
    let path = call.text("FilePath").unwrap_or_default();
    for certificate in call.input_or("Cert") {
        let data = statics::bytes(call.line, &run.member(&certificate, "RawData")?)?;
        run.machine.files.insert(path.clone(), data);
    }
    Ok(file(run, &path, false).unwrap_or_default())
}

fn import_pfx(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let (path, store) =
        (call.text("FilePath").unwrap_or_default(), call.text("CertStoreLocation").unwrap_or_default());
    let Place::Certificates { store: Some(store), thumbprint: None } = place(call.line, &store)? else {
        return unknown(call.line, format!("an import to {store}"));
    };
    let Some(data) = run.machine.files.get(&path).cloned() else {
        return failed("System.IO.FileNotFoundException", format!("The PFX file {path} could not be found."));
    };
    let password = match call.get("Password") {
        Some(Value::Secure(password)) => password.borrow().clone(),
        _ => String::new(),
    };
    let spec = u8::from(!run.machine.faults.cng_import);
    let Ok(mut certificate) = Certificate::from_pfx(&data, &password, spec) else {
        return failed(
            "System.ComponentModel.Win32Exception",
            "The PFX file you are trying to import requires either a different password or membership in an Active Directory principal to which it is protected.",
        );
    };
    if let Some(key) = &mut certificate.key {
        key.exportable = call.on("Exportable");
    }
    let object = run.certificate_object(&certificate);
    run.machine.changes.push(format!("import certificate {} into {store}", certificate.thumbprint));
    run.machine.install(&store, certificate);
    Ok(vec![object])
}

fn get_acl(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let mut out = Vec::new();
    for path in paths(call) {
        let Some(key) = run.machine.keys.iter().find(|key| key.path.eq_ignore_ascii_case(&path)) else {
            call.complain(run, not_found(&path))?;
            continue;
        };
        if run.machine.faults.no_key_access {
            call.complain(run, denied(&path))?;
            continue;
        }
        let rules = key.rules.iter().map(|rule| {
            let kind = if rule.allows { "Allow" } else { "Deny" };
            statics::access_rule(&rule.account, &rule.rights, kind, rule.inherited)
        });
        out.push(Value::known(
            "System.Security.AccessControl.FileSecurity",
            [
                ("Path", Value::text(&key.path)),
                ("Owner", Value::text(r"BUILTIN\Administrators")),
                ("Access", Value::array(rules.collect())),
            ],
        ));
    }
    Ok(out)
}

fn set_acl(run: &mut Run<'_>, call: &Call) -> Ran<Vec<Value>> {
    let acl = call.get("AclObject").cloned().unwrap_or(Value::Null);
    let mut rules = Vec::new();
    for rule in run.member(&acl, "Access")?.elements() {
        let text = |run: &mut Run<'_>, name: &str| run.member(&rule, name).map(|value| value.show());
        rules.push(Rule {
            account: text(run, "IdentityReference")?,
            rights: text(run, "FileSystemRights")?,
            allows: text(run, "AccessControlType")?.eq_ignore_ascii_case("Allow"),
            inherited: text(run, "IsInherited")?.eq_ignore_ascii_case("True"),
        });
    }
    for path in paths(call) {
        let refused = run.machine.faults.no_key_access || run.machine.faults.not_elevated;
        match run.machine.keys.iter_mut().find(|key| key.path.eq_ignore_ascii_case(&path)) {
            None => call.complain(run, not_found(&path))?,
            Some(_) if refused => call.complain(run, denied(&path))?,
            Some(key) => {
                key.rules.clone_from(&rules);
                run.machine.changes.push(format!("set the access rules of {path}"));
            }
        }
    }
    Ok(Vec::new())
}
