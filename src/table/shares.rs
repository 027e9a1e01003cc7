//! What tenants get of a gateway that has no more to give: one part each, kept from table to table.
//!
//! A part lives as long as somebody has it: the shares that promise something to its tenant, a rule, a request. So
//! what is in flight stays counted while tables come and go, and a rule finds its part without looking for it.

mod line;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

pub use line::Line;

use super::Map;
use crate::ir;
use crate::limit::Moment;
use crate::limit::share::{Admission, Member, Share};

/// The parts of all tenants.
#[derive(Debug)]
pub struct Shares {
    whole: Arc<Share>,
    source: Arc<[ir::Share]>,
    /// In the order of the source.
    promised: Box<[Arc<Part>]>,
    /// By tenant; also of those whom nothing is promised.
    known: Map<Arc<str>, Weak<Part>>,
    /// Of all routes of no tenant, together.
    rest: Arc<Part>,
}

/// The part of one tenant.
#[derive(Debug)]
pub struct Part {
    /// Whose it is; none for routes of no tenant.
    pub tenant: Option<Arc<str>>,
    /// Its TLS handshakes.
    pub handshakes: Line,
    member: Arc<Member>,
    enforced: AtomicBool,
}

/// A request was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saturated;

impl Shares {
    /// Shares of a gateway on which nobody has requests yet.
    #[must_use]
    pub fn of(capacity: u32) -> Self {
        let whole = Share::new(capacity);
        let rest = Arc::new(Part::join(&whole, None));
        Self { whole, source: Arc::default(), promised: Box::default(), known: Map::default(), rest }
    }

    /// The same with other promises. What is promised changes at once, for requests of older tables, too.
    pub(crate) fn compile(&self, source: &Arc<[ir::Share]>) -> Self {
        let known = self.known.iter().filter(|(_, part)| part.strong_count() > 0);
        let mut next = Self {
            whole: Arc::clone(&self.whole),
            source: Arc::clone(source),
            promised: self.promised.clone(),
            known: known.map(|(tenant, part)| (Arc::clone(tenant), Weak::clone(part))).collect(),
            rest: Arc::clone(&self.rest),
        };
        if self.source != *source {
            next.promise(&self.promised);
        }
        next
    }

    fn promise(&mut self, before: &[Arc<Part>]) {
        let source = Arc::clone(&self.source);
        let promised = |part: &&Arc<Part>| source.iter().any(|share| Some(&share.tenant) == part.tenant.as_ref());
        // first what is given up, so that nobody's promise is cut because of it
        before.iter().filter(|part| !promised(part)).for_each(|part| part.forget());
        self.promised = source.iter().map(|share| self.promised_part(share)).collect();
    }

    fn promised_part(&mut self, share: &ir::Share) -> Arc<Part> {
        let part = self.part(Some(&share.tenant));
        part.promise(share);
        part
    }

    /// The part of a tenant.
    pub(crate) fn part(&mut self, tenant: Option<&Arc<str>>) -> Arc<Part> {
        let Some(tenant) = tenant else { return Arc::clone(&self.rest) };
        if let Some(part) = self.known.get(tenant).and_then(Weak::upgrade) {
            return part;
        }
        let part = Arc::new(Part::join(&self.whole, Some(Arc::clone(tenant))));
        self.known.insert(Arc::clone(tenant), Arc::downgrade(&part));
        part
    }

    /// The part of a tenant that has one; else that of those without tenant.
    #[must_use]
    pub fn of_tenant(&self, tenant: Option<&Arc<str>>) -> Arc<Part> {
        let known = tenant.and_then(|tenant| self.known.get(tenant)?.upgrade());
        known.unwrap_or_else(|| Arc::clone(&self.rest))
    }

    /// Every part, in no order.
    pub fn parts(&self) -> impl Iterator<Item = Arc<Part>> {
        self.known.values().filter_map(Weak::upgrade).chain([Arc::clone(&self.rest)])
    }

    /// Requests in flight at which the gateway is saturated.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.whole.capacity()
    }
}

/// Without a bound.
impl Default for Shares {
    fn default() -> Self {
        Self::of(u32::MAX)
    }
}

impl Part {
    /// The least weight, and no guarantee.
    fn join(whole: &Arc<Share>, tenant: Option<Arc<str>>) -> Self {
        let (member, enforced) = (whole.join(1, 0), AtomicBool::new(true));
        Self { tenant, handshakes: Line::default(), member, enforced }
    }

    fn promise(&self, share: &ir::Share) {
        self.member.set(share.weight, share.guaranteed);
        self.enforced.store(share.enforced, Ordering::Relaxed);
    }

    fn forget(&self) {
        self.member.set(1, 0);
        self.enforced.store(true, Ordering::Relaxed);
    }

