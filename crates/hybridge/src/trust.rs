//! Puts together what the steps of the trust work on.

mod native;

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hybridge_connect::{
    Changes, Deployment, Exchange, Journal, Registration, Settings, SignIn, Site, SiteParts, Tasks,
};
use hybridge_connect::{
    bundle::Bundles,
    rotation::{Files, Form, Parts},
    servers::Servers,
};
use hybridge_core::trouble::{Class, Trouble};
use hybridge_dynamics::Dynamics;
use hybridge_graph::Graph;
use hybridge_identity::{
    Cloud, DeviceParts, DeviceTokens, EXCHANGE_TOOLS, Fixed, GRAPH_TOOLS, GivenToken, Prompt, TokenSource,
};
use hybridge_odata::gate::PerMailbox;
use toml_edit::DocumentMut;
use url::Url;
use uuid::Uuid;

pub(crate) use native::signing;

use crate::{
    config::{Config, NativeConfig, SecretSource},
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    wiring::{self, Ground},
};

/// What an administrator is asked to permit in the directory.
const DIRECTORY_PERMISSIONS: [&str; 3] =
    ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "Organization.Read.All"];
/// The first pause before something that was written is read again.
const SETTLING: Duration = Duration::from_secs(2);

/// What the steps work on, as the configuration says.
pub(crate) fn site(config: &Config, file: PathBuf, changes: Changes) -> Result<Site> {
    with_bundles(config, file, changes).map(|(site, _)| site)
}

fn bundles(config: &Config, ground: &Ground) -> Result<Arc<Bundles>> {
    let folder = config.path(&config.connect.folder);
    Bundles::open(&folder.join("bundles"), ground.clock.clone())
        .map_err(|error| Failure::new(Exit::Storage, error.to_string()).help(error.remedy()))
}

/// The Windows servers, and the way to each.
pub(crate) fn servers(config: &Config, section: &NativeConfig) -> Result<Servers> {
    let ground = Ground::of(config)?;
    let bundles = bundles(config, &ground)?;
    native::servers(config, &ground, section, &bundles)
}

/// What the steps work on, and the bundles by which some of its servers are reached.
pub(crate) fn with_bundles(config: &Config, file: PathBuf, changes: Changes) -> Result<(Site, Arc<Bundles>)> {
    let ground = Ground::of(config)?;
    let bundles = bundles(config, &ground)?;
    let credential = Arc::new(wiring::credential(config)?);
    let directory = ground.graph(directory_tokens(config, &ground)?)?;
    let exchange = exchange(config, &ground)?;
    let (organization, _) = ground.organization(config, None)?;
    let administration = administration_on(config, &ground)?;
    let as_application = sign_in(&ground, &directory);
    let tasks = Tasks { wanted: config.connect.tasks, files: own_files(config, OwnApp::Tasks)? };
    let site = Site::new(SiteParts {
        deployment: Deployment {
            tenant: config.tenant.id,
            name: config.connect.name.clone(),
            account: config.organization.user.clone(),
            credential,
            permissions: config.connect.permissions.clone(),
            overrides: config.overrides.clone(),
            tasks,
            notification_url: config.console.notification_url.clone(),
            native: native::native(config, &ground, &bundles)?,
        },
        directory,
        exchange,
        as_application,
        organization,
        administration,
        web: ground.transport.clone(),
        settings: Arc::new(ConfigFile::new(file, config)),
        clock: ground.clock,
        changes,
        settling: SETTLING,
    });
    Ok((site, bundles))
}

/// The organization, signed in as the administrator that the configuration names.
pub(crate) fn administration(config: &Config) -> Result<Option<Dynamics>> {
    administration_on(config, &Ground::of(config)?)
}

fn administration_on(config: &Config, ground: &Ground) -> Result<Option<Dynamics>> {
    let Some(administrator) = administrator(config) else { return Ok(None) };
    ground.organization(&administrator, None).map(|(organization, _)| Some(organization))
}

/// The configuration as an administrator of the organization would sign in with, where one is named.
fn administrator(config: &Config) -> Option<Config> {
    let account = config.connect.organization_account.clone()?;
    let mut administrator = config.clone();
    administrator.organization.user = account;
    administrator.organization.password.clone_from(&config.connect.organization_password);
    administrator.organization.keytab = None;
    Some(administrator)
}

/// The audit log of the deployment.
pub(crate) fn journal(config: &Config) -> Result<Journal> {
    let path = config.path(&config.connect.folder).join("audit.jsonl");
    Journal::open(&path, operator()).map_err(|error| {
        Failure::new(Exit::Storage, error.to_string()).help(
            "The audit log is what undo goes by: restore it from a backup, or move it away when it is not needed any more.",
        )
    })
}

/// Who is at work: account and machine.
fn operator() -> String {
    let unknown = |_| "unknown".to_owned();
    format!("{}@{}", whoami::username().unwrap_or_else(unknown), whoami::hostname().unwrap_or_else(unknown))
}

