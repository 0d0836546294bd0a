//! The world: one tenant, one organization, and the faults around them.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use hybridge_sandbox_graph::{Graph, GraphOptions, GraphSetup, NewUser};
use hybridge_sandbox_identity::{Adfs, AdfsSetup, AdfsUser, Application, Entra, EntraSetup};
use hybridge_sandbox_kit::{Call, Clock, Cut, Dice, Face, Origins, Outbound, Reply, Service};
use hybridge_sandbox_organization::{Organization, OrganizationOptions, OrganizationSetup};
use hybridge_sandbox_windows::{Estate, EstateSetup};
use jiff::SignedDuration;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::{
    control,
    faults::{Fault, Faults, Weather},
    native::Native,
    sign_in,
};

/// The tenant's domain; no such domain can exist outside (RFC 6761).
pub(crate) const TENANT_DOMAIN: &str = "lindhagen.test";

/// What can be chosen about the world.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The time.
    pub clock: Clock,
    /// The same seed makes the same ids, company and faults.
    pub seed: u64,
    /// How the organization behaves.
    pub organization: OrganizationOptions,
    /// How Exchange behaves.
    pub graph: GraphOptions,
    /// The faults.
    pub weather: Weather,
    /// Whether the trust is set up already: the app registration with its certificate and consents, and the
    /// organization's email channel. Without it a tenant and an organization stand side by side.
    pub connected: bool,
    /// Dynamics' own synchronization is connected already, with a certificate that lives so much longer.
    pub native: Option<SignedDuration>,
    /// How many CRM servers the deployment has.
    pub servers: usize,
    /// How many servers the AD FS farm has.
    pub adfs_servers: usize,
}

impl Setup {
    /// A calm world on a clock.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self {
            clock,
            seed,
            organization: OrganizationOptions::default(),
            graph: GraphOptions::default(),
            weather: Weather::CALM,
            connected: true,
            native: None,
            servers: 2,
            adfs_servers: 1,
        }
    }
}

/// Hybridge's registrations in the world.
#[derive(Clone)]
pub struct App {
    /// The tenant.
    pub tenant_id: Uuid,
    /// The app registration in Entra ID, which a world that is not connected does not have yet.
    pub client_id: Uuid,
    /// The client registered in AD FS.
    pub adfs_client_id: Uuid,
    /// The service account, `DOMAIN\user`.
    pub user_name: String,
    /// Its password.
    pub password: String,
    /// The organization's administrator, `DOMAIN\user`.
    pub administrator: String,
    /// Her password.
    pub administrator_password: String,
    /// The registered certificate (PEM).
    pub certificate_pem: String,
    /// Its key (PEM).
    pub private_key_pem: String,
    /// Both as PFX.
    pub pfx: Vec<u8>,
    /// The PFX's password.
    pub pfx_password: String,
}

