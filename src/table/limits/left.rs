//! What is left of limits, without taking any of it: for whoever wants to know before asking.

use std::net::{IpAddr, Ipv4Addr};

use super::meter::{Amount, InUse, Meter};
use super::{Asked, Bound, Tokens};
use crate::ir::limit::{KeyPart, LimitId};
use crate::table::Query;

impl Bound {
    /// How many requests like this one a limit would admit at once in this replica. `None` where that depends on what is not
    /// known here: on the client's address, on its token, on the store, on when bytes are sent.
    #[must_use]
    pub fn left(&self, limit: &LimitId, query: &Query<'_>) -> Option<u64> {
        let meter = self.meters.iter().find(|meter| meter.limit.source.id == *limit)?;
        let is_unknown = |part: &KeyPart| matches!(part, KeyPart::ClientIp | KeyPart::JwtClaim { .. });
        let unknown = meter.limit.source.key.iter().any(is_unknown) || meter.global.is_some();
        // nobody's: the key does not hold them
        let (client, tokens) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), Tokens::default());
        (!unknown).then(|| meter.left(&Asked { client, query: *query, tokens: &tokens })).flatten()
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