fn directory_tokens(config: &Config, ground: &Ground) -> Result<Arc<dyn TokenSource>> {
    // Scopes name the public resource also where the sandbox stands in for it.
    let resource = ground.cloud.scope();
    let resource = resource.trim_end_matches("/.default");
    let scope = DIRECTORY_PERMISSIONS.map(|permission| format!("{resource}/{permission}")).join(" ");
    let why =
        "to set up Hybridge in Entra ID (Cloud Application Administrator and Privileged Role Administrator)";
    tokens(config, ground, config.connect.directory_token.as_ref(), (GRAPH_TOOLS, scope, why))
}

fn exchange(config: &Config, ground: &Ground) -> Result<Exchange> {
    let why = "to set up Hybridge in Exchange Online (Exchange Administrator)";
    let asked = (EXCHANGE_TOOLS, Exchange::SCOPE.to_owned(), why);
    let tokens = tokens(config, ground, config.connect.exchange_token.as_ref(), asked)?;
    let root = match &config.connect.exchange {
        Some(root) => wiring::rooted(root),
        None => exchange_root(&ground.cloud)?,
    };
    let service =
        ground.service("Exchange Online", root, ground.by_token(tokens), Arc::new(PerMailbox::new(4)));
    Ok(Exchange::new(service, config.tenant.id))
}

/// Where Exchange Online's administration is, in each cloud (the addresses of its management module).
fn exchange_root(cloud: &Cloud) -> Result<Url> {
    let text = match cloud {
        Cloud::Global | Cloud::Custom { .. } => "https://outlook.office365.com/",
        Cloud::UsGovernmentL4 => "https://outlook.office365.us/",
        Cloud::UsGovernmentL5 => "https://webmail.apps.mil/",
        Cloud::China => "https://partner.outlook.cn/",
    };
    text.parse().map_err(|error: url::ParseError| Failure::new(Exit::Unexpected, error.to_string()))
}

fn tokens(
    config: &Config,
    ground: &Ground,
    given: Option<&SecretSource>,
    (client_id, scope, why): (Uuid, String, &'static str),
) -> Result<Arc<dyn TokenSource>> {
    if let Some(given) = given {
        let token = given.fetch(&config.folder, "the administrator's token")?;
        let token = GivenToken::new(token, ground.clock.as_ref()).ok_or_else(|| {
            Failure::new(Exit::Configuration, "the administrator's token is empty or no token")
                .help("`az account get-access-token --resource-type ms-graph --query accessToken -o tsv` prints one.")
        })?;
        return Ok(Arc::new(token));
    }
    Ok(Arc::new(DeviceTokens::new(DeviceParts {
        cloud: ground.cloud.clone(),
        tenant: ground.tenant.clone(),
        client_id,
        scope,
        why,
        prompt: Arc::new(OnTerminal),
        transport: ground.transport.clone(),
        clock: ground.clock.clone(),
        chance: ground.chance.clone(),
    })))
}

#[derive(Debug)]
struct OnTerminal;

impl Prompt for OnTerminal {
    fn show(&self, why: &str, page: &str, code: &str) {
        Output::say(format!("Sign in {why}:\n  open {page} and enter the code {code}"));
    }
}

/// An application of Hybridge, signed in anew at every call so that no token from before a change speaks for it.
fn sign_in(ground: &Ground, otherwise: &Graph) -> SignIn {
    let (ground, otherwise) = (ground.clone(), otherwise.clone());
    Box::new(move |client_id, credential| {
        let tokens = ground.entra(client_id, Arc::new(Fixed(credential)));
        // The address was read before; it can't fail now.
        ground.graph(tokens).unwrap_or_else(|_| otherwise.clone())
    })
}

/// Hybridge's own registrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnApp {
    /// For mail, calendars and contacts, limited to mailboxes.
    Mail,
    /// For To Do, in the whole tenant.
    Tasks,
}

/// The certificate of one of Hybridge's registrations, and where its rotation is remembered.
pub(crate) fn own_files(config: &Config, app: OwnApp) -> Result<Files> {
    let folder = config.path(&config.connect.folder);
    if app == OwnApp::Tasks {
        return Ok(Files::new(folder.join("tasks.pem"), Form::Pem, folder.join("tasks")));
    }
    let path = config.path(&config.tenant.certificate);
    let bytes = fs::read(&path).map_err(|error| {
        Failure::new(
            Exit::Configuration,
            format!("the certificate {} can't be read: {error}", path.display()),
        )
    })?;
    let form = if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        Form::Pem
    } else {
        let password = config.tenant.certificate_password.as_ref();
        let password =
            password.map(|source| source.fetch(&config.folder, "the certificate's password")).transpose()?;
        Form::Pfx(password.unwrap_or_default())
    };
    Ok(Files::new(path, form, folder))
}

