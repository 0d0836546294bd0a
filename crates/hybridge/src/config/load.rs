use std::{env, fs, ops::Range, path::Path};

use hybridge_core::options::Overrides;
use toml::{Table, Value};

use super::{Config, SignInName, rules};
use crate::{
    error::{Failure, Result},
    exit::Exit,
};

/// Every setting that the environment can override, as section and key; `HYBRIDGE_TENANT_CLIENT_ID`
/// overrides `[tenant] client_id`.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("tenant", "id"),
    ("tenant", "client_id"),
    ("tenant", "cloud"),
    ("tenant", "certificate"),
    ("tenant", "renew_certificate"),
    ("tenant", "authority"),
    ("tenant", "graph"),
    ("organization", "url"),
    ("organization", "api_version"),
    ("organization", "sign_in"),
    ("organization", "user"),
    ("organization", "keytab"),
    ("organization", "domain"),
    ("organization", "service_principal"),
    ("organization", "kdc"),
    ("organization", "adfs_client_id"),
    ("organization", "largest_request_mb"),
    ("organization", "calls_at_once"),
    ("connect", "name"),
    ("connect", "exchange"),
    ("connect", "organization_account"),
    ("connect", "tasks"),
    ("connect", "folder"),
    ("store", "path"),
    ("sync", "poll_seconds"),
    ("sync", "lanes_at_once"),
    ("sync", "page_size"),
    ("console", "listen"),
    ("console", "notification_url"),
];

/// Loads and checks the configuration.
pub(crate) fn load(path: &Path) -> Result<Config> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(
            Exit::Configuration,
            format!("the configuration {} can't be read: {error}", path.display()),
        )
        .help("Make one with `hybridge init`, or name another file with --config.")
    })?;
    let mut config = read(path, &text, |name| env::var(name).ok())?;
    config.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    Ok(config)
}

fn read(path: &Path, text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Config> {
    let wrong = |error: &toml::de::Error| {
        let failure = Failure::new(Exit::Configuration, format!("the configuration is wrong: {}", error.message()))
            .help("The reference of all settings is docs/reference/configuration.md; `hybridge init` writes a commented file.");
        match error.span() {
            Some(span) => failure.at(path, text, span),
            None => failure,
        }
    };
    // Read as written first, so that a mistake in the file is shown at its place in the file.
    let written: std::result::Result<Config, _> = toml::from_str(text);
    let mut table: Table = toml::from_str(text).map_err(|error| wrong(&error))?;
    let overridden = overlay(&mut table, environment);
    let mut config = match written {
        Ok(config) if overridden.is_empty() => config,
        Err(error) if overridden.is_empty() => return Err(wrong(&error)),
        written => Value::Table(table).try_into::<Config>().map_err(|error| match written {
            Err(written) => wrong(&written),
            Ok(_) => Failure::new(
                Exit::Configuration,
                format!(
                    "an override from the environment is wrong ({}): {}",
                    overridden.join(", "),
                    error.message()
                ),
            )
            .help("Correct or unset the variable."),
        })?,
    };
    check(path, text, &config)?;
    config.overrides = Overrides::new(config.options_as_written.clone()).map_err(|wrong| {
        let failure = Failure::new(Exit::Configuration, format!("[options] {wrong}"))
            .help("`hybridge options` lists all options, their values, and which can be overridden.");
        match line_of(text, wrong.name()) {
            Some(place) => failure.at(path, text, place),
            None => failure,
        }
    })?;
    config.rules = config.rules_as_written.read().map_err(|wrong| {
        let failure = Failure::new(Exit::Configuration, format!("[rules] {}", wrong.unusable.what))
            .help(wrong.unusable.remedy.clone());
        match rules::place(text, &wrong) {
            Some(place) => failure.at(path, text, place),
            None => failure,
        }
    })?;
    Ok(config)
}

/// Puts overrides into the table; their names.
fn overlay(table: &mut Table, environment: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut overridden = Vec::new();
    for (section, key) in SETTINGS {
        let name = format!("HYBRIDGE_{}_{}", section.to_uppercase(), key.to_uppercase());
        let Some(text) = environment(&name) else { continue };
        let value = match text.as_str() {
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            number => number.parse::<i64>().map_or(Value::String(text), Value::Integer),
        };
        let entry = table.entry((*section).to_owned()).or_insert_with(|| Value::Table(Table::new()));
        if let Some(entry) = entry.as_table_mut() {
            entry.insert((*key).to_owned(), value);
            overridden.push(name);
        }
    }
    overridden
}

/// The first line that begins with a key.
fn line_of(text: &str, key: &str) -> Option<Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n').find_map(|line| {
        let begin = at;
        at += line.len();
        line.trim_start().starts_with(key).then(|| begin..begin + line.trim_end().len())
    })
}

