//! What is left of limits, without taking any of it: for whoever wants to know before asking.

use std::sync::Arc;

use super::Asked;
use super::meter::{Amount, InUse, Meter};
use crate::ir::limit::LimitId;
use crate::limit::global::Ask;
use crate::table::Table;
use crate::table::action::RuleId;

impl Table {
    /// The counter of a limit for a rule.
    #[must_use]
    pub fn meter(&self, rule: &RuleId, limit: &LimitId) -> Option<&Arc<Meter>> {
        let bound = self.rules().find(|known| known.id == *rule).map(|rule| &rule.limits);
        let of_rule = bound.into_iter().flat_map(|bound| bound.meters.iter().chain(&bound.connections));
        let listener = self.listeners.iter().find(|known| known.gateway == rule.gateway && known.name == rule.listener);
        let of_listener = listener.into_iter().flat_map(|listener| &listener.connections);
        of_rule.chain(of_listener).find(|meter| meter.limit.source.id == *limit)
    }
}

impl Meter {
    /// How many requests like this one, or connections of its client, this replica would admit at once. `None` for bytes.
    #[must_use]
    pub fn left(&self, asked: &Asked<'_>) -> Option<u64> {
        match &self.amount {
            Amount::Rate(rate) => Some(rate.left(self.key(asked), self.now())),
            Amount::Concurrency(in_use) | Amount::Connections(in_use) => Some(self.free(in_use, asked)),
            Amount::Bandwidth(_) => None,
        }
    }

    /// What the store has to be asked about a request under the key that [`global_key`](Self::global_key) makes; `None`
    /// for what is not counted there.
    #[must_use]
    pub fn global_ask<'k>(&self, key: &'k [u8]) -> Option<Ask<'k>> {
        let Amount::Rate(rate) = &self.amount else { return None };
        self.global.map(|_| Ask { key, params: rate.quota.params(), cost: 1, mode: rate.mode })
    }

    fn free(&self, in_use: &InUse, asked: &Asked<'_>) -> u64 {
        self.most(in_use).saturating_sub(in_use.used(self.key(asked))).into()
    }
}
