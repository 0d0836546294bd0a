//! Faults on demand: the weather (probabilities) and single faults (the next calls that match).

mod mailboxes;
mod parse;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use hybridge_sandbox_kit::{Cut, Dice, Face, Reply, json_reply, text_reply};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use mailboxes::{MailboxFault, MailboxFaultError, state_named};
pub use parse::WeatherError;

/// How likely each fault is, per call (0 to 1), and how slow the services are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weather {
    /// 429 with `Retry-After` (Graph; the organization knows no 429 and answers 503).
    pub throttle: f64,
    /// 500, 502, 503 or 504.
    pub server_error: f64,
    /// The connection is cut before the request takes effect.
    pub cut_before: f64,
    /// The connection is cut after the request took effect: the answer is lost.
    pub cut_after: f64,
    /// 401, as if the token had just ended.
    pub unauthorized: f64,
    /// A mailbox's delta cursors are expired when one of them is used.
    pub expire_cursor: f64,
    /// A change notification is never sent.
    pub lose_notification: f64,
    /// A change notification is sent twice.
    pub duplicate_notification: f64,
    /// The shortest time that a call takes, in milliseconds.
    pub latency_from_ms: u64,
    /// The longest time that a call takes, in milliseconds.
    pub latency_to_ms: u64,
}

impl Weather {
    /// Nothing goes wrong and nothing takes time.
    pub const CALM: Self = Self {
        throttle: 0.0,
        server_error: 0.0,
        cut_before: 0.0,
        cut_after: 0.0,
        unauthorized: 0.0,
        expire_cursor: 0.0,
        lose_notification: 0.0,
        duplicate_notification: 0.0,
        latency_from_ms: 0,
        latency_to_ms: 0,
    };
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// 429 (503 by the organization) with `Retry-After`.
    Throttle {
        /// The pause asked for, in seconds.
        seconds: u64,
    },
    /// Any status, with an error body in the service's form.
    Status {
        /// The status.
        status: u16,
    },
    /// The connection is cut before the request takes effect.
    CutBefore,
    /// The connection is cut after the request took effect.
    CutAfter,
    /// 401.
    Unauthorized,
}

/// A fault for the next calls that match.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only calls to this face.
    #[serde(default)]
    pub face: Option<Face>,
    /// Only calls whose path (as it is written) contains this text; in a batch its body counts too.
    #[serde(default)]
    pub containing: String,
    /// What happens to them.
    pub fault: Fault,
    /// To how many calls it happens; for ever when it is left out.
    #[serde(default)]
    pub times: Option<u32>,
}

/// Decides what happens to each call.
#[derive(Debug)]
pub struct Faults {
    dice: Dice,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    weather: Weather,
    rules: Vec<Rule>,
}

/// What was decided for one call.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    pub(crate) latency: Duration,
    pub(crate) fault: Option<Fault>,
    pub(crate) expires_cursors: bool,
}

impl Faults {
    /// Faults of a weather, decided by dice.
    pub fn new(dice: Dice, weather: Weather) -> Self {
        Self { dice, state: Mutex::new(State { weather, rules: Vec::new() }) }
    }

    /// The present weather.
    pub fn weather(&self) -> Weather {
        self.state().weather
    }