fn check(path: &Path, text: &str, config: &Config) -> Result<()> {
    let wrong = |key: &str, message: String, help: &str| {
        let failure = Failure::new(Exit::Configuration, message).help(help);
        match line_of(text, key) {
            Some(place) => failure.at(path, text, place),
            None => failure,
        }
    };
    let organization = &config.organization;
    let windows = organization.sign_in == SignInName::Windows;
    match organization.url.scheme() {
        "https" => {}
        // Neither password nor token travels then, and many deployments without claims have no HTTPS.
        "http" if windows => {}
        other => {
            return Err(wrong(
                "url",
                format!("[organization] url must begin with https://, not {other}://"),
                "The service account's token travels to this address, so it has to be encrypted.",
            ));
        }
    }
    if let Some((key, message, help)) = missing_for_sign_in(organization) {
        return Err(wrong(key, format!("[organization] {message}"), help));
    }
    if config.connect.organization_account.is_some() != config.connect.organization_password.is_some() {
        return Err(wrong(
            "organization_",
            "[connect] organization_account and organization_password belong together".to_owned(),
            "Name both: an administrator of the organization, and where her password is; or neither.",
        ));
    }
    if organization.url.path().contains("/api/data") {
        return Err(wrong(
            "url",
            "[organization] url must be the organization's root, without /api/data/…".to_owned(),
            "Write https://contoso.crm.example.org/ for example.",
        ));
    }
    if !matches!(organization.api_version.as_str(), "9.0" | "9.1" | "9.2") {
        return Err(wrong(
            "api_version",
            format!(
                "[organization] api_version {:?} is not a version of Dynamics' Web API",
                organization.api_version
            ),
            "Write \"9.1\" (or \"9.0\" for a 9.0 server).",
        ));
    }
    let sync = &config.sync;
    for (key, value, range) in [
        ("poll_seconds", sync.poll_seconds, 5..=3600),
        ("lanes_at_once", sync.lanes_at_once as u64, 1..=1000),
        ("page_size", u64::from(sync.page_size), 1..=1000),
    ] {
        if !range.contains(&value) {
            return Err(wrong(
                key,
                format!("[sync] {key} is {value}; it has to be from {} to {}", range.start(), range.end()),
                "Leave the line out to get a good default.",
            ));
        }
    }
    if let Some(url) = &config.console.notification_url {
        let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !loopback {
            return Err(wrong(
                "notification_url",
                "[console] notification_url must begin with https://".to_owned(),
                "Graph delivers change notifications over HTTPS only; put a reverse proxy with a public certificate in front.",
            ));
        }
        if config.console.listen.is_none() {
            return Err(wrong(
                "notification_url",
                "[console] notification_url is set, but listen is not".to_owned(),
                "Set [console] listen to the address that the notifications arrive at, \"127.0.0.1:8380\" for example.",
            ));
        }
    }
    Ok(())
}

