//! The Gateway API: from objects to what shall be served and what their status says.
//!
//! A pure function. No clock, no I/O, no randomness; what the world must tell (which sockets are
//! bound) comes in as [`crate::snapshot::Facts`]. Bad input is never an error: each step returns
//! its best result and says what is wrong as a [`Problem`].
//!
//! ```text
//! tenant ─► claim: what others own, asked for by listener and route
//! class ─► gateway ─► listener ─► conflict ─► exposure ─► socket::claim ─┐
//!            certificate · grant · address                               ├─► gateway::report ─► ir.listeners,
//! route ─► memo, else route::{http,grpc} ─► filter · backend ─► attach ──┘                     statuses, services
//! policy, tenant ─► limit: what may be taken of all that ─► ir.limits, ir.shares, statuses
//! ```

mod address;
mod attach;
mod backend;
mod certificate;
mod claim;
pub mod class;
mod conflict;
pub mod endpoints;
pub mod exposure;
mod field;
mod filter;
mod finding;
mod gateway;
mod grant;
mod limit;
mod listener;
mod memo;
mod pattern;
mod problem;
mod reason;
mod route;
mod selector;
mod socket;
mod status;
mod tenant;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

pub use exposure::{GatewayService, ServicePort};
pub use problem::Problem;

use crate::api::status::Status;
use crate::api::{ObjectKey, ObjectRef};
use crate::ir::Ir;
use crate::snapshot::Snapshot;

/// What a snapshot means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Translation {
    /// What shall be served.
    pub ir: Ir,
    /// The status of every object that is ours to report on.
    pub statuses: OrdMap<ObjectRef, Arc<Status>>,
    /// The Services that must exist so that Gateways can be reached, by their own names.
    pub services: BTreeMap<ObjectKey, Arc<GatewayService>>,
    /// Everything that is wrong, by object.
    pub problems: OrdSet<Problem>,
}

/// What every step may look at.
#[derive(Debug)]
pub(crate) struct Env<'a> {
    snapshot: &'a Snapshot,
    grants: grant::Grants<'a>,
    tenants: &'a tenant::Tenants,
}

/// Translates snapshot after snapshot. What has not changed since the last is not worked out again;
/// the result is the same as that of [`translate`].
#[derive(Debug, Default)]
pub struct Translator {
    routes: memo::Memo,
    certificates: certificate::Certificates,
    tenants: tenant::Memo,
    limits: limit::Memo,
}

impl Translator {
    /// Translates a snapshot.
    #[must_use]
    pub fn translate(&mut self, snapshot: &Snapshot) -> Translation {
        let tenants = self.tenants.tenants(snapshot);
        let env = Env { snapshot, grants: grant::Grants::new(snapshot), tenants: &tenants };
        let mut out = Translation::default();
        let classes = class::classes(snapshot, &mut out);
        let mut gateways = gateway::plan(&env, &classes, &mut self.certificates, &mut out);
        route::attach_all(&env, &mut self.routes, &mut gateways, &mut out);
        gateway::report(gateways, &snapshot.facts, &mut out);
        tenants.report(|tenant| self.routes.sum().attached_routes_of(tenant), &mut out);
        self.limits.report(&env, &mut out);
        out.ir.claims = Arc::clone(tenants.owners.claims());
        out
    }
}

