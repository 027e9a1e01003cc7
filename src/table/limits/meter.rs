//! A limit at one place, with what has been counted there.

use std::sync::Arc;
use std::time::Duration;

use super::compiled::{Asked, Compiled};
use super::key::Values;
use super::place::Place;
use crate::ir::limit::{self, Counting, StoreFailure};
use crate::limit::bandwidth::{self, Bandwidth};
use crate::limit::concurrency::{Concurrency, Each, Permit};
use crate::limit::counting::{self, Quota};
use crate::limit::denials::Denials;
use crate::limit::keys::{Key, Keys};
use crate::limit::rate::{Mode, RateLimit};
use crate::limit::{Basis, Moment, global};

/// A limit and a counter: what rules are bound to.
#[derive(Debug)]
pub struct Meter {
    /// The limit.
    pub limit: Arc<Compiled>,
    /// What is counted, and how far it may go.
    pub amount: Amount,
    /// The tenant of all requests, where there is one.
    pub tenant: Option<Arc<str>>,
    /// How often it denied.
    pub denials: Arc<Denials>,
    /// What happens while the store cannot be asked, if it counts there.
    pub global: Option<StoreFailure>,
    /// What all its counters in the store are named after.
    name: Box<str>,
    basis: Arc<Basis>,
}

/// What is counted.
#[derive(Debug)]
pub enum Amount {
    /// Requests in a time.
    Rate(RateLimit),
    /// Requests at one moment.
    Concurrency(InUse),
    /// Connections at one moment.
    Connections(InUse),
    /// Bytes of responses.
    Bandwidth(Flow),
}

/// Bytes in a second.
#[derive(Debug)]
pub struct Flow {
    rate: u64,
    divided: bool,
    paces: Paces,
}

#[derive(Debug, Clone)]
enum Paces {
    All(Arc<Bandwidth>),
    Each(Arc<bandwidth::Each>),
}

/// Requests at one moment.
#[derive(Debug)]
pub struct InUse {
    max: u32,
    divided: bool,
    counter: Counter,
}

#[derive(Debug, Clone)]
enum Counter {
    All(Arc<Concurrency>),
    Each(Arc<Each>),
}

impl Meter {
    /// A meter that has counted nothing.
    pub(super) fn new(limit: &Arc<Compiled>, owner: Owner<'_>, denials: Arc<Denials>, basis: &Arc<Basis>) -> Self {
        let Owner { place, fixed, tenant } = owner;
        let source = &limit.source;
        let counting = counting_of(source.counting, basis);
        let amount = match source.amount {
            limit::Amount::Rate { requests, per, burst } => {
                let quota = Quota { requests, period: per, burst };
                let rate = if limit.has_key() {
                    RateLimit::of_each(&source.id.name, quota, basis.max_keys)
                } else {
                    RateLimit::of_all(&source.id.name, quota)
                };
                Amount::Rate(rate.counted(counting).in_mode(mode(limit)).denying_in(Arc::clone(&denials)))
            }
            limit::Amount::Concurrency(max) => Amount::Concurrency(InUse::new(limit, max)),
            limit::Amount::Connections(max) => Amount::Connections(InUse::new(limit, max)),
            limit::Amount::Bandwidth(rate) => Amount::Bandwidth(Flow::new(limit, rate, basis)),
        };
        let global = match (&amount, source.counting) {
            (Amount::Rate(_), Counting::Global { otherwise }) => Some(otherwise),
            _ => None,
        };
        let fixed = fixed.iter().fold(String::new(), |text, place| format!("{text}\n{place}"));
        let name = format!("{}\n{}\n{place}{fixed}", source.id.source, source.id.name).into();
        let (limit, basis) = (Arc::clone(limit), Arc::clone(basis));
        Self { limit, amount, tenant, denials, global, name, basis }
    }

    /// The same with what is new in a limit, and with what it has counted.
    pub(super) fn carrying(self, old: &Self) -> Self {
        let amount = match (self.amount, &old.amount) {
            (Amount::Rate(new), Amount::Rate(old)) => {
                let now = self.basis.clock.now();
                let changed = old.changed(new.quota, new.counting, new.mode, now);
                Amount::Rate(changed.denying_in(Arc::clone(&self.denials)))
            }
            (Amount::Concurrency(new), Amount::Concurrency(old)) => {
                Amount::Concurrency(InUse { counter: old.counter.clone(), ..new })
            }
            (Amount::Connections(new), Amount::Connections(old)) => {
                Amount::Connections(InUse { counter: old.counter.clone(), ..new })
            }
            (Amount::Bandwidth(new), Amount::Bandwidth(old)) => {
                Amount::Bandwidth(Flow { paces: old.paces.clone(), ..new })
            }
            (new, _) => new,
        };
        Self { amount, ..self }
    }

