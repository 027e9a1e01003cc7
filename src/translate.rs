//! The Gateway API: from objects to what shall be served and what their status says.
//!
//! A pure function. No clock, no I/O, no randomness; what the world must tell (which sockets are
//! bound) comes in as [`crate::snapshot::Facts`]. Bad input is never an error: each step returns
//! its best result and says what is wrong as a [`Problem`].
//!
//! ```text
//! class ─► gateway ─► listener ─► conflict ─► socket::claim ─┐
//!            certificate · grant · address                   ├─► gateway::report ─► ir.listeners, statuses
//! route ─► route::{http,grpc} ─► filter · backend ─► attach ─┘
//! ```

mod address;
mod attach;
mod backend;
mod certificate;
pub mod class;
mod conflict;
pub mod endpoints;
mod field;
mod filter;
mod finding;
mod gateway;
mod grant;
mod listener;
mod pattern;
mod problem;
mod reason;
mod route;
mod selector;
mod socket;
mod status;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;

pub use problem::Problem;

use crate::api::ObjectRef;
use crate::api::status::Status;
use crate::ir::Ir;
use crate::snapshot::Snapshot;

/// What a snapshot means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Translation {
    /// What shall be served.
    pub ir: Ir,
    /// The status of every object that is ours to report on.
    pub statuses: BTreeMap<ObjectRef, Status>,
    /// Everything that is wrong, by object.
    pub problems: Vec<Problem>,
}

/// What every step may look at.
#[derive(Debug)]
pub(crate) struct Env<'a> {
    snapshot: &'a Snapshot,
    grants: grant::Grants<'a>,
}

/// Translates a snapshot.
#[must_use]
pub fn translate(snapshot: &Snapshot) -> Translation {
    let env = Env { snapshot, grants: grant::Grants::new(snapshot) };
    let mut out = Translation::default();
    let classes = class::classes(snapshot, &mut out);
    let mut gateways = gateway::plan(&env, &classes, &mut out);
    route::attach_all(&env, &mut gateways, &mut out);
    gateway::report(gateways, &snapshot.facts, &mut out);
    out.problems.sort();
    out.problems.dedup();
    out
}