// Made-up secrets, but printed secrets are a bad example all the same.
impl std::fmt::Debug for App {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("App")
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// One tenant and one organization, emulated.
#[derive(Debug)]
pub struct Sandbox {
    clock: Clock,
    dice: Dice,
    origins: Origins,
    app: App,
    faults: Faults,
    entra: Arc<Entra>,
    adfs: Arc<Adfs>,
    graph: Arc<Graph>,
    organization: Arc<Organization>,
    estate: Mutex<Estate>,
    server_password: String,
    native: Native,
}

/// AD FS with the service account and the organization's administrator.
fn sign_in(clock: &Clock, dice: &Dice, origins: &Origins, app: &App) -> Arc<Adfs> {
    let adfs =
        Adfs::new(AdfsSetup { clock: clock.clone(), dice: dice.fork("adfs"), origins: origins.clone() });
    adfs.add_client(app.adfs_client_id);
    for (account, name, password) in [
        (&app.user_name, "svc-hybridge", &app.password),
        (&app.administrator, "crm.admin", &app.administrator_password),
    ] {
        adfs.add_user(AdfsUser {
            account: account.clone(),
            user_principal_name: format!("{name}@{TENANT_DOMAIN}"),
            password: password.clone(),
        });
    }
    adfs
}

/// Nobody has prepared the organization, which processes its email itself; and somebody has a mailbox but nothing to do
/// with Dynamics.
fn unprepared(organization: &Organization, graph: &Graph, app: &App) {
    organization.forget_service_account();
    let accounts = vec![app.user_name.clone(), app.administrator.clone()];
    organization.set_option(|options| options.domain_accounts = Some(accounts));
    organization.track_changes("contact", false);
    organization.configure(&json!({ "emailconnectionchannel": 0 })).unwrap_or_default();
    graph.add_user(NewUser {
        display_name: "Works Council".to_owned(),
        user_principal_name: format!("works.council@{TENANT_DOMAIN}"),
        ..NewUser::default()
    });
}

impl Sandbox {
    /// Makes a world that is reached at the given origins and calls out through `outbound`.
    pub fn new(origins: Origins, outbound: Arc<dyn Outbound>, setup: Setup) -> Arc<Self> {
        let Setup { clock, seed, organization, graph, weather, connected, native, servers, adfs_servers } =
            setup;
        let dice = Dice::seeded(seed);
        let ids = dice.fork("ids");
        let key = ClientKey::shared();
        let app = App {
            tenant_id: ids.uuid(),
            client_id: ids.uuid(),
            adfs_client_id: ids.uuid(),
            user_name: "CONTOSO\\svc-hybridge".to_owned(),
            password: format!("{}", ids.uuid().simple()),
            certificate_pem: key.certificate_pem.clone(),
            private_key_pem: key.private_key_pem.clone(),
            pfx: key.pfx.clone(),
            pfx_password: key.pfx_password.clone(),
            administrator: "CONTOSO\\crm.admin".to_owned(),
            administrator_password: format!("{}", dice.fork("administrator").uuid().simple()),
        };
        let entra = Entra::new(EntraSetup {
            clock: clock.clone(),
            dice: dice.fork("entra"),
            origins: origins.clone(),
            tenant_id: app.tenant_id,
            tenant_domains: vec![TENANT_DOMAIN.to_owned()],
        });
        let mut registration = Application::new(app.client_id, "Hybridge");
        registration.roles =
            ["Mail.Read", "Mail.ReadWrite", "Mail.Send", "User.Read.All"].map(str::to_owned).to_vec();
        let _registered = registration.add_certificate(&key.certificate_der);
        if connected {
            entra.add_application(registration);
        }
        let adfs = sign_in(&clock, &dice, &origins, &app);
        let graph = Graph::new(GraphSetup {
            clock: clock.clone(),
            dice: dice.fork("graph"),
            origins: origins.clone(),
            judge: entra.clone(),
            outbound,
            tenant_id: app.tenant_id,
            tenant_domains: vec![TENANT_DOMAIN.to_owned()],
            options: graph,
        });
        let organization = Organization::new(OrganizationSetup {
            clock: clock.clone(),
            dice: dice.fork("organization"),
            origins: origins.clone(),
            judge: adfs.clone(),
            options: organization,
        });
        let now = clock.now();
        let estate = Estate::with(EstateSetup {
            now,
            domain: TENANT_DOMAIN.to_owned(),
            organization: hybridge_sandbox_windows::Organization {
                id: organization.id(),
                unique_name: Organization::UNIQUE_NAME.to_owned(),
                friendly_name: "Contoso".to_owned(),
                state: "Enabled".to_owned(),
            },
            servers,
            adfs_servers,
        });
        let faults = Faults::new(dice.fork("faults"), weather);
        for table in ["task", "mailbox"] {
            organization.track_changes(table, connected);
        }
        if !connected {
            unprepared(&organization, &graph, &app);
        }
        let server_password = dice.fork("servers").uuid().simple().to_string();
        let world = Self {
            clock,
            dice,
            origins,
            app,
            faults,
            entra,
            adfs,
            graph,
            organization,
            estate: Mutex::new(estate),
            server_password,
            native: Native::new(now),
        };
        world.set_weather(weather);
        world.subscribe(true);
        if let Some(life) = native {
            world.connect_native(life);
        }
        Arc::new(world)
    }

    /// Made-up origins for a world that is called in this process.
    pub fn invented_origins() -> Option<Origins> {
        let origin = |name: &str| Url::parse(&format!("https://{name}.sandbox.test/")).ok();
        Some(Origins {
            entra: origin("login")?,
            graph: origin("graph")?,
            adfs: origin("adfs")?,
            organization: origin("crm")?,
            control: origin("control")?,
        })
    }

    /// Answers a call as the face at its origin would, with the faults that are in force.
    ///
    /// # Errors
    /// [`Cut`] when the connection ends without an answer.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Cut> {
        let (parts, body) = request.into_parts();
        let Ok(url) = Url::parse(&parts.uri.to_string()) else { return Err(Cut::Before) };
        let Some(face) = self.origins.face_of(&url) else { return Err(Cut::Before) };
        self.work_on_mailboxes();
        let destiny = self.faults.fate(face, url.path(), &body);
        if !destiny.latency.is_zero() {
            tokio::time::sleep(destiny.latency).await;
        }
        if destiny.expires_cursors {
            self.expire_cursors(&url);
        }
        let call = Call { method: parts.method, url, headers: parts.headers, body };
        match destiny.fault {
            None => Ok(self.answer(face, call).await),
            Some(Fault::CutAfter) => {
                let _lost = self.answer(face, call).await;
                Err(Cut::After)
            }
            Some(fault) => fault.answer(face),
        }
    }

