//! How a request of Microsoft Graph is read and an answer written.

pub(crate) mod answer;
pub(crate) mod auth;
pub(crate) mod filter;
pub(crate) mod path;
pub(crate) mod prefer;
pub(crate) mod query;
pub(crate) mod request;
pub(crate) mod view;