    /// Admits one more request, which holds on to what it gets until it ends.
    ///
    /// Where the share is not enforced every request is admitted: those that would be denied are counted, and take
    /// nothing from others.
    ///
    /// # Errors
    /// When the tenant has its part and the gateway has no more to give.
    pub fn admit(&self, now: Moment) -> Result<Option<Admission>, Saturated> {
        let admission = self.member.acquire(now);
        if admission.is_none() && self.enforced.load(Ordering::Relaxed) {
            return Err(Saturated);
        }
        Ok(admission)
    }

    /// Its weight among others.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.member.weight()
    }

    /// Requests in flight.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.member.used()
    }

    /// Requests in flight that it has in any case: less than promised if too much was promised to all.
    #[must_use]
    pub fn guaranteed(&self) -> u32 {
        self.member.guaranteed()
    }

    /// Requests denied, or that would have been.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.member.denied()
    }

    /// Those of them at which the tenant had fewer in flight than it was promised: none unless too much was promised to all.
    #[must_use]
    pub fn denied_below(&self) -> u64 {
        self.member.denied_below()
    }
}

/// For rules outside of a table.
#[cfg(test)]
impl Default for Part {
    fn default() -> Self {
        Self::join(&Share::new(u32::MAX), None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn promised(shares: &[(&str, u32, bool)]) -> Arc<[ir::Share]> {
        let share = |(tenant, guaranteed, enforced): &(&str, u32, bool)| ir::Share {
            tenant: (*tenant).into(),
            weight: 1,
            guaranteed: *guaranteed,
            enforced: *enforced,
        };
        shares.iter().map(share).collect()
    }

    fn guaranteed(shares: &Shares) -> Vec<(String, u32)> {
        let name = |part: &Part| part.tenant.as_deref().unwrap_or_default().to_owned();
        let mut all: Vec<_> = shares.parts().map(|part| (name(&part), part.guaranteed())).collect();
        all.sort();
        all
    }

    #[test]
    fn a_part_stays_the_same_while_tables_come_and_go() {
        let mut first = Shares::of(10).compile(&promised(&[("a", 4, true)]));
        let (a, rest) = (first.part(Some(&"a".into())), first.part(None));
        let held = a.admit(Moment::default()).unwrap();
        let mut second = first.compile(&promised(&[("a", 2, true), ("b", 3, true)]));
        assert!(Arc::ptr_eq(&second.part(Some(&"a".into())), &a) && Arc::ptr_eq(&second.part(None), &rest));
        assert_eq!((a.used(), a.guaranteed()), (1, 2), "what is in flight stays counted");
        drop(held);
        assert_eq!(a.used(), 0);
        assert_eq!(guaranteed(&second), [(String::new(), 0), ("a".into(), 2), ("b".into(), 3)]);
    }

    #[test]
    fn a_promise_ends_with_its_tenant_even_if_requests_go_on() {
        let first = Shares::of(10).compile(&promised(&[("a", 10, true)]));
        let a = Arc::clone(&first.promised[0]);
        let held = a.admit(Moment::default()).unwrap();
        let mut second = first.compile(&promised(&[("b", 10, true)]));
        assert_eq!((a.guaranteed(), second.part(Some(&"b".into())).guaranteed()), (0, 10));
        drop((held, a, first));
        let third = second.compile(&promised(&[]));
        drop(second);
        assert_eq!(guaranteed(&third.compile(&promised(&[]))), [(String::new(), 0)], "nobody has it any more");
    }

    #[test]
    fn a_tenant_without_a_promise_has_a_part_of_its_own_for_as_long_as_it_has_rules() {
        let mut shares = Shares::of(10);
        let (a, rest) = (shares.part(Some(&"a".into())), shares.part(None));
        assert!(!Arc::ptr_eq(&a, &rest) && Arc::ptr_eq(&shares.part(Some(&"a".into())), &a));
        assert_eq!(guaranteed(&shares.compile(&promised(&[]))).len(), 2);
        drop(a);
        assert_eq!(guaranteed(&shares.compile(&promised(&[]))).len(), 1);
    }

    #[test]
    fn who_is_over_its_part_is_denied_or_only_counted() {
        let mut shares = Shares::of(1).compile(&promised(&[("loud", 1, true), ("shadow", 0, false)]));
        let (loud, shadow) = (shares.part(Some(&"loud".into())), shares.part(Some(&"shadow".into())));
        let held = loud.admit(Moment::default()).unwrap();
        assert!(held.is_some() && loud.admit(Moment::default()).is_err());
        assert!(shadow.admit(Moment::default()).unwrap().is_none(), "it goes on, and takes nothing");
        assert_eq!((loud.denied(), shadow.denied(), shadow.used()), (1, 1, 0));
        let _enforced = shares.compile(&promised(&[("shadow", 0, true)]));
        let later = Moment::new(Duration::from_secs(2));
        assert!(shadow.admit(later).is_ok_and(|place| place.is_some()), "the guarantee of another is given up");
    }
}