    async fn answer(&self, face: Face, call: Call) -> Reply {
        match face {
            Face::Entra => self.entra.call(call).await,
            Face::Graph => match self.entra.directory(&call).or_else(|| self.graph.administer(&call)) {
                Some(reply) => reply,
                None => self.graph.call(call).await,
            },
            Face::Adfs => match sign_in::adfs(self, &call) {
                Some(reply) => reply,
                None => self.adfs.call(call).await,
            },
            Face::Organization => match sign_in::organization(self, &call) {
                Some(reply) => reply,
                None => self.organization.call(call).await,
            },
            Face::Control => control::answer(self, &call),
        }
    }

    /// A mailbox's delta cursors are gone: the path names it.
    fn expire_cursors(&self, url: &Url) {
        let mut segments =
            url.path_segments().into_iter().flatten().skip_while(|segment| *segment != "users");
        if let Some(user) = segments.nth(1).and_then(|name| self.graph.find_user(&name.replace("%40", "@"))) {
            self.graph.expire_delta_tokens(user);
        }
    }

    /// Changes the weather, in front of the services and inside them.
    pub fn set_weather(&self, weather: Weather) {
        self.faults.set_weather(weather);
        self.graph.change_options(|options| {
            options.notifications.lose = weather.lose_notification;
            options.notifications.duplicate = weather.duplicate_notification;
            options.notifications.delay_by = SignedDuration::from_secs(30);
        });
    }

    /// The faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The dice.
    pub fn dice(&self) -> &Dice {
        &self.dice
    }

    /// Where the faces are.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Hybridge's registrations.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Entra ID.
    pub fn entra(&self) -> &Arc<Entra> {
        &self.entra
    }

    /// AD FS.
    pub fn adfs(&self) -> &Arc<Adfs> {
        &self.adfs
    }

    /// Exchange Online.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The account that may do everything on the servers, and its password.
    pub fn server_account(&self) -> (String, &str) {
        let domain = TENANT_DOMAIN.split('.').next().unwrap_or_default().to_uppercase();
        (format!("{domain}\\administrator"), &self.server_password)
    }

    /// The Windows servers; their clocks show the world's time.
    pub fn windows(&self) -> MutexGuard<'_, Estate> {
        let mut estate = self.estate.lock().unwrap_or_else(PoisonError::into_inner);
        estate.set_now(self.clock.now());
        estate
    }

    pub(crate) fn native(&self) -> &Native {
        &self.native
    }

    /// Whether the tenant has the free subscription that Dynamics on-premises needs (setup.md P6).
    pub(crate) fn subscribe(&self, has: bool) {
        let sku = json!({
            "id": format!("{}_2f7ead63-97f5-4f2f-a2ac-6f5f7c9f0c7c", self.app.tenant_id),
            "skuPartNumber": "CRM_HYBRIDCONNECTOR",
            "capabilityStatus": "Enabled",
            "consumedUnits": 0,
            "servicePlans": [{
                "servicePlanName": "CRM_HYBRIDCONNECTOR",
                "servicePlanId": "0210d5c8-49d2-4dd1-a01b-a91c7c14e0bf",
                "appliesTo": "Company",
                "provisioningStatus": "Success",
            }],
        });
        self.entra.set_subscriptions(if has { vec![sku] } else { Vec::new() });
    }

    /// The organization.
    pub fn organization(&self) -> &Arc<Organization> {
        &self.organization
    }
}

/// The key of Hybridge's registration: made once in a process, as RSA keys take long and a simulation
/// makes many worlds.
struct ClientKey {
    certificate_der: Vec<u8>,
    certificate_pem: String,
    private_key_pem: String,
    pfx: Vec<u8>,
    pfx_password: String,
}

impl ClientKey {
    fn shared() -> &'static Self {
        static KEY: OnceLock<ClientKey> = OnceLock::new();
        KEY.get_or_init(|| {
            Self::make().unwrap_or_else(|error| unreachable!("a fixed recipe for a key failed: {error}"))
        })
    }

    fn make() -> Result<Self, String> {
        let failed = |error: rcgen::Error| error.to_string();
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map_err(failed)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "Hybridge in the sandbox");
        // Wide enough for every clock that a simulation starts.
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let certificate = parameters.self_signed(&key).map_err(failed)?;
        let pfx_password = format!("{}", Dice::seeded(0x5eed).uuid().simple());
        let mut store = KeyStore::new();
        let der = Certificate::from_der(certificate.der()).map_err(|error| error.to_string())?;
        let private = PrivateKey::from_der(&key.serialize_der()).map_err(|error| error.to_string())?;
        let chain = PrivateKeyChain::new("hybridge", private, [der]);
        store.add_entry("hybridge", KeyStoreEntry::PrivateKeyChain(chain));
        let pfx = store.writer(&pfx_password).write().map_err(|error| error.to_string())?;
        Ok(Self {
            certificate_der: certificate.der().to_vec(),
            certificate_pem: certificate.pem(),
            private_key_pem: key.serialize_pem(),
            pfx,
            pfx_password,
        })
    }
}
