//! The organization as a service.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::StatusCode;
use hybridge_sandbox_kit::{Call, Clock, Dice, Origins, Reply, Service, TokenJudge, text_reply};
use uuid::Uuid;

use crate::{
    options::OrganizationOptions,
    rows::Store,
    seed, soap,
    state::{Identity, State},
    web::{self, Request, front_door},
};

/// The user id of the administrator, the same in every organization.
const ADMINISTRATOR: Uuid = Uuid::from_u128(0x5b0c_a1d2_7e44_4c11_8f3a_0d92_c6e1_7701);

/// What an organization is made from.
#[derive(Debug)]
pub struct OrganizationSetup {
    /// The time.
    pub clock: Clock,
    /// The source of ids.
    pub dice: Dice,
    /// Where the organization and AD FS are reached.
    pub origins: Origins,
    /// Verifies access tokens; their audience is the organization's root.
    pub judge: Arc<dyn TokenJudge>,
    /// How it behaves at first.
    pub options: OrganizationOptions,
}

/// An emulated organization.
#[derive(Debug)]
pub struct Organization {
    state: Mutex<State>,
    judge: Arc<dyn TokenJudge>,
    in_flight: AtomicUsize,
}

/// Counts a call as in flight as long as it lives.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Organization {
    /// The organization's unique name in its deployment, whatever its name for people becomes.
    pub const UNIQUE_NAME: &'static str = "contoso";

    /// An organization with its one row, the root business unit, an administrator (`CONTOSO\crm.admin`) with the role
    /// System Administrator, and a service account (`CONTOSO\svc-hybridge`) with the role Hybridge Sync, which holds
    /// what an external synchroniser needs and no more.
    pub fn new(setup: OrganizationSetup) -> Arc<Self> {
        let OrganizationSetup { clock, dice, origins, judge, options } = setup;
        let identity = Identity {
            organization: dice.uuid(),
            business_unit: dice.uuid(),
            system: dice.uuid(),
            administrator_role: dice.uuid(),
            administrator: ADMINISTRATOR,
            service_account: dice.uuid(),
        };
        let tracked = BTreeSet::from(["lead", "contact", "account", "email"]);
        let mut state = State {
            store: Store::default(),
            options,
            clock,
            dice,
            origins,
            identity,
            tracked,
            unpublished: BTreeSet::new(),
            counts: BTreeMap::new(),
            tests: BTreeMap::new(),
            emails_created: 0,
        };
        seed::found(&mut state);
        Arc::new(Self { state: Mutex::new(state), judge, in_flight: AtomicUsize::new(0) })
    }

    /// The organization's id.
    pub fn id(&self) -> Uuid {
        self.lock().identity.organization
    }

    /// The id of the service account that every organization begins with.
    pub fn service_account(&self) -> Uuid {
        self.lock().identity.service_account
    }

    /// Changes how the organization behaves from now on.
    pub fn set_option(&self, change: impl FnOnce(&mut OrganizationOptions)) {
        change(&mut self.lock().options);
    }

    /// How often each operation was asked for: `GET emails`, `CheckIncomingEmail`, `$batch` and so on.
    /// Operations inside a batch count as well, under their own names; those over SOAP as `SOAP <name>`.
    pub fn request_counts(&self) -> BTreeMap<String, u64> {
        self.lock().counts.clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, and the emails created on the way.
    fn answer(&self, call: &Call) -> (Reply, u32) {
        let mut state = self.lock();
        let before = state.emails_created;
        let mut reply = if call.body.len() > state.options.largest_request {
            too_large()
        } else {
            route(&mut state, self.judge.as_ref(), call)
        };
        for (name, value) in [("cache-control", "no-cache"), ("expires", "-1"), ("x-powered-by", "ASP.NET")] {
            reply.headers_mut().entry(name).or_insert(http::HeaderValue::from_static(value));
        }
        if let Ok(id) = state.dice.uuid().to_string().parse() {
            reply.headers_mut().insert("req_id", id);
        }
        (reply, state.emails_created.wrapping_sub(before))
    }

    /// How long the server works on so many new emails, at the present load.
    fn working_time(&self, emails: u32) -> Duration {
        let Some(latency) = self.lock().options.latency else { return Duration::ZERO };
        let in_flight = u32::try_from(self.in_flight.load(Ordering::SeqCst)).unwrap_or(u32::MAX);
        let capacity = u32::try_from(latency.capacity.max(1)).unwrap_or(u32::MAX);
        let work = latency.per_email.saturating_mul(emails);
        if in_flight > capacity { work.saturating_mul(in_flight) / capacity } else { work }
    }
}

#[async_trait]
impl Service for Organization {
    async fn call(&self, call: Call) -> Reply {
        let _in_flight = InFlight::enter(&self.in_flight);
        let (reply, emails) = self.answer(&call);
        let pause = if emails > 0 { self.working_time(emails) } else { Duration::ZERO };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        reply
    }
}

/// What IIS answers to a body beyond its limit.
fn too_large() -> Reply {
    text_reply(
        StatusCode::PAYLOAD_TOO_LARGE,
        "text/html; charset=utf-8",
        "<!DOCTYPE html><html><body><h2>HTTP Error 413.1 - Request Entity Too Large</h2><p>The request filtering module is configured to deny a request that exceeds the request content length.</p></body></html>",
    )
}

fn not_found() -> Reply {
    text_reply(
        StatusCode::NOT_FOUND,
        "text/html; charset=utf-8",
        "<!DOCTYPE html><html><body><h2>404 - File or directory not found.</h2></body></html>",
    )
}

fn route(state: &mut State, judge: &dyn TokenJudge, call: &Call) -> Reply {
    // Clients that join URLs carelessly send double slashes; IIS lets them pass.
    let path = call.url.path().replace("//", "/");
    if path.eq_ignore_ascii_case("/XRMServices/2011/Organization.svc/web")
        || path.eq_ignore_ascii_case("/XRMServices/2011/Organization.svc")
    {
        return match front_door::enter(state, judge, call, "v9.1") {
            Ok(session) => soap::answer(state, &session, call),
            Err(reply) => *reply,
        };
    }
    let Some(rest) = path.strip_prefix("/api/data/") else {
        return match front_door::enter(state, judge, call, "v9.1") {
            Ok(_) => not_found(),
            Err(reply) => *reply,
        };
    };
    let (version, below) = rest.split_once('/').unwrap_or((rest, ""));
    let session = match front_door::enter(state, judge, call, version) {
        Ok(session) => session,
        Err(reply) => return *reply,
    };
    let served = match version {
        "v9.0" | "v9.1" => true,
        "v9.2" => state.options.serves_v92,
        _ => false,
    };
    if !served {
        return not_found();
    }
    let request = Request {
        method: call.method.clone(),
        path: below.to_owned(),
        query: call.url.query().unwrap_or_default().to_owned(),
        headers: call.headers.clone(),
        body: call.body.clone(),
    };
    if below == "$batch" || below == "%24batch" {
        return web::batch::answer(state, &session, &request);
    }
    web::answer(state, &session, &request)
}