/// What the chosen sign-in lacks or has too much of: the setting, what is wrong and what to do.
fn missing_for_sign_in(
    organization: &super::OrganizationConfig,
) -> Option<(&'static str, &'static str, &'static str)> {
    let windows = organization.sign_in == SignInName::Windows;
    let only_windows = [
        ("keytab", organization.keytab.is_some()),
        ("domain", organization.domain.is_some()),
        ("service_principal", organization.service_principal.is_some()),
        ("kdc", organization.kdc.is_some()),
    ];
    let only_windows = only_windows.into_iter().find(|(_, given)| *given && !windows);
    match (windows, organization.password.is_some(), organization.keytab.is_some()) {
        _ if only_windows.is_some() => Some((
            only_windows.map_or("", |(key, _)| key),
            "has a setting that is for sign_in = \"windows\" only",
            "Remove it, or set sign_in = \"windows\" where the organization wants Kerberos or NTLM.",
        )),
        (false, false, _) => Some((
            "sign_in",
            "lacks password",
            "Name where the service account's password is: password = { file = \"path\" } for example.",
        )),
        (false, ..) if organization.adfs_client_id.is_none() => Some((
            "sign_in",
            "lacks adfs_client_id",
            "Name the client that was registered with Add-AdfsClient, or set sign_in = \"windows\" where the organization \
             wants Kerberos or NTLM.",
        )),
        (true, ..) if organization.adfs_client_id.is_some() => Some((
            "adfs_client_id",
            "has adfs_client_id, which is for sign_in = \"adfs\" only",
            "Remove one of the two.",
        )),
        (true, true, true) => Some((
            "keytab",
            "has both password and keytab",
            "Keep one: with the password NTLM is possible too, the keytab is for Kerberos only.",
        )),
        (true, false, false) => Some((
            "sign_in",
            "lacks password or keytab",
            "Name where the service account's password is (password = { file = \"path\" }) or its keytab (keytab = \"path\").",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [tenant]
        id = "5ad4f45d-0d4b-4a1f-8a37-0e4f1f9f7c01"
        client_id = "5ad4f45d-0d4b-4a1f-8a37-0e4f1f9f7c02"
        certificate = "hybridge.pfx"
        certificate_password = { env = "PFX" }
        [organization]
        url = "https://contoso.crm.example.org"
        user = 'CONTOSO\svc'
        password = { file = "password" }
        adfs_client_id = "5ad4f45d-0d4b-4a1f-8a37-0e4f1f9f7c03"
    "#;

    fn read_with(text: &str, environment: &[(&str, &str)]) -> Result<Config> {
        read(Path::new("hybridge.toml"), text, |name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_not_said_has_a_good_default() {
        let config = read_with(GOOD, &[]).unwrap();
        assert_eq!(config.organization.api_version, "9.1");
        assert_eq!(config.sync.page_size, 100);
        assert_eq!(config.store.path.to_str(), Some("hybridge.db"));
    }

    #[test]
    fn the_environment_overrides_and_its_mistakes_are_named() {
        let config =
            read_with(GOOD, &[("HYBRIDGE_SYNC_PAGE_SIZE", "50"), ("HYBRIDGE_STORE_PATH", "/x/y.db")])
                .unwrap();
        assert_eq!((config.sync.page_size, config.store.path.to_str()), (50, Some("/x/y.db")));
        let failure = read_with(GOOD, &[("HYBRIDGE_TENANT_ID", "contoso")]).unwrap_err();
        assert!(failure.message.contains("HYBRIDGE_TENANT_ID"), "{failure}");
    }

    #[test]
    fn a_typo_is_shown_at_its_place() {
        let failure = read_with(&GOOD.replace("        client_id =", "        clientid ="), &[]).unwrap_err();
        assert!(failure.message.contains("unknown field `clientid`"), "{failure}");
        assert!(failure.message.contains("line 4"), "{failure}");
        assert!(miette::Diagnostic::labels(&failure).is_some_and(|mut labels| labels.next().is_some()));
        assert_eq!(failure.exit, Exit::Configuration);
    }

    #[test]
    fn windows_authentication_wants_a_password_or_a_keytab_and_no_client_of_adfs() {
        let windows = GOOD.replace("adfs_client_id =", "sign_in = \"windows\" #");
        let with = |from: &str, to: &str| read_with(&windows.replace(from, to), &[]);
        let config = with("https://contoso", "http://contoso").unwrap();
        assert_eq!(
            (config.organization.sign_in, config.organization.adfs_client_id),
            (SignInName::Windows, None)
        );
        with("password = { file = \"password\" }", "keytab = \"svc.keytab\"").unwrap();
        for (from, to, part) in [
            ("password = { file = \"password\" }", "", "lacks password or keytab"),
            ("[organization]", "[organization]\nkeytab = \"svc.keytab\"", "both"),
            (
                "[organization]",
                "[organization]\nadfs_client_id = \"5ad4f45d-0d4b-4a1f-8a37-0e4f1f9f7c03\"",
                "adfs_client_id",
            ),
            ("sign_in = \"windows\"", "domain = \"contoso.local\"", "for sign_in = \"windows\" only"),
            ("sign_in = \"windows\"", "", "lacks adfs_client_id"),
        ] {
            let failure = with(from, to).unwrap_err();
            assert!(failure.message.contains(part), "{failure}");
        }
    }

    #[test]
    fn values_that_can_not_work_are_refused() {
        for (good, bad, part) in [
            ("https://contoso", "http://contoso", "https://"),
            ("example.org\"", "example.org/api/data/v9.1\"", "root"),
            ("[organization]", "[sync]\npage_size = 0\n[organization]", "page_size"),
            ("[organization]", "[console]\nnotification_url = \"https://x\"\n[organization]", "listen"),
        ] {
            let failure = read_with(&GOOD.replace(good, bad), &[]).unwrap_err();
            assert!(failure.message.contains(part), "{failure}");
        }
    }
}
