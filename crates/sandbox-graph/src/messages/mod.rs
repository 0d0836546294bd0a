//! Messages: reading, writing, moving, sending.

pub(crate) mod actions;
pub(crate) mod draft;
pub(crate) mod list;
pub(crate) mod render;
pub(crate) mod reply;
pub(crate) mod send;
