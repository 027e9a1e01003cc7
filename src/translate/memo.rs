//! What a translation takes over from the one before: routes whose outcome depends on nothing that
//! changed.
//!
//! It saves work and changes no result: a property test holds that a translator with a past says the
//! same as one without.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::RandomState;
use k8s_openapi::api::core::v1::Service;

use super::route::Outcome;
use crate::api::{Kind, ObjectKey};
use crate::snapshot::{Object, Snapshot};

/// Kinds that every route depends on; Services are asked for one by one.
const COMMON: [Kind; 4] = [Kind::GatewayClass, Kind::Gateway, Kind::Namespace, Kind::ReferenceGrant];

/// The outcomes of routes in the translation before.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// What they depend on: [`COMMON`] and Services.
    before: Snapshot,
    routes: HashMap<(Kind, ObjectKey), Remembered, RandomState>,
    /// Counts translations, to find what the last one did not ask for.
    pass: u64,
    services_changed: bool,
}

#[derive(Debug)]
struct Remembered {
    route: Object,
    /// The Services that were looked for, as they were found.
    services: Vec<Option<Arc<Service>>>,
    outcome: Outcome,
    pass: u64,
}

impl Memo {
    /// Begins with the routes of a snapshot.
    pub(crate) fn begin(&mut self, snapshot: &Snapshot) {
        self.pass += 1;
        if !COMMON.into_iter().all(|kind| self.before.shares(snapshot, kind)) {
            self.routes.clear();
        }
        self.services_changed = !self.before.shares(snapshot, Kind::Service);
        // nothing else: old objects must not be kept alive
        self.before = Snapshot {
            gateway_classes: Arc::clone(&snapshot.gateway_classes),
            gateways: Arc::clone(&snapshot.gateways),
            namespaces: Arc::clone(&snapshot.namespaces),
            reference_grants: Arc::clone(&snapshot.reference_grants),
            services: Arc::clone(&snapshot.services),
            ..Snapshot::default()
        };
    }

    /// What a route comes to: as it was, if nothing that it depends on changed, else worked out anew.
    pub(crate) fn recall(
        &mut self,
        snapshot: &Snapshot,
        (kind, key): (Kind, &ObjectKey),
        route: &Object,
        work_out: impl FnOnce() -> Outcome,
    ) -> &Outcome {
        let (pass, services_changed) = (self.pass, self.services_changed);
        let remember = || {
            let outcome = work_out();
            let services = outcome.services.iter().map(|key| snapshot.services.get(key).cloned()).collect();
            Remembered { route: route.clone(), services, outcome, pass }
        };
        let remembered = match self.routes.entry((kind, key.clone())) {
            Entry::Vacant(vacant) => vacant.insert(remember()),
            Entry::Occupied(known) => {
                let known = known.into_mut();
                let same = known.route.is_same(route) && (!services_changed || known.finds_the_same(snapshot));
                if same {
                    known.pass = pass
                } else {
                    *known = remember()
                }
                known
            }
        };
        &remembered.outcome
    }

    /// Forgets the routes that the snapshot no longer has.
    pub(crate) fn end(&mut self) {
        let pass = self.pass;
        self.routes.retain(|_, remembered| remembered.pass == pass);
    }
}

impl Remembered {
    fn finds_the_same(&self, snapshot: &Snapshot) -> bool {
        self.outcome.services.iter().zip(&self.services).all(|(key, before)| {
            match (snapshot.services.get(key), before) {
                (Some(now), Some(before)) => Arc::ptr_eq(now, before),
                (None, None) => true,
                _ => false,
            }
        })
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
        let elsewhere = |name: &str| {
            let backends = json!([{"name": "web", "namespace": "other", "port": 80}, {"name": "api", "port": 80}]);
            let parents = json!([{"name": "gw"}, {"name": "second", "namespace": "default"}]);
            let hostnames = json!([format!("{name}.example.com")]);
            route(name, json!({"hostnames": hostnames, "parentRefs": parents, "rules": [{"backendRefs": backends}]}))
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
            grant("other", ("HTTPRoute", "default"), ("Service", None)),
            service("other", "web"),
            service("default", "api"),
            affine,
            elsewhere("one"),
            named(elsewhere("one"), "generation", json!(6)),
            named(elsewhere("two"), "creationTimestamp", json!("2026-01-01T00:00:00Z")),
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
            steps in proptest::collection::vec((0_usize..15, any::<bool>()), 1..40),
        ) {
            let objects: Vec<Object> = manifests().into_iter().flat_map(|manifest| {
                let kind = crate::api::Kind::ALL.into_iter().find(|kind| manifest["kind"] == kind.as_str()).unwrap();
                let mut manifest = manifest;
                if !kind.is_cluster_scoped() && manifest["metadata"]["namespace"].is_null() {
                    manifest["metadata"]["namespace"] = json!("default");
                }
                Object::from_json(kind, &manifest)
            }).collect();
            prop_assert_eq!(objects.len(), 15);
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
