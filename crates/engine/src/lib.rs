//! Runs lanes: pull, decide (by asking `core` and the organization), apply, commit; schedules them and
//! lets each fail alone.
//!
//! - [`Engine`] holds both sides and the store; [`Engine::run_lane`] does one run of one lane.
//! - [`Runner`] keeps all lanes going: due times, wake-ups, back-off, refresh of the configuration that
//!   lives in the organization.
//! - [`incoming`](self): messages of the Inbox become email records. [`outgoing`](self): email records that wait are sent.

mod engine;
mod error;
mod incoming;
mod metrics;
mod observer;
mod outgoing;
mod preview;
mod ruling;
mod runner;
mod setup;
mod subscriptions;

pub use engine::{Engine, Options, Parts, RunReport};
pub use error::{Error, LaneError};
pub use metrics::Metrics;
pub use observer::{Observer, Silent};
pub use preview::{OutgoingPreview, Preview, WouldBe};
pub use runner::{REFUSED_FACT, Runner, Stop, Wake, Waker};
pub use setup::{ROUTE_FACT, Readiness, Setup};
