//! What limits have left, by the counters of this process and by those in the store; nothing is taken.

use std::sync::Arc;

use crate::explain::Left;
use crate::ir::LimitId;
use crate::limit::global::Unavailable;
use crate::table::Table;
use crate::table::action::RuleId;
use crate::table::limits::{Asked, Meter};
use crate::telemetry::Metrics;

/// Where requests are counted.
pub(super) struct Counters {
    pub(super) table: Arc<Table>,
    pub(super) metrics: Arc<Metrics>,
}

impl Counters {
    /// What a limit of a rule has left for a request. Waits for the store, so it must not be called on an async thread.
    pub(super) fn left(&self, rule: &RuleId, limit: &LimitId, asked: &Asked<'_>) -> Left {
        // the table may be newer than what is explained
        let Some(meter) = self.table.meter(rule, limit) else { return Left::Unsaid };
        let Some(here) = meter.left(asked) else { return Left::Unsaid };
        match meter.global {
            Some(otherwise) => self.ask(meter, asked).map_or(Left::Apart(otherwise, here), Left::Together),
            None => Left::Here(here),
        }
    }

    /// The connection of whichever thread has one will do: all lead to the same store.
    fn ask(&self, meter: &Meter, asked: &Asked<'_>) -> Result<u64, Unavailable> {
        let connected = self.metrics.limit_stores.lock().iter().find(|store| store.is_up()).cloned();
        let store = connected.ok_or(Unavailable::Disconnected)?;
        let key = meter.global_key(asked);
        let ask = meter.global_ask(&key);
        let answers = tokio::runtime::Handle::current().block_on(store.look(ask.as_slice()))?;
        let answer = answers.first().ok_or(Unavailable::Disconnected)?;
        Ok(answer.map_or_else(|denied| denied.remaining, |allowed| allowed.remaining + 1))
    }
}
