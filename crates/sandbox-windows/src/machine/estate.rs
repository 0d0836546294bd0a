//! Machines that belong together.

use jiff::Timestamp;
use uuid::Uuid;

use super::{CrmServer, Machine, Organization, Roles};

/// Several machines with one configuration database and one AD FS farm.
#[derive(Debug)]
pub struct Estate {
    /// The machines.
    pub machines: Vec<Machine>,
}

impl Estate {
    /// The account of the asynchronous service.
    pub const ASYNC_ACCOUNT: &'static str = r"CONTOSO\svc-crmasync";
    /// The account of the web application's pool.
    pub const POOL_ACCOUNT: &'static str = r"CONTOSO\svc-crmweb";
    /// The organization's id.
    pub const ORGANIZATION: Uuid = Uuid::from_u128(0x6f0c_4f6f_1d2e_4c59_9b64_0d2c_6a0f_5e11);

    /// Two CRM servers, `CRM01` and `CRM02`, a deployment server, `CRMDEP`, and an AD FS server, `ADFS01`.
    pub fn new(now: Timestamp) -> Estate {
        let mut machines: Vec<Machine> =
            ["CRM01", "CRM02", "CRMDEP", "ADFS01"].into_iter().map(|name| Machine::new(name, now)).collect();
        if let [first, second, deployment, adfs] = machines.as_mut_slice() {
            for server in [&mut *first, &mut *second] {
                server.roles = Roles { asynchronous: true, web: true, ..Roles::default() };
                server.add_service("MSCRMAsyncService", Self::ASYNC_ACCOUNT);
                server.add_service("MSCRMAsyncService$maintenance", Self::ASYNC_ACCOUNT);
                server.add_service("W3SVC", "LocalSystem");
                server.app_pools.push(super::AppPool {
                    name: "CRMAppPool".to_owned(),
                    identity: "SpecificUser".to_owned(),
                    user: Self::POOL_ACCOUNT.to_owned(),
                });
            }
            deployment.roles = Roles { deployment: true, ..Roles::default() };
            adfs.roles = Roles { adfs: true, ..Roles::default() };
            adfs.add_service("adfssrv", r"CONTOSO\svc-adfs$");
            fill(deployment, adfs);
            let (database, farm) = (deployment.deployment.clone(), adfs.adfs.clone());
            for machine in &mut machines {
                machine.deployment = database.clone();
                machine.adfs = farm.clone();
                if !machine.roles.adfs {
                    machine.registry.insert(
                        (r"HKLM:\SOFTWARE\Microsoft\MSCRM".to_owned(), "CRM_Server_InstallDir".to_owned()),
                        r"C:\Program Files\Dynamics 365".to_owned(),
                    );
                }
            }
        }
        Estate { machines }
    }

    /// A machine by its name, with or without domain.
    pub fn machine(&mut self, name: &str) -> Option<&mut Machine> {
        let name = name.split('.').next().unwrap_or(name);
        self.machines.iter_mut().find(|machine| machine.name.eq_ignore_ascii_case(name))
    }

    /// Sets the clock of every machine.
    pub fn set_now(&mut self, now: Timestamp) {
        for machine in &mut self.machines {
            machine.now = now;
        }
    }
}

fn fill(deployment: &Machine, adfs: &Machine) {
    let texts = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<String>>();
    let mut database = deployment.database();
    database.claims_enabled = true;
    database.session_hours = 24;
    database.organizations.push(Organization {
        id: Estate::ORGANIZATION,
        unique_name: "contoso".to_owned(),
        friendly_name: "Contoso".to_owned(),
        state: "Enabled".to_owned(),
    });
    for server in ["CRM01", "CRM02"] {
        let roles =
            texts(&["WebApplicationServer", "AsynchronousProcessingService", "EmailIntegrationService"]);
        database.servers.push(CrmServer { name: server.to_owned(), roles });
    }
    let roles = texts(&["DeploymentAdministrationTools", "DeploymentService"]);
    database.servers.push(CrmServer { name: "CRMDEP".to_owned(), roles });
    database.administrators.push(r"CONTOSO\administrator".to_owned());
    let mut farm = adfs.farm();
    farm.intranet = texts(&["WindowsAuthentication"]);
    farm.extranet = texts(&["FormsAuthentication"]);
    farm.relying_parties.push((
        "Dynamics 365 IFD".to_owned(),
        texts(&["https://auth.contoso.com/", "https://contoso.contoso.com/", "https://dev.contoso.com/"]),
    ));
}
