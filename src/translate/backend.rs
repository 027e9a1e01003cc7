//! Backend references: followed to a Service port, or to the reason why not.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort};

use super::Env;
use super::field::Field;
use super::filter::{self, FilterSpec, Position};
use super::finding::{Findings, qualified};
use super::grant::Referent;
use super::reason::Reason;
use super::route::Scope;
use crate::api::ObjectKey;
use crate::api::gateway::shared::BackendObjectReference;
use crate::ir::{Backend, BackendKey, BackendProtocol, Filters, InvalidBackend, Match, Rule, Target, WeightedBackend};

/// The greatest weight the API knows.
const MAX_WEIGHT: i32 = 1_000_000;

/// A backend reference as some kind of route writes it.
pub(crate) struct BackendSpec<'a> {
    pub(crate) target: &'a BackendObjectReference,
    pub(crate) weight: Option<i32>,
    pub(crate) filters: Vec<FilterSpec<'a>>,
}

struct Broken {
    invalid: InvalidBackend,
    message: String,
    remedy: String,
}

/// Lowers the backends of a rule. One that leads nowhere keeps its weight, so that its share is
/// answered with 500 and not given to the others.
pub(crate) fn lower<'a>(
    scope: &mut Scope<'_>,
    matches: &[Match],
    written: impl ExactSizeIterator<Item = BackendSpec<'a>>,
    at: &Field<'_>,
) -> Vec<WeightedBackend> {
    // Exact, because a route lives long and Vec would grow to four.
    let mut backends = Vec::with_capacity(written.len());
    for (index, written) in written.enumerate() {
        let at = at.item("backendRefs", index);
        let mut target = target(scope, written.target, &at);
        let outer = std::mem::take(&mut scope.findings);
        let mut filters = filter::lower(scope, Position::Backend(matches), written.filters.into_iter(), &at);
        let mut own = std::mem::replace(&mut scope.findings, outer);
        if own.reject_reference() {
            target = Target::Invalid(InvalidBackend::UnsupportedValue);
            filters = Filters::default();
        }
        scope.findings.append(own);
        backends.push(WeightedBackend { weight: weight(written.weight, &at, &mut scope.findings), target, filters });
    }
    backends
}

fn weight(written: Option<i32>, at: &Field<'_>, findings: &mut Findings) -> u32 {
    let written = written.unwrap_or(1);
    let weight = written.clamp(0, MAX_WEIGHT);
    if weight != written {
        let message = format!("a weight is 0 to {MAX_WEIGHT}; {weight} is used");
        findings.notice(Reason::UnsupportedValue, &at.name("weight"), message, "write a weight in that range");
    }
    weight.unsigned_abs()
}

/// Follows one reference; what is wrong is found against `ResolvedRefs`.
pub(crate) fn target(scope: &mut Scope<'_>, reference: &BackendObjectReference, at: &Field<'_>) -> Target {
    match follow(scope, reference) {
        Ok(key) => Target::Backend(key),
        Err(Broken { invalid, message, remedy }) => {
            scope.findings.unresolved(reason(invalid), at, message, &remedy);
            Target::Invalid(invalid)
        }
    }
}

const fn reason(invalid: InvalidBackend) -> Reason {
    match invalid {
        InvalidBackend::BackendNotFound => Reason::BackendNotFound,
        InvalidBackend::RefNotPermitted => Reason::RefNotPermitted,
        InvalidBackend::InvalidKind => Reason::InvalidKind,
        InvalidBackend::UnsupportedProtocol => Reason::UnsupportedProtocol,
        InvalidBackend::UnsupportedValue => Reason::UnsupportedValue,
    }
}

