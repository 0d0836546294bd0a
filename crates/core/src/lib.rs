//! The vocabulary of Hybridge and every decision it takes, pure.
//!
//! Nothing here reads a clock, a disk or a network, or draws a random number: the same values in
//! give the same decision out, so every rule can be tested, replayed and explained. One module
//! answers one question:
//!
//! | question | module |
//! | --- | --- |
//! | Which mailboxes take part? | [`eligibility`] |
//! | Which messages are candidates for promotion? | [`candidate`] |
//! | What is the identity of a message without a Message-Id? | [`message`] |
//! | What do the administrator's rules keep out? | [`rules`] |
//! | What did the organization answer, in words? | [`verdict`] |
//! | Which road does an attachment take? | [`attachment`] |
//! | What was concluded about a message? | [`decision`] |
//! | Which options does the organization set, and who obeys them? | [`options`] |
//! | What becomes of an email that waits to be sent? | [`outgoing`] |
//! | When is something tried again? | [`retry`] |
//! | What is wrong, and who must do what? | [`trouble`] |

pub mod address;
pub mod attachment;
pub mod candidate;
pub mod decision;
pub mod eligibility;
pub mod ids;
pub mod lane;
pub mod message;
pub mod options;
pub mod outgoing;
pub mod retry;
pub mod rules;
pub mod trouble;
pub mod verdict;
