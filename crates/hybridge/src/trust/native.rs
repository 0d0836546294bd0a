//! What the steps for Dynamics' own synchronization work on.

use std::sync::Arc;

use hybridge_connect::{
    native::{self, Native},
    servers::{Here, Reach, Server, Servers},
};
use hybridge_identity::Cloud;

use crate::config::{Config, NativeConfig, ReachName, ServerConfig};

/// As the configuration says; `None` where it says nothing.
pub(super) fn native(config: &Config, cloud: &Cloud) -> Option<Native> {
    let section = config.native.as_ref()?;
    let metadata = section.token_metadata.as_ref().map(ToString::to_string);
    Some(Native {
        organization: section.organization.clone(),
        token_metadata: metadata.unwrap_or_else(|| native::token_metadata(cloud).to_owned()),
        servers: Servers::new(section.servers.iter().map(|server| self::server(section, server)).collect()),
    })
}

fn server(section: &NativeConfig, server: &ServerConfig) -> Server {
    let reach: Arc<dyn Reach> = match server.reach {
        ReachName::Here => Arc::new(Here::new(&section.powershell)),
    };
    Server { name: server.name.clone(), duties: server.duties.clone(), reach }
}
