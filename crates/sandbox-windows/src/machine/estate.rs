//! Machines that belong together.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use uuid::Uuid;

use super::{Adfs, AppPool, CrmServer, Deployment, Machine, Organization, Roles};

/// Several machines with one configuration database and one AD FS farm.
#[derive(Debug)]
pub struct Estate {
    /// The machines.
    pub machines: Vec<Machine>,
}

/// What an estate is made from.
#[derive(Debug, Clone)]
pub struct EstateSetup {
    /// The machines' clocks.
    pub now: Timestamp,
    /// The machines' domain, such as `contoso.com`.
    pub domain: String,
    /// The one organization of the deployment.
    pub organization: Organization,
    /// How many CRM servers there are, each with the web application and the asynchronous service.
    pub servers: usize,
    /// How many servers the AD FS farm has.
    pub adfs_servers: usize,
}

impl EstateSetup {
    /// Two CRM servers and one AD FS server in the domain `contoso.com`.
    pub fn contoso(now: Timestamp) -> EstateSetup {
        EstateSetup {
            now,
            domain: "contoso.com".to_owned(),
            organization: Organization {
                id: Estate::ORGANIZATION,
                unique_name: "contoso".to_owned(),
                friendly_name: "Contoso".to_owned(),
                state: "Enabled".to_owned(),
            },
            servers: 2,
            adfs_servers: 1,
        }
    }
}

impl Estate {
    /// The account of the asynchronous service.
    pub const ASYNC_ACCOUNT: &'static str = r"CONTOSO\svc-crmasync";
    /// The account of the web application's pool.
    pub const POOL_ACCOUNT: &'static str = r"CONTOSO\svc-crmweb";
    /// The organization's id in [`EstateSetup::contoso`].
    pub const ORGANIZATION: Uuid = Uuid::from_u128(0x6f0c_4f6f_1d2e_4c59_9b64_0d2c_6a0f_5e11);

    /// Two CRM servers, `CRM01` and `CRM02`, a deployment server, `CRMDEP`, and an AD FS server, `ADFS01`.
    pub fn new(now: Timestamp) -> Estate {
        Self::with(EstateSetup::contoso(now))
    }

    /// CRM servers `CRM01`, `CRM02` and so on, a deployment server, `CRMDEP`, and AD FS servers, `ADFS01` and so on.
    pub fn with(setup: EstateSetup) -> Estate {
        let EstateSetup { now, domain, organization, servers, adfs_servers } = setup;
        let (mut database, mut farm) = (Deployment::default(), Adfs::default());
        fill(&mut database, &mut farm, &domain, organization, servers);
        let (database, farm) = (Arc::new(Mutex::new(database)), Arc::new(Mutex::new(farm)));
        let machine = |name: &str, roles: Roles| {
            let mut machine = Machine::new(name, now);
            machine.domain.clone_from(&domain);
            machine.roles = roles;
            machine.deployment = Arc::clone(&database);
            machine.adfs = Arc::clone(&farm);
            if !roles.adfs {
                machine.registry.insert(
                    (r"HKLM:\SOFTWARE\Microsoft\MSCRM".to_owned(), "CRM_Server_InstallDir".to_owned()),
                    r"C:\Program Files\Dynamics 365".to_owned(),
                );
            }
            machine
        };
        let mut machines: Vec<Machine> = (1..=servers)
            .map(|number| {
                let roles = Roles { asynchronous: true, web: true, ..Roles::default() };
                let mut server = machine(&numbered("CRM", number), roles);
                server.add_service("MSCRMAsyncService", Self::ASYNC_ACCOUNT);
                server.add_service("MSCRMAsyncService$maintenance", Self::ASYNC_ACCOUNT);
                server.app_pools.push(AppPool {
                    name: "CRMAppPool".to_owned(),
                    identity: "SpecificUser".to_owned(),
                    user: Self::POOL_ACCOUNT.to_owned(),
                });
                server.add_service("W3SVC", "LocalSystem");
                server
            })
            .collect();
        machines.push(machine("CRMDEP", Roles { deployment: true, ..Roles::default() }));
        for number in 1..=adfs_servers {
            let mut server = machine(&numbered("ADFS", number), Roles { adfs: true, ..Roles::default() });
            server.add_service("adfssrv", r"CONTOSO\svc-adfs$");
            machines.push(server);
        }
        Estate { machines }
    }

    /// A machine by its name, with or without domain.
    pub fn machine(&mut self, name: &str) -> Option<&mut Machine> {
        let name = name.split('.').next().unwrap_or(name);
        self.machines.iter_mut().find(|machine| machine.name.eq_ignore_ascii_case(name))
    }

    /// Sets the clock of every machine; none goes back behind what its own restarts took.
    pub fn set_now(&mut self, now: Timestamp) {
        for machine in &mut self.machines {
            machine.now = machine.now.max(now);
        }
    }
}

fn numbered(kind: &str, number: usize) -> String {
    format!("{kind}{number:02}")
}

fn fill(
    database: &mut Deployment,
    farm: &mut Adfs,
    domain: &str,
    organization: Organization,
    servers: usize,
) {
    let texts = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<String>>();
    database.claims_enabled = true;
    database.session_hours = 24;
    let names = ["auth", organization.unique_name.as_str(), "dev"];
    let identifiers = names.map(|name| format!("https://{}.{domain}/", name.to_lowercase())).to_vec();
    database.organizations.push(organization);
    for number in 1..=servers {
        let roles =
            texts(&["WebApplicationServer", "AsynchronousProcessingService", "EmailIntegrationService"]);
        database.servers.push(CrmServer { name: numbered("CRM", number), roles });
    }
    let roles = texts(&["DeploymentAdministrationTools", "DeploymentService"]);
    database.servers.push(CrmServer { name: "CRMDEP".to_owned(), roles });
    database.administrators.push(r"CONTOSO\administrator".to_owned());
    farm.intranet = texts(&["WindowsAuthentication"]);
    farm.extranet = texts(&["FormsAuthentication"]);
    farm.relying_parties.push(("Dynamics 365 IFD".to_owned(), identifiers));
}
