//! The golden cases: how a case is found, read and proven.

pub(crate) mod case;
pub(crate) mod golden;
pub(crate) mod step;
pub(crate) mod traffic;
