//! Conditions: ours among those of others.

use serde_json::{Map, Value};

use super::{Now, list, value};
use crate::api::status::Condition;

/// The condition types that are ours wherever they stand. One that we no longer say is removed; all
/// others belong to somebody else.
pub(super) const OWN_CONDITIONS: [&str; 9] = [
    "Accepted",
    "Programmed",
    "ResolvedRefs",
    "Conflicted",
    "OverlappingTLSConfig",
    "PartiallyInvalid",
    "SupportedVersion",
    "paifang.dev/HostnamePermitted",
    "paifang.dev/WithinQuota",
];

/// The CRDs allow no more in one list.
const MOST: usize = 8;

/// Brings our conditions into the list of an object, a listener or a parent.
pub(super) fn set(status: &mut Map<String, Value>, wanted: &[Condition], now: Now) {
    let current = list(status, "conditions");
    let next = merged(current, wanted, now);
    if next != current {
        status.insert("conditions".to_owned(), Value::Array(next));
    }
}

fn merged(current: &[Value], wanted: &[Condition], now: Now) -> Vec<Value> {
    let mut left: Vec<&Condition> = wanted.iter().collect();
    let mut next = Vec::with_capacity(current.len() + wanted.len());
    for known in current {
        let kind = kind(known);
        if let Some(place) = left.iter().position(|wanted| Some(wanted.kind) == kind) {
            next.push(condition(left.remove(place), Some(known), now));
        } else if !is_own(known) {
            next.push(known.clone());
        }
    }
    next.extend(left.into_iter().map(|wanted| condition(wanted, None, now)));
    // Full up to the limit with what others say, the API server would refuse it all: ours come first.
    while next.len() > MOST {
        let Some(place) = next.iter().rposition(|it| !is_own(it)) else { break };
        next.remove(place);
    }
    next.truncate(MOST);
    next
}

/// The time of a condition is that of the last change of its `status`, not of its reason or message.
fn condition(wanted: &Condition, known: Option<&Value>, now: Now) -> Value {
    let mut next = value(wanted);
    let same = known.filter(|known| known.get("status") == next.get("status"));
    let since = same.and_then(|known| known.get("lastTransitionTime")).and_then(Value::as_str);
    let since = since.map_or_else(|| now.text(), ToOwned::to_owned);
    if let Some(fields) = next.as_object_mut() {
        fields.insert("lastTransitionTime".to_owned(), since.into());
    }
    next
}

fn kind(condition: &Value) -> Option<&str> {
    condition.get("type").and_then(Value::as_str)
}

fn is_own(condition: &Value) -> bool {
    kind(condition).is_some_and(|kind| OWN_CONDITIONS.contains(&kind))
}
