//! The Web API and what stands before it (dynamics.md 2, 3, 5).

pub(crate) mod batch;
mod dispatch;
pub(crate) mod front_door;
mod message;
mod metadata;
mod read;
mod request;
pub(crate) mod roles;
mod row;
mod tracking;

pub(crate) use dispatch::answer;
pub(crate) use message::{VERSION, thread};
pub(crate) use request::Request;
