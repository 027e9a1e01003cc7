//! From the status an object has and the one it should have to the one to write. Pure.
//!
//! What others wrote survives as it is: their entries in `parents` and `ancestors`, their conditions beside ours, their
//! fields. Ours are recognised by [`CONTROLLER_NAME`] and [`OWN_CONDITIONS`].

mod ancestors;
mod conditions;
mod entries;
mod parents;

use serde_json::{Map, Value};

use crate::api::gateway::CONTROLLER_NAME;
use crate::api::policy::status::ClaimsStatus;
use crate::api::status::{GatewayClassStatus, GatewayStatus, ListenerStatus, ShareGrantStatus, Status, TenantStatus};
use crate::api::{Kind, ObjectRef};

/// The moment that conditions changed, as the API server writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now(pub(crate) jiff::Timestamp);

impl Now {
    fn text(self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// The whole status to write, or `None` when what is there is right already. Without a wanted status,
/// what is ours in a route's `parents` or a policy's `ancestors` goes.
pub(crate) fn merge(object: &ObjectRef, current: &Value, wanted: Option<&Status>, now: Now) -> Option<Value> {
    let none = Map::new();
    let current = current.as_object().unwrap_or(&none);
    let mut next = current.clone();
    match wanted {
        Some(Status::GatewayClass(wanted)) => gateway_class(&mut next, wanted, now),
        Some(Status::Gateway(wanted)) => gateway(&mut next, wanted, now),
        Some(Status::Route(wanted)) => parents::set(&mut next, &object.key.namespace, &wanted.parents, now),
        Some(Status::Tenant(wanted)) => tenant(&mut next, wanted, now),
        Some(Status::Policy(wanted)) => ancestors::set(&mut next, &wanted.ancestors, now),
        Some(Status::ShareGrant(wanted)) => share_grant(&mut next, wanted, now),
        None if has_parents(object.kind) => parents::set(&mut next, &object.key.namespace, &[], now),
        None if object.kind == Kind::RateLimitPolicy => ancestors::set(&mut next, &[], now),
        None => {}
    }
    (next != *current).then_some(Value::Object(next))
}

/// Whether objects of a kind say in `status.parents` what became of them at each parent.
const fn has_parents(kind: Kind) -> bool {
    matches!(kind, Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute | Kind::TcpRoute | Kind::UdpRoute)
}

fn gateway_class(status: &mut Map<String, Value>, wanted: &GatewayClassStatus, now: Now) {
    conditions::set(status, &wanted.conditions, now);
    let mut features: Vec<&str> = wanted.supported_features.iter().map(|feature| feature.name).collect();
    features.sort_unstable();
    set(status, "supportedFeatures", features.into_iter().map(|name| serde_json::json!({"name": name})).collect());
}

fn gateway(status: &mut Map<String, Value>, wanted: &GatewayStatus, now: Now) {
    conditions::set(status, &wanted.conditions, now);
    set(status, "addresses", wanted.addresses.iter().map(value).collect());
    let known = list(status, "listeners").to_vec();
    set(status, "listeners", wanted.listeners.iter().map(|wanted| listener(&known, wanted, now)).collect());
}

fn tenant(status: &mut Map<String, Value>, wanted: &TenantStatus, now: Now) {
    conditions::set(status, &wanted.conditions, now);
    for (field, known) in [("namespaces", wanted.namespaces), ("routes", wanted.routes)] {
        status.insert(field.to_owned(), known.into());
    }
    claims(status, &wanted.claims);
    set(status, "quotas", wanted.quotas.iter().map(value).collect());
}

/// Contests that are over are written as an empty list: a merge patch leaves what it does not name.
fn claims(status: &mut Map<String, Value>, wanted: &ClaimsStatus) {
    let mut claims = status.get("claims").and_then(Value::as_object).cloned().unwrap_or_default();
    for (field, known) in [("held", wanted.held), ("contested", wanted.contested)] {
        claims.insert(field.to_owned(), known.into());
    }
    set(&mut claims, "contests", wanted.contests.iter().map(value).collect());
    status.insert("claims".to_owned(), Value::Object(claims));
}

fn share_grant(status: &mut Map<String, Value>, wanted: &ShareGrantStatus, now: Now) {
    conditions::set(status, &wanted.conditions, now);
    status.insert("users".to_owned(), wanted.users.into());
    set(status, "usedBy", wanted.used_by.iter().map(value).collect());
}

/// One listener's entry: what others say about it stays, entries of listeners that are gone do not.
fn listener(known: &[Value], wanted: &ListenerStatus, now: Now) -> Value {
    let named = |entry: &&Value| entry.get("name").and_then(Value::as_str) == Some(&wanted.name);
    let mut entry = known.iter().find(named).and_then(Value::as_object).cloned().unwrap_or_default();
    entry.insert("name".to_owned(), wanted.name.clone().into());
    // both are required by the CRD, so an empty list is written too
    entry.insert("supportedKinds".to_owned(), value(&wanted.supported_kinds));
    entry.insert("attachedRoutes".to_owned(), wanted.attached_routes.into());
    conditions::set(&mut entry, &wanted.conditions, now);
    Value::Object(entry)
}

/// Whether an entry of `parents` or `ancestors` is ours.
pub(crate) fn is_ours(entry: &Value) -> bool {
    entry.get("controllerName").and_then(Value::as_str) == Some(CONTROLLER_NAME)
}

/// The list in a field; a missing one is empty.
pub(crate) fn list<'v>(status: &'v Map<String, Value>, field: &str) -> &'v [Value] {
    status.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Sets a list, unless it is empty and missing.
fn set(status: &mut Map<String, Value>, field: &str, entries: Vec<Value>) {
    if list(status, field) != entries {
        status.insert(field.to_owned(), Value::Array(entries));
    }
}

/// Our own types have no maps with keys that are no text, so they always serialise.
fn value(it: impl serde::Serialize) -> Value {
    serde_json::to_value(it).unwrap_or_default()
}

#[cfg(test)]
mod tests;
