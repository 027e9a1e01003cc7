//! Which rules have series of their own: a tenant has a budget of series, and the rules beyond it are
//! summed up in one further set.
//!
//! No counter of that sum goes backwards, and every request is counted once:
//!
//! - Who has series keeps them for as long as the rule exists; of all others the oldest routes come
//!   first. A rule that is new, or asked for the first time, pushes nobody out.
//! - A rule that gets series when others are gone begins at 0 there, or where it left off; what it counted in the
//!   sum stays there.
//! - A rule that is removed leaves to the sum what it counted there.
//! - Status codes make series, too. When those of a tenant outgrow the budget, the last of its rules goes
//!   over to the sum, which counts what comes from then on; its own series are shown once more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::totals::Totals;
use crate::table::Rule;
use crate::table::action::RuleId;
use crate::table::stats::RuleStats;

/// A tenant, or none.
pub(super) type Owner = Option<Arc<str>>;

/// The accounts of all tenants.
#[derive(Debug)]
pub(super) struct Budget {
    series: usize,
    tenants: BTreeMap<Owner, Tenant>,
}

/// What is shown of one tenant.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Rules with series of their own.
    pub(super) rules: Vec<(RuleId, Totals)>,
    /// The sum of the others, once there was one.
    pub(super) overflow: Option<Totals>,
    /// How many rules are summed up.
    pub(super) overflowed: usize,
}

/// A rule that had a request.
#[derive(Debug)]
pub(super) struct Used {
    id: RuleId,
    created: i64,
    stats: Arc<RuleStats>,
}

#[derive(Debug, Default)]
struct Tenant {
    /// By address of the counters, which the account keeps alive.
    accounts: HashMap<usize, Account>,
    /// What rules counted in the sum that are no longer in it; none before there was a sum.
    left: Option<Totals>,
}

/// Where a rule counts.
#[derive(Debug)]
struct Account {
    stats: Arc<RuleStats>,
    place: Place,
    /// What the counters said when it came to its place; none from their beginning.
    began: Option<Box<Totals>>,
    /// What its own series showed when it lost them.
    lost: Option<Box<Totals>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not known yet.
    New,
    /// In series of its own.
    Own,
    /// In the sum.
    Overflow,
}

impl Budget {
    /// A budget of so many series for each tenant.
    pub(super) fn new(series: usize) -> Self {
        Self { series, tenants: BTreeMap::new() }
    }

    /// Decides what is shown now. A tenant without rules is forgotten.
    pub(super) fn settle(&mut self, used: BTreeMap<Owner, Vec<Used>>) -> BTreeMap<Owner, Shown> {
        self.tenants.retain(|owner, _| used.contains_key(owner));
        let shown = used.into_iter().map(|(owner, rules)| {
            let tenant = self.tenants.entry(owner.clone()).or_default();
            (owner, tenant.settle(rules, self.series))
        });
        shown.collect()
    }
}

impl Used {
    /// The rule, if there was ever a request for it.
    pub(super) fn of(rule: &Rule) -> Option<Self> {
        rule.stats.used()?;
        Some(Self { id: rule.id.clone(), created: rule.created, stats: Arc::clone(&rule.stats) })
    }

    /// Whose it is.
    pub(super) fn tenant(&self) -> Option<&Arc<str>> {
        self.id.tenant.as_ref()
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.stats).addr()
    }
}

impl Tenant {
    fn settle(&mut self, mut rules: Vec<Used>, series: usize) -> Shown {
        let rank = |rule: &Used| self.accounts.get(&rule.address()).is_none_or(|account| account.place != Place::Own);
        rules.sort_by(|a, b| {
            let (one, other) = (&a.id, &b.id);
            (rank(a), a.created, &one.route.key, one).cmp(&(rank(b), b.created, &other.route.key, other))
        });
        let mut shown = Shown::default();
        let mut room = Some(series);
        let mut met = HashSet::new();
        for rule in rules {
            if met.insert(rule.address()) {
                let place = self.place(rule, &mut room, &mut shown.rules);
                shown.overflowed += usize::from(place == Place::Overflow);
            }
        }
        self.part_with_all_but(&met);
        shown.overflow = (shown.overflowed > 0 || self.left.is_some()).then(|| self.sum());
        shown
    }

    /// Finds a rule its place; after the first that does not fit there is no room for others.
    fn place(&mut self, rule: Used, room: &mut Option<usize>, shown: &mut Vec<(RuleId, Totals)>) -> Place {
        let new = || Account { stats: Arc::clone(&rule.stats), place: Place::New, began: None, lost: None };
        let account = self.accounts.entry(rule.address()).or_insert_with(new);
        let now = Totals::read(rule.stats.counters());
        let counted = account.since_it_began(now.clone());
        *room = room.and_then(|room| room.checked_sub(counted.series()));
        match (account.place, room.is_some()) {
            (Place::New | Place::Own, true) => {
                account.place = Place::Own;
                shown.push((rule.id, account.with_lost(counted)));
            }
            (Place::Overflow, true) => {
                self.left.get_or_insert_default().add(&counted);
                shown.push((rule.id, account.with_lost(now.clone().since(&now))));
                account.move_to(Place::Own, now);
            }
            (Place::Own, false) => {
                let last = account.with_lost(counted);
                account.lost = Some(Box::new(last.clone()));
                account.move_to(Place::Overflow, now);
                shown.push((rule.id, last));
            }
            (Place::New | Place::Overflow, false) => account.place = Place::Overflow,
        }
        account.place
    }

    /// Closes the accounts of rules that are gone, when the last request to them is, too.
    fn part_with_all_but(&mut self, met: &HashSet<usize>) {
        let Self { accounts, left } = self;
        accounts.retain(|address, account| {
            let stays = met.contains(address) || Arc::strong_count(&account.stats) > 1;
            if !stays && account.place == Place::Overflow {
                left.get_or_insert_default().add(&account.counted());
            }
            stays
        });
    }

    fn sum(&mut self) -> Totals {
        let left = self.left.get_or_insert_default();
        let mut sum = left.clone();
        for account in self.accounts.values().filter(|account| account.place == Place::Overflow) {
            sum.add(&account.counted());
        }
        left.keep_pairs(&sum);
        sum
    }
}

impl Account {
    fn counted(&self) -> Totals {
        self.since_it_began(Totals::read(self.stats.counters()))
    }

    fn since_it_began(&self, now: Totals) -> Totals {
        match &self.began {
            Some(began) => now.since(began),
            None => now,
        }
    }

    fn with_lost(&self, mut counted: Totals) -> Totals {
        self.lost.iter().for_each(|lost| counted.add(lost));
        counted
    }

    fn move_to(&mut self, place: Place, now: Totals) {
        self.place = place;
        self.began = Some(Box::new(now));
    }
}

#[cfg(test)]
mod tests;
