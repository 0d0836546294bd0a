//! The tenant as a client sees it: every story goes through the HTTP face, on a paused clock.

mod access;
mod actions;
mod attachments;
mod batch;
mod delta;
mod mail;
mod notifications;
mod schema;
mod world;
