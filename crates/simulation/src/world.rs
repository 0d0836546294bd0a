//! One run: a world, its users, and an engine that is killed and started again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hybridge_console::{Console, Liveness, NOTIFICATIONS_PATH, Signal, Wakes};
use hybridge_core::{ids::TenantId, lane::LaneId};
use hybridge_dynamics::Dynamics;
use hybridge_engine::{Engine, Options, Parts, ROUTE_FACT, Runner, Silent, Wake, Waker};
use hybridge_graph::Graph;
use hybridge_identity::{
    AdfsParts, AdfsTokens, AssertionAlgorithm, ClaimsSignIn, Cloud, Credential, EntraParts, EntraTokens,
    SecretString, Tenant, TokenSource,
};
use hybridge_net::{Chance, Clock as _, TokioClock, Transport};
use hybridge_odata::{
    Access, Parts as ServiceParts, Patience, Service,
    gate::{Adaptive, Gate, PerMailbox},
};
use hybridge_sandbox::{
    Clock, Dice, Face, Sandbox, Setup,
    company::Company,
    faults::{Fault, Rule, Weather},
    graph::MailAttachment,
    organization::Written,
};
use hybridge_store::{MemoryStore, Store};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use url::Url;
use uuid::Uuid;

use crate::{
    promises::{self, Broken},
    transport::{InProcess, Sent, ToConsole},
    weather::{POISON, Swarm},
};

/// How one seed went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Messages in all Inboxes at the end.
    pub messages: usize,
    /// Email records made of incoming mail.
    pub records: usize,
    /// How often the engine was killed.
    pub kills: usize,
    /// Promises that did not hold.
    pub broken: Vec<Broken>,
    /// What was sent to Microsoft Graph with a body.
    pub sent: BTreeSet<Sent>,
    /// What happened, line by line.
    pub story: Vec<String>,
}

/// Plays one seed to its end and checks the promises.
///
/// # Errors
/// When the world itself can't be made; a broken promise is part of the report.
pub fn simulate(seed: u64) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(play(seed))
}

struct Play {
    seed: u64,
    swarm: Swarm,
    sandbox: Arc<Sandbox>,
    company: Company,
    users: Dice,
    store: MemoryStore,
    clock: TokioClock,
    to_console: ToConsole,
    sick: Option<Uuid>,
    /// The records that were there before the engine first ran.
    before: BTreeSet<Uuid>,
    sent: Arc<Mutex<BTreeSet<Sent>>>,
    broken: Vec<Broken>,
    story: Vec<String>,
}

async fn play(seed: u64) -> Result<Report, String> {
    let epoch: Timestamp = "2026-11-23T08:00:00Z".parse().map_err(|error: jiff::Error| error.to_string())?;
    let dice = Dice::seeded(seed);
    let swarm = Swarm::of(&dice.fork("swarm"));
    let to_console = ToConsole::default();
    let mut setup = Setup::new(Clock::starting_at(epoch), seed);
    setup.organization = swarm.organization.clone();
    setup.graph = swarm.graph.clone();
    let origins = Sandbox::invented_origins().ok_or("no origins")?;
    let sandbox = Sandbox::new(origins, Arc::new(to_console.clone()), setup);
    let mut company = Company::found(&sandbox, swarm.mailboxes).map_err(|error| error.to_string())?;
    company.fill(&sandbox, swarm.messages);
    let sick = swarm.sick.and_then(|state| {
        let address = company.mailboxes().first()?.address.clone();
        let user = sandbox.graph().find_user(&address)?;
        sandbox.graph().set_mailbox_state(user, state).ok()?;
        Some(user)
    });
    let before = sandbox.organization().emails().into_iter().map(|email| email.id).collect();
    sandbox.set_weather(swarm.weather);
    let mut play = Play {
        seed,
        story: vec![format!("{swarm:?}")],
        swarm,
        sandbox,
        company,
        users: dice.fork("users"),
        store: MemoryStore::default(),
        clock: TokioClock::starting_at(epoch),
        to_console,
        sick,
        before,
        sent: Arc::default(),
        broken: Vec::new(),
    };
    play.run().await?;
    let sent = play.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Report {
        messages: play.sandbox.graph().census().iter().filter(|entry| entry.folder == "inbox").count(),
        records: play.sandbox.organization().emails().iter().filter(|email| !email.outgoing).count(),
        kills: play.swarm.kills,
        broken: play.broken,
        sent,
        story: play.story,
    })
}

