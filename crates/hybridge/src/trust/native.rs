//! What the steps for Dynamics' own synchronization work on.

use std::{path::PathBuf, sync::Arc};

use hybridge_connect::{
    bundle::{Bundles, ByBundle},
    native::{self, Adfs, Mail, Native, Signing},
    rotation::{Files, Form},
    servers::{Here, Reach, Server, Servers, Through, Winrm},
};
use hybridge_identity::Trial;
use jiff::SignedDuration;
use url::Url;

use crate::{
    config::{AdfsConfig, Config, NativeConfig, ReachName, ServerConfig},
    error::{Failure, Result},
    exit::Exit,
    wiring::{self, Account, Ground},
};

/// As the configuration says; `None` where it says nothing.
pub(super) fn native(config: &Config, ground: &Ground, bundles: &Arc<Bundles>) -> Result<Option<Native>> {
    let cloud = &ground.cloud;
    let Some(section) = config.native.as_ref() else { return Ok(None) };
    let metadata = section.token_metadata.as_ref().map(ToString::to_string);
    Ok(Some(Native {
        organization: section.organization.clone(),
        token_metadata: metadata.unwrap_or_else(|| native::token_metadata(cloud).to_owned()),
        servers: servers(config, ground, section, bundles)?,
        signing: signing(config, section)?,
        soak: SignedDuration::from_mins(section.soak_minutes.into()),
        domain: section.domain.clone(),
        backup: section.backup,
        mail: Mail {
            profile: section.profile.clone(),
            process_from: section.process_email_from,
            is_default: section.profile_default,
            mailboxes: section.mailboxes.clone(),
        },
        outbound: section.outbound.clone().unwrap_or_else(|| native::outbound(cloud)),
        adfs: section.adfs.as_ref().map(|adfs| self::adfs(config, adfs)),
    }))
}

/// The servers, and the way to each.
pub(crate) fn servers(
    config: &Config,
    ground: &Ground,
    section: &NativeConfig,
    bundles: &Arc<Bundles>,
) -> Result<Servers> {
    let servers = section.servers.iter().map(|server| self::server(config, ground, section, server, bundles));
    Ok(Servers::new(servers.collect::<Result<Vec<Server>>>()?))
}

/// What AD FS is to know; names as the wizard for internet-facing deployments proposes them, where none are given.
fn adfs(config: &Config, section: &AdfsConfig) -> Adfs {
    let organization = section.organization.as_ref().unwrap_or(&config.organization.url);
    let own = organization.origin().ascii_serialization();
    let identifiers = match &section.identifiers {
        Some(identifiers) => identifiers.iter().map(ToString::to_string).collect(),
        None => [beside(organization, "auth"), own.clone(), beside(organization, "dev")]
            .into_iter()
            .map(|origin| format!("{origin}/"))
            .collect(),
    };
    Adfs {
        identifiers,
        organization: own,
        clients: section.clients.clone(),
        outlook_app: section.outlook_app,
        signing: section.signing.clone(),
    }
}

/// The origin with another first label: `https://auth.contoso.com` beside `https://org.contoso.com`.
fn beside(url: &Url, label: &str) -> String {
    let mut other = url.clone();
    let domain = url.domain().and_then(|domain| domain.split_once('.')).map(|(_, domain)| domain);
    // An address without a domain stays as it is; AD FS then lacks it, and the step says so.
    if let Some(domain) = domain
        && let Err(error) = other.set_host(Some(&format!("{label}.{domain}")))
    {
        tracing::debug!(%url, label, %error, "no such name in this domain");
    }
    other.origin().ascii_serialization()
}

/// The certificate that Dynamics signs with, and where its rotation is remembered.
pub(crate) fn signing(config: &Config, section: &NativeConfig) -> Result<Signing> {
    let folder = config.path(&config.connect.folder).join("signing");
    let own = PathBuf::from("signing.pem");
    let path = section.certificate.as_ref().map_or_else(|| folder.join(own), |path| config.path(path));
    let form = match &section.certificate_password {
        Some(password) => {
            Form::Pfx(password.fetch(&config.folder, "the password of the signing certificate")?)
        }
        None => Form::Pem,
    };
    Ok(Signing {
        files: Files::new(path, form, folder),
        name: format!("{}-s2s", config.connect.name.to_lowercase()),
        days: section.certificate_days,
    })
}

fn server(
    config: &Config,
    ground: &Ground,
    section: &NativeConfig,
    server: &ServerConfig,
    bundles: &Arc<Bundles>,
) -> Result<Server> {
    let reach: Arc<dyn Reach> = match server.reach {
        ReachName::Here => Arc::new(Through(Here::new(&section.powershell))),
        ReachName::Winrm => Arc::new(Through(winrm(config, ground, section, server)?)),
        ReachName::Bundle => Arc::new(ByBundle(bundles.clone())),
    };
    Ok(Server { name: server.name.clone(), duties: server.duties.clone(), reach })
}

/// By the server's HTTPS listener, as the account of the section.
fn winrm(config: &Config, ground: &Ground, section: &NativeConfig, server: &ServerConfig) -> Result<Winrm> {
    let name = &server.name;
    let wrong = |what: String, how: &str| Failure::new(Exit::Configuration, what).help(how.to_owned());
    let address = match &server.address {
        Some(address) => address.clone(),
        None => format!("https://{name}:5986/wsman").parse().map_err(|error| {
            wrong(format!("[[native.servers]] name {name:?}: {error}"), "Write the server's DNS name.")
        })?,
    };
    if address.scheme() != "https" {
        return Err(wrong(
            format!("[[native.servers]] {name}: {address} is not HTTPS"),
            "Hybridge speaks WinRM over HTTPS only. On the server: winrm quickconfig -transport:https. Or write reach = \"bundle\".",
        ));
    }
    let account = section.account.as_deref().ok_or_else(|| {
        wrong(
            format!("[native] account is missing, but {name} is to be reached over WinRM"),
            "Write account = \"DOMAIN\\\\user\" and password = { env = \"...\" } or keytab under [native].",
        )
    })?;
    let signs_in = Account {
        section: "[native]",
        user: account,
        domain: section.account_domain.as_deref(),
        password: section.password.as_ref(),
        keytab: section.keytab.as_deref(),
        service: server.service_principal.clone(),
        kdc: section.kdc.clone(),
    };
    let access =
        wiring::windows_access(config, &ground.clock, (address.clone(), Trial::EmptyMessage), &signs_in)?;
    Ok(Winrm::new(address, account, access))
}
