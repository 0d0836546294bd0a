//! Puts the parts together as the configuration says.

mod sign_in;

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hybridge_core::ids::TenantId;
use hybridge_dynamics::{Dynamics, Route};
use hybridge_engine::{Engine, Observer, Options, Parts, ROUTE_FACT};
use hybridge_graph::Graph;
use hybridge_identity::{
    AssertionAlgorithm, Cloud, Credential, CredentialSource, EntraParts, EntraTokens, ExposeSecret,
    SecretString, Tenant, TokenSource, Validity,
};
use hybridge_net::{Chance, Clock, Https, SystemClock, Transport};
use hybridge_odata::{
    Access, Parts as ServiceParts, Patience, Service,
    gate::{Adaptive, Gate, PerMailbox},
};
use hybridge_store::{MemoryStore, SqliteMode, SqliteStore, Store};
use jiff::Timestamp;
use url::Url;
use uuid::Uuid;

pub(crate) use sign_in::{Account, SignIn, windows_access};

use crate::{
    config::{CloudName, Config},
    error::{Failure, Result},
    exit::Exit,
};

/// How many calls to Graph may be under way at once, over all mailboxes.
const GRAPH_CALLS_AT_ONCE: usize = 128;

/// Both sides, signed in lazily.
#[derive(Debug)]
pub(crate) struct Sides {
    pub(crate) graph: Graph,
    pub(crate) dynamics: Dynamics,
    pub(crate) entra: Arc<EntraTokens>,
    pub(crate) sign_in: SignIn,
    pub(crate) cloud: Cloud,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Chance,
}

/// What everything that reaches out has in common.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Chance,
    pub(crate) cloud: Cloud,
    pub(crate) tenant: Tenant,
}

impl Ground {
    pub(crate) fn of(config: &Config) -> Result<Self> {
        Ok(Self {
            transport: Arc::new(https(config)?),
            clock: Arc::new(SystemClock),
            chance: Chance::from_system(),
            cloud: cloud(config),
            tenant: Tenant::Id(config.tenant.id),
        })
    }

    /// Tokens for an application.
    pub(crate) fn entra(&self, client_id: Uuid, credential: Arc<dyn CredentialSource>) -> Arc<EntraTokens> {
        Arc::new(EntraTokens::new(EntraParts {
            cloud: self.cloud.clone(),
            tenant: self.tenant.clone(),
            client_id,
            credential,
            scope: self.cloud.scope(),
            algorithm: AssertionAlgorithm::default(),
            transport: self.transport.clone(),
            clock: self.clock.clone(),
            chance: self.chance.clone(),
        }))
    }

    /// A service.
    pub(crate) fn service(
        &self,
        name: &'static str,
        root: Url,
        access: Access,
        gate: Arc<dyn Gate>,
    ) -> Service {
        Service::new(ServiceParts {
            name,
            root,
            access,
            clock: self.clock.clone(),
            chance: self.chance.clone(),
            gate,
            patience: Patience::default(),
        })
    }

    /// Access by tokens.
    pub(crate) fn by_token(&self, tokens: Arc<dyn TokenSource>) -> Access {
        Access::Tokens { tokens, transport: self.transport.clone() }
    }

    /// Microsoft Graph behind tokens.
    pub(crate) fn graph(&self, tokens: Arc<dyn TokenSource>) -> Result<Graph> {
        let root =
            self.cloud.graph_root().parse::<Url>().map_err(|error| bad_url("[tenant] graph", error))?;
        let gate = Arc::new(PerMailbox::new(GRAPH_CALLS_AT_ONCE));
        let service = self.service("Microsoft Graph", join(&root, "v1.0/")?, self.by_token(tokens), gate);
        Ok(Graph::new(service).with_uploads(self.transport.clone()))
    }

    /// The organization, and how the service account signs in.
    pub(crate) fn organization(&self, config: &Config, route: Option<Route>) -> Result<(Dynamics, SignIn)> {
        let organization = &config.organization;
        let sign_in = SignIn::of(config, &self.transport, &self.clock, &self.chance)?;
        let root = rooted(&organization.url);
        let api = join(&root, &format!("api/data/v{}/", organization.api_version))?;
        let gate: Arc<dyn Gate> = Arc::new(Adaptive::new(4, organization.calls_at_once));
        let access = || sign_in.access(&self.transport);
        let web_api = self.service("the organization", api, access(), gate.clone());
        let soap = self.service("the organization", root, access(), gate);
        Ok((Dynamics::new(web_api, soap, route), sign_in))
    }
}

impl Sides {
    /// Connects what the configuration names. Nothing is asked of either side yet.
    pub(crate) fn of(config: &Config, route: Option<Route>) -> Result<Self> {
        let ground = Ground::of(config)?;
        let certificate = CertificateFile::open(config)?;
        days_left(&certificate.current(), ground.clock.now())?;
        let entra = ground.entra(config.client_id()?, Arc::new(certificate));
        let graph = ground.graph(entra.clone())?;
        let (dynamics, sign_in) = ground.organization(config, route)?;
        let Ground { transport, clock, chance, cloud, .. } = ground;
        Ok(Self { graph, dynamics, entra, sign_in, cloud, transport, clock, chance })
    }
}

