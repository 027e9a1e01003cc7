//! Shares: what tenants get of a gateway that has no more to give.

use std::sync::Arc;

use serde::Serialize;

/// What one tenant gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Its part of what is not guaranteed to anybody, in proportion to the weights of all.
    pub weight: u32,
    /// Requests at one moment that it has in any case; 0 for none.
    pub guaranteed: u32,
    /// Whether it denies, or only tells what it would deny.
    pub enforced: bool,
}
