//! What a translation takes over from the one before: the outcomes of routes that depend on nothing
//! that changed, and their sum. A change costs what changed, however many routes there are.
//!
//! It saves work and changes no result: a property test holds that a translator with a past says the
//! same as one without.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::route::{Outcome, Sum};
use crate::api::{Kind, ObjectKey};
use crate::ir::RouteId;
use crate::snapshot::{Snapshot, differences};

/// Kinds that every route depends on.
const COMMON: [Kind; 6] =
    [Kind::GatewayClass, Kind::GatewayParameters, Kind::Gateway, Kind::Namespace, Kind::ReferenceGrant, Kind::Tenant];

/// The routes as they were last translated.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// What they depend on: the routes themselves, [`COMMON`], and Services.
    before: Snapshot,
    routes: HashMap<RouteId, Outcome, RandomState>,
    /// The routes that looked for a Service, whether or not it was there.
    users: HashMap<ObjectKey, BTreeSet<RouteId>, RandomState>,
    sum: Sum,
}

impl Memo {
    /// Begins with a snapshot: the routes that have to be worked out anew. They are forgotten.
    pub(crate) fn begin(&mut self, snapshot: &Snapshot) -> BTreeSet<RouteId> {
        if !COMMON.into_iter().all(|kind| self.before.shares(snapshot, kind)) {
            *self = Self::default();
        }
        let changed = self.changed(snapshot);
        for route in &changed {
            self.forget(route);
        }
        // nothing else: old objects must not be kept alive
        self.before = Snapshot {
            gateway_classes: snapshot.gateway_classes.clone(),
            gateway_parameters: snapshot.gateway_parameters.clone(),
            gateways: snapshot.gateways.clone(),
            namespaces: snapshot.namespaces.clone(),
            reference_grants: snapshot.reference_grants.clone(),
            tenants: snapshot.tenants.clone(),
            services: snapshot.services.clone(),
            http_routes: snapshot.http_routes.clone(),
            grpc_routes: snapshot.grpc_routes.clone(),
            ..Snapshot::default()
        };
        changed
    }

    fn changed(&self, snapshot: &Snapshot) -> BTreeSet<RouteId> {
        let id = |kind| move |key: &ObjectKey| RouteId { kind, key: key.clone() };
        let http = differences(&self.before.http_routes, &snapshot.http_routes);
        let grpc = differences(&self.before.grpc_routes, &snapshot.grpc_routes);
        let services = differences(&self.before.services, &snapshot.services);
        let users = services.filter_map(|service| self.users.get(service)).flatten();
        let routes = http.map(id(Kind::HttpRoute)).chain(grpc.map(id(Kind::GrpcRoute)));
        routes.chain(users.cloned()).collect()
    }

    fn forget(&mut self, route: &RouteId) {
        let Some(outcome) = self.routes.remove(route) else { return };
        self.sum.subtract(route, &outcome);
        for service in &outcome.services {
            if let Some(users) = self.users.get_mut(service) {
                users.remove(route);
                if users.is_empty() {
                    self.users.remove(service);
                }
            }
        }
    }

    /// Remembers what a route comes to.
    pub(crate) fn remember(&mut self, route: RouteId, outcome: Outcome) {
        self.sum.add(&route, &outcome);
        for service in &outcome.services {
            self.users.entry(service.clone()).or_default().insert(route.clone());
        }
        self.routes.insert(route, outcome);
    }

