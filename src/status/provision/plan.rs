//! What has to be done so that Gateways can be reached. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::{service, slice};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::Snapshot;
use crate::status::replicas;
use crate::translate::GatewayService;

/// Where the pods of Paifang are found.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Namespace of our own Service.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) service: String,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Make or mend a Service.
    Service(Arc<GatewayService>),
    /// Write an EndpointSlice as a whole.
    Slice(Value),
    /// Delete something of ours.
    Delete {
        /// Only if it is still the one that was seen.
        uid: Option<String>,
    },
}

impl Action {
    /// Whether something goes away by it.
    pub(crate) const fn is_deletion(&self) -> bool {
        matches!(self, Self::Delete { .. })
    }
}

/// Everything to do, by object.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// What to do.
    pub(crate) actions: BTreeMap<ObjectRef, Action>,
    /// Services that are wanted while somebody else has one of that name.
    pub(crate) refused: BTreeSet<ObjectKey>,
}

/// What to do to get from a snapshot to the Services that are wanted.
pub(crate) fn plan(snapshot: &Snapshot, wanted: &BTreeMap<ObjectKey, Arc<GatewayService>>, place: &Place) -> Plan {
    let mut plan = Plan::default();
    let mut slices = BTreeSet::new();
    for (name, wanted) in wanted {
        let there = snapshot.services.get(name);
        if there.is_some_and(|there| !service::is_ours(there)) {
            plan.refused.insert(name.clone());
            continue;
        }
        let object = ObjectRef::new(Kind::Service, name.clone());
        // One of a Gateway that was made anew under its old name is replaced: its owner is gone.
        if let Some(there) = there.filter(|there| !service::is_owned_by(there, &wanted.gateway_uid)) {
            plan.delete(object, &there.metadata);
            continue;
        }
        if there.is_none_or(|there| service::differs(there, wanted)) {
            plan.actions.insert(object, Action::Service(Arc::clone(wanted)));
        }
        for source in replicas::slices(snapshot, &place.namespace, &place.service) {
            let (key, body) = slice::mirror(source, name, wanted);
            let known = snapshot.endpoint_slices.get(&key);
            if known.is_none_or(|known| slice::is_ours(known) && slice::differs(known, &body)) {
                plan.actions.insert(ObjectRef::new(Kind::EndpointSlice, key.clone()), Action::Slice(body));
            }
            slices.insert(key);
        }
    }
    plan.deletions(snapshot, wanted, &slices);
    plan
}

impl Plan {
    fn deletions(
        &mut self,
        snapshot: &Snapshot,
        wanted: &BTreeMap<ObjectKey, Arc<GatewayService>>,
        slices: &BTreeSet<ObjectKey>,
    ) {
        let stale = |(key, there): &(&ObjectKey, &Arc<Service>)| !wanted.contains_key(key) && service::is_ours(there);
        for (key, there) in snapshot.services.iter().filter(stale) {
            self.delete(ObjectRef::new(Kind::Service, key.clone()), &there.metadata);
        }
        let all = snapshot.endpoint_slices.iter();
        for (key, there) in all.filter(|(key, there)| slice::is_ours(there) && !slices.contains(key)) {
            self.delete(ObjectRef::new(Kind::EndpointSlice, key.clone()), &there.metadata);
        }
    }

    fn delete(&mut self, object: ObjectRef, there: &ObjectMeta) {
        if there.deletion_timestamp.is_none() {
            self.actions.insert(object, Action::Delete { uid: there.uid.clone() });
        }
    }
}
