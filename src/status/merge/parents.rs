//! `status.parents`: our entries among those of other controllers.

use serde_json::{Map, Value};

use super::{Now, conditions, entries, list, value};
use crate::api::gateway::GROUP;
use crate::api::gateway::shared::ParentReference;
use crate::api::status::RouteParentStatus;

/// The CRDs allow no more.
const MOST: usize = 32;

/// Brings our entries into the list.
pub(super) fn set(status: &mut Map<String, Value>, namespace: &str, wanted: &[RouteParentStatus], now: Now) {
    let is = |wanted: &RouteParentStatus, known: &Value| {
        let parent = known.get("parentRef").and_then(|parent| serde_json::from_value(parent.clone()).ok());
        parent.is_some_and(|parent: ParentReference| {
            complete(parent, namespace) == complete(wanted.parent_ref.clone(), namespace)
        })
    };
    let next = entries::merged(list(status, "parents"), wanted, MOST, is, |wanted, entry| write(wanted, entry, now));
    super::set(status, "parents", next);
}

fn write(wanted: &RouteParentStatus, entry: &mut Map<String, Value>, now: Now) {
    // The API server fills these in when it stores the status; written without, it would always differ.
    let mut parent = wanted.parent_ref.clone();
    parent.group.get_or_insert_with(|| GROUP.to_owned());
    parent.kind.get_or_insert_with(|| "Gateway".to_owned());
    entry.insert("parentRef".to_owned(), value(parent));
    entry.insert("controllerName".to_owned(), wanted.controller_name.into());
    conditions::set(entry, &wanted.conditions, now);
}

/// A reference with what it leaves to defaults.
fn complete(mut parent: ParentReference, namespace: &str) -> ParentReference {
    parent.group.get_or_insert_with(|| GROUP.to_owned());
    parent.kind.get_or_insert_with(|| "Gateway".to_owned());
    parent.namespace.get_or_insert_with(|| namespace.to_owned());
    parent
}
