//! Runs lanes: pull, decide (by asking `core` and the organization), apply, commit; schedules them and
//! lets each fail alone.
//!
//! - [`Engine`] holds both sides and the store; [`Engine::run_lane`] does one run of one lane.
//! - [`Runner`] keeps all lanes going: due times, wake-ups, back-off, refresh of the configuration that
//!   lives in the organization.
//! - [`incoming`](self) is the first lane: messages of the Inbox become email records.

mod engine;
mod error;
mod incoming;
mod metrics;
mod observer;
mod preview;
mod runner;
mod setup;
mod subscriptions;

pub use engine::{Engine, Options, Parts, RunReport};
pub use error::{Error, LaneError};
pub use metrics::Metrics;
pub use observer::{Observer, Silent};
pub use preview::{Preview, WouldBe};
pub use runner::{REFUSED_FACT, Runner, Stop, Wake, Waker};
pub use setup::{ROUTE_FACT, Readiness, Setup};