impl Play {
    async fn run(&mut self) -> Result<(), String> {
        self.put_up_the_firewall();
        for life in 0..self.swarm.kills {
            // Short lives end in the middle of the first work, long ones somewhere between two rounds.
            let longest = if self.users.chance(0.6) { 6_000 } else { 90_000 };
            self.live(life, Duration::from_millis(200 + self.users.below(longest) as u64), false).await?;
            self.broken.extend(promises::cursors_follow_data(&self.sandbox, &self.store).await);
            // Users don't wait until it is up again: what it was working on is moved and deleted.
            for _ in 0..self.users.below(20) {
                self.act();
            }
        }
        // The weather clears; whatever waits has to come to its end.
        self.sandbox.set_weather(Weather::CALM);
        let last = self.swarm.kills;
        self.live(last, Duration::from_hours(4), true).await?;
        self.broken.extend(promises::cursors_follow_data(&self.sandbox, &self.store).await);
        self.broken.extend(
            promises::at_rest(
                &self.sandbox,
                &self.store,
                self.sick,
                &self.before,
                self.swarm.unaskable.is_some(),
            )
            .await,
        );
        Ok(())
    }

    /// One life of the engine: it runs while users work, then it is killed in the middle of whatever it does.
    async fn live(&mut self, life: usize, how_long: Duration, quiet: bool) -> Result<(), String> {
        let engine = Arc::new(self.engine(life as u64).await?);
        let (runner, lanes, _stop) = Runner::new(engine.clone());
        let wakes = Arc::new(WakesLanes(lanes));
        let console = Console::new(
            Arc::new(self.store.clone()),
            wakes,
            Arc::new(Liveness::starting()),
            Registry::default(),
        );
        self.to_console.connect(Some(console.router()));
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            // A life that is refused ends; the next one tries again.
            let _ended = runner.run().await;
        });
        tasks.spawn(console.work());
        let notifier = self.sandbox.clone();
        tasks.spawn(async move {
            loop {
                notifier.graph().deliver_notifications().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        if quiet && self.swarm.late_organization {
            let down = Rule {
                face: Some(Face::Organization),
                containing: String::new(),
                fault: Fault::Status { status: 503 },
                times: None,
            };
            self.sandbox.faults().add(down);
        }
        let end = tokio::time::Instant::now() + how_long;
        while tokio::time::Instant::now() < end {
            let pause = Duration::from_millis(50 + self.users.below(15_000) as u64);
            tokio::time::sleep_until(end.min(tokio::time::Instant::now() + pause)).await;
            if quiet {
                tokio::time::sleep(Duration::from_mins(10)).await;
                self.sandbox.faults().clear_rules();
                self.put_up_the_firewall();
            } else {
                self.act();
            }
        }
        self.to_console.connect(None);
        tasks.shutdown().await;
        let records = self.sandbox.organization().emails().iter().filter(|email| !email.outgoing).count();
        let tally = self.store.tally(None).await.map_err(|error| error.to_string())?;
        self.story.push(format!("life {life} ended at {}: {records} records, {tally:?}", self.clock.now()));
        Ok(())
    }

    fn put_up_the_firewall(&self) {
        if let Some(status) = self.swarm.unaskable {
            self.sandbox.faults().add(Rule {
                face: Some(Face::Organization),
                containing: POISON.to_owned(),
                fault: Fault::Status { status },
                times: None,
            });
        }
    }

    /// A user writes an email in Dynamics.
    fn write(&mut self) {
        const LARGE: usize = 4 << 20;
        let organization = self.sandbox.organization().clone();
        let with = |table: &str, column: &str| -> Vec<Uuid> {
            let rows = organization.rows(table).into_iter();
            rows.filter(|(_, row)| {
                row.contains_key(column)
                    && row.contains_key("_defaultmailbox_value") == (table == "systemuser")
            })
            .map(|(id, _)| id)
            .collect()
        };
        let (users, contacts) =
            (with("systemuser", "internalemailaddress"), with("contact", "emailaddress1"));
        let (Some(user), Some(contact)) = (self.users.pick(&users), self.users.pick(&contacts)) else {
            return;
        };
        let mut files = Vec::new();
        if self.users.chance(0.3) {
            files.push(("note.txt".to_owned(), STANDARD.encode("a note")));
        }
        if self.users.chance(0.03) {
            files.push(("large.bin".to_owned(), STANDARD.encode(vec![7; LARGE])));
        }
        let written = Written {
            user: *user,
            to: vec![("contact", *contact)],
            subject: format!("written {}", self.users.uuid()),
            html: "<p>As discussed.</p>".to_owned(),
            answers: None,
            not_before: None,
            files,
        };
        if let Err(refused) = organization.write_email(&written) {
            self.story.push(format!("an email was refused: {refused}"));
        }
    }

    /// A user does something.
    fn act(&mut self) {
        if self.users.chance(0.15) {
            self.write();
        }
        let graph = self.sandbox.graph().clone();
        match self.users.below(100) {
            0..=64 => {
                let mut mail = self.company.compose();
                if self.users.chance(0.2) {
                    // Two of each name, as images in mails often have.
                    mail.attachments.extend((0..4).map(|number| MailAttachment {
                        name: format!("note {}.txt", number / 2),
                        content_type: "text/plain".to_owned(),
                        content_id: None,
                        content: format!("by hand{}", "!".repeat(number)).into(),
                    }));
                }
                if self.users.chance(0.05) {
                    mail.subject = format!("{POISON} {}", mail.subject);
                }
                if self.users.chance(0.03) {
                    // The same mail reaches somebody twice.
                    mail.message_id = Some(format!("<{}@example.com>", self.users.uuid()));
                    graph.deliver(mail.clone());
                }
                graph.deliver(mail);
            }
            action => {
                let mut census = graph.census();
                if self.users.chance(0.5) {
                    // Mostly, people tidy up what has just come.
                    let recent = self.clock.now() - Duration::from_mins(2);
                    census.retain(|entry| entry.received >= recent);
                }
                let Some(entry) = self.users.pick(&census) else { return };
                // A refusal (a mailbox that is down) is what users meet as well.
                let _done = match action {
                    65..=74 => graph.move_message(entry.user_id, &entry.immutable_id, "archive"),
                    75..=84 => graph.move_message(entry.user_id, &entry.immutable_id, "inbox"),
                    85..=89 => graph.delete_message(entry.user_id, &entry.immutable_id),
                    90..=91 => graph.purge_message(entry.user_id, &entry.immutable_id),
                    _ => graph.mark_read(entry.user_id, &entry.immutable_id, true),
                };
            }
        }
    }

    async fn engine(&self, life: u64) -> Result<Engine, String> {
        let app = self.sandbox.app();
        let origins = self.sandbox.origins();
        let transport: Arc<dyn Transport> = Arc::new(InProcess::new(self.sandbox.clone(), self.sent.clone()));
        let clock = Arc::new(self.clock.clone());
        let chance = Chance::seeded(self.seed.wrapping_mul(1000).wrapping_add(life));
        let credential =
            Credential::from_pem(&app.certificate_pem, &SecretString::from(app.private_key_pem.clone()))
                .map_err(|error| error.to_string())?;
        let cloud = Cloud::Custom {
            authority: origins.entra.clone(),
            graph_root: origins.graph.clone(),
            scope: Cloud::Global.scope(),
        };
        let entra: Arc<dyn TokenSource> = Arc::new(EntraTokens::new(EntraParts {
            scope: cloud.scope(),
            cloud,
            tenant: Tenant::Id(app.tenant_id),
            client_id: app.client_id,
            credential: Arc::new(hybridge_identity::Fixed(Arc::new(credential))),
            algorithm: AssertionAlgorithm::default(),
            transport: transport.clone(),
            clock: clock.clone(),
            chance: chance.clone(),
        }));
        let adfs: Arc<dyn TokenSource> = Arc::new(AdfsTokens::new(AdfsParts {
            organization: origins.organization.clone(),
            sign_in: ClaimsSignIn {
                client_id: app.adfs_client_id,
                user_name: app.user_name.clone(),
                password: SecretString::from(app.password.clone()),
                resource: None,
            },
            transport: transport.clone(),
            clock: clock.clone(),
            chance: chance.clone(),
        }));
        let join = |root: &Url, path: &str| root.join(path).map_err(|error| error.to_string());
        let service = |name, root, tokens: &Arc<dyn TokenSource>, gate: Arc<dyn Gate>| {
            Service::new(ServiceParts {
                name,
                root,
                access: Access::Tokens { tokens: tokens.clone(), transport: transport.clone() },
                clock: clock.clone(),
                chance: chance.clone(),
                gate,
                patience: Patience::default(),
            })
        };
        let graph =
            service("Microsoft Graph", join(&origins.graph, "v1.0/")?, &entra, Arc::new(PerMailbox::new(64)));
        let gate: Arc<dyn Gate> = Arc::new(Adaptive::new(4, 16));
        let web_api =
            service("the organization", join(&origins.organization, "api/data/v9.1/")?, &adfs, gate.clone());
        let soap = service("the organization", origins.organization.clone(), &adfs, gate);
        let route = self.store.fact(ROUTE_FACT).await.map_err(|error| error.to_string())?;
        let notification_url =
            self.swarm.notifications.then(|| format!("https://hybridge.sandbox.test{NOTIFICATIONS_PATH}"));
        Ok(Engine::new(Parts {
            graph: Graph::new(graph).with_uploads(transport.clone()),
            dynamics: Dynamics::new(web_api, soap, route.and_then(|route| route.parse().ok())),
            store: Arc::new(self.store.clone()),
            clock,
            chance,
            tenant: TenantId(app.tenant_id),
            options: Options {
                lanes_at_once: 4,
                // Simulated hours pass; every few seconds would be most of what is simulated.
                outbox: Duration::from_secs(45),
                page_size: self.swarm.page_size,
                notification_url,
                ..Options::default()
            },
            observer: Arc::new(Silent),
        }))
    }
}

#[derive(Debug)]
struct WakesLanes(Waker);

impl Wakes for WakesLanes {
    fn wake(&self, lane: LaneId, signal: Signal) {
        let wake = match signal {
            Signal::Changed => Wake::Changed(lane),
            Signal::SubscriptionRemoved => Wake::SubscriptionRemoved(lane),
            Signal::SubscriptionEnding => Wake::SubscriptionEnding(lane),
        };
        self.0.wake(wake);
    }
}
