//! The trust between Exchange Online and a Dynamics organization, as steps that a machine can plan, apply, prove and
//! take back; and the certificates that it rests on ([`purpose`], [`rotation`], [`acme`]).
//!
//! A [`Step`] is data and five verbs. [`plan`] asks every step what is there and what would change, and changes
//! nothing; [`apply`] does it, in order, and stops at the first failure; [`verify`] proves each step by using it;
//! [`undo`] puts back what the [`Journal`] says was there before. A new step is one file under `steps/`.

pub mod acme;
pub mod bundle;
pub mod catalogue;
mod exchange;
mod journal;
pub mod native;
mod plan;
pub mod purpose;
pub mod rotation;
mod run;
pub mod servers;
mod site;
mod step;
mod steps;

pub use exchange::Exchange;
pub use journal::{Action, Changes, Entry, Journal, JournalError, Outcome};
pub use plan::{Line, Plan, Verdict, plan};
pub use run::{Event, Observer, Report, Stopped, apply, undo, verify};
pub use site::{Deployment, Registration, Settings, SignIn, Site, SiteParts, Tasks};
pub use step::{Difference, Facts, Obstacle, Place, Reading, Step};
pub use steps::{Goal, steps_of};
