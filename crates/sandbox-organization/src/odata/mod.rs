//! OData as the organization understands it: paths, query options, filters, rendering, writing
//! (dynamics.md 3.2 to 3.8).

pub(crate) mod annotate;
pub(crate) mod filter;
pub(crate) mod literal;
pub(crate) mod paging;
pub(crate) mod path;
pub(crate) mod prefer;
pub(crate) mod query;
pub(crate) mod write;
