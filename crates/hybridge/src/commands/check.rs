//! `hybridge check`: is this configuration right, can both sides be reached and signed in to?
//!
//! Each line says what was tried. A line that fails says what to do, and what depends on it is not tried.

use std::path::Path;

use hybridge_core::trouble::Trouble;
use hybridge_dynamics::Channel;
use hybridge_engine::{Engine, Options, Parts, Readiness, Setup, Silent};
use hybridge_identity::{Tenant, TokenSource, WindowsProtocol, discover_entra};
use hybridge_net::Clock;
use hybridge_store::Store;
use serde_json::{Value, json};

use crate::{
    config::Config,
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    wiring::{self, Sides, SignIn},
};

/// How many mailboxes are tried one by one.
const MAILBOXES_TRIED: usize = 25;

/// Tries everything that a run needs, in order.
pub(crate) async fn check(config: &Path, output: Output) -> Result<Exit> {
    let mut report = Report { output, lines: Vec::new(), worst: Exit::Done };
    let loaded =
        report.tried("configuration", crate::config::load(config).map(|loaded| (loaded, String::new())));
    if let Some(config) = loaded {
        report.all(&config).await;
    }
    output.line("");
    output.line(match report.worst {
        Exit::Done => "Everything is ready: `hybridge sync --once --dry-run` shows what would be done.",
        Exit::WithTroubles => "Ready, with the troubles above.",
        _ => "Not ready: mend what failed above, then check again.",
    });
    output.json(
        &json!({ "ready": matches!(report.worst, Exit::Done | Exit::WithTroubles), "checks": report.lines }),
    );
    Ok(report.worst)
}

struct Report {
    output: Output,
    lines: Vec<Value>,
    worst: Exit,
}

impl Report {
    /// Tells what came of a try; what it gave, if it went well.
    fn tried<T>(&mut self, what: &str, outcome: std::result::Result<(T, String), Failure>) -> Option<T> {
        match outcome {
            Ok((value, detail)) => {
                self.output.line(format!(
                    "  ok    {what}{}",
                    if detail.is_empty() { detail.clone() } else { format!(": {detail}") }
                ));
                self.lines.push(json!({ "check": what, "ok": true, "detail": detail }));
                Some(value)
            }
            Err(failure) => {
                self.failed("FAIL", what, &failure);
                if self.worst == Exit::Done || self.worst == Exit::WithTroubles {
                    self.worst = failure.exit;
                }
                None
            }
        }
    }

    /// Something is wrong that does not keep the rest from working.
    fn troubled(&mut self, what: &str, failure: &Failure) {
        self.failed("warn", what, failure);
        if self.worst == Exit::Done {
            self.worst = Exit::WithTroubles;
        }
    }

    fn failed(&mut self, mark: &str, what: &str, failure: &Failure) {
        self.output.line(format!("  {mark}  {what}: {}", failure.message));
        if let Some(help) = &failure.help {
            self.output.line(format!("        What to do: {help}"));
        }
        self.lines
            .push(json!({ "check": what, "ok": false, "detail": failure.message, "help": failure.help }));
    }

    async fn all(&mut self, config: &Config) {
        let credential = wiring::credential(config);
        if self.tried("certificate", credential.and_then(|credential| valid(&credential))).is_none() {
            return;
        }
        let store = wiring::open(config)
            .await
            .map(|store| (store, config.path(&config.store.path).display().to_string()));
        let Some(store) = self.tried("database", store) else { return };
        let Some(sides) =
            self.tried("addresses and secrets", Sides::of(config, None).map(|sides| (sides, String::new())))
        else {
            return;
        };
        let graph_works = self.tenant(config, &sides).await;
        let setup = self.organization(config, &sides, store).await;
        if let (true, Some(setup)) = (graph_works, setup) {
            self.mailboxes(&sides, &setup).await;
        }
        self.console(config);
    }

    async fn tenant(&mut self, config: &Config, sides: &Sides) -> bool {
        let tenant = Tenant::Id(config.tenant.id);
        let found = discover_entra(
            sides.transport.as_ref(),
            sides.clock.as_ref(),
            &sides.chance,
            &sides.cloud,
            &tenant,
        )
        .await;
        let found = found.map(|_| ((), sides.cloud.authority().to_owned())).map_err(|error| identity(&error));
        if self.tried("tenant in Entra ID", found).is_none() {
            return false;
        }
        let token = sides.entra.token().await.map(|_| ((), "with the certificate".to_owned()));
        self.tried("sign-in to Entra ID", token.map_err(|error| identity(&error))).is_some()
    }

