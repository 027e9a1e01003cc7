//! Routes that would have a say about a host and are not attached: what their status says.

use std::collections::HashSet;

use serde::Serialize;

use super::World;
use crate::api::gateway::shared::ParentReference;
use crate::api::status::{Condition, ConditionStatus, Status};
use crate::api::{Kind, ObjectRef};
use crate::ir::{Hostname, Ir};
use crate::snapshot::Snapshot;
use crate::translate::{ACCEPTED, HOSTNAME_PERMITTED};

/// A route that is not attached to a parent, or not for this host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotAttached<'i> {
    /// Kind, namespace and name of the route.
    pub route: String,
    /// The parent it names.
    pub parent: String,
    /// The condition's reason.
    pub reason: &'static str,
    /// The condition's message.
    pub message: &'i str,
}

/// The routes for a host whose status says that they are not accepted, or that this part of them is not permitted.
pub(super) fn not_attached<'i>(world: &World<'i>, host: &str) -> Vec<NotAttached<'i>> {
    let routes = world.translation.statuses.iter().filter_map(|(object, status)| match &**status {
        Status::Route(status) if is_for(world.snapshot, object, host) => Some((object, status)),
        _ => None,
    });
    let parents = routes.flat_map(|(object, status)| status.parents.iter().map(move |parent| (object, parent)));
    let attached = attached(&world.translation.ir, host);
    let refused = parents.filter_map(|(object, parent)| {
        let condition = parent.conditions.iter().find(|condition| match condition.kind {
            // what is attached for this host is a candidate, which the table's oracle speaks about
            HOSTNAME_PERMITTED => refuses(condition) && !attached.contains(object),
            ACCEPTED => refuses(condition),
            _ => false,
        })?;
        Some(NotAttached {
            route: object.to_string(),
            parent: name(object, &parent.parent_ref),
            reason: condition.reason,
            message: &condition.message,
        })
    });
    refused.collect()
}

fn refuses(condition: &Condition) -> bool {
    condition.status == ConditionStatus::False
}

/// The routes that some listener takes for a host.
fn attached(ir: &Ir, host: &str) -> HashSet<ObjectRef> {
    let routes = ir.listeners.iter().flat_map(|listener| listener.routes.iter());
    let covering = routes.filter(|attached| {
        attached.hostnames.is_empty() || attached.hostnames.iter().any(|hostname| hostname.covers(host))
    });
    covering.map(|attached| ObjectRef::from(&attached.route.id)).collect()
}

fn is_for(snapshot: &Snapshot, object: &ObjectRef, host: &str) -> bool {
    let hostnames = match object.kind {
        Kind::HttpRoute => snapshot.http_routes.get(&object.key).map(|route| &route.spec.hostnames),
        Kind::GrpcRoute => snapshot.grpc_routes.get(&object.key).map(|route| &route.spec.hostnames),
        _ => None,
    };
    let covers = |text: &String| Hostname::parse(text).is_some_and(|hostname| hostname.covers(host));
    hostnames.is_some_and(|hostnames| hostnames.is_empty() || hostnames.iter().any(covers))
}

fn name(object: &ObjectRef, parent: &ParentReference) -> String {
    let kind = parent.kind.as_deref().unwrap_or("Gateway");
    let namespace = parent.namespace.as_deref().unwrap_or(&object.key.namespace);
    let listener = parent.section_name.iter().map(|listener| format!(", listener {listener}"));
    format!("{kind} {namespace}/{}{}", parent.name, listener.collect::<String>())
}
