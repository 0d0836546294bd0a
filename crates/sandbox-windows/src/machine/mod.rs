//! One machine: its stores, key files, services and what it is there for.

mod certificate;
mod deployment;
mod estate;
mod issuer;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

pub use self::{
    certificate::{Bad, Certificate, Key},
    deployment::{Adfs, AdfsClient, AdfsPermission, CrmCertificate, CrmServer, Deployment, Organization},
    estate::{Estate, EstateSetup},
    issuer::NoIssuer,
};

/// What a machine is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a machine can have any of them")]
pub struct Roles {
    /// The CRM server's asynchronous service.
    pub asynchronous: bool,
    /// The CRM server's web application, on IIS.
    pub web: bool,
    /// The deployment tools with the snap-in.
    pub deployment: bool,
    /// A server of the AD FS farm.
    pub adfs: bool,
}

/// What is wrong with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub struct Faults {
    /// Nothing answers.
    pub down: bool,
    /// The snap-in is not registered.
    pub no_snapin: bool,
    /// App Control holds PowerShell in constrained language mode.
    pub constrained_language: bool,
    /// The caller is no member of `PrivUserGroup`.
    pub not_in_priv_user_group: bool,
    /// The caller cannot get at private keys.
    pub no_key_access: bool,
    /// A PFX is imported into a CNG provider: `KeySpec` 0.
    pub cng_import: bool,
    /// The caller is no local administrator.
    pub not_elevated: bool,
    /// .NET on the machine still begins with TLS 1.0, which the services in the cloud refuse (`setup.md` P4).
    pub old_tls: bool,
    /// The firewall lets nothing out.
    pub no_way_out: bool,
}

/// An access rule of a key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The account, as in `CONTOSO\svc-crm`.
    pub account: String,
    /// `Read` or `FullControl`.
    pub rights: String,
    /// Allows; otherwise denies.
    pub allows: bool,
    /// Comes from the folder.
    pub inherited: bool,
}

/// A private key's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// The whole path.
    pub path: String,
    /// Who may do what with it.
    pub rules: Vec<Rule>,
}

/// A certificate in a store of the local machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The store: `My`, or one of the administrator's own.
    pub store: String,
    /// What is stored.
    pub certificate: Certificate,
}

/// A listener of `http.sys` that shows a certificate: TLS of IIS, or of WinRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Such as `0.0.0.0:443`.
    pub listener: String,
    /// The certificate's thumbprint.
    pub thumbprint: String,
    /// The store in which it is looked for.
    pub store: String,
}

/// A Windows service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Such as `MSCRMAsyncService$maintenance`.
    pub name: String,
    /// The account under which it runs.
    pub account: String,
    /// `Running` or `Stopped`.
    pub state: String,
    /// When it was started last.
    pub started: Timestamp,
    /// The certificate that it signs tokens with, as it found it when it was started; `None` for a service that
    /// signs none.
    pub issuer: Option<Result<Certificate, NoIssuer>>,
}

/// An application pool of IIS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPool {
    /// Such as `CRMAppPool`.
    pub name: String,
    /// `SpecificUser`, `NetworkService` or `ApplicationPoolIdentity`.
    pub identity: String,
    /// The account, with `SpecificUser`.
    pub user: String,
}

/// An entry of an event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// `Schannel` or `AD FS`.
    pub source: &'static str,
    /// The event's number.
    pub id: u32,
    /// What it says.
    pub text: String,
}

