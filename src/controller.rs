//! The control loop: snapshot → translate → compile → publish → sockets → statuses.
//!
//! Runs on a thread of its own, so that a large change never takes a worker from requests.

mod edge;
mod pass;
mod tidy;

pub use edge::{Edge, Inputs};
pub use pass::View;
