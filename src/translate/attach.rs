//! Which listeners of a Gateway a route attaches to (`gateway-api.md` §5.2).

use super::gateway::GatewayPlan;
use super::listener::ListenerPlan;
use super::reason::Reason;
use super::selector;
use crate::api::gateway::shared::ParentReference;
use crate::api::{Kind, ObjectKey};
use crate::ir::Hostname;
use crate::snapshot::Snapshot;

/// What attaching needs to know about a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applicant<'a> {
    pub(crate) kind: Kind,
    pub(crate) key: &'a ObjectKey,
    pub(crate) hostnames: &'a [Hostname],
}

/// A listener that takes the route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    /// Index of the listener in its Gateway.
    pub(crate) listener: usize,
    /// The route's hostnames, as written, that meet the listener's.
    pub(crate) hostnames: Vec<Hostname>,
}

/// Why no listener takes the route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    pub(crate) remedy: &'static str,
}

/// Judges one parentRef on its own; one listener that takes the route is enough.
pub(crate) fn judge(
    snapshot: &Snapshot,
    route: Applicant<'_>,
    parent: &ParentReference,
    gateway: &GatewayPlan<'_>,
) -> Result<Vec<Attachment>, Refusal> {
    let named: Vec<_> = gateway.listeners.iter().enumerate().filter(|(_, it)| names(parent, it)).collect();
    if named.is_empty() {
        return Err(Refusal {
            reason: Reason::NoMatchingParent,
            message: format!("Gateway '{}' has no listener{}", gateway.key, wanted(parent)),
            remedy: "name one of the Gateway's listeners, or none to attach to all",
        });
    }
    let own = &*gateway.key.namespace;
    let allowed: Vec<_> = named.into_iter().filter(|(_, it)| admits(snapshot, it, own, route)).collect();
    if allowed.is_empty() {
        return Err(Refusal {
            reason: Reason::NotAllowedByListeners,
            message: format!(
                "no such listener of Gateway '{}' allows a {} from namespace '{}'",
                gateway.key, route.kind, route.key.namespace
            ),
            remedy: "change allowedRoutes of the listener",
        });
    }
    let attachments = allowed.into_iter().filter_map(|(listener, it)| {
        Some(Attachment { listener, hostnames: meet(it.hostname.as_ref(), route.hostnames)? })
    });
    let attachments: Vec<_> = attachments.collect();
    if attachments.is_empty() {
        return Err(Refusal {
            reason: Reason::NoMatchingListenerHostname,
            message: format!("none of the route's hostnames meets one of a listener of Gateway '{}'", gateway.key),
            remedy: "change the hostnames of the route or of the listener",
        });
    }
    Ok(attachments)
}

fn names(parent: &ParentReference, listener: &ListenerPlan<'_>) -> bool {
    let section = parent.section_name.as_deref().filter(|name| !name.is_empty());
    section.is_none_or(|name| name == listener.spec.name) && parent.port.is_none_or(|port| port == listener.spec.port)
}

fn wanted(parent: &ParentReference) -> String {
    let section = parent.section_name.as_ref().map(|name| format!(" named '{name}'")).unwrap_or_default();
    let port = parent.port.map(|port| format!(" on port {port}")).unwrap_or_default();
    format!("{section}{port}")
}

fn admits(snapshot: &Snapshot, listener: &ListenerPlan<'_>, own: &str, route: Applicant<'_>) -> bool {
    let namespaces = listener.spec.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
    listener.kinds.contains(&route.kind) && selector::allows(snapshot, namespaces, own, &route.key.namespace)
}

/// The route's hostnames that intersect with the listener's; `None` when there are some and none
/// does.
fn meet(listener: Option<&Hostname>, route: &[Hostname]) -> Option<Vec<Hostname>> {
    let meets = |hostname: &&Hostname| listener.is_none_or(|listener| listener.intersects(hostname));
    let meeting: Vec<Hostname> = route.iter().filter(meets).cloned().collect();
    (route.is_empty() || !meeting.is_empty()).then_some(meeting)
}
