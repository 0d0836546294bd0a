//! What the emulated services have in common: the request and reply they speak, the clock and the
//! dice they share, where they are reached, and the client they call out with.
//!
//! The sandbox judges Hybridge, so nothing here (or in any `sandbox*` crate) comes from the code
//! that it judges: tokens are verified, rules decided and formats parsed by the sandbox's own means.

mod call;
mod clock;
mod dice;
mod origins;
mod outbound;
mod token;

pub use call::{Call, Cut, Reply, Service, json_reply, text_reply};
pub use clock::Clock;
pub use dice::Dice;
pub use origins::{Face, Origins};
pub use outbound::{Outbound, OutboundError};
pub use token::{Claims, TokenFault, TokenJudge};