    async fn organization(
        &mut self,
        config: &Config,
        sides: &Sides,
        store: std::sync::Arc<dyn Store>,
    ) -> Option<Setup> {
        self.sign_in(config, &sides.sign_in).await?;
        let dynamics = &sides.dynamics;
        let who = dynamics.who_am_i().await.map(|who| ((), format!("user {}", who.user_id)));
        self.tried("Web API", who.map_err(|error| organization(&hybridge_dynamics::trouble(&error))))?;
        let version = dynamics.version().await.map(|version| ((), version));
        self.tried(
            "server version",
            version.map_err(|error| organization(&hybridge_dynamics::trouble(&error))),
        )?;
        let engine = Engine::new(Parts {
            graph: sides.graph.clone(),
            dynamics: dynamics.clone(),
            store,
            clock: sides.clock.clone(),
            chance: sides.chance.clone(),
            tenant: hybridge_core::ids::TenantId(config.tenant.id),
            options: Options::default(),
            observer: std::sync::Arc::new(Silent),
        });
        let setup = engine.set_up().await.map(|setup| {
            let words = format!(
                "{}, {} mailboxes take part, {} do not",
                setup.settings.name,
                setup.eligible.len(),
                setup.others.len()
            );
            (setup, words)
        });
        let setup = self.tried("settings and mailboxes", setup.map_err(Failure::from))?;
        let channel = match setup.readiness() {
            Readiness::Ready => Ok(((), "Email Router (an external synchroniser)".to_owned())),
            Readiness::Refused(trouble) => Err(Failure::from(trouble).exiting(Exit::Refused)),
        };
        self.tried("email channel", channel);
        if setup.settings.channel == Channel::EmailRouter {
            self.messages(sides).await;
        }
        Some(setup)
    }

    /// Signs in to the organization, in the way that the configuration names.
    async fn sign_in(&mut self, config: &Config, sign_in: &SignIn) -> Option<()> {
        let (user, url) = (&config.organization.user, &config.organization.url);
        match sign_in {
            SignIn::Adfs(tokens) => {
                let challenge = tokens.discover().await.map(|_| ((), url.to_string()));
                self.tried("organization's address", challenge.map_err(|error| identity(&error)))?;
                let token = tokens.token().await.map(|_| ((), format!("as {user}")));
                self.tried("sign-in at AD FS", token.map_err(|error| identity(&error)))
            }
            SignIn::Windows(access) => {
                let signed_in = access.sign_in().await.map(|signed_in| {
                    let words = match signed_in.protocol {
                        WindowsProtocol::Kerberos => format!("Kerberos, as {user} for {}", access.service()),
                        WindowsProtocol::Ntlm => format!("NTLM, as {user}"),
                    };
                    (signed_in.instead_of_kerberos, words)
                });
                let instead =
                    self.tried("Windows authentication", signed_in.map_err(|error| identity(&error)))?;
                if let Some(refusal) = instead {
                    let failure = Failure::new(Exit::WithTroubles, refusal.to_string())
                        .help(format!("{} Until then NTLM does.", refusal.remedy()));
                    self.troubled("Kerberos", &failure);
                }
                if url.scheme() == "http" {
                    let failure = Failure::new(
                        Exit::WithTroubles,
                        "the organization's address is not https: email travels in the clear",
                    )
                    .help("Give the organization's web site a certificate and an https binding in IIS.");
                    self.troubled("encryption", &failure);
                }
                Some(())
            }
        }
    }

    /// Whether the messages of an external synchroniser are answered.
    async fn messages(&mut self, sides: &Sides) {
        let answered = sides.dynamics.try_email_messages(sides.chance.uuid()).await;
        let road = sides.dynamics.route().map(|route| format!("over {route}")).unwrap_or_default();
        self.tried(
            "CheckIncomingEmail",
            answered.map(|()| ((), road)).map_err(|error| organization(&hybridge_dynamics::trouble(&error))),
        );
    }

    async fn mailboxes(&mut self, sides: &Sides, setup: &Setup) {
        let mut readable = 0;
        for mailbox in setup.eligible.iter().take(MAILBOXES_TRIED) {
            let Some(address) = &mailbox.address else { continue };
            let user = match sides.graph.user_by_address(address).await {
                Ok(Some(user)) => hybridge_graph::UserRef::new(user.id),
                // Without the directory permission, or without such a user, the mailbox itself tells more.
                Ok(None) | Err(_) => hybridge_graph::UserRef::new(address.as_str()),
            };
            match sides.graph.folder(&user, "inbox").await {
                Ok(_) => readable += 1,
                Err(error) => {
                    let what = format!("mailbox {} <{address}>", mailbox.name);
                    self.troubled(&what, &hybridge_graph::trouble(&error).into());
                }
            }
        }
        let tried = setup.eligible.len().min(MAILBOXES_TRIED);
        if readable > 0 || tried == 0 {
            self.tried("mailboxes", Ok(((), format!("{readable} of {tried} tried can be read"))));
        } else {
            self.tried::<()>("mailboxes", Err(Failure::new(Exit::Denied, "none of those tried can be read")));
        }
    }

    fn console(&mut self, config: &Config) {
        let words = match (&config.console.listen, &config.console.notification_url) {
            (Some(listen), Some(url)) => format!("on {listen}; Graph notifies {url}"),
            (Some(listen), None) => format!("on {listen}; no change notifications, mailboxes are polled"),
            (None, _) => "off; mailboxes are polled".to_owned(),
        };
        self.tried("console", Ok(((), words)));
    }
}

fn valid(credential: &hybridge_identity::Credential) -> std::result::Result<((), String), Failure> {
    let days_left = wiring::days_left(credential, hybridge_net::SystemClock.now())?;
    let certificate = credential.certificate();
    Ok((
        (),
        format!("{}, thumbprint {}, {days_left} days left", certificate.subject(), certificate.sha1_hex()),
    ))
}

fn identity(error: &hybridge_identity::Error) -> Failure {
    let exit = if error.is_transient() { Exit::Temporary } else { Exit::Denied };
    Failure::new(exit, error.to_string()).help(error.remedy())
}

fn organization(trouble: &Trouble) -> Failure {
    trouble.clone().into()
}