    /// Changes the weather.
    pub fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Forgets all rules.
    pub fn clear_rules(&self) {
        self.state().rules.clear();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fate of a call.
    pub(crate) fn fate(&self, face: Face, path: &str, body: &Bytes) -> Fate {
        if face == Face::Control {
            return Fate::default();
        }
        let mut state = self.state();
        let weather = state.weather;
        if let Some(fault) = rule_for(&mut state.rules, face, path, body) {
            return Fate { latency: self.latency(weather), fault: Some(fault), expires_cursors: false };
        }
        drop(state);
        Fate {
            latency: self.latency(weather),
            fault: self.roll(weather),
            expires_cursors: face == Face::Graph
                && path.contains("/delta")
                && self.dice.chance(weather.expire_cursor),
        }
    }

    fn latency(&self, weather: Weather) -> Duration {
        let spread =
            usize::try_from(weather.latency_to_ms.saturating_sub(weather.latency_from_ms)).unwrap_or(0);
        let extra = if spread == 0 { 0 } else { self.dice.below(spread + 1) };
        Duration::from_millis(weather.latency_from_ms + extra as u64)
    }

    fn roll(&self, weather: Weather) -> Option<Fault> {
        let dice = &self.dice;
        if dice.chance(weather.cut_before) {
            return Some(Fault::CutBefore);
        }
        if dice.chance(weather.cut_after) {
            return Some(Fault::CutAfter);
        }
        if dice.chance(weather.throttle) {
            return Some(Fault::Throttle { seconds: 1 + dice.below(4) as u64 });
        }
        if dice.chance(weather.server_error) {
            let status = dice.pick(&[500, 502, 503, 504]).copied().unwrap_or(503);
            return Some(Fault::Status { status });
        }
        dice.chance(weather.unauthorized).then_some(Fault::Unauthorized)
    }
}

fn rule_for(rules: &mut Vec<Rule>, face: Face, path: &str, body: &Bytes) -> Option<Fault> {
    let matches = |rule: &Rule| {
        rule.face.is_none_or(|wanted| wanted == face)
            && (path.contains(&rule.containing) || String::from_utf8_lossy(body).contains(&rule.containing))
    };
    let index = rules.iter().position(matches)?;
    let rule = rules.get_mut(index)?;
    let fault = rule.fault;
    if let Some(times) = &mut rule.times {
        *times = times.saturating_sub(1);
        if *times == 0 {
            rules.remove(index);
        }
    }
    Some(fault)
}

impl Fault {
    /// What the caller gets instead of an answer, or in its place.
    pub(crate) fn answer(self, face: Face) -> Result<Reply, Cut> {
        match self {
            Self::CutBefore => Err(Cut::Before),
            Self::CutAfter => Err(Cut::After),
            Self::Throttle { seconds } => {
                let status = if face == Face::Organization { 503 } else { 429 };
                let mut reply = failure(face, status, "TooManyRequests", "Too many requests.");
                if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                    reply.headers_mut().insert(header::RETRY_AFTER, value);
                }
                Ok(reply)
            }
            Self::Status { status } => Ok(failure(face, status, "serviceNotAvailable", "An injected fault.")),
            Self::Unauthorized => {
                let text = "Lifetime validation failed, the token is expired.";
                let mut reply = failure(face, 401, "InvalidAuthenticationToken", text);
                let challenge = HeaderValue::from_static("Bearer realm=\"\"");
                reply.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                Ok(reply)
            }
        }
    }
}

fn failure(face: Face, status: u16, code: &str, message: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    match face {
        Face::Graph | Face::Control => {
            json_reply(status, &json!({ "error": { "code": code, "message": message } }))
        }
        // A gateway in front of Entra ID: no OAuth error in it.
        Face::Entra | Face::Adfs => text_reply(
            status,
            "application/json",
            r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033: A transient error has occurred.","error_codes":[90033]}"#,
        ),
        // IIS answers before the organization does, with a page of its own.
        Face::Organization => {
            text_reply(status, "text/html", format!("<html><title>{status}</title></html>"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(weather: Weather) -> Faults {
        Faults::new(Dice::seeded(1), weather)
    }

    #[test]
    fn a_rule_strikes_as_often_as_it_says_and_only_where_it_says() {
        let faults = faults(Weather::CALM);
        faults.add(Rule {
            face: Some(Face::Organization),
            containing: "DeliverIncomingEmail".into(),
            fault: Fault::CutAfter,
            times: Some(2),
        });
        let batch = Bytes::from_static(b"POST /emails/Microsoft.Dynamics.CRM.DeliverIncomingEmail");
        let fault = |face, path: &str, body: &Bytes| faults.fate(face, path, body).fault;
        assert_eq!(fault(Face::Graph, "DeliverIncomingEmail", &Bytes::new()), None);
        assert_eq!(fault(Face::Organization, "/api/data/v9.1/WhoAmI", &Bytes::new()), None);
        assert_eq!(fault(Face::Organization, "/api/data/v9.1/$batch", &batch), Some(Fault::CutAfter));
        assert_eq!(fault(Face::Organization, "/api/data/v9.1/$batch", &batch), Some(Fault::CutAfter));
        assert_eq!(fault(Face::Organization, "/api/data/v9.1/$batch", &batch), None);
    }

    #[test]
    fn the_same_seed_makes_the_same_weather() {
        let weather = Weather { throttle: 0.2, cut_after: 0.2, latency_to_ms: 50, ..Weather::CALM };
        let run = || {
            let faults = faults(weather);
            (0..200)
                .map(|_| {
                    let fate = faults.fate(Face::Graph, "/v1.0/users", &Bytes::new());
                    (fate.fault, fate.latency)
                })
                .collect::<Vec<_>>()
        };
        let first = run();
        assert_eq!(first, run());
        assert!(
            first.iter().any(|(fault, _)| fault.is_some()) && first.iter().any(|(fault, _)| fault.is_none())
        );
    }
}