/// A Windows server.
#[derive(Debug)]
pub struct Machine {
    /// Its name, without domain.
    pub name: String,
    /// Its domain, such as `contoso.com`.
    pub domain: String,
    /// What it is there for.
    pub roles: Roles,
    /// What is wrong with it.
    pub faults: Faults,
    /// Its clock. A restart takes a second of it.
    pub now: Timestamp,
    /// The stores of `LocalMachine`.
    pub certificates: Vec<Stored>,
    /// The stores that an administrator has made, beside those of Windows.
    pub stores: Vec<String>,
    /// The private keys' files.
    pub keys: Vec<KeyFile>,
    /// The listeners that show certificates.
    pub bindings: Vec<Binding>,
    /// Its services.
    pub services: Vec<Service>,
    /// The application pools of its IIS.
    pub app_pools: Vec<AppPool>,
    /// Registry values by key, such as `HKLM:\SOFTWARE\Microsoft\MSCRM`, and name.
    pub registry: BTreeMap<(String, String), String>,
    /// Files that scripts write and read, by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The configuration database, shared by the CRM servers.
    pub deployment: Arc<Mutex<Deployment>>,
    /// The AD FS farm's configuration.
    pub adfs: Arc<Mutex<Adfs>>,
    /// What the event logs say of its troubles.
    pub events: Vec<Logged>,
    /// Every change that a script made, in words.
    pub changes: Vec<String>,
}

impl Machine {
    /// A machine with nothing on it, at this time.
    pub fn new(name: &str, now: Timestamp) -> Machine {
        Machine {
            name: name.to_owned(),
            domain: "contoso.com".to_owned(),
            roles: Roles::default(),
            faults: Faults::default(),
            now,
            certificates: Vec::new(),
            stores: Vec::new(),
            keys: Vec::new(),
            bindings: Vec::new(),
            services: Vec::new(),
            app_pools: Vec::new(),
            registry: BTreeMap::new(),
            files: BTreeMap::new(),
            deployment: Arc::default(),
            adfs: Arc::default(),
            events: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// The configuration database.
    pub fn database(&self) -> MutexGuard<'_, Deployment> {
        self.deployment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The AD FS farm.
    pub fn farm(&self) -> MutexGuard<'_, Adfs> {
        self.adfs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a certificate into a store, and its key, if it has one, into the folder of keys.
    ///
    /// A certificate with the same thumbprint in the same store is replaced, as Windows does.
    pub fn install(&mut self, store: &str, certificate: Certificate) {
        if let Some(key) = &certificate.key {
            self.add_key_file(&key.path());
        }
        self.certificates.retain(|one| {
            !(one.store.eq_ignore_ascii_case(store) && one.certificate.thumbprint == certificate.thumbprint)
        });
        self.certificates.push(Stored { store: store.to_owned(), certificate });
    }

    /// Makes a private key's file, which only SYSTEM and administrators may read.
    pub(crate) fn add_key_file(&mut self, path: &str) {
        if self.keys.iter().any(|key| key.path.eq_ignore_ascii_case(path)) {
            return;
        }
        let rule = |account: &str| Rule {
            account: account.to_owned(),
            rights: "FullControl".to_owned(),
            allows: true,
            inherited: false,
        };
        let rules = vec![rule(r"NT AUTHORITY\SYSTEM"), rule(r"BUILTIN\Administrators")];
        self.keys.push(KeyFile { path: path.to_owned(), rules });
    }

    /// Whether an account has been given the right to read a certificate's key.
    pub fn may_read_key(&self, thumbprint: &str, account: &str) -> bool {
        let wanted =
            self.certificates.iter().find(|one| one.certificate.thumbprint.eq_ignore_ascii_case(thumbprint));
        let Some(path) = wanted.and_then(|one| one.certificate.key.as_ref()).map(Key::path) else {
            return false;
        };
        self.keys
            .iter()
            .filter(|key| key.path.eq_ignore_ascii_case(&path))
            .flat_map(|key| &key.rules)
            .any(|rule| rule.allows && rule.account.eq_ignore_ascii_case(account))
    }

    /// Takes the right to read a certificate's key from everybody but SYSTEM and administrators.
    pub fn close_key(&mut self, thumbprint: &str) {
        let wanted =
            self.certificates.iter().find(|one| one.certificate.thumbprint.eq_ignore_ascii_case(thumbprint));
        let Some(path) = wanted.and_then(|one| one.certificate.key.as_ref()).map(Key::path) else { return };
        self.keys.retain(|key| !key.path.eq_ignore_ascii_case(&path));
        self.add_key_file(&path);
    }

    /// The accounts that have been given the right to read a certificate's key.
    pub fn readers(&self, certificate: &Certificate) -> Vec<&str> {
        let path = certificate.key.as_ref().map(Key::path);
        self.keys
            .iter()
            .filter(|key| path.as_ref().is_some_and(|path| key.path.eq_ignore_ascii_case(path)))
            .flat_map(|key| &key.rules)
            .filter(|rule| rule.allows)
            .map(|rule| rule.account.as_str())
            .collect()
    }

    /// The certificate that CRM finds by its subject in `My`, and whose key it can use (`setup.md` 2.1).
    ///
    /// Errors as CRM says them: `Private key not found` with two of one subject, without a key, or with a
    /// `KeySpec` other than 1.
    pub fn find_by_subject(&self, subject: &str) -> Result<&Certificate, &'static str> {
        let mut found = self.certificates.iter().filter(|one| {
            one.store.eq_ignore_ascii_case("My") && one.certificate.subject.eq_ignore_ascii_case(subject)
        });
        match (found.next(), found.next()) {
            (Some(one), None) if one.certificate.key.as_ref().is_some_and(|key| key.spec == 1) => {
                Ok(&one.certificate)
            }
            _ => Err("Private key not found"),
        }
    }

    /// Reads the metadata of AD FS into the configuration database; web servers see it once IIS is started anew.
    pub fn configure_claims(&mut self) {
        let generation = self.farm().signing_generation;
        self.database().claims_configured = (generation, Some(self.now));
    }

    /// Whether the certificate of AD FS' service communications has a key that AD FS can use: `KeySpec` 1
    /// (`setup.md` 2.6). A machine that has no such certificate has no trouble with it.
    pub fn serves_sign_in(&self) -> bool {
        let thumbprint = self.farm().service_certificate.clone();
        let mut own = self.certificates.iter().map(|one| &one.certificate);
        own.find(|one| Some(&one.thumbprint) == thumbprint.as_ref())
            .and_then(|one| one.key.as_ref())
            .is_none_or(|key| key.spec == 1)
    }

    /// A service by its name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name.eq_ignore_ascii_case(name))
    }