    /// Whether it denies.
    #[must_use]
    pub fn mode(&self) -> Mode {
        mode(&self.limit)
    }

    /// What a request counts for.
    #[must_use]
    pub fn key(&self, asked: &Asked<'_>) -> Key {
        if self.limit.has_key() { self.basis.hasher.key(&*self.limit.values(asked)) } else { Key::new(0) }
    }

    /// Where a request counts in the store.
    #[must_use]
    pub fn global_key(&self, asked: &Asked<'_>) -> Vec<u8> {
        let values: Values = self.limit.values(asked);
        global::key(&[self.name.as_bytes(), &values])
    }

    /// Admits a request or connection of a key, for as long as it is under way; counts a denial.
    pub fn enter(&self, in_use: &InUse, key: Key) -> Option<Permit> {
        let max = self.most(in_use);
        let permit = match &in_use.counter {
            Counter::All(counter) => counter.enter(max),
            Counter::Each(counter) => counter.enter(key, max),
        };
        if permit.is_none() {
            self.denials.count(self.mode());
        }
        permit
    }

    /// How many may be under way in this replica.
    pub(super) fn most(&self, in_use: &InUse) -> u32 {
        if in_use.divided { self.basis.part(in_use.max) } else { in_use.max }
    }

    pub(super) fn now(&self) -> Moment {
        self.basis.clock.now()
    }

    /// What the response to a request of a key goes by.
    #[must_use]
    pub fn pace(&self, flow: &Flow, key: Key) -> Arc<Bandwidth> {
        let pace = match &flow.paces {
            Paces::All(pace) => Arc::clone(pace),
            Paces::Each(paces) => paces.of(key, self.basis.clock.now()),
        };
        let rate = if flow.divided { self.basis.part_of_bytes(flow.rate) } else { flow.rate };
        pace.set(rate, (rate / BURST).max(LEAST_BURST));
        pace
    }

    /// Bytes that its keys take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.keys().map_or(0, Keys::bytes)
    }

    /// Requests whose key found no place.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.keys().map_or(0, Keys::overflowed)
    }

    fn keys(&self) -> Option<&Keys> {
        match &self.amount {
            Amount::Rate(rate) => rate.keys(),
            Amount::Concurrency(_) | Amount::Connections(_) | Amount::Bandwidth(_) => None,
        }
    }
}

impl InUse {
    fn new(limit: &Compiled, max: u32) -> Self {
        let counter = if limit.has_key() { Counter::Each(Each::new()) } else { Counter::All(Concurrency::new(max)) };
        Self { max, divided: is_divided(limit.source.counting), counter }
    }

    /// How many of a key are under way.
    pub(super) fn used(&self, key: Key) -> u32 {
        match &self.counter {
            Counter::All(counter) => counter.used(),
            Counter::Each(counter) => counter.used(key),
        }
    }
}

impl Flow {
    fn new(limit: &Compiled, rate: u64, basis: &Basis) -> Self {
        let paces = if limit.has_key() {
            Paces::Each(Arc::new(bandwidth::Each::new(basis.max_keys)))
        } else {
            Paces::All(Arc::new(Bandwidth::new(rate, 0)))
        };
        Self { rate, divided: is_divided(limit.source.counting), paces }
    }
}

/// What may go at once after a pause: the part of a second that nobody notices, …
const BURST: u64 = 10;
/// … and an answer of usual size.
const LEAST_BURST: u64 = 64 << 10;

/// Whose meter it is.
pub(super) struct Owner<'a> {
    pub(super) place: &'a Place,
    /// What of the key does not differ between the requests of a rule.
    pub(super) fixed: &'a [Place],
    pub(super) tenant: Option<Arc<str>>,
}

/// After which time it may make sense to come again where nothing says it: somebody else's request has to end.
pub const SOON: Duration = Duration::from_secs(1);

fn mode(limit: &Compiled) -> Mode {
    if limit.source.enforced { Mode::Enforce } else { Mode::Shadow }
}

const fn is_divided(counting: Counting) -> bool {
    !matches!(counting, Counting::PerReplica)
}

/// What is counted together is divided while it cannot be.
fn counting_of(counting: Counting, basis: &Basis) -> counting::Counting {
    if is_divided(counting) {
        counting::Counting::Divide(Arc::clone(&basis.replicas))
    } else {
        counting::Counting::PerReplica
    }
}