/// An engine as the configuration says.
pub(crate) async fn engine(
    config: &Config,
    store: Arc<dyn Store>,
    observer: Arc<dyn Observer>,
) -> Result<Engine> {
    let route = store.fact(ROUTE_FACT).await?.and_then(|route| route.parse().ok());
    let sides = Sides::of(config, route)?;
    Ok(Engine::new(Parts {
        graph: sides.graph,
        dynamics: sides.dynamics,
        store,
        clock: sides.clock,
        chance: sides.chance,
        tenant: TenantId(config.tenant.id),
        options: Options {
            lanes_at_once: config.sync.lanes_at_once,
            poll: Duration::from_secs(config.sync.poll_seconds),
            page_size: config.sync.page_size,
            request_bytes: config.organization.largest_request_mb << 20,
            notification_url: config.console.notification_url.as_ref().map(Url::to_string),
            rules: config.rules.clone(),
            overrides: config.overrides.clone(),
            ..Options::default()
        },
        observer,
    }))
}

/// Opens the database, making it where there is none.
pub(crate) async fn open(config: &Config) -> Result<Arc<SqliteStore>> {
    let path = config.path(&config.store.path);
    Ok(Arc::new(SqliteStore::open(&path, SqliteMode::ReadWrite { create: true }).await?))
}

/// Opens the database for reading, beside a running `hybridge run`.
pub(crate) async fn open_to_read(config: &Config) -> Result<Arc<dyn Store>> {
    let path = config.path(&config.store.path);
    if !path.exists() {
        return Err(Failure::new(
            Exit::Configuration,
            format!("there is no database {} yet", path.display()),
        )
        .help(
            "Run `hybridge sync --once` or `hybridge run` first, or check [store] path in the configuration.",
        ));
    }
    Ok(Arc::new(SqliteStore::open(&path, SqliteMode::ReadOnly).await?))
}

/// Opens the database for a dry run: nothing is written, and none is made where there is none.
pub(crate) async fn open_for_trial(config: &Config) -> Result<Arc<dyn Store>> {
    let path = config.path(&config.store.path);
    if path.exists() { open_to_read(config).await } else { Ok(Arc::new(MemoryStore::default())) }
}

/// Held while `hybridge run` or `sync` is at work: two on one database would do everything twice.
#[derive(Debug)]
pub(crate) struct OnlyOne(#[expect(dead_code, reason = "held for its lock")] File);

/// Makes sure that no other instance runs on the same database.
pub(crate) fn lock(config: &Config) -> Result<OnlyOne> {
    let path = config.path(&config.store.path).with_extension("lock");
    let failed = |error: &std::io::Error| {
        Failure::new(Exit::Storage, format!("{} can't be written: {error}", path.display()))
            .help("Check [store] path in the configuration, that its folder exists and that this account may write there.")
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(OnlyOne(file)),
        Err(fs::TryLockError::WouldBlock) => Err(Failure::new(
            Exit::Locked,
            format!("another hybridge is running on {}", config.path(&config.store.path).display()),
        )
        .help("It keeps the mailboxes in step. `hybridge status`, `hybridge explain` and `sync --once --dry-run` work beside it; for anything else stop it first.")),
        Err(fs::TryLockError::Error(error)) => Err(failed(&error)),
    }
}

fn https(config: &Config) -> Result<Https> {
    Https::new(&authorities(config)?).map_err(|error| unusable_authorities(&error))
}

pub(crate) fn unusable_authorities(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Configuration, error.to_string())
        .help("The files under [trust] authorities have to be certificates in PEM form.")
}

/// The certificate authorities to trust beside the machine's own.
pub(crate) fn authorities(config: &Config) -> Result<Vec<Vec<u8>>> {
    let mut authorities = Vec::new();
    for path in &config.trust.authorities {
        let path = config.path(path);
        authorities.push(fs::read(&path).map_err(|error| {
            Failure::new(Exit::Configuration, format!("the certificate authority {} can't be read: {error}", path.display()))
                .help("Check [trust] authorities in the configuration: PEM files, relative to the configuration file.")
        })?);
    }
    Ok(authorities)
}

pub(crate) fn cloud(config: &Config) -> Cloud {
    let named = match config.tenant.cloud {
        CloudName::Global => Cloud::Global,
        CloudName::UsGovL4 => Cloud::UsGovernmentL4,
        CloudName::UsGovL5 => Cloud::UsGovernmentL5,
        CloudName::China => Cloud::China,
    };
    let (authority, graph) = (&config.tenant.authority, &config.tenant.graph);
    if authority.is_none() && graph.is_none() {
        return named;
    }
    let or_named = |url: &Option<Url>, named: &str| url.clone().or_else(|| named.parse().ok());
    match (or_named(authority, named.authority()), or_named(graph, named.graph_root())) {
        (Some(authority), Some(graph_root)) => Cloud::Custom { authority, graph_root, scope: named.scope() },
        _ => named,
    }
}

