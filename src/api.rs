//! Kubernetes kinds as Paifang reads and writes them.

pub mod duration;
pub mod gateway;
mod lenient;
pub mod object;
pub mod policy;
pub mod status;

pub use object::{Kind, ObjectKey, ObjectRef};
