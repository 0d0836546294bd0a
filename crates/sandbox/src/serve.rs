//! The sandbox on the wire: five origins on loopback, TLS with a certificate authority of its own.

mod authority;
mod connection;
mod files;
mod winrm;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use hybridge_sandbox_kit::{Face, Origins};
use hybridge_sandbox_organization::SignIn;
use serde::Serialize;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use url::Url;
use uuid::Uuid;

use crate::{
    outbound::HttpsOutbound,
    world::{Sandbox, Setup},
};
use authority::Authority;

/// How the sandbox is put on the wire.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The folder that certificates and secrets are written to.
    pub folder: PathBuf,
    /// The first of the ports: five, and one for each server; free ones are taken when it is left out.
    pub first_port: Option<u16>,
    /// The organization's address where it stands behind a web server that does Windows authentication for it
    /// and passes requests on to its port. Whoever reaches the port itself is believed whatever user he names.
    pub windows_address: Option<Url>,
}

/// All that a client needs to know to get in.
#[derive(Debug, Clone, Serialize)]
pub struct Access {
    /// The tenant.
    pub tenant_id: Uuid,
    /// Hybridge's app registration in it.
    pub client_id: Option<Uuid>,
    /// Entra ID.
    pub entra: Url,
    /// Microsoft Graph, without the version segment.
    pub graph: Url,
    /// Another name of the Graph origin, where upload sessions live.
    pub upload: Url,
    /// AD FS.
    pub adfs: Url,
    /// The organization's root.
    pub organization: Url,
    /// Where the organization listens: another address than its root when a web server stands before it.
    pub organization_listens: Url,
    /// The control API.
    pub control: Url,
    /// The certificate authority to trust (PEM).
    pub ca: PathBuf,
    /// The registered certificate with its key (PFX).
    pub pfx: PathBuf,
    /// The file with the PFX's password.
    pub pfx_password_file: PathBuf,
    /// The registered certificate and its key, unencrypted (PEM).
    pub pem: PathBuf,
    /// The service account of the organization.
    pub user: String,
    /// The file with its password.
    pub password_file: PathBuf,
    /// The client registered in AD FS.
    pub adfs_client_id: Uuid,
    /// The organization's administrator.
    pub administrator: String,
    /// The file with her password.
    pub administrator_password_file: PathBuf,
    /// The Windows servers.
    pub servers: Vec<ServerAccess>,
    /// The administrator of the servers.
    pub server_account: String,
    /// The file with his password.
    pub server_password_file: PathBuf,
}

/// A Windows server, by its listener of Windows Remote Management.
#[derive(Debug, Clone, Serialize)]
pub struct ServerAccess {
    /// Its name with its domain.
    pub name: String,
    /// What it is there for, as the configuration of Hybridge calls it.
    pub duties: Vec<&'static str>,
    /// The listener.
    pub address: Url,
}

/// A sandbox on the wire. It goes down when this is dropped.
#[derive(Debug)]
pub struct Served {
    /// The world behind it.
    pub sandbox: Arc<Sandbox>,
    /// How to get in.
    pub access: Access,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Served {
    /// Closes the ports and waits until nothing is under way.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.tasks.shutdown().await;
    }
}

/// The sandbox can't be put on the wire.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A port can't be listened on.
    #[error("the sandbox can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A file can't be written.
    #[error("{} can't be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A certificate can't be made.
    #[error("a certificate can't be made: {0}")]
    Certificate(String),
}

/// How often the servers look whether there is work for them, when nobody calls.
const WORK: std::time::Duration = std::time::Duration::from_millis(500);
const FACES: [Face; 5] = [Face::Entra, Face::Graph, Face::Adfs, Face::Organization, Face::Control];

