use async_trait::async_trait;
use hybridge_graph::{DirectoryKind, DirectoryObject, KeyCredential, UserRef};
use hybridge_identity::Credential;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{app_certificate::thumbprint, directory, directory_permission, own};
use crate::rotation::key_credential;
use crate::{Facts, Obstacle, Place, Reading, Registration, Site, Step};

/// The application for To Do, where it is wanted: the permission to read and write tasks can't be limited to mailboxes,
/// so that it stands in a registration of its own, with a certificate of its own (setup.md G11, graph.md 9).
#[derive(Debug)]
pub(super) struct TasksRegistration;

static FACTS: Facts = Facts {
    id: "tasks-registration",
    title: "Application for To Do (optional)",
    rows: &["G11"],
    place: Place::Directory,
    role: "Cloud Application Administrator and Privileged Role Administrator",
    after: &["app-registration"],
};

const PERMISSION: &str = "Tasks.ReadWrite.All";
/// For how many days its certificate is valid.
const DAYS: u32 = 365;
/// What somebody who is responsible for the tenant's security has to know before it is applied.
const CONSENT: &str = "this consent lets it read and change the To Do tasks of every user of the tenant, as Exchange Online has \
                       no scope for tasks; it opens no mail, calendar or contact";

fn name(site: &Site) -> String {
    format!("{} Tasks", site.deployment().name)
}

fn wanted() -> Value {
    json!({
        "registration": true, "servicePrincipal": true, "certificate": true, "consent": PERMISSION, "configured": true,
    })
}

async fn object(site: &Site, kind: DirectoryKind, app_id: Uuid) -> Result<Option<DirectoryObject>, Obstacle> {
    site.directory().directory_object(kind, app_id).await.map_err(directory)
}

/// The certificate, where there is one.
fn credential(site: &Site) -> Result<Option<Credential>, Obstacle> {
    let files = &site.deployment().tasks.files;
    if !files.exist() {
        return Ok(None);
    }
    let read = files.current();
    read.map(Some)
        .map_err(|error| Obstacle::refused(error.to_string(), "Check that this account may read it."))
}

fn holds(registration: &DirectoryObject, credential: Option<&Credential>) -> bool {
    let own = credential.map(|credential| credential.certificate().sha1_hex());
    own.is_some() && registration.key_credentials.iter().any(|key| thumbprint(key) == own)
}

/// What is there of an application.
async fn state(site: &Site, app_id: Uuid, configured: bool) -> Result<Value, Obstacle> {
    let registration = object(site, DirectoryKind::Application, app_id).await?;
    let principal = object(site, DirectoryKind::ServicePrincipal, app_id).await?.is_some();
    let consented =
        principal && directory_permission::consent_to(site, app_id, PERMISSION).await?.assignment.is_some();
    let certificate = credential(site)?;
    Ok(json!({
        "registration": registration.is_some(),
        "servicePrincipal": principal,
        "certificate": registration.is_some_and(|registration| holds(&registration, certificate.as_ref())),
        "consent": consented.then_some(PERMISSION),
        "configured": configured,
    }))
}

/// The registration that the configuration names, or one of the right name.
async fn known(site: &Site) -> Result<Option<Registration>, Obstacle> {
    if let Some(ids) = site.settings().tasks_registration() {
        return Ok(Some(ids));
    }
    let name = name(site);
    let found = site.directory().applications_named(&name).await.map_err(directory)?;
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(Registration { client_id: one.app_id, object_id: one.id })),
        many => Err(Obstacle::ByHand {
            what: format!("{} app registrations are called {name:?}", many.len()),
            how: "Write the ids of the right one into the configuration, [tenant] tasks_client_id and tasks_registration_id."
                .to_owned(),
        }),
    }
}

