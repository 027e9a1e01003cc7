//! `status.parents`: our entries among those of other controllers.

use serde_json::{Map, Value};

use super::{Now, conditions, is_ours, list, value};
use crate::api::gateway::GROUP;
use crate::api::gateway::shared::ParentReference;
use crate::api::status::RouteParentStatus;

/// The CRDs allow no more.
const MOST: usize = 32;

/// Brings our entries into the list. Each keeps its place; new ones come last.
pub(super) fn set(status: &mut Map<String, Value>, namespace: &str, wanted: &[RouteParentStatus], now: Now) {
    let current = list(status, "parents");
    let next = merged(current, namespace, wanted, now);
    if next != current {
        status.insert("parents".to_owned(), Value::Array(next));
    }
}

fn merged(current: &[Value], namespace: &str, wanted: &[RouteParentStatus], now: Now) -> Vec<Value> {
    let mut left: Vec<&RouteParentStatus> = wanted.iter().collect();
    let mut next = Vec::with_capacity(current.len() + wanted.len());
    for known in current {
        if !is_ours(known) {
            next.push(known.clone());
            continue;
        }
        let parent = known.get("parentRef").and_then(|parent| serde_json::from_value(parent.clone()).ok());
        let Some(parent) = parent.map(|parent: ParentReference| complete(parent, namespace)) else { continue };
        let same = |wanted: &&RouteParentStatus| complete(wanted.parent_ref.clone(), namespace) == parent;
        if let Some(place) = left.iter().position(same) {
            next.push(entry(left.remove(place), known.as_object(), now));
        }
    }
    let room = MOST.saturating_sub(next.len());
    next.extend(left.into_iter().take(room).map(|wanted| entry(wanted, None, now)));
    next
}

fn entry(wanted: &RouteParentStatus, known: Option<&Map<String, Value>>, now: Now) -> Value {
    let mut entry = known.cloned().unwrap_or_default();
    // The API server fills these in when it stores the status; written without, it would always differ.
    let mut parent = wanted.parent_ref.clone();
    parent.group.get_or_insert_with(|| GROUP.to_owned());
    parent.kind.get_or_insert_with(|| "Gateway".to_owned());
    entry.insert("parentRef".to_owned(), value(parent));
    entry.insert("controllerName".to_owned(), wanted.controller_name.into());
    conditions::set(&mut entry, &wanted.conditions, now);
    Value::Object(entry)
}

/// A reference with what it leaves to defaults.
fn complete(mut parent: ParentReference, namespace: &str) -> ParentReference {
    parent.group.get_or_insert_with(|| GROUP.to_owned());
    parent.kind.get_or_insert_with(|| "Gateway".to_owned());
    parent.namespace.get_or_insert_with(|| namespace.to_owned());
    parent
}
