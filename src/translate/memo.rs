//! What a translation takes over from the one before: the outcomes of routes that depend on nothing
//! that changed, and their sum. A change costs what changed, however many routes there are.
//!
//! It saves work and changes no result: a property test holds that a translator with a past says the
//! same as one without.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use jiff::Timestamp;

use super::quota::{Entry, Ledger, Quotas};
use super::route::{Outcome, Sum};
use crate::api::{Kind, ObjectKey};
use crate::ir::RouteId;
use crate::snapshot::{Snapshot, differences};

/// Kinds that every route depends on.
const COMMON: [Kind; 5] = [Kind::GatewayClass, Kind::GatewayParameters, Kind::Gateway, Kind::Namespace, Kind::Tenant];

/// The routes as they were last translated.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// What they depend on: the routes themselves, [`COMMON`], Services and grants.
    before: Snapshot,
    /// Which ShareGrants had ended.
    ended: Option<Timestamp>,
    routes: HashMap<RouteId, Outcome, RandomState>,
    /// The routes that looked for a Service, whether or not it was there.
    users: BTreeMap<ObjectKey, BTreeSet<RouteId>>,
    sum: Sum,
    ledger: Ledger,
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
            share_grants: snapshot.share_grants.clone(),
            tenants: snapshot.tenants.clone(),
            services: snapshot.services.clone(),
            http_routes: snapshot.http_routes.clone(),
            grpc_routes: snapshot.grpc_routes.clone(),
            ..Snapshot::default()
        };
        self.ended = snapshot.facts.ended;
        changed
    }

    /// Counts the changed routes towards the quotas. Routes for which there is room now, or no more, have to be worked out
    /// anew with them, and are forgotten, too.
    pub(crate) fn count(
        &mut self,
        quotas: &Quotas,
        mut changed: BTreeSet<RouteId>,
        entry: impl Fn(&RouteId) -> Option<Entry>,
    ) -> BTreeSet<RouteId> {
        for route in &changed {
            self.ledger.note(route, entry(route));
        }
        for route in self.ledger.count(quotas) {
            self.forget(&route);
            changed.insert(route);
        }
        changed
    }

    fn changed(&self, snapshot: &Snapshot) -> BTreeSet<RouteId> {
        let id = |kind| move |key: &ObjectKey| RouteId { kind, key: key.clone() };
        let http = differences(&self.before.http_routes, &snapshot.http_routes);
        let grpc = differences(&self.before.grpc_routes, &snapshot.grpc_routes);
        let services = differences(&self.before.services, &snapshot.services);
        let users = services.filter_map(|service| self.users.get(service)).flatten();
        let routes = http.map(id(Kind::HttpRoute)).chain(grpc.map(id(Kind::GrpcRoute)));
        let granted = self.regranted(snapshot);
        let guests = granted.iter().flat_map(|namespace| self.guests(namespace));
        routes.chain(users.chain(guests).cloned()).collect()
    }

    /// Namespaces whose grants are not what they were.
    fn regranted(&self, snapshot: &Snapshot) -> BTreeSet<Arc<str>> {
        let references = differences(&self.before.reference_grants, &snapshot.reference_grants);
        let shares = differences(&self.before.share_grants, &snapshot.share_grants);
        references.chain(shares).chain(self.turned(snapshot)).map(|grant| Arc::clone(&grant.namespace)).collect()
    }

    /// ShareGrants that have ended since, or that have not after all: clocks are set.
    fn turned<'s>(&self, snapshot: &'s Snapshot) -> impl Iterator<Item = &'s ObjectKey> + use<'s> {
        let (before, after) = (self.ended, snapshot.facts.ended);
        let grants = (before != after).then_some(&snapshot.share_grants).into_iter().flatten();
        let turned = move |end: Timestamp| (Some(end) <= before) != (Some(end) <= after);
        grants
            .filter(move |(_, grant)| grant.spec.expires.as_ref().is_some_and(|end| turned(end.0)))
            .map(|(key, _)| key)
    }

    /// The routes of other namespaces that looked for a Service in a namespace.
    fn guests<'m>(&'m self, namespace: &'m Arc<str>) -> impl Iterator<Item = &'m RouteId> {
        let first = ObjectKey::new(Arc::clone(namespace), "");
        let within = self.users.range(first..).take_while(move |(service, _)| service.namespace == *namespace);
        within.flat_map(|(_, routes)| routes).filter(move |route| route.key.namespace != *namespace)
    }

    fn forget(&mut self, route: &RouteId) {
        let Some(outcome) = self.routes.remove(route) else { return };
        self.sum.subtract(route, &outcome);
        for service in &outcome.sought.services {
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
        for service in &outcome.sought.services {
            self.users.entry(service.clone()).or_default().insert(route.clone());
        }
        self.routes.insert(route, outcome);
    }

    /// The routes as quotas count them.
    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What all routes come to.
    pub(crate) const fn sum(&self) -> &Sum {
        &self.sum
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::api::ObjectRef;
    use crate::snapshot::{Facts, Object, Snapshot};
    use crate::translate::testing::{class, gateway, grant, route, service, snapshot};
    use crate::translate::{Translator, translate};

    fn named(mut manifest: Value, field: &str, value: Value) -> Value {
        manifest["metadata"][field] = value;
        manifest
    }

    /// A ShareGrant in `other` that ends after a second for each letter of the alphabet.
    fn share(name: &str, namespaces: Value, more: Value) -> Value {
        let mut to = json!({"group": "", "kind": "Service"});
        to.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let end = format!("1970-01-01T00:00:0{}Z", name.as_bytes()[0] - b'a' + 1);
        json!({"kind": "ShareGrant", "metadata": {"namespace": "other", "name": name},
            "spec": {"from": [{"kind": "HTTPRoute", "namespaces": namespaces}], "to": [to], "expires": end}})
    }

    /// Versions of objects that depend on each other in every way that routes do.
    fn manifests() -> Vec<Value> {
        let listener = |name: &str, from: Value| json!({"name": name, "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": from}});
        let selector = json!({"from": "Selector", "selector": {"matchLabels": {"open": "yes"}}});
        let tenant = |name: &str, claims: Value| {
            json!({"kind": "Tenant", "metadata": {"name": name},
                "spec": {"namespaces": {"matchLabels": {"open": "yes"}}, "claims": claims, "limits": {"concurrency": 7}}})
        };
        let with_quotas = |quotas: Value, mode: &str| {
            json!({"kind": "Tenant", "metadata": {"name": "open"},
                "spec": {"namespaces": {"matchLabels": {"open": "yes"}}, "quotas": quotas, "mode": mode}})
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
            with_quotas(json!({"routes": 1, "rules": 3}), "Enforce"),
            with_quotas(json!({"hostnames": 1, "routes": 2}), "Shadow"),
            json!({"kind": "Namespace", "metadata": {"name": "default", "labels": {"open": "yes"}}}),
            grant("other", ("HTTPRoute", "default"), ("Service", None)),
            share("a", json!({"names": ["default"]}), json!({"selector": {"matchLabels": {"open": "yes"}}})),
            share(
                "b",
                json!({"selector": {"matchLabels": {"open": "yes"}}, "names": ["default"]}),
                json!({"ports": [80]}),
            ),
            service("other", "web"),
            named(service("other", "web"), "labels", json!({"open": "yes"})),
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

    /// The routes that are worked out anew after a change.
    fn concerned(before: &Snapshot, after: &Snapshot) -> Vec<String> {
        let mut translator = Translator::default();
        drop(translator.translate(before));
        let changed = translator.routes.begin(after);
        changed.into_iter().map(|route| route.key.name.to_string()).collect()
    }

    #[test]
    fn a_grant_concerns_the_routes_that_look_into_its_namespace() {
        let to = |name: &str, namespace: &str| {
            let backends = json!([{"name": "web", "namespace": namespace, "port": 80}]);
            route(name, json!({"rules": [{"backendRefs": backends}]}))
        };
        let own = named(to("own", "other"), "namespace", json!("other"));
        let listeners =
            json!([{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}]);
        let routes = [to("guest", "other"), to("home", "default"), to("elsewhere", "third"), own];
        let world = snapshot([class(), gateway(listeners)].into_iter().chain(routes));
        let with = |more: Value| {
            let mut world = world.clone();
            world.share_grants.extend(snapshot([more.clone()]).share_grants);
            world.reference_grants.extend(snapshot([more]).reference_grants);
            world
        };
        let granted = with(share("a", json!({"names": ["default"]}), json!({})));
        assert_eq!(concerned(&world, &granted), ["guest"]);
        assert_eq!(concerned(&granted, &world), ["guest"], "it is gone");
        let referred = with(grant("third", ("HTTPRoute", "default"), ("Service", None)));
        assert_eq!(concerned(&world, &referred), ["elsewhere"]);
        let at = |second| granted.clone().at(Timestamp::from_second(second).unwrap());
        assert_eq!(concerned(&at(0), &at(1)), ["guest"], "it has ended");
        assert_eq!(concerned(&at(1), &at(2)), [""; 0], "it has been over for a while");
    }

    proptest! {
        #[test]
        fn a_translator_with_a_past_says_what_one_without_says(
            steps in proptest::collection::vec((0_usize..28, any::<bool>(), 0_i64..4), 1..40),
        ) {
            let objects: Vec<Object> = manifests().into_iter().flat_map(|manifest| {
                let kind = crate::api::Kind::ALL.into_iter().find(|kind| manifest["kind"] == kind.as_str()).unwrap();
                let mut manifest = manifest;
                if !kind.is_cluster_scoped() && manifest["metadata"]["namespace"].is_null() {
                    manifest["metadata"]["namespace"] = json!("default");
                }
                Object::from_json(kind, &manifest)
            }).collect();
            prop_assert_eq!(objects.len(), 28);
            let mut translator = Translator::default();
            let mut world: Snapshot = snapshot([class()]);
            for (which, put, second) in steps {
                let ended = (second > 0).then(|| Timestamp::from_second(second).unwrap());
                world.facts = Arc::new(Facts { ended, ..Facts::default() });
                let object = objects[which].clone();
                let reference: ObjectRef = object.reference();
                if put { world.put(object) } else { world.remove(&reference); }
                prop_assert_eq!(translator.translate(&world), translate(&world));
            }
        }
    }
}