#[async_trait]
impl Step for TasksRegistration {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        if !site.deployment().tasks.wanted {
            let words = match site.settings().tasks_registration() {
                None => "not wanted ([connect] tasks = false)".to_owned(),
                Some(ids) => format!(
                    "{} is registered, though [connect] tasks is false: `hybridge connect undo --step {}` takes it away",
                    ids.client_id, FACTS.id
                ),
            };
            return Ok(Reading { now: Value::Null, wanted: Value::Null, words });
        }
        let configured = site.settings().tasks_registration().is_some();
        let now = match known(site).await? {
            None => Value::Null,
            Some(ids) => state(site, ids.client_id, configured).await?,
        };
        let words = if now == wanted() {
            format!("{:?}, {PERMISSION} in the whole tenant", name(site))
        } else {
            format!("register {:?} and consent to {PERMISSION}: {CONSENT}", name(site))
        };
        Ok(Reading { now, wanted: wanted(), words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        if !site.deployment().tasks.wanted {
            return Ok(());
        }
        let graph = site.directory();
        let ids = if let Some(ids) = known(site).await? {
            ids
        } else {
            let made = graph.register_application(&name(site)).await.map_err(directory)?;
            Registration { client_id: made.app_id, object_id: made.id }
        };
        // Kept before anything else is done: a crash here must not lead to a second registration.
        site.settings().keep_tasks_registration(Some(ids))?;
        if object(site, DirectoryKind::ServicePrincipal, ids.client_id).await?.is_none() {
            graph.create_service_principal(ids.client_id).await.map_err(directory)?;
        }
        let credential = match credential(site)? {
            Some(credential) => credential,
            None => make(site)?,
        };
        let registration = object(site, DirectoryKind::Application, ids.client_id).await?;
        // Read just before: the whole collection is replaced (graph.md 2.3).
        if let Some(found) = registration.filter(|found| !holds(found, Some(&credential))) {
            let mut keys: Vec<KeyCredential> = found.key_credentials.clone();
            keys.push(key_credential(found.id, credential.certificate()));
            let changes = json!({ "keyCredentials": keys });
            let kind = DirectoryKind::Application;
            graph.change_directory_object(kind, found.id, &changes).await.map_err(directory)?;
        }
        let consent = directory_permission::consent_to(site, ids.client_id, PERMISSION).await?;
        if consent.assignment.is_none() {
            graph.assign_role(consent.principal, consent.resource, consent.role).await.map_err(directory)?;
        }
        Ok(())
    }

    /// Its own token reads task lists; the first ones may be refused until all token servers know the certificate.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        const TRIES: u32 = 6;
        if !site.deployment().tasks.wanted {
            return self.probe(site).await.map(|reading| reading.words);
        }
        let ids = site.settings().tasks_registration().ok_or(Obstacle::After(FACTS.id))?;
        let credential = credential(site)?.ok_or(Obstacle::After(FACTS.id))?;
        let mailboxes = site.mailboxes().await?;
        let Some(first) = mailboxes.first() else {
            return Ok("no mailbox takes part, so that no task list could be tried".to_owned());
        };
        let credential = std::sync::Arc::new(credential);
        let mut pause = site.settling();
        for attempt in 1..=TRIES {
            let graph = site.as_application(ids.client_id, credential.clone());
            match graph.can_read_tasks(&UserRef::new(first.as_str())).await {
                Ok(()) => break,
                Err(error) if attempt == TRIES => return Err(own(error)),
                Err(error) => {
                    tracing::debug!(%error, attempt, "the certificate or the consent is not known yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(format!("it read the task lists of {first}, and would read those of every user"))
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let Some(ids) = site.settings().tasks_registration() else { return Ok(()) };
        let had = |what: &str| before.get(what).and_then(Value::as_bool) == Some(true);
        if had("servicePrincipal")
            && before.get("consent").is_none_or(Value::is_null)
            && let Ok(consent) = directory_permission::consent_to(site, ids.client_id, PERMISSION).await
            && let Some(assignment) = &consent.assignment
        {
            site.directory().revoke_role(consent.principal, assignment).await.map_err(directory)?;
        }
        let kinds = [
            (DirectoryKind::ServicePrincipal, had("servicePrincipal")),
            (DirectoryKind::Application, had("registration")),
        ];
        for (kind, had) in kinds {
            if let (false, Some(found)) = (had, object(site, kind, ids.client_id).await?) {
                site.directory().delete_directory_object(kind, found.id).await.map_err(directory)?;
            }
        }
        if !had("certificate") {
            forget_certificate(site, ids.client_id).await?;
        }
        if !had("configured") {
            site.settings().keep_tasks_registration(None)?;
        }
        Ok(())
    }
}

/// Makes the certificate, in a file that only its owner reads.
fn make(site: &Site) -> Result<Credential, Obstacle> {
    let failed = |error: hybridge_identity::Error| Obstacle::refused(error.to_string(), error.remedy());
    let made = Credential::self_signed(&name(site), site.now(), DAYS).map_err(failed)?;
    let kept = site.deployment().tasks.files.keep_first(&made);
    kept.map_err(|error| Obstacle::refused(error.to_string(), "Check that this account may write there."))?;
    Ok(made)
}

/// Takes the certificate from a registration that stays, and the file away.
async fn forget_certificate(site: &Site, app_id: Uuid) -> Result<(), Obstacle> {
    let Some(credential) = credential(site)? else { return Ok(()) };
    let own = Some(credential.certificate().sha1_hex());
    if let Some(found) = object(site, DirectoryKind::Application, app_id).await? {
        let keys: Vec<&KeyCredential> =
            found.key_credentials.iter().filter(|key| thumbprint(key) != own).collect();
        let changes = json!({ "keyCredentials": keys });
        let kind = DirectoryKind::Application;
        site.directory().change_directory_object(kind, found.id, &changes).await.map_err(directory)?;
    }
    let gone = site.deployment().tasks.files.forget_current();
    gone.map_err(|error| Obstacle::refused(error.to_string(), "Remove the file by hand."))
}