    /// What all routes come to.
    pub(crate) const fn sum(&self) -> &Sum {
        &self.sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::api::ObjectRef;
    use crate::snapshot::{Object, Snapshot};
    use crate::translate::testing::{class, gateway, grant, route, service, snapshot};
    use crate::translate::{Translator, translate};

    fn named(mut manifest: Value, field: &str, value: Value) -> Value {
        manifest["metadata"][field] = value;
        manifest
    }

    /// Versions of objects that depend on each other in every way that routes do.
    fn manifests() -> Vec<Value> {
        let listener = |name: &str, from: Value| json!({"name": name, "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": from}});
        let selector = json!({"from": "Selector", "selector": {"matchLabels": {"open": "yes"}}});
        let tenant = |name: &str, claims: Value| {
            json!({"kind": "Tenant", "metadata": {"name": name},
                "spec": {"namespaces": {"matchLabels": {"open": "yes"}}, "claims": claims, "limits": {"concurrency": 7}}})
        };
        let elsewhere = |name: &str| {
            let backends = json!([{"name": "web", "namespace": "other", "port": 80}, {"name": "api", "port": 80}]);
            let parents = json!([{"name": "gw"}, {"name": "second", "namespace": "default"}]);
            let hostnames = json!([format!("{name}.example.com")]);
            route(name, json!({"hostnames": hostnames, "parentRefs": parents, "rules": [{"backendRefs": backends}]}))
        };
        let limited = |name: &str, kind: &str, target: &str, section: Option<&str>| {
            let group = if kind == "Tenant" { "paifang.dev" } else { "gateway.networking.k8s.io" };
            let target = json!({"group": group, "kind": kind, "name": target, "sectionName": section});
            let limit = json!({"concurrency": 5, "scope": "Route", "counting": "Divide"});
            json!({"kind": "RateLimitPolicy", "metadata": {"name": name}, "spec": {"targetRefs": [target], "limits": {"a": limit}}})
        };
        let mirror = json!([{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "api", "port": 80}}}]);
        let mut affine = service("default", "api");
        affine["spec"]["sessionAffinity"] = json!("ClientIP");
        vec![
            class(),
            gateway(json!([listener("a", json!({"from": "All"}))])),
            gateway(json!([listener("a", json!({"from": "Same"})), listener("b", selector)])),
            named(gateway(json!([listener("a", json!({"from": "Same"}))])), "name", json!("second")),
            json!({"kind": "Namespace", "metadata": {"name": "other", "labels": {"open": "yes"}}}),
            json!({"kind": "Namespace", "metadata": {"name": "other"}}),
            tenant("open", json!([{"hostnames": ["one.example.com"]}])),
            tenant("open", json!([{"hostnames": ["*.example.com"], "pathPrefixes": ["/a"]}])),
            grant("other", ("HTTPRoute", "default"), ("Service", None)),
            service("other", "web"),
            service("default", "api"),
            affine,
            elsewhere("one"),
            named(elsewhere("one"), "generation", json!(6)),
            named(elsewhere("two"), "creationTimestamp", json!("2026-01-01T00:00:00Z")),
            limited("one", "HTTPRoute", "one", None),
            limited("one", "HTTPRoute", "two", None),
            limited("two", "Gateway", "gw", Some("b")),
            limited("two", "HTTPRoute", "one", Some("none")),
            named(limited("three", "Tenant", "open", None), "namespace", json!("other")),
            route("mirrored", json!({"rules": [{"filters": mirror, "backendRefs": [{"name": "gone", "port": 80}]}]})),
            named(
                route("guest", json!({"parentRefs": [{"name": "gw", "namespace": "default"}]})),
                "namespace",
                json!("other"),
            ),
        ]
    }

    proptest! {
        #[test]
        fn a_translator_with_a_past_says_what_one_without_says(
            steps in proptest::collection::vec((0_usize..22, any::<bool>()), 1..40),
        ) {
            let objects: Vec<Object> = manifests().into_iter().flat_map(|manifest| {
                let kind = crate::api::Kind::ALL.into_iter().find(|kind| manifest["kind"] == kind.as_str()).unwrap();
                let mut manifest = manifest;
                if !kind.is_cluster_scoped() && manifest["metadata"]["namespace"].is_null() {
                    manifest["metadata"]["namespace"] = json!("default");
                }
                Object::from_json(kind, &manifest)
            }).collect();
            prop_assert_eq!(objects.len(), 22);
            let mut translator = Translator::default();
            let mut world: Snapshot = snapshot([class()]);
            for (which, put) in steps {
                let object = objects[which].clone();
                let reference: ObjectRef = object.reference();
                if put { world.put(object) } else { world.remove(&reference); }
                prop_assert_eq!(translator.translate(&world), translate(&world));
            }
        }
    }
}