/// Translates a snapshot.
#[must_use]
pub fn translate(snapshot: &Snapshot) -> Translation {
    Translator::default().translate(snapshot)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::testing::{class, gateway, grant, route, service, snapshot};
    use super::*;

    /// A world that touches every text field, each filled from `texts` in turn.
    fn world(texts: &[String], number: i32, port: u16) -> Snapshot {
        let mut next = texts.iter().cycle().cloned();
        let mut text = || next.next().unwrap_or_default();
        let mut pair = |kind: &str| json!({"type": kind, "name": text(), "value": text()});
        let matches = json!([{"path": {"type": "Exact", "value": pair("")["name"]}, "headers": [pair("Exact"), pair("RegularExpression")],
            "queryParams": [pair("RegularExpression")], "method": pair("")["name"]}]);
        let mut gateway = gateway(json!([{"name": text(), "hostname": text(), "port": port, "protocol": text(),
            "tls": {"mode": text(), "certificateRefs": [{"name": text(), "namespace": text()}]},
            "allowedRoutes": {"kinds": [{"kind": text()}], "namespaces": {"from": text()}}},
            {"name": "http", "port": port, "protocol": "HTTP"}, {"name": "tls", "port": 443, "protocol": "HTTPS",
            "tls": {"certificateRefs": [{"name": "cert"}]}}]));
        gateway["spec"]["addresses"] = json!([{"value": text()}, {"value": ""}]);
        let modifier = json!({"set": [{"name": text(), "value": text()}], "remove": [text()]});
        let filters = json!([
            {"type": "RequestHeaderModifier", "requestHeaderModifier": modifier},
            {"type": "URLRewrite", "urlRewrite": {"hostname": text(), "path": {"type": "ReplaceFullPath", "replaceFullPath": text()}}},
            {"type": "CORS", "cors": {"allowOrigins": [text()], "allowMethods": [text()], "allowHeaders": [text()], "maxAge": number}},
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "web", "port": 80},
                "fraction": {"numerator": number, "denominator": number}}},
            {"type": text()}]);
        let rule = json!({"matches": matches, "filters": filters, "timeouts": {"request": text()},
            "retry": {"attempts": number, "codes": [port], "backoff": text()},
            "backendRefs": [{"name": text(), "namespace": text(), "port": port, "weight": number}, {"name": "web", "port": 80}]});
        let route = route(
            "r",
            json!({"hostnames": [text()], "rules": [rule],
            "parentRefs": [{"name": "gw"}, {"name": text(), "namespace": text(), "sectionName": text(), "port": port}]}),
        );
        let grpc = json!({"kind": "GRPCRoute", "metadata": {"name": "g"}, "spec": {"parentRefs": [{"name": "gw"}], "rules": [
            {"matches": [{"method": {"type": "RegularExpression", "service": text(), "method": text()}},
                {"method": {"service": text(), "method": text()}}]}]}});
        let secret = json!({"kind": "Secret", "metadata": {"name": "cert"}, "stringData": {"tls.crt": text(), "tls.key": text()}});
        let slice = json!({"kind": "EndpointSlice", "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"port": number, "name": ""}], "endpoints": [{"addresses": [text()]}]});
        let namespaces = json!({"matchLabels": {"kubernetes.io/metadata.name": "default"}});
        let period = json!({"rate": number.unsigned_abs(), "per": text()});
        let tenant = json!({"kind": "Tenant", "metadata": {"name": text()}, "spec": {"namespaces": namespaces,
            "claims": [{"hostnames": [text()], "pathPrefixes": [text()]}],
            "limits": {"requests": period, "concurrency": port, "bandwidth": text()},
            "share": {"weight": port, "guaranteed": {"concurrency": port}}}});
        let target = |kind: &str, name: String, section: String| json!({"group": "gateway.networking.k8s.io", "kind": kind, "name": name, "sectionName": section});
        let targets = json!([target("HTTPRoute", "r".to_owned(), text()), target("Gateway", text(), text()),
            {"group": text(), "kind": text(), "name": text()}, {"group": "", "kind": "Namespace", "name": "default"}]);
        let when = json!({"methods": [text()], "paths": [{"value": text()}], "headers": [
            {"name": text(), "value": text()}, {"name": "a", "type": "RegularExpression", "value": text()}]});
        let limit = |kind: &str, value: Value, name: String| json!({kind: value, "scope": "Route", "counting": "Divide", "key": [{"type": "Header", "name": name}]});
        let mut limits = json!({"rate": limit("rate", json!({"requests": port, "per": text()}), text()),
            "bandwidth": limit("bandwidth", json!(text()), text()), "plain": limit("concurrency", json!(1), "a".to_owned())});
        limits["plain"]["except"] = json!([text()]);
        limits["rate"]["when"] = json!([when]);
        limits["bandwidth"]["response"] = json!({"status": port, "body": text(), "contentType": text()});
        let policy = json!({"kind": "RateLimitPolicy", "metadata": {"name": "p"}, "spec": {"targetRefs": targets, "limits": limits}});
        let granted = grant(&text(), (&text(), &text()), ("Service", Some(&text())));
        snapshot([class(), gateway, route, grpc, secret, slice, tenant, policy, granted, service("default", "web")])
    }

    proptest! {
        /// I6: nothing a tenant writes can panic, and the same world always means the same.
        #[test]
        fn arbitrary_texts_never_panic(
            texts in proptest::collection::vec(prop_oneof![any::<String>(), "[a-z*.:/(\\[+-]{0,12}"], 1..20),
            number in any::<i32>(),
            port in any::<u16>(),
        ) {
            let world = world(&texts, number, port);
            let translation = translate(&world);
            prop_assert_eq!(&translation, &translate(&world));
            prop_assert!(serde_json::to_value(&translation.ir).is_ok());
            for key in translation.ir.backends.keys() {
                let _ = endpoints::endpoints(&world, key);
            }
        }
    }

    #[test]
    fn older_routes_come_first_then_names() {
        let aged = |name: &str, created: &str| {
            let mut route = route(name, json!({}));
            route["metadata"]["creationTimestamp"] = json!(created);
            route
        };
        let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP"}]);
        let world = snapshot([
            class(),
            gateway(listeners),
            aged("b", "2026-01-02T00:00:00Z"),
            aged("a", "2026-01-02T00:00:00Z"),
            aged("z", "2026-01-01T00:00:00Z"),
        ]);
        let translation = translate(&world);
        let names: Vec<_> =
            translation.ir.listeners[0].routes.iter().map(|it| it.route.id.key.name.to_string()).collect();
        assert_eq!(names, ["z", "a", "b"]);
    }

    #[test]
    fn an_empty_world_means_nothing() {
        assert_eq!(translate(&Snapshot::default()), Translation::default());
    }

    /// One tenant's bad object changes only that object's route and status (I6).
    #[test]
    fn a_broken_route_leaves_the_others_as_they_were() {
        let listeners = || gateway(json!([{"name": "http", "port": 80, "protocol": "HTTP"}]));
        let good = || route("good", json!({"rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}));
        let bad: Value = route("bad", json!({"hostnames": ["???"], "rules": [{"backendRefs": [{"name": "gone"}]}]}));
        let alone = translate(&snapshot([class(), listeners(), good(), service("default", "web")]));
        let together = translate(&snapshot([class(), listeners(), good(), bad, service("default", "web")]));
        assert_eq!(alone.ir, together.ir);
        for (object, status) in &alone.statuses {
            assert_eq!(together.statuses.get(object), Some(status), "{object}");
        }
        assert!(together.problems.iter().all(|problem| &*problem.object.key.name == "bad"));
    }
}