/// Puts a sandbox on the wire: binds the ports, writes the files, then answers until it is stopped.
///
/// # Errors
/// When a port is taken, a file can't be written or a certificate can't be made.
pub async fn serve(options: ServeOptions, mut setup: Setup) -> Result<Served, ServeError> {
    let mut listeners = Vec::new();
    for (index, face) in (0_u16..).zip(FACES) {
        let port = options.first_port.map_or(0, |first| first.saturating_add(index));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener =
            TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        listeners.push((face, listener));
    }
    let origin = |face: Face, host: &str| -> Result<Url, ServeError> {
        let port = listeners
            .iter()
            .find(|(other, _)| *other == face)
            .and_then(|(_, listener)| listener.local_addr().ok())
            .map_or(0, |address| address.port());
        Url::parse(&format!("https://{host}:{port}/"))
            .map_err(|error| ServeError::Certificate(error.to_string()))
    };
    let organization_listens = origin(Face::Organization, "localhost")?;
    if options.windows_address.is_some() {
        setup.organization.sign_in = SignIn::Windows;
    }
    let origins = Origins {
        entra: origin(Face::Entra, "localhost")?,
        graph: origin(Face::Graph, "localhost")?,
        adfs: origin(Face::Adfs, "localhost")?,
        organization: options.windows_address.clone().unwrap_or_else(|| organization_listens.clone()),
        control: origin(Face::Control, "localhost")?,
    };
    let upload = origin(Face::Graph, "127.0.0.1")?;

    let authority = Authority::new()?;
    let acceptor = TlsAcceptor::from(Arc::new(authority.server_config()?));
    let outbound = HttpsOutbound::trusting(&authority.certificate_pem())
        .map_err(|error| ServeError::Certificate(error.0))?;
    let connected = setup.connected;
    let sandbox = Sandbox::new(origins.clone(), Arc::new(outbound), setup);
    sandbox.graph().change_options(|graph| {
        graph.upload_origin = Some(upload.clone());
        // A receiver on this machine, such as a console without a proxy in front, speaks plain HTTP.
        graph.notifications.require_https = false;
    });
    let files = files::write(&options.folder, &authority, &sandbox)?;
    let first = options.first_port.map(|first| first.saturating_add(u16::try_from(FACES.len()).unwrap_or(0)));
    let servers = listen_for_servers(&sandbox, first).await?;
    let access = Access {
        tenant_id: sandbox.app().tenant_id,
        client_id: connected.then(|| sandbox.app().client_id),
        entra: origins.entra,
        graph: origins.graph,
        upload,
        adfs: origins.adfs,
        organization: origins.organization,
        organization_listens,
        control: origins.control,
        ca: files.ca,
        pfx: files.pfx,
        pfx_password_file: files.pfx_password,
        pem: files.pem,
        user: sandbox.app().user_name.clone(),
        password_file: files.password,
        adfs_client_id: sandbox.app().adfs_client_id,
        servers: servers.iter().map(|(access, ..)| access.clone()).collect(),
        server_account: sandbox.server_account().0,
        server_password_file: files.server_password,
        administrator: sandbox.app().administrator.clone(),
        administrator_password_file: files.administrator_password,
    };

    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    for (face, listener) in listeners {
        tasks.spawn(connection::accept(listener, acceptor.clone(), sandbox.clone(), face, stopped.clone()));
    }
    for (_, machine, listener) in servers {
        tasks.spawn(winrm::accept(listener, acceptor.clone(), machine, stopped.clone()));
    }
    let world = Arc::downgrade(&sandbox);
    tasks.spawn(async move {
        let mut now_and_then = tokio::time::interval(WORK);
        while let Some(world) = world.upgrade() {
            world.work_on_mailboxes();
            drop(world);
            now_and_then.tick().await;
        }
    });
    let notifier = sandbox.clone();
    tasks.spawn(async move { notifier.graph().run_notifications().await });
    Ok(Served { sandbox, access, stop, tasks })
}

/// A listener for every server of the estate.
async fn listen_for_servers(
    sandbox: &Arc<Sandbox>,
    first_port: Option<u16>,
) -> Result<Vec<(ServerAccess, winrm::Listener, TcpListener)>, ServeError> {
    let machines: Vec<(String, String, Vec<&'static str>)> = sandbox
        .windows()
        .machines
        .iter()
        .map(|machine| {
            let roles = machine.roles;
            let duties = [
                (roles.deployment, "deployment"),
                (roles.asynchronous, "asynchronous"),
                (roles.web, "web"),
                (roles.adfs, "adfs"),
            ];
            let duties = duties.into_iter().filter_map(|(has, duty)| has.then_some(duty)).collect();
            (machine.name.clone(), format!("{}.{}", machine.name, machine.domain).to_lowercase(), duties)
        })
        .collect();
    let mut servers = Vec::new();
    for (index, (machine, name, duties)) in (0_u16..).zip(machines) {
        let port = first_port.map_or(0, |first| first.saturating_add(index));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let address = Url::parse(&format!("https://localhost:{port}/wsman"))
            .map_err(|error| ServeError::Certificate(error.to_string()))?;
        let shells = Arc::default();
        let listens = winrm::Listener { machine, sandbox: sandbox.clone(), shells };
        servers.push((ServerAccess { name, duties, address }, listens, listener));
    }
    Ok(servers)
}
