//! Gives memory back after a large change.
//!
//! The allocator returns freed pages to the system when something else is freed a second later. An
//! idle edge frees nothing, so what a large change left behind would stay resident for ever.

use std::time::Duration;

/// How long the loop must have been quiet; longer than the allocator's delay of a second.
pub(super) const AFTER: Duration = Duration::from_secs(2);
/// More than the allocator keeps in a thread's own pages.
const PROBE: usize = 256 * 1024;

/// Lets the allocator look at what it may return: a thread that ends hands its pages back.
pub(super) fn tidy() {
    let probe = || drop(std::hint::black_box(Vec::<u8>::with_capacity(PROBE)));
    match std::thread::Builder::new().name("tidy".to_owned()).spawn(probe) {
        Ok(thread) => drop(thread.join()),
        Err(error) => tracing::debug!(%error, "no thread to give memory back with"),
    }
}