    /// Stops a service.
    pub fn stop(&mut self, name: &str) {
        for service in self.services.iter_mut().filter(|service| service.name.eq_ignore_ascii_case(name)) {
            "Stopped".clone_into(&mut service.state);
        }
    }

    /// Starts a service anew.
    pub fn start(&mut self, name: &str) {
        self.now = self.now.checked_add(SignedDuration::from_secs(1)).unwrap_or(self.now);
        let (now, issuer) = (self.now, self.hold(name));
        for service in self.services.iter_mut().filter(|service| service.name.eq_ignore_ascii_case(name)) {
            "Running".clone_into(&mut service.state);
            service.started = now;
            service.issuer.clone_from(&issuer);
        }
    }

    pub(crate) fn add_service(&mut self, name: &str, account: &str) {
        self.services.push(Service {
            name: name.to_owned(),
            account: account.to_owned(),
            state: "Running".to_owned(),
            started: self.now,
            issuer: None,
        });
        let issuer = self.hold(name);
        if let Some(service) = self.services.last_mut() {
            service.issuer = issuer;
        }
    }

    pub(crate) fn environment(&self, name: &str) -> Option<String> {
        Some(match name.to_ascii_uppercase().as_str() {
            "COMPUTERNAME" => self.name.clone(),
            "USERDNSDOMAIN" => self.domain.clone(),
            "USERDOMAIN" => self.domain.split('.').next().unwrap_or_default().to_uppercase(),
            "USERNAME" => "administrator".to_owned(),
            "PROGRAMDATA" | "ALLUSERSPROFILE" => r"C:\ProgramData".to_owned(),
            "PROGRAMFILES" => r"C:\Program Files".to_owned(),
            "SYSTEMROOT" | "WINDIR" => r"C:\Windows".to_owned(),
            "TEMP" | "TMP" => r"C:\Users\administrator\AppData\Local\Temp".to_owned(),
            _ => return None,
        })
    }
}
