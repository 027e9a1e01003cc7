//! Limits as requests meet them: compiled once, and bound to the rules they are put on.
//!
//! ```text
//! Rule ─ Bound ─ Meter ─┬─ Compiled   who is counted, and what a denial says; one for each limit
//!                       └─ counters   one for each thing that the limit's scope tells apart
//! ```
//! A counter belongs to a limit, a thing, a kind of amount and a key. As long as a rule of some table is under it, it
//! is found again by these ([`meters`]), so a changed quota keeps the debts, and whoever shares a thing shares the counter.

pub mod compiled;
pub mod key;
mod left;
pub mod meter;
mod meters;
pub mod place;
pub mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderValue;

pub use compiled::{Asked, Compiled};
pub use meter::{Amount, Meter};
pub use place::Place;
pub use token::Tokens;

use super::Map;
use super::action::RuleId;
use crate::api::ObjectKey;
use crate::ir::LimitTarget;
use crate::ir::limit::{Counting, Limit};
use crate::limit::rate::Mode;
use crate::limit::{Basis, header};
use meters::Meters;
use token::{Verifier, Verifiers};

/// All limits, by what they are put on.
#[derive(Debug, Default)]
pub struct Limits {
    source: Arc<[Arc<Limit>]>,
    by_target: Map<LimitTarget, Vec<Arc<Compiled>>>,
    meters: Arc<Meters>,
    verifiers: Arc<Verifiers>,
    basis: Arc<Basis>,
}

/// The limits of one rule.
#[derive(Debug, Default)]
pub struct Bound {
    /// From the Gateway to the rule, each limit once.
    pub meters: Box<[Arc<Meter>]>,
    /// Those on connections, of the tenant.
    pub connections: Box<[Arc<Meter>]>,
    /// `RateLimit-Policy`: the enforced rates.
    pub policy: Option<HeaderValue>,
    /// Who verifies the tokens that these ask for, each once.
    pub verifiers: Box<[Arc<Verifier>]>,
}

impl Limits {
    /// No limits yet; those to come share this.
    #[must_use]
    pub fn on(basis: Arc<Basis>) -> Arc<Self> {
        Arc::new(Self { basis, ..Self::default() })
    }

    /// Compiles limits; the same limits are the same value, and those that are as before stay compiled.
    pub(crate) fn compile(source: &Arc<[Arc<Limit>]>, previous: &Arc<Self>) -> Arc<Self> {
        if previous.source == *source {
            return Arc::clone(previous);
        }
        let known: Map<_, _> = previous.by_target.values().flatten().map(|known| (&known.source.id, known)).collect();
        let mut by_target: Map<_, Vec<_>> = Map::default();
        for limit in source.iter() {
            let known = known.get(&limit.id).filter(|known| known.source == *limit);
            let compiled = known.map_or_else(
                || Arc::new(Compiled::new(limit, &previous.verifiers, &previous.basis.clock)),
                |known| Arc::clone(known),
            );
            for target in &limit.targets {
                by_target.entry(target.clone()).or_default().push(Arc::clone(&compiled));
            }
        }
        let (meters, basis) = (Arc::clone(&previous.meters), Arc::clone(&previous.basis));
        let verifiers = Arc::clone(&previous.verifiers);
        verifiers.sweep();
        Arc::new(Self { source: Arc::clone(source), by_target, meters, verifiers, basis })
    }

    /// The limits of a rule, of which `name` is the name in its route, if it has one.
    pub(crate) fn bind(&self, rule: &RuleId, name: Option<&Arc<str>>) -> Bound {
        let mut meters: Vec<Arc<Meter>> = Vec::new();
        if self.by_target.is_empty() {
            return Bound::default();
        }
        for target in place::targets(rule, name) {
            for compiled in self.by_target.get(&target).into_iter().flatten() {
                let known = meters.iter().any(|meter| Arc::ptr_eq(&meter.limit, compiled));
                // the listener has it, whatever is asked for
                let elsewhere = compiled.is_of_listener() && matches!(target, LimitTarget::Gateway { .. });
                if !known && !elsewhere {
                    meters.push(self.meters.meter(compiled, rule, &self.basis));
                }
            }
        }
        Bound::new(meters)
    }

    /// The limits on connections of a listener, whatever is asked for on them.
    pub(crate) fn of_listener(&self, gateway: &ObjectKey, listener: &Arc<str>) -> Box<[Arc<Meter>]> {
        let on = |listener| LimitTarget::Gateway { gateway: gateway.clone(), listener };
        let compiled = [on(None), on(Some(Arc::clone(listener)))].into_iter();
        let compiled = compiled.filter_map(|target| self.by_target.get(&target)).flatten();
        let mut found: Vec<Arc<Meter>> = Vec::new();
        for compiled in compiled.filter(|compiled| compiled.is_of_listener()) {
            if !found.iter().any(|meter| Arc::ptr_eq(&meter.limit, compiled)) {
                found.push(self.meters.meter(compiled, &RuleId::none_of(gateway, listener), &self.basis));
            }
        }
        found.into()
    }

    /// Every counter that some rule is under, in no order.
    #[must_use]
    pub fn meters(&self) -> Vec<Arc<Meter>> {
        self.meters.all()
    }

    /// Whether some limit is counted in the store.
    #[must_use]
    pub fn any_global(&self) -> bool {
        self.source.iter().any(|limit| matches!(limit.counting, Counting::Global { .. }))
    }
}

/// The limits of a rule as they are written, the widest first.
pub(crate) fn written<'l>(limits: &'l [Arc<Limit>], rule: &RuleId, name: Option<&Arc<str>>) -> Vec<&'l Arc<Limit>> {
    let mut found: Vec<&Arc<Limit>> = Vec::new();
    for target in place::targets(rule, name) {
        let new = limits.iter().filter(|limit| limit.targets.contains(&target));
        let new: Vec<_> = new.filter(|limit| !found.iter().any(|known| Arc::ptr_eq(known, limit))).collect();
        found.extend(new);
    }
    found
}

impl Bound {
    fn new(meters: Vec<Arc<Meter>>) -> Self {
        let rates = meters.iter().filter_map(|meter| match &meter.amount {
            Amount::Rate(rate) if rate.mode == Mode::Enforce => Some((&*rate.name, rate.quota)),
            _ => None,
        });
        let policy = header::policy(rates);
        let (connections, meters): (Vec<_>, Vec<_>) =
            meters.into_iter().partition(|meter| matches!(meter.amount, Amount::Connections(_)));
        let mut verifiers: Vec<Arc<Verifier>> = Vec::new();
        for verifier in meters.iter().flat_map(|meter| meter.limit.verifiers()) {
            if !verifiers.iter().any(|known| Arc::ptr_eq(known, verifier)) {
                verifiers.push(Arc::clone(verifier));
            }
        }
        Self { policy, verifiers: verifiers.into(), meters: meters.into(), connections: connections.into() }
    }

    /// Whether these are the very same counters under the same limits.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        are_same(&self.meters, &other.meters) && are_same(&self.connections, &other.connections)
    }
}

/// Whether these are the very same counters under the same limits.
pub(crate) fn are_same(some: &[Arc<Meter>], others: &[Arc<Meter>]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| Arc::ptr_eq(one, other))
}
