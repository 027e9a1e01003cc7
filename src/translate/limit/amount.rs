//! How much: rates, ceilings, bytes.

use super::invalid;
use crate::api::policy::limit::Rate;
use crate::api::policy::quantity::Quantity;
use crate::ir::limit::Amount;
use crate::translate::field::Field;
use crate::translate::finding::Findings;

/// The most of anything that is counted. The limiters' arithmetic has room for it.
const MOST: u32 = 1_000_000_000;

/// Requests in a time; `number` is the field that says how many.
pub(super) fn rate(rate: &Rate, number: &str, at: &Field<'_>, findings: &mut Findings) -> Option<Amount> {
    let requests = count(rate.requests, &at.name(number), findings);
    let burst = count(rate.burst(), &at.name("burst"), findings);
    let per = rate.period();
    if per.is_none() {
        let message = format!("'{}' is no time that a rate is measured over", rate.per);
        invalid(findings, &at.name("per"), message, "write a time from 1s to 24h, such as 1m");
    }
    Some(Amount::Rate { requests: requests?, per: per?, burst: burst? })
}

/// A number of things that are there at one moment, or come in a time.
pub(super) fn count(number: u32, at: &Field<'_>, findings: &mut Findings) -> Option<u32> {
    let within = (1..=MOST).contains(&number);
    if !within {
        invalid(findings, at, format!("{number} is no number of requests or connections"), "write 1 to 1000000000");
    }
    within.then_some(number)
}

/// Bytes of responses per second.
pub(super) fn bandwidth(quantity: &Quantity, at: &Field<'_>, findings: &mut Findings) -> Option<Amount> {
    let bytes = quantity.value();
    if bytes.is_none() {
        let message = format!("'{}' is no quantity of at least 1", quantity.as_str());
        invalid(findings, at, message, "write bytes per second, such as 200Mi");
    }
    bytes.map(Amount::Bandwidth)
}