/// The certificate that the configuration names, read again when its file has changed: a rotation is taken up by a
/// program that runs.
#[derive(Debug)]
struct CertificateFile {
    config: Config,
    read: std::sync::Mutex<(Option<SystemTime>, Arc<Credential>)>,
}

impl CertificateFile {
    fn open(config: &Config) -> Result<Self> {
        let changed = changed_at(config);
        let read = std::sync::Mutex::new((changed, Arc::new(credential(config)?)));
        Ok(Self { config: config.clone(), read })
    }
}

impl CredentialSource for CertificateFile {
    fn current(&self) -> Arc<Credential> {
        let mut read = self.read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changed = changed_at(&self.config);
        if changed != read.0 {
            match credential(&self.config) {
                Ok(credential) => {
                    tracing::info!(thumbprint = %credential.certificate().sha1_hex(), "the certificate has changed");
                    *read = (changed, Arc::new(credential));
                }
                // The one at hand is good for as long as Entra ID knows it.
                Err(failure) => {
                    tracing::warn!(trouble = %failure.message, "the certificate's file has changed");
                }
            }
        }
        read.1.clone()
    }
}

fn changed_at(config: &Config) -> Option<SystemTime> {
    fs::metadata(config.path(&config.tenant.certificate)).ok()?.modified().ok()
}

/// The certificate and key that the configuration names.
pub(crate) fn credential(config: &Config) -> Result<Credential> {
    let path = config.path(&config.tenant.certificate);
    let bytes = fs::read(&path).map_err(|error| {
        Failure::new(Exit::Configuration, format!("the certificate {} can't be read: {error}", path.display()))
            .help("Check [tenant] certificate in the configuration (relative to its file) and that this account may read it.")
    })?;
    let password = match &config.tenant.certificate_password {
        Some(source) => source.fetch(&config.folder, "the certificate's password")?,
        None => SecretString::default(),
    };
    let read = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") => Credential::from_pem(text, &SecretString::from(text)),
        _ => Credential::from_pfx(&bytes, &password),
    };
    read.map_err(|error| {
        let remedy = error.remedy();
        Failure::new(Exit::Configuration, format!("the certificate {}: {error}", path.display())).help(remedy)
    })
}

/// How many whole days a certificate is still valid; a failure when it is over or has not begun.
pub(crate) fn days_left(credential: &Credential, now: Timestamp) -> Result<i64> {
    let certificate = credential.certificate();
    let (told, help) = match certificate.validity_at(now) {
        Validity::Valid { days_left } => return Ok(days_left),
        Validity::Expired => (
            format!("the certificate {} expired on {}", certificate.subject(), certificate.valid_until()),
            "Make a new one (`hybridge init` without --certificate does), register its public part with the app and name it in the configuration.",
        ),
        Validity::NotYet => (
            format!(
                "the certificate {} is valid only from {} on",
                certificate.subject(),
                certificate.valid_from()
            ),
            "Check this machine's clock.",
        ),
    };
    Err(Failure::new(Exit::Configuration, told).help(help))
}

/// Makes a certificate for the app registration: a PFX, its password, and the public part.
pub(crate) fn make_certificate(folder: &Path) -> Result<()> {
    let failed =
        |what: &str, error: String| Failure::new(Exit::Storage, format!("{what} can't be written: {error}"));
    let chance = Chance::from_system();
    let password = SecretString::from(format!("{}{}", chance.uuid().simple(), chance.uuid().simple()));
    let made = Credential::self_signed("Hybridge", SystemClock.now(), 365)
        .and_then(|credential| Ok((credential.to_pfx(&password)?, credential.certificate_pem())));
    let (pfx, pem) =
        made.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()).help(error.remedy()))?;
    for name in ["hybridge.pfx", "pfx-password", "hybridge-certificate.pem"] {
        if folder.join(name).exists() {
            return Err(Failure::new(
                Exit::Configuration,
                format!("{} exists already", folder.join(name).display()),
            )
            .help("Name the certificate that you have with --certificate, or move the file away."));
        }
    }
    write_secret(&folder.join("hybridge.pfx"), &pfx)
        .map_err(|error| failed("hybridge.pfx", error.to_string()))?;
    write_secret(&folder.join("pfx-password"), password.expose_secret().as_bytes())
        .map_err(|error| failed("pfx-password", error.to_string()))?;
    fs::write(folder.join("hybridge-certificate.pem"), pem)
        .map_err(|error| failed("hybridge-certificate.pem", error.to_string()))
}

/// Replaces a file as a whole: written aside and renamed, so that nothing half-written stays behind.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let written = fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        let _left = fs::remove_file(&aside);
    }
    written
}

/// Writes a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(bytes)
}

/// With a slash at the end, without which joining would lose the last segment (dynamics.md section 1).
pub(crate) fn rooted(url: &Url) -> Url {
    let mut url = url.clone();
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

fn join(root: &Url, path: &str) -> Result<Url> {
    rooted(root).join(path).map_err(|error| bad_url("an address in the configuration", error))
}

fn bad_url(what: &str, error: url::ParseError) -> Failure {
    Failure::new(Exit::Configuration, format!("{what} is no valid URL: {error}"))
        .help("Write https://host/ for example.")
}
