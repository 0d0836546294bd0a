//! Dynamics' own server-side synchronization over Exchange Web Services, as far as the trust goes: who signs with
//! which certificate, whether the token service and Exchange take it, and what the organization then says of its
//! mailboxes and profiles (setup.md section 2, server-side-sync.md 1.4 to 1.6).
//!
//! Nothing here believes what a set-up says it did. Each sign-in is worked out anew from the servers, the directory,
//! Exchange and the organization's rows.

mod connected;
mod mailbox;
mod profile;
mod text;
mod token;

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use uuid::{Uuid, uuid};

use crate::world::Sandbox;
pub(crate) use profile::test as test_profile;
pub(crate) use text::Failure;
pub(crate) use token::{Face, token};

/// Dynamics in the directory (setup.md 0.3).
pub(crate) const DYNAMICS: Uuid = uuid!("00000007-0000-0000-c000-000000000000");
/// The token service (setup.md 0.3).
pub(crate) const TOKEN_SERVICE: &str = "00000001-0000-0000-c000-000000000000";
/// Where the token service of the commercial cloud publishes its metadata (setup.md 2.4).
pub(crate) const METADATA: &str = "https://accounts.accesscontrol.windows.net/metadata/json/1";
/// The user agent of the server's calls to Exchange; the real one is not documented.
const AGENT: &str = "ExchangeServicesClient/15.00.0913.015";

/// What a test can choose.
#[derive(Debug, Clone)]
pub(crate) struct Switches {
    /// The one server that works on mailboxes; without it they take turns.
    pub(crate) server: Option<String>,
    /// How long a test of a mailbox waits until a server picks it up.
    pub(crate) test_delay: SignedDuration,
    /// How long it is from one cycle of synchronization to the next.
    pub(crate) cycle: SignedDuration,
    /// The metadata address of another cloud than the commercial one.
    pub(crate) metadata: Option<String>,
}

/// The state of the asynchronous service over all servers.
#[derive(Debug)]
pub(crate) struct Native {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    switches: Switches,
    turn: usize,
    next_cycle: Timestamp,
    granted: u64,
    refused: u64,
}

impl Native {
    pub(crate) fn new(now: Timestamp) -> Self {
        let switches = Switches {
            server: None,
            test_delay: SignedDuration::from_secs(1),
            cycle: SignedDuration::from_secs(60),
            metadata: None,
        };
        let state = State { switches, turn: 0, next_cycle: now, granted: 0, refused: 0 };
        Self { state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn switches(&self) -> Switches {
        self.lock().switches.clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Switches)) {
        let mut state = self.lock();
        let cycle = state.switches.cycle;
        change(&mut state.switches);
        if state.switches.cycle != cycle {
            // The new rhythm begins at once.
            state.next_cycle = Timestamp::MIN;
        }
    }

    /// How many sign-ins to Exchange succeeded and failed so far.
    pub(crate) fn sign_ins(&self) -> (u64, u64) {
        let state = self.lock();
        (state.granted, state.refused)
    }

    fn count(&self, succeeded: bool) {
        let mut state = self.lock();
        if succeeded {
            state.granted += 1;
        } else {
            state.refused += 1;
        }
    }

    fn turn(&self) -> usize {
        let mut state = self.lock();
        state.turn = state.turn.wrapping_add(1);
        state.turn
    }
}

/// A row of the organization.
type Row = Map<String, Value>;

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

fn number(row: &Row, column: &str) -> Option<i64> {
    row.get(column).and_then(Value::as_i64)
}

fn yes(row: &Row, column: &str) -> bool {
    row.get(column).and_then(Value::as_bool).unwrap_or(false)
}

fn id(row: &Row, column: &str) -> Option<Uuid> {
    text(row, column).parse().ok()
}

impl Sandbox {
    /// Lets the servers' asynchronous service do what is due: tests that were asked for, and a cycle of the
    /// synchronization. Happens by itself with every call to the world, and once in a while on the wire.
    pub fn work_on_mailboxes(&self) {
        if !self.organization().processes_email_itself() {
            return;
        }
        let now = self.clock().now();
        let (delay, cycle_is_due) = {
            let mut state = self.native().lock();
            let due = state.next_cycle <= now;
            if due {
                state.next_cycle = now.checked_add(state.switches.cycle).unwrap_or(now);
            }
            (state.switches.test_delay, due)
        };
        for (id, asked) in self.organization().tests_asked_for() {
            if asked.checked_add(delay).is_ok_and(|due| due <= now) {
                mailbox::test(self, id);
            }
        }
        if cycle_is_due {
            mailbox::cycle(self);
        }
    }

    /// Which server does the next piece of work; `None` when none of them can.
    fn pick_server(&self, face: Face) -> Option<String> {
        let forced = self.native().switches().server;
        let able: Vec<String> = {
            let estate = self.windows();
            let machines = estate.machines.iter().filter(|machine| token::serves(machine, face));
            machines.map(|machine| machine.name.clone()).collect()
        };
        if let Some(forced) = forced {
            return able.into_iter().find(|name| name.eq_ignore_ascii_case(&forced));
        }
        let turn = self.native().turn().checked_rem(able.len())?;
        able.into_iter().nth(turn)
    }
}
