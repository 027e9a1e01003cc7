//! Builders for conditions.

use std::borrow::Cow;

use super::finding::{Concern, Findings, bounded};
use super::quota::Over;
use super::reason::Reason;
use crate::api::status::{Condition, ConditionStatus};

/// Condition type.
pub(crate) const ACCEPTED: &str = "Accepted";
/// Condition type.
pub(crate) const PROGRAMMED: &str = "Programmed";
/// Condition type.
pub(crate) const RESOLVED_REFS: &str = "ResolvedRefs";
/// Condition type, only ever True.
pub(crate) const CONFLICTED: &str = "Conflicted";
/// Condition type, only ever True.
pub(crate) const OVERLAPPING_TLS: &str = "OverlappingTLSConfig";
/// Condition type, only ever True.
pub(crate) const PARTIALLY_INVALID: &str = "PartiallyInvalid";

/// Condition type of ours, only ever False: a part of what a route asks for is somebody else's.
pub(crate) const HOSTNAME_PERMITTED: &str = "paifang.dev/HostnamePermitted";

/// Condition type of ours, only ever False: in Shadow mode, what a quota would deny.
pub(crate) const WITHIN_QUOTA: &str = "paifang.dev/WithinQuota";

/// A condition that holds.
pub(crate) fn holds(
    kind: &'static str,
    reason: Reason,
    message: impl Into<Cow<'static, str>>,
    generation: i64,
) -> Condition {
    build(kind, ConditionStatus::True, reason, (message.into(), generation))
}

/// A condition that does not hold.
pub(crate) fn fails(
    kind: &'static str,
    reason: Reason,
    message: impl Into<Cow<'static, str>>,
    generation: i64,
) -> Condition {
    build(kind, ConditionStatus::False, reason, (message.into(), generation))
}

/// `ResolvedRefs`, from what was found.
pub(crate) fn resolved_refs(findings: &Findings, generation: i64) -> Condition {
    match findings.verdict(Concern::ResolvedRefs) {
        Some((reason, message)) => fails(RESOLVED_REFS, reason, message, generation),
        None => holds(RESOLVED_REFS, Reason::ResolvedRefs, "all references lead somewhere", generation),
    }
}

/// What a quota would deny if it were enforced.
pub(crate) fn beyond_quota(over: &Over, generation: i64) -> Condition {
    fails(WITHIN_QUOTA, Reason::QuotaExceeded, over.to_string(), generation)
}

fn build(
    kind: &'static str,
    status: ConditionStatus,
    reason: Reason,
    (message, observed_generation): (Cow<'static, str>, i64),
) -> Condition {
    // most conditions say one of a few sentences, which nobody needs to own
    let message = match message {
        Cow::Owned(message) => Cow::Owned(bounded(message)),
        fixed @ Cow::Borrowed(_) => fixed,
    };
    Condition { kind, status, reason: reason.as_str(), message, observed_generation }
}
