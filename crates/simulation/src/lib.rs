//! The whole system in one thread, on a paused clock, with the sandbox called in this process
//! (design.md, "One fake, on the wire").
//!
//! A seed decides everything: the company and its mail, which faults and features are on, what users do,
//! and the instants at which the engine is killed and started again. After each run the promises are
//! checked; the same seed gives the same story.

mod promises;
mod transport;
mod weather;
mod world;

pub use promises::Broken;
pub use transport::Sent;
pub use world::{Report, simulate};
