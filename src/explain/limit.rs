//! Limits of a request: by what they tell it apart, and what they have left for it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::World;
use super::account::Limited;
use super::key::KeyValue;
use super::left::Left;
use crate::ir::Limit;
use crate::ir::limit::{Amount, Counting, KeyPart};
use crate::table::Query;
use crate::table::action::RuleId;
use crate::table::limits::{Asked, Compiled, Tokens};

/// Who asks for what, of whom no more may be known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) query: Query<'a>,
    pub(super) client: Option<IpAddr>,
}

/// A limit of a rule, as it meets a request.
pub(super) fn limited<'i>(world: &World<'_>, limit: &'i Arc<Limit>, rule: &RuleId, asking: Asking<'_>) -> Limited<'i> {
    let values = limit.key.iter().map(|part| KeyValue::of(part, rule, asking)).collect();
    Limited { limit, values, left: left(world, limit, rule, asking) }
}

fn left(world: &World<'_>, limit: &Arc<Limit>, rule: &RuleId, Asking { query, client }: Asking<'_>) -> Left {
    let compiled = Compiled::apart(limit);
    if !compiled.counts_query(&query) {
        return Left::Uncounted;
    }
    let by_client = limit.key.contains(&KeyPart::ClientIp) || !limit.except.is_empty();
    match client {
        None if by_client => Left::ClientUnknown,
        Some(client) if !compiled.counts_client(client) => Left::Uncounted,
        // whose it is makes no difference where it is not known
        client => {
            let verifiers: Vec<_> = compiled.verifiers().cloned().collect();
            let (client, tokens) = (client.unwrap_or(NOBODY), Tokens::of(&verifiers));
            (world.left)(rule, &limit.id, &Asked { client, query, tokens: &tokens })
        }
    }
}

const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// What a limit allows, to whom, who counts, and what is left; then its key.
impl fmt::Display for Limited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        let mode = if limit.enforced { "" } else { ", in Shadow mode" };
        let (id, amount, counting) = (&limit.id, amount(limit.amount), counting(limit.counting));
        let scope = format!("{:?}", limit.scope).to_lowercase();
        let left = &self.left;
        writeln!(
            f,
            "    limit {} of {}: {amount} for each {scope}, counted {counting}{mode}{left}",
            id.name, id.source
        )?;
        match &*self.values {
            [] => Ok(()),
            values => {
                writeln!(f, "      key: {}", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn amount(amount: Amount) -> String {
    match amount {
        Amount::Rate { requests, per, burst } => format!("{requests} requests in {per:?}, {burst} at once"),
        Amount::Concurrency(number) => format!("{number} requests at one moment"),
        Amount::Connections(number) => format!("{number} connections"),
        Amount::Bandwidth(bytes) => format!("{bytes} bytes per second"),
    }
}

fn counting(counting: Counting) -> &'static str {
    match counting {
        Counting::PerReplica => "by each replica",
        Counting::Divide => "by each replica its part",
        Counting::Global { .. } => "by all replicas together",
    }
}