fn follow(scope: &mut Scope<'_>, reference: &BackendObjectReference) -> Result<BackendKey, Broken> {
    let group = reference.group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or("Service");
    if !group.is_empty() || kind != "Service" {
        let message = format!("backends are core Services, not '{}'", qualified(group, kind));
        return Err(broken(InvalidBackend::InvalidKind, message, "refer to a Service"));
    }
    let namespace = reference.namespace.as_deref().unwrap_or(scope.from.namespace());
    let key = ObjectKey::new(namespace, reference.name.as_str());
    // also one that may not be used: a grant may go by its labels
    scope.sought.services.push(key.clone());
    // Before the Service is looked up: without permission nobody learns whether it exists.
    let grants = scope.env.grants.judge(&scope.from, &Referent::service(&key, reference.port));
    let grants = grants.map_err(|denied| broken(InvalidBackend::RefNotPermitted, denied.message, &denied.remedy))?;
    scope.sought.grants.extend(grants.into_iter().cloned());
    let Some((known, service)) = scope.env.snapshot.services.get_key_value(&key) else {
        let message = format!("Service '{key}' does not exist");
        return Err(broken(InvalidBackend::BackendNotFound, message, "create it, or refer to another"));
    };
    let port = port(service, &key, reference.port)?;
    let protocol = protocol(scope.protocol, port, &key)?;
    // A Service port fits into 16 bits, as the reference that named it does.
    let (namespace, service) = (Arc::clone(&known.namespace), Arc::clone(&known.name));
    Ok(BackendKey { namespace, service, port: reference.port.unwrap_or_default(), protocol })
}

fn broken(invalid: InvalidBackend, message: String, remedy: &str) -> Broken {
    Broken { invalid, message, remedy: remedy.to_owned() }
}

fn port<'s>(service: &'s Service, key: &ObjectKey, port: Option<u16>) -> Result<&'s ServicePort, Broken> {
    let spec = service.spec.as_ref();
    if spec.and_then(|spec| spec.type_.as_deref()) == Some("ExternalName") {
        // CVE-2021-25740: a name of the tenant's choice would lead around every NetworkPolicy.
        let message =
            format!("Service '{key}' is of type ExternalName, which is ignored because it can point anywhere");
        let remedy = "use a Service with EndpointSlices";
        return Err(broken(InvalidBackend::BackendNotFound, message, remedy));
    }
    let ports = spec.and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let tcp = |candidate: &&ServicePort| candidate.protocol.as_deref().unwrap_or("TCP") == "TCP";
    let known = || {
        let known: Vec<String> = ports.iter().filter(tcp).take(16).map(|port| port.port.to_string()).collect();
        if known.is_empty() { "it has none for TCP".to_owned() } else { format!("it has {}", known.join(", ")) }
    };
    let Some(port) = port else {
        let message = format!("a reference to a Service needs a port; of Service '{key}', {}", known());
        return Err(broken(InvalidBackend::BackendNotFound, message, "add the Service's port"));
    };
    let found = ports.iter().filter(tcp).find(|candidate| candidate.port == i32::from(port));
    found.ok_or_else(|| {
        let message = format!("Service '{key}' has no port {port}; {}", known());
        broken(InvalidBackend::BackendNotFound, message, "refer to a port of the Service, not of its pods")
    })
}

/// What is spoken to a port: what its `appProtocol` says, else what the kind of route implies.
fn protocol(implied: BackendProtocol, port: &ServicePort, key: &ObjectKey) -> Result<BackendProtocol, Broken> {
    let Some(written) = port.app_protocol.as_deref().filter(|written| !written.is_empty()) else { return Ok(implied) };
    match written.to_ascii_lowercase().as_str() {
        "kubernetes.io/h2c" | "h2c" | "http2" | "grpc" => Ok(BackendProtocol::H2c),
        "http" => Ok(implied),
        "kubernetes.io/ws" | "ws" if implied == BackendProtocol::Http1 => Ok(BackendProtocol::Http1),
        _ => {
            let message =
                format!("port {} of Service '{key}' has the appProtocol '{written}', which is not spoken", port.port);
            let known = match implied {
                BackendProtocol::Http1 => "http, kubernetes.io/h2c or kubernetes.io/ws",
                BackendProtocol::H2c => "http or kubernetes.io/h2c",
            };
            let remedy = format!("use {known}; TLS towards backends is not supported yet");
            Err(broken(InvalidBackend::UnsupportedProtocol, message, &remedy))
        }
    }
}

