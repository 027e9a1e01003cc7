//! What the API server holds beside what the store needs: versions, and statuses as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::Notify;

use crate::api::gateway::listener::GatewayAddress;
use crate::api::{Kind, ObjectKey, ObjectRef};

/// Objects as the API server has them. The source notes what its watches bring, whoever writes notes
/// what a write answered.
#[derive(Debug, Default)]
pub struct Live {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<ObjectRef, Seen>,
    dirty: BTreeSet<ObjectRef>,
}

/// One object as it was seen last.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `metadata.uid`
    pub uid: Arc<str>,
    /// `metadata.resourceVersion`
    pub resource_version: Arc<str>,
    /// `metadata.generation`
    pub generation: i64,
    /// `status`, foreign entries included.
    pub status: Option<Arc<RawValue>>,
}

impl Live {
    /// Notes an object, unless something newer is known of it.
    pub fn note(&self, object: ObjectRef, seen: Seen) {
        let mut inner = self.inner.lock();
        let known = inner.objects.get(&object);
        if known.is_some_and(|known| known.uid == seen.uid && is_older(&seen.resource_version, &known.resource_version))
        {
            return;
        }
        inner.objects.insert(object.clone(), seen);
        inner.dirty.insert(object);
        drop(inner);
        self.changed.notify_one();
    }

    /// Notes that an object is gone.
    pub fn forget(&self, object: &ObjectRef) {
        self.inner.lock().objects.remove(object);
    }

    /// An object as it was seen last.
    #[must_use]
    pub fn get(&self, object: &ObjectRef) -> Option<Seen> {
        self.inner.lock().objects.get(object).cloned()
    }

    /// Every object.
    #[must_use]
    pub fn all(&self) -> Vec<ObjectRef> {
        self.inner.lock().objects.keys().cloned().collect()
    }

    /// The addresses that the statuses of Gateways say they have.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<ObjectKey, Vec<IpAddr>> {
        let inner = self.inner.lock();
        let gateways = inner.objects.iter().filter(|(object, _)| object.kind == Kind::Gateway);
        gateways.map(|(object, seen)| (object.key.clone(), addresses(seen.status.as_deref()))).collect()
    }

    /// Waits for objects that were noted since the last call. For one reader.
    pub async fn changed(&self) -> BTreeSet<ObjectRef> {
        loop {
            let dirty = std::mem::take(&mut self.inner.lock().dirty);
            if !dirty.is_empty() {
                return dirty;
            }
            self.changed.notified().await;
        }
    }
}

fn addresses(status: Option<&RawValue>) -> Vec<IpAddr> {
    #[derive(serde::Deserialize)]
    struct Status {
        #[serde(default)]
        addresses: Vec<GatewayAddress>,
    }
    let status = status.and_then(|status| serde_json::from_str::<Status>(status.get()).ok());
    let addresses = status.map(|status| status.addresses).unwrap_or_default();
    addresses.iter().filter_map(|address| address.value.as_ref()?.parse().ok()).collect()
}

/// Whether a resource version is older than another. They are numbers that rise since Kubernetes 1.35;
/// what is no number is taken for newer.
fn is_older(version: &str, than: &str) -> bool {
    match (version.parse::<u128>(), than.parse::<u128>()) {
        (Ok(version), Ok(than)) => version < than,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(uid: &str, version: &str) -> Seen {
        Seen { uid: uid.into(), resource_version: version.into(), generation: 1, status: None }
    }

    #[tokio::test]
    async fn an_event_that_comes_late_does_not_undo_what_a_write_answered() {
        let (live, object) = (Live::default(), ObjectRef::new(Kind::Gateway, ObjectKey::new("a", "b")));
        let version = |live: &Live| live.get(&object).map(|seen| seen.resource_version.to_string());
        live.note(object.clone(), seen("1", "10"));
        live.note(object.clone(), seen("1", "9"));
        assert_eq!(version(&live).as_deref(), Some("10"));
        live.note(object.clone(), seen("2", "3"));
        assert_eq!(version(&live).as_deref(), Some("3"), "another object of the same name");
        assert_eq!(live.changed().await.len(), 1);
        live.forget(&object);
        assert_eq!(version(&live), None);
    }

    #[test]
    fn the_addresses_of_gateways_are_read_from_their_statuses() {
        let live = Live::default();
        let status =
            r#"{"addresses": [{"type": "IPAddress", "value": "10.0.0.7"}, {"type": "Hostname", "value": "x"}]}"#;
        let status = RawValue::from_string(status.to_owned()).unwrap();
        let gateway = ObjectKey::new("a", "b");
        let noted = Seen { status: Some(status.into()), ..seen("1", "1") };
        live.note(ObjectRef::new(Kind::HttpRoute, gateway.clone()), noted.clone());
        assert!(live.addresses().is_empty());
        live.note(ObjectRef::new(Kind::Gateway, gateway.clone()), noted);
        assert_eq!(live.addresses(), BTreeMap::from([(gateway, vec![IpAddr::from([10, 0, 0, 7])])]));
    }
}
