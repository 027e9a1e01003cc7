//! Every meter that somebody is under, by what makes it the same one.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::compiled::Compiled;
use super::meter::{Meter, Owner};
use super::place::Place;
use crate::ir::LimitId;
use crate::ir::limit::{Amount, KeyPart, Scope};
use crate::limit::Basis;
use crate::limit::denials::Denials;
use crate::table::Map;
use crate::table::action::RuleId;

/// All meters of a process. Only the compiler and scrapes look here.
#[derive(Debug, Default)]
pub(super) struct Meters(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    meters: Map<Identity, Weak<Meter>>,
    /// Rules that share a meter share its counters; so do the meters of one limit and tenant, because metrics show them
    /// together and a sum must not fall when one of them ends.
    denials: Map<(LimitId, Option<Arc<str>>), Weak<Denials>>,
    /// How many there may be before those that ended are swept out.
    most: usize,
}

/// What makes two meters the same: whatever else of the limit changes, counters stay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Identity {
    limit: LimitId,
    kind: Kind,
    key: Box<[Told]>,
    place: Place,
    fixed: SmallVec<[Place; 1]>,
}

/// What requests are told apart by. Of a claim it is the name: other keys for its tokens forgive nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Told {
    By(KeyPart),
    ByClaim(Arc<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Rate,
    Concurrency,
    Connections,
    Bandwidth,
}

impl Meters {
    /// The meter of a limit for a rule, as it was if nothing differs, with its counters if something does.
    pub(super) fn meter(&self, limit: &Arc<Compiled>, rule: &RuleId, basis: &Arc<Basis>) -> Arc<Meter> {
        let identity = Identity::new(limit, rule);
        let known = &mut *self.0.lock();
        let tenant = rule.tenant.clone().filter(|_| identity.place.has_one_tenant());
        let old = known.meters.get(&identity).and_then(Weak::upgrade);
        if let Some(old) = &old
            && Arc::ptr_eq(&old.limit, limit)
            && old.tenant == tenant
        {
            return Arc::clone(old);
        }
        let denials = known.denials(&identity.limit, tenant.as_ref());
        let owner = Owner { place: &identity.place, fixed: &identity.fixed, tenant };
        let new = Meter::new(limit, owner, denials, basis);
        let meter = Arc::new(match old {
            Some(old) => new.carrying(&old),
            None => new,
        });
        known.meters.insert(identity, Arc::downgrade(&meter));
        known.sweep();
        meter
    }

    /// Those that are in use.
    pub(super) fn all(&self) -> Vec<Arc<Meter>> {
        self.0.lock().meters.values().filter_map(Weak::upgrade).collect()
    }
}

impl Known {
    fn denials(&mut self, limit: &LimitId, tenant: Option<&Arc<str>>) -> Arc<Denials> {
        let known = self.denials.entry((limit.clone(), tenant.cloned())).or_default();
        known.upgrade().unwrap_or_else(|| {
            let denials = Arc::default();
            *known = Arc::downgrade(&denials);
            denials
        })
    }

    /// Forgets those that ended, each time that there may be as many as are in use.
    fn sweep(&mut self) {
        if self.meters.len() > self.most {
            self.meters.retain(|_, meter| meter.strong_count() > 0);
            self.denials.retain(|_, denials| denials.strong_count() > 0);
            self.most = 64 + 2 * self.meters.len();
        }
    }
}

impl Told {
    fn new(part: &KeyPart) -> Self {
        match part {
            KeyPart::JwtClaim { name, .. } => Self::ByClaim(Arc::clone(name)),
            other => Self::By(other.clone()),
        }
    }
}

impl Identity {
    fn new(limit: &Compiled, rule: &RuleId) -> Self {
        let source = &limit.source;
        let kind = match source.amount {
            Amount::Rate { .. } => Kind::Rate,
            Amount::Concurrency(_) => Kind::Concurrency,
            Amount::Connections(_) => Kind::Connections,
            Amount::Bandwidth(_) => Kind::Bandwidth,
        };
        let fixed = source.key.iter().filter_map(|part| {
            let scope = match part {
                KeyPart::Tenant => Scope::Tenant,
                KeyPart::Namespace => Scope::Namespace,
                KeyPart::Route => Scope::Route,
                _ => return None,
            };
            Some(Place::of(rule, scope))
        });
        Self {
            limit: source.id.clone(),
            kind,
            key: source.key.iter().map(Told::new).collect(),
            place: Place::of(rule, source.scope),
            fixed: fixed.collect(),
        }
    }
}
