//! Smuggling and abuse over raw sockets: what a hostile client or backend sends, what it gets, and
//! exactly what reaches the other side.
//!
//! Every test ends with [`bed::Bed::finish`]: what the backend received was well-formed, the edge
//! still answers, and nothing panicked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod abuse {
    mod backend;
    mod bed;
    mod client;
    mod fields;
    mod framing;
    mod http2;
    mod http2_frame;
    mod path;
    mod random;
    mod request_line;
    mod response;
    mod slow;
    mod tls;
    mod upgrade;
    mod wire;
}
