//! What is fuzzed: one function for each target, which panics when a promise is broken.
//!
//! They are here and not in `fuzz_targets/`, so that `tests/seeds.rs` can run the seeds through them with a
//! stable compiler. Everything goes through the public front doors, so that what is found can happen.

mod client;
mod services;

pub use client::{batch_answers, delta_links, notifications};
pub use services::{mime, odata_graph, odata_organization};

use std::future::Future;

/// Runs something that waits for nothing but itself.
fn wait_for<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}
