//! What the steps for Dynamics' own synchronization work on.

use std::{path::PathBuf, sync::Arc};

use hybridge_connect::{
    native::{self, Native, Signing},
    rotation::{Files, Form},
    servers::{Here, Reach, Server, Servers, Through},
};
use hybridge_identity::Cloud;
use jiff::SignedDuration;

use crate::{
    config::{Config, NativeConfig, ReachName, ServerConfig},
    error::Result,
};

/// As the configuration says; `None` where it says nothing.
pub(super) fn native(config: &Config, cloud: &Cloud) -> Result<Option<Native>> {
    let Some(section) = config.native.as_ref() else { return Ok(None) };
    let metadata = section.token_metadata.as_ref().map(ToString::to_string);
    Ok(Some(Native {
        organization: section.organization.clone(),
        token_metadata: metadata.unwrap_or_else(|| native::token_metadata(cloud).to_owned()),
        servers: Servers::new(section.servers.iter().map(|server| self::server(section, server)).collect()),
        signing: signing(config, section)?,
        soak: SignedDuration::from_mins(section.soak_minutes.into()),
        domain: section.domain.clone(),
        backup: section.backup,
        outbound: section.outbound.clone().unwrap_or_else(|| native::outbound(cloud)),
    }))
}

/// The certificate that Dynamics signs with, and where its rotation is remembered.
fn signing(config: &Config, section: &NativeConfig) -> Result<Signing> {
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

fn server(section: &NativeConfig, server: &ServerConfig) -> Server {
    let reach: Arc<dyn Reach> = match server.reach {
        ReachName::Here => Arc::new(Through(Here::new(&section.powershell))),
    };
    Server { name: server.name.clone(), duties: server.duties.clone(), reach }
}
