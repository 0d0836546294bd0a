//! How the organization is signed in to.

use std::{fs, path::Path, sync::Arc};

use hybridge_identity::{
    AdfsParts, AdfsTokens, ClaimsSignIn, Error, Keytab, SecretString, Trial, WindowsAccess, WindowsParts,
    WindowsSecret, WindowsSignIn, WindowsUser,
};
use hybridge_net::{Chance, Clock, TcpConnector, TcpMessenger, Transport};
use hybridge_odata::Access;
use url::Url;

use super::{authorities, rooted, unusable_authorities};
use crate::{
    config::{Config, SecretSource, SignInName},
    error::{Failure, Result},
    exit::Exit,
};

/// The organization's sign-in, by the way the deployment authenticates.
#[derive(Debug, Clone)]
pub(crate) enum SignIn {
    Adfs(Arc<AdfsTokens>),
    Windows(Arc<WindowsAccess>),
}

impl SignIn {
    pub(super) fn of(
        config: &Config,
        transport: &Arc<dyn Transport>,
        clock: &Arc<dyn Clock>,
        chance: &Chance,
    ) -> Result<Self> {
        match config.organization.sign_in {
            SignInName::Adfs => adfs(config, transport, clock, chance),
            SignInName::Windows => windows(config, clock),
        }
    }

    /// What requests to the organization go through.
    pub(super) fn access(&self, transport: &Arc<dyn Transport>) -> Access {
        match self {
            Self::Adfs(tokens) => Access::Tokens { tokens: tokens.clone(), transport: transport.clone() },
            Self::Windows(access) => Access::Signed(access.clone()),
        }
    }
}

fn adfs(
    config: &Config,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
    chance: &Chance,
) -> Result<SignIn> {
    let organization = &config.organization;
    Ok(SignIn::Adfs(Arc::new(AdfsTokens::new(AdfsParts {
        organization: rooted(&organization.url),
        sign_in: ClaimsSignIn {
            // The configuration was checked: it is there.
            client_id: organization.adfs_client_id.unwrap_or_default(),
            user_name: organization.user.clone(),
            password: password(config)?,
            resource: None,
        },
        transport: transport.clone(),
        clock: clock.clone(),
        chance: chance.clone(),
    }))))
}

fn windows(config: &Config, clock: &Arc<dyn Clock>) -> Result<SignIn> {
    let organization = &config.organization;
    let account = Account {
        section: "[organization]",
        user: &organization.user,
        domain: organization.domain.as_deref(),
        password: organization.password.as_ref(),
        keytab: organization.keytab.as_deref(),
        service: organization.service_principal.clone(),
        kdc: organization.kdc.clone(),
    };
    let access = windows_access(config, clock, (rooted(&organization.url), Trial::WhoAmI), &account)?;
    Ok(SignIn::Windows(access))
}

/// An account that signs in with Windows authentication, as a section of the configuration describes it.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    /// The section, for errors.
    pub(crate) section: &'static str,
    pub(crate) user: &'a str,
    pub(crate) domain: Option<&'a str>,
    pub(crate) password: Option<&'a SecretSource>,
    pub(crate) keytab: Option<&'a Path>,
    pub(crate) service: Option<String>,
    pub(crate) kdc: Option<String>,
}

/// Connections to an address that are signed in as an account.
pub(crate) fn windows_access(
    config: &Config,
    clock: &Arc<dyn Clock>,
    (address, trial): (Url, Trial),
    account: &Account<'_>,
) -> Result<Arc<WindowsAccess>> {
    let section = account.section;
    let user = WindowsUser::new(account.user, account.domain).map_err(|error| wrong(section, &error))?;
    let secret = match account.keytab {
        None => {
            let password = account.password.map_or_else(
                || Ok(SecretString::default()),
                |source| source.fetch(&config.folder, &format!("the password of {section}")),
            )?;
            WindowsSecret::Password(password)
        }
        Some(path) => {
            let path = config.path(path);
            let bytes = fs::read(&path).map_err(|error| {
                Failure::new(Exit::Configuration, format!("the keytab {} can't be read: {error}", path.display()))
                    .help(format!("Check {section} keytab in the configuration (relative to its file) and that this account may read it."))
            })?;
            let keytab = Keytab::read(&bytes, &user);
            WindowsSecret::Keytab(keytab.map_err(|error| wrong(&path.display().to_string(), &error))?)
        }
    };
    let connector = TcpConnector::new(&authorities(config)?).map_err(|error| unusable_authorities(&error))?;
    let access = WindowsAccess::new(WindowsParts {
        organization: address.clone(),
        sign_in: WindowsSignIn { user, secret, service: account.service.clone(), kdc: account.kdc.clone() },
        machine: machine(),
        trial,
        connector: Arc::new(connector),
        messenger: Arc::new(TcpMessenger),
        clock: clock.clone(),
    });
    access.map(Arc::new).map_err(|error| wrong(address.as_str(), &error))
}

fn password(config: &Config) -> Result<SecretString> {
    let source = config.organization.password.as_ref();
    source.map_or_else(
        || Ok(SecretString::default()),
        |source| source.fetch(&config.folder, "the service account's password"),
    )
}

fn wrong(what: &str, error: &Error) -> Failure {
    Failure::new(Exit::Configuration, format!("{what}: {error}")).help(error.remedy())
}

/// This machine's name: accounts can be limited to some ("Log On To").
fn machine() -> String {
    let told = std::env::var("COMPUTERNAME").or_else(|_| fs::read_to_string("/proc/sys/kernel/hostname"));
    let name = told.unwrap_or_default();
    let short = name.trim().split('.').next().unwrap_or_default();
    if short.is_empty() { "HYBRIDGE".to_owned() } else { short.to_uppercase() }
}