/// Every backend that rules or their mirrors name, each once.
pub(crate) fn named(env: &Env<'_>, rules: &[Rule]) -> Vec<(BackendKey, Backend)> {
    let mut named = BTreeMap::new();
    for rule in rules {
        let mirrors =
            |filters: &Filters| filters.mirrors.iter().map(|mirror| mirror.target.clone()).collect::<Vec<_>>();
        let targets = rule.backends.iter().map(|backend| backend.target.clone());
        let mirrored = rule.backends.iter().flat_map(|backend| mirrors(&backend.filters));
        for target in targets.chain(mirrored).chain(mirrors(&rule.filters)) {
            if let Target::Backend(key) = target {
                named.entry(key).or_insert_with_key(|key| settings(env, key));
            }
        }
    }
    named.into_iter().collect()
}

fn settings(env: &Env<'_>, key: &BackendKey) -> Backend {
    let service = env.snapshot.services.get(&ObjectKey::new(key.namespace.clone(), key.service.clone()));
    let affinity = service.and_then(|service| service.spec.as_ref()?.session_affinity.as_deref());
    Backend { client_ip_affinity: affinity == Some("ClientIP") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::translate::testing::{class, gateway, grant, route, rules, snapshot, verdict};
    use crate::translate::{Translation, translate};

    fn world(references: Value, more: impl IntoIterator<Item = Value>) -> Translation {
        let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP"}]);
        let route = route("r", json!({"rules": [{"backendRefs": references}]}));
        translate(&snapshot([class(), gateway(listeners), route].into_iter().chain(more)))
    }

    fn service(namespace: &str, spec: Value) -> Value {
        json!({"kind": "Service", "metadata": {"namespace": namespace, "name": "web"}, "spec": spec})
    }

    fn check(references: Value, more: impl IntoIterator<Item = Value>, want: &str) -> Translation {
        let translation = world(references.clone(), more);
        assert_eq!(verdict(&translation, "Accepted").1, "Accepted", "references never speak against Accepted");
        assert_eq!(verdict(&translation, "ResolvedRefs").1, want, "{references}");
        translation
    }

    /// Conformance: HTTPRouteInvalidBackendRefUnknownKind, HTTPRouteInvalidNonExistentBackendRef.
    #[test]
    fn each_way_to_lead_nowhere_has_its_reason() {
        let web = || [service("default", json!({"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}))];
        check(json!([{"name": "web", "port": 80}]), web(), "ResolvedRefs");
        check(json!([{"kind": "NonExistent", "name": "web", "port": 80}]), web(), "InvalidKind");
        check(json!([{"group": "x.io", "name": "web", "port": 80}]), web(), "InvalidKind");
        check(json!([{"name": "gone", "port": 80}]), web(), "BackendNotFound");
        check(json!([{"name": "web"}]), web(), "BackendNotFound");
        check(json!([{"name": "web", "port": 53}]), web(), "BackendNotFound");
        let translation = check(json!([{"name": "web", "port": 8080}]), web(), "BackendNotFound");
        assert!(translation.problems.get_min().unwrap().message.contains("has no port 8080; it has 80"));
        let external =
            service("default", json!({"type": "ExternalName", "externalName": "x.org", "ports": [{"port": 80}]}));
        check(json!([{"name": "web", "port": 80}]), [external], "BackendNotFound");
    }

    /// Conformance: HTTPRouteInvalidCrossNamespaceBackendRef, HTTPRouteReferenceGrant.
    #[test]
    fn another_namespace_needs_a_grant_whether_or_not_the_service_exists() {
        let reference = || json!([{"name": "web", "namespace": "other", "port": 80}]);
        let web = || service("other", json!({"ports": [{"port": 80}]}));
        let translation = check(reference(), [web()], "RefNotPermitted");
        assert_eq!(
            translation.problems.get_min().unwrap().remedy,
            "create a ReferenceGrant in namespace 'other' that allows HTTPRoute from 'default' to refer to Service 'web'"
        );
        check(reference(), [], "RefNotPermitted");
        let allowed = || grant("other", ("HTTPRoute", "default"), ("Service", None));
        check(reference(), [web(), allowed()], "ResolvedRefs");
        check(reference(), [allowed()], "BackendNotFound");
        check(reference(), [web(), grant("default", ("HTTPRoute", "default"), ("Service", None))], "RefNotPermitted");
    }

    /// Conformance: HTTPRouteBackendProtocolH2C, HTTPRouteBackendProtocolWebSocket.
    #[test]
    fn the_app_protocol_decides_what_is_spoken() {
        for (written, want) in [
            (json!(null), Some("default/web:80")),
            (json!("http"), Some("default/web:80")),
            (json!("kubernetes.io/ws"), Some("default/web:80")),
            (json!("kubernetes.io/h2c"), Some("default/web:80 (h2c)")),
            (json!("kubernetes.io/wss"), None),
            (json!("HTTPS"), None),
            (json!("example.com/own"), None),
        ] {
            let web = service("default", json!({"ports": [{"port": 80, "appProtocol": written}]}));
            let reason = if want.is_some() { "ResolvedRefs" } else { "UnsupportedProtocol" };
            let translation = check(json!([{"name": "web", "port": 80}]), [web], reason);
            let target = want.map_or(json!({"invalid": "UnsupportedProtocol"}), |key| json!({"backend": key}));
            assert_eq!(rules(&translation)[0]["backends"][0]["target"], target);
        }
    }

    /// Conformance: HTTPRoutePartiallyInvalidViaInvalidReferenceGrant.
    #[test]
    fn a_broken_reference_keeps_its_share() {
        let web = service("default", json!({"ports": [{"port": 80}], "sessionAffinity": "ClientIP"}));
        let references = json!([{"name": "web", "port": 80, "weight": 3}, {"name": "gone", "port": 80},
            {"name": "web", "port": 80, "weight": 0}, {"name": "web", "port": 80, "weight": -1}]);
        let translation = check(references, [web], "BackendNotFound");
        let backends = rules(&translation)[0]["backends"].clone();
        let weights: Vec<_> =
            backends.as_array().unwrap().iter().map(|backend| backend["weight"].as_u64().unwrap()).collect();
        assert_eq!(weights, [3, 1, 0, 0]);
        assert_eq!(backends[1]["target"], json!({"invalid": "BackendNotFound"}));
        let known = serde_json::to_value(&translation.ir.backends).unwrap();
        assert_eq!(known, json!({"default/web:80": {"clientIpAffinity": true}}));
    }

    /// Conformance: HTTPRouteBackendURLRewrite, HTTPRouteBackendRequestHeaderModifier.
    #[test]
    fn filters_of_a_backend_act_on_its_share_only() {
        let web = service("default", json!({"ports": [{"port": 80}]}));
        let references = json!([
            {"name": "web", "port": 80, "filters": [
                {"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": [{"name": "X-A", "value": "1"}]}},
                {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}}}]},
            {"name": "web", "port": 80, "filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]},
        ]);
        let translation = check(references, [web], "UnsupportedValue");
        let backends = rules(&translation)[0]["backends"].clone();
        assert_eq!(
            backends[0]["filters"],
            json!({"requestHeaders": {"add": [["x-a", "1"]]},
            "rewrite": {"path": {"replacePrefix": "/x"}}})
        );
        assert_eq!(backends[1], json!({"weight": 1, "target": {"invalid": "UnsupportedValue"}}));
    }

    #[test]
    fn backends_that_nothing_serves_are_not_registered() {
        let web = service("default", json!({"ports": [{"port": 80}]}));
        let orphan = route(
            "r",
            json!({"parentRefs": [{"name": "gw", "sectionName": "z"}],
            "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}),
        );
        let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP"}]);
        assert!(translate(&snapshot([class(), gateway(listeners), orphan, web])).ir.backends.is_empty());
    }
}
