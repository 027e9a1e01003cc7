//! `status.ancestors` of policies: our entries among those of other controllers.

use serde_json::{Map, Value};

use super::{Now, conditions, entries, list, value};
use crate::api::status::PolicyAncestorStatus;

/// GEP-713 and the CRDs allow no more.
const MOST: usize = 16;

/// Brings our entries into the list.
pub(super) fn set(status: &mut Map<String, Value>, wanted: &[PolicyAncestorStatus], now: Now) {
    let is = |wanted: &PolicyAncestorStatus, known: &Value| {
        known.get("ancestorRef").is_some_and(|known| *known == value(&wanted.ancestor_ref))
    };
    let write = |wanted: &PolicyAncestorStatus, entry: &mut Map<String, Value>| {
        entry.insert("ancestorRef".to_owned(), value(&wanted.ancestor_ref));
        entry.insert("controllerName".to_owned(), wanted.controller_name.into());
        conditions::set(entry, &wanted.conditions, now);
    };
    let next = entries::merged(list(status, "ancestors"), wanted, MOST, is, write);
    super::set(status, "ancestors", next);
}
