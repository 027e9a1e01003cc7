//! Which listeners of a Gateway a route attaches to (`gateway-api.md` §5.2).

use super::finding::bounded;
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
            message: bounded(format!("Gateway '{}' has no listener{}", gateway.key, wanted(parent))),
            remedy: "name one of the Gateway's listeners, or none to attach to all",
        });
    }
    let own = &*gateway.key.namespace;
    let allowed: Vec<_> = named.iter().filter(|(_, it)| admits(snapshot, it, own, route)).collect();
    if allowed.is_empty() {
        return Err(Refusal {
            reason: Reason::NotAllowedByListeners,
            message: bounded(disallowed(&named, route, gateway)),
            remedy: "change allowedRoutes of the listener",
        });
    }
    let attachments = allowed.into_iter().filter_map(|(listener, it)| {
        Some(Attachment { listener: *listener, hostnames: meet(it.hostname.as_ref(), route.hostnames)? })
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

/// What a listener passes to a route it takes: the hosts that both cover, or the listener's, or every host.
pub(crate) fn asked(gateway: &GatewayPlan<'_>, attachment: &Attachment) -> Vec<Option<Hostname>> {
    let own = gateway.listeners.get(attachment.listener).and_then(|listener| listener.hostname.as_ref());
    let both = |hostname: &Hostname| own.map_or_else(|| Some(hostname.clone()), |own| own.intersection(hostname));
    match &*attachment.hostnames {
        [] => vec![own.cloned()],
        hostnames => hostnames.iter().map(both).collect(),
    }
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

fn disallowed(named: &[(usize, &ListenerPlan<'_>)], route: Applicant<'_>, gateway: &GatewayPlan<'_>) -> String {
    let (kind, namespace, gateway) = (route.kind, &route.key.namespace, gateway.key);
    match named {
        [(_, only)] => {
            let name = &only.spec.name;
            format!("listener '{name}' of Gateway '{gateway}' does not allow {kind}s from namespace '{namespace}'")
        }
        several => {
            let count = several.len();
            format!("none of {count} listeners of Gateway '{gateway}' allows {kind}s from namespace '{namespace}'")
        }
    }
}

/// The route's hostnames that intersect with the listener's; `None` when there are some and none
/// does.
fn meet(listener: Option<&Hostname>, route: &[Hostname]) -> Option<Vec<Hostname>> {
    let meets = |hostname: &&Hostname| listener.is_none_or(|listener| listener.intersects(hostname));
    let mut meeting: Vec<Hostname> = route.iter().filter(meets).cloned().collect();
    meeting.shrink_to_fit();
    (route.is_empty() || !meeting.is_empty()).then_some(meeting)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::translate::testing::{class, condition, gateway, route, snapshot, status_of};
    use crate::translate::{Translation, translate};

    fn check(listeners: Value, spec: Value, want: (&str, &str)) -> Translation {
        let translation = translate(&snapshot([class(), gateway(listeners), route("r", spec.clone())]));
        let status = status_of(&translation, "HTTPRoute default/r");
        let conditions = &status["parents"][0]["conditions"];
        assert_eq!(condition(conditions, "Accepted"), (want.0, want.1, 5), "{spec}");
        translation
    }

    fn http() -> Value {
        json!([
            {"name": "a", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"},
            {"name": "b", "port": 8080, "protocol": "HTTP", "hostname": "b.example.org"},
        ])
    }

    fn attached(translation: &Translation) -> (Value, Value) {
        let status = status_of(translation, "Gateway default/gw");
        (status["listeners"][0]["attachedRoutes"].clone(), status["listeners"][1]["attachedRoutes"].clone())
    }

    /// Conformance: HTTPRouteInvalidParentRefNotMatchingSectionName, …ListenerPort, …SectionNameNotMatchingPort.
    #[test]
    fn section_name_and_port_must_both_match() {
        let parent = |fields: Value| {
            let mut parent = json!({"name": "gw"});
            parent.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            json!({"parentRefs": [parent]})
        };
        check(http(), parent(json!({"sectionName": "z"})), ("False", "NoMatchingParent"));
        check(http(), parent(json!({"port": 81})), ("False", "NoMatchingParent"));
        check(http(), parent(json!({"sectionName": "a", "port": 8080})), ("False", "NoMatchingParent"));
        let translation = check(http(), parent(json!({"sectionName": "b", "port": 8080})), ("True", "Accepted"));
        assert_eq!(attached(&translation), (json!(0), json!(1)));
    }

    /// Conformance: HTTPRouteInvalidCrossNamespaceParentRef, HTTPRouteDisallowedKind.
    #[test]
    fn a_listener_says_which_namespaces_and_kinds_it_allows() {
        let listener =
            |allowed: Value| json!([{"name": "a", "port": 80, "protocol": "HTTP", "allowedRoutes": allowed}]);
        check(listener(json!({"kinds": [{"kind": "GRPCRoute"}]})), json!({}), ("False", "NotAllowedByListeners"));
        let world = |allowed: Value| {
            let mut route = route("r", json!({"parentRefs": [{"name": "gw", "namespace": "default"}]}));
            route["metadata"]["namespace"] = json!("web");
            let status =
                status_of(&translate(&snapshot([class(), gateway(listener(allowed)), route])), "HTTPRoute web/r");
            condition(&status["parents"][0]["conditions"], "Accepted").1.to_owned()
        };
        assert_eq!(world(json!({})), "NotAllowedByListeners", "the default is the Gateway's own namespace");
        assert_eq!(world(json!({"namespaces": {"from": "All"}})), "Accepted");
        assert_eq!(world(json!({"namespaces": {"from": "Future"}})), "NotAllowedByListeners");
    }

    /// Conformance: HTTPRouteHostnameIntersection.
    #[test]
    fn hostnames_must_meet_and_stay_as_written() {
        check(
            http(),
            json!({"hostnames": ["example.com", "www.example.net"]}),
            ("False", "NoMatchingListenerHostname"),
        );
        let translation =
            check(http(), json!({"hostnames": ["*.com", "x.example.com", "y.net"]}), ("True", "Accepted"));
        assert_eq!(attached(&translation), (json!(1), json!(0)), "routes refused by hostname do not count");
        let hostnames: Vec<_> = translation.ir.listeners[0]
            .routes
            .iter()
            .next()
            .unwrap()
            .hostnames
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(hostnames, ["*.com", "x.example.com"], "they rank the route, so they are not narrowed");
    }

    #[test]
    fn a_hostname_that_is_none_does_not_open_every_host() {
        let translation = check(http(), json!({"hostnames": ["not a host"]}), ("False", "UnsupportedValue"));
        assert!(translation.ir.listeners.iter().all(|listener| listener.routes.is_empty()));
    }

    #[test]
    fn parents_are_judged_one_by_one_and_a_listener_takes_a_route_once() {
        let parents = json!({"parentRefs": [
            {"name": "gw", "sectionName": "a"}, {"name": "gw", "port": 80}, {"name": "gw", "sectionName": "z"},
            {"name": "nowhere"}, {"kind": "Service", "group": "", "name": "mesh"}, {"kind": "ListenerSet", "name": "set"},
        ]});
        let translation = check(http(), parents, ("True", "Accepted"));
        let status = status_of(&translation, "HTTPRoute default/r");
        let parents = status["parents"].as_array().unwrap();
        assert_eq!(parents.len(), 3, "parents that are not Gateways of ours get no entry");
        assert_eq!(condition(&parents[2]["conditions"], "Accepted").1, "NoMatchingParent");
        assert_eq!(parents[2]["parentRef"], json!({"name": "gw", "sectionName": "z"}), "as written");
        assert_eq!(attached(&translation), (json!(1), json!(0)));
        assert_eq!(translation.ir.listeners[0].routes.len(), 1);
        let problems: Vec<_> = translation.problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(problems, ["spec.parentRefs[2]", "spec.parentRefs[3]", "spec.parentRefs[5]"]);
    }

    /// Conformance: GatewayWithAttachedRoutes.
    #[test]
    fn routes_count_at_listeners_that_do_not_serve() {
        let listeners = json!([
            {"name": "a", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "missing"}]}},
            {"name": "b", "port": 80, "protocol": "HTTP"},
        ]);
        assert_eq!(attached(&check(listeners, json!({}), ("True", "Accepted"))), (json!(1), json!(1)));
    }
}
