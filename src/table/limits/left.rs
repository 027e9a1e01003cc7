//! What is left of limits, without taking any of it: for whoever wants to know before asking.

use std::net::{IpAddr, Ipv4Addr};

use super::meter::{Amount, InUse, Meter};
use super::{Asked, Bound};
use crate::ir::limit::{KeyPart, LimitId};
use crate::table::Query;

impl Bound {
    /// How many requests like this one a limit would admit at once in this replica. `None` where that depends on what is not
    /// known here: on the client's address, on the store, on when bytes are sent.
    #[must_use]
    pub fn left(&self, limit: &LimitId, query: &Query<'_>) -> Option<u64> {
        let meter = self.meters.iter().find(|meter| meter.limit.source.id == *limit)?;
        let unknown = meter.limit.source.key.contains(&KeyPart::ClientIp) || meter.global.is_some();
        // nobody's: the key does not hold it
        let client = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        (!unknown).then(|| meter.left(&Asked { client, query: *query })).flatten()
    }
}

impl Meter {
    fn left(&self, asked: &Asked<'_>) -> Option<u64> {
        match &self.amount {
            Amount::Rate(rate) => Some(rate.left(self.key(asked), self.now())),
            Amount::Concurrency(in_use) => self.free(in_use),
            Amount::Connections(_) | Amount::Bandwidth(_) => None,
        }
    }

    fn free(&self, in_use: &InUse) -> Option<u64> {
        Some(self.most(in_use).saturating_sub(in_use.used()?).into())
    }
}
