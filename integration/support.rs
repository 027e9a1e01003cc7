//! What the test binaries share: an edge in the test's own process, backends that say what they
//! saw, and a client that speaks HTTP/1.1, h2c and TLS.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub(crate) mod backends;
pub(crate) mod client;
pub(crate) mod echo;
pub(crate) mod edge;