/// What a rotation of the certificate of one of Hybridge's registrations works on.
pub(crate) async fn rotation(config: &Config, app: OwnApp) -> Result<Parts> {
    let ground = Ground::of(config)?;
    let (client_id, registration) = match app {
        OwnApp::Mail => {
            let client_id = config.client_id()?;
            match config.tenant.registration_id {
                Some(id) => (client_id, id),
                None => (client_id, registered(config, &ground, client_id).await?),
            }
        }
        OwnApp::Tasks => {
            let tenant = &config.tenant;
            tenant.tasks_client_id.zip(tenant.tasks_registration_id).ok_or_else(|| {
                Failure::new(Exit::Configuration, "no application for To Do is registered").help(
                    "Set [connect] tasks = true, then: hybridge connect apply --step tasks-registration",
                )
            })?
        }
    };
    let files = own_files(config, app)?;
    let current = files.current().map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    let clock = ground.clock.clone();
    let fallback = ground.graph(ground.entra(client_id, Arc::new(Fixed(Arc::new(current)))))?;
    Ok(Parts {
        files,
        registration,
        sign_in: Box::new(move |credential| {
            let tokens = ground.entra(client_id, Arc::new(Fixed(credential)));
            let graph = ground.graph(tokens.clone()).unwrap_or_else(|_| fallback.clone());
            (graph, tokens)
        }),
        clock,
        pause: SETTLING,
        step: if app == OwnApp::Mail { "app-certificate" } else { "tasks-registration" },
        command: app.command(),
    })
}

impl OwnApp {
    /// What renews its certificate.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Mail => "hybridge certificate rotate",
            Self::Tasks => "hybridge certificate rotate --target tasks",
        }
    }
}

/// The object id of a registration that was made by hand, from the directory: an administrator has to sign in.
async fn registered(config: &Config, ground: &Ground, client_id: Uuid) -> Result<Uuid> {
    let directory = ground.graph(directory_tokens(config, ground)?)?;
    let kind = hybridge_graph::DirectoryKind::Application;
    let found = directory
        .directory_object(kind, client_id)
        .await
        .map_err(|error| Failure::from(hybridge_graph::trouble(&error)))?;
    let found = found.ok_or_else(|| {
        Failure::new(Exit::Configuration, format!("the tenant has no app registration {client_id}"))
            .help("Check [tenant] client_id in the configuration.")
    })?;
    Output::say(format!(
        "Write registration_id = \"{}\" under [tenant], and no sign-in is needed next time.",
        found.id
    ));
    Ok(found.id)
}

/// The configuration file, where the ids of Hybridge's applications are kept.
#[derive(Debug)]
struct ConfigFile {
    file: PathBuf,
    client_id: Mutex<Option<Uuid>>,
    tasks: Mutex<Option<Registration>>,
}

impl ConfigFile {
    fn new(file: PathBuf, config: &Config) -> Self {
        let tenant = &config.tenant;
        let tasks = tenant.tasks_client_id.zip(tenant.tasks_registration_id);
        let tasks = tasks.map(|(client_id, object_id)| Registration { client_id, object_id });
        Self { file, client_id: Mutex::new(tenant.client_id), tasks: Mutex::new(tasks) }
    }

    /// Writes the two ids of a registration into `[tenant]`, or takes them out.
    fn keep(
        &self,
        (client_id, registration_id): (&str, &str),
        ids: Option<Registration>,
    ) -> std::result::Result<(), Trouble> {
        let failed = |error: String| {
            Trouble::new(
                Class::Denied,
                format!("{client_id} can't be written into {}: {error}", self.file.display()),
                "Check that this account may write there.",
            )
        };
        let text = fs::read_to_string(&self.file).map_err(|error| failed(error.to_string()))?;
        let mut document: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| failed(error.to_string()))?;
        let tenant = document.get_mut("tenant").and_then(toml_edit::Item::as_table_mut);
        let tenant = tenant.ok_or_else(|| failed("it has no section [tenant]".to_owned()))?;
        if let Some(ids) = ids {
            tenant.insert(client_id, toml_edit::value(ids.client_id.to_string()));
            tenant.insert(registration_id, toml_edit::value(ids.object_id.to_string()));
        } else {
            tenant.remove(client_id);
            tenant.remove(registration_id);
        }
        wiring::replace(&self.file, document.to_string().as_bytes())
            .map_err(|error| failed(error.to_string()))
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Settings for ConfigFile {
    fn client_id(&self) -> Option<Uuid> {
        *locked(&self.client_id)
    }

    fn keep_registration(&self, ids: Option<Registration>) -> std::result::Result<(), Trouble> {
        self.keep(("client_id", "registration_id"), ids)?;
        *locked(&self.client_id) = ids.map(|ids| ids.client_id);
        Ok(())
    }

    fn tasks_registration(&self) -> Option<Registration> {
        *locked(&self.tasks)
    }

    fn keep_tasks_registration(&self, ids: Option<Registration>) -> std::result::Result<(), Trouble> {
        self.keep(("tasks_client_id", "tasks_registration_id"), ids)?;
        *locked(&self.tasks) = ids;
        Ok(())
    }
}
