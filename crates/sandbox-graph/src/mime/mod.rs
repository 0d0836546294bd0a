//! Internet messages in and out, as Exchange converts them.

mod calendar;
pub(crate) mod html;
pub(crate) mod read;
pub(crate) mod write;

#[cfg(test)]
mod tests;
