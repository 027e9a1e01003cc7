//! Everything the translator may know: the objects at one moment, and facts about the process.
//!
//! A snapshot is immutable and cheap to clone (a handful of pointers). Sources build the next one
//! from the last with [`Snapshot::put`] and [`Snapshot::remove`]: what they do not touch is shared.

mod ends;
mod exposure;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

pub use ends::Ends;
pub use exposure::{AddressRange, Exposure, ServiceExposure, ServiceType, TrafficPolicy};

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::gateway::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ListenerSet, ReferenceGrant, TcpRoute, TlsRoute,
    UdpRoute,
};
use crate::api::policy::{GatewayParameters, RateLimitPolicy, ShareGrant, Tenant};
use crate::api::{Kind, ObjectKey, ObjectRef};

/// Objects of one kind by namespace and name. To change one among many costs little, and two versions
/// share what they have in common.
pub type Objects<T> = OrdMap<ObjectKey, Arc<T>>;

/// The keys whose values differ between two versions of a map. What they share is not looked at.
pub fn differences<'a, K: Ord, V: PartialEq>(
    before: &'a OrdMap<K, V>,
    after: &'a OrdMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    before.diff(after).map(|difference| match difference {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => key,
    })
}

/// Declares the snapshot's maps and the object union together, so that no kind is forgotten.
macro_rules! kinds {
    ($($(#[$doc:meta])* $field:ident: $ty:ident = $kind:ident),+ $(,)?) => {
        /// The world at one moment.
        #[derive(Debug, Clone, Default)]
        pub struct Snapshot {
            $($(#[$doc])* pub $field: Objects<$ty>,)+
            /// What the process knows about itself.
            pub facts: Arc<Facts>,
        }

        /// An object of any kind a source may deliver.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Object {
            $($(#[$doc])* $kind(Arc<$ty>),)+
        }

        impl Object {
            /// Kind, namespace and name.
            #[must_use]
            pub fn reference(&self) -> ObjectRef {
                match self {
                    $(Self::$kind(object) => ObjectRef::new(Kind::$kind, ObjectKey::of(&object.metadata)),)+
                }
            }

            /// Whether it is the very same object, not merely an equal one.
            #[must_use]
            pub fn is_same(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(one), Self::$kind(other)) => Arc::ptr_eq(one, other),)+
                    _ => false,
                }
            }

            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)+
                }
            }

            /// Its metadata.
            #[must_use]
            pub fn metadata(&self) -> &ObjectMeta {
                match self {
                    $(Self::$kind(object) => &object.metadata,)+
                }
            }

            /// Its metadata, to be changed by the source that owns it; copies a shared object.
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self {
                    $(Self::$kind(object) => &mut Arc::make_mut(object).metadata,)+
                }
            }

            /// The object as JSON, which [`Object::from_json`] reads.
            ///
            /// # Errors
            /// When the writer fails.
            pub fn to_json(&self, writer: impl std::io::Write) -> serde_json::Result<()> {
                match self {
                    $(Self::$kind(object) => serde_json::to_writer(writer, object),)+
                }
            }

            /// Reads an object of the given kind from JSON.
            ///
            /// # Errors
            /// When a field has the wrong type; the error's path says which.
            pub fn from_json(
                kind: Kind,
                value: &serde_json::Value,
            ) -> Result<Self, serde_path_to_error::Error<serde_json::Error>> {
                match kind {
                    $(Kind::$kind => serde_path_to_error::deserialize(value).map(|object| Self::$kind(Arc::new(object))),)+
                }
            }
        }

        impl Snapshot {
            /// Adds or replaces an object.
            pub fn put(&mut self, object: Object) {
                match object {
                    $(Object::$kind(object) => {
                        let key = ObjectKey::of(&object.metadata);
                        self.$field.insert(key, object);
                    })+
                }
            }

            /// Removes an object; says whether it was there.
            pub fn remove(&mut self, object: &ObjectRef) -> bool {
                match object.kind {
                    $(Kind::$kind => self.$field.remove(&object.key).is_some(),)+
                }
            }

            /// Whether all objects of a kind are the very same: a comparison of pointers.
            #[must_use]
            pub fn shares(&self, other: &Self, kind: Kind) -> bool {
                match kind {
                    $(Kind::$kind => self.$field.ptr_eq(&other.$field),)+
                }
            }

            /// An object by its name.
            #[must_use]
            pub fn get(&self, object: &ObjectRef) -> Option<Object> {
                match object.kind {
                    $(Kind::$kind => self.$field.get(&object.key).map(|found| Object::$kind(Arc::clone(found))),)+
                }
            }

            /// Every object of a kind, in the order of their names.
            #[must_use]
            pub fn all(&self, kind: Kind) -> Vec<Object> {
                match kind {
                    $(Kind::$kind => self.$field.values().map(|found| Object::$kind(Arc::clone(found))).collect(),)+
                }
            }

            /// How many objects of a kind there are.
            #[must_use]
            pub fn count(&self, kind: Kind) -> usize {
                match kind {
                    $(Kind::$kind => self.$field.len(),)+
                }
            }
        }
    };
}

kinds! {
    /// GatewayClass
    gateway_classes: GatewayClass = GatewayClass,
    /// Gateway
    gateways: Gateway = Gateway,
    /// ListenerSet
    listener_sets: ListenerSet = ListenerSet,
    /// HTTPRoute
    http_routes: HttpRoute = HttpRoute,
    /// GRPCRoute
    grpc_routes: GrpcRoute = GrpcRoute,
    /// TLSRoute
    tls_routes: TlsRoute = TlsRoute,
    /// TCPRoute
    tcp_routes: TcpRoute = TcpRoute,
    /// UDPRoute
    udp_routes: UdpRoute = UdpRoute,
    /// ReferenceGrant
    reference_grants: ReferenceGrant = ReferenceGrant,
    /// BackendTLSPolicy
    backend_tls_policies: BackendTlsPolicy = BackendTlsPolicy,
    /// Tenant
    tenants: Tenant = Tenant,
    /// ShareGrant
    share_grants: ShareGrant = ShareGrant,
    /// RateLimitPolicy
    rate_limit_policies: RateLimitPolicy = RateLimitPolicy,
    /// GatewayParameters
    gateway_parameters: GatewayParameters = GatewayParameters,
    /// Namespace
    namespaces: Namespace = Namespace,
    /// Service
    services: Service = Service,
    /// Secret
    secrets: Secret = Secret,
    /// ConfigMap
    config_maps: ConfigMap = ConfigMap,
    /// EndpointSlice
    endpoint_slices: EndpointSlice = EndpointSlice,
}

/// What the process knows about itself and the translator cannot find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// How Gateways are reached.
    pub exposure: Exposure,
    /// Addresses that Gateways' statuses say they have, for [`Exposure::AddressPool`].
    pub assigned: BTreeMap<ObjectKey, Vec<IpAddr>>,
    /// Sockets that were tried: where they are bound, or why they are not.
    pub sockets: BTreeMap<Socket, SocketState>,
    /// Whether a socket nobody has tried counts as bound (`paifang check`) or as pending.
    pub assume_bound: bool,
    /// When the last ShareGrant ended: what ends by then has ended. See [`Ends`].
    pub ended: Option<Timestamp>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            exposure: Exposure::default(),
            assigned: BTreeMap::new(),
            sockets: BTreeMap::new(),
            assume_bound: true,
            ended: None,
        }
    }
}

impl Facts {
    /// The address of listeners whose Gateway asks for none, where they are bound as they are written.
    #[must_use]
    pub fn host_address(&self) -> IpAddr {
        match &self.exposure {
            Exposure::Host(address) => *address,
            Exposure::AddressPool(_) | Exposure::Service(_) => IpAddr::from([127, 0, 0, 1]),
        }
    }
}

/// An address and port that a Gateway listens on. The port is the listener's own, but for
/// [`Exposure::Service`], where it is the pod port that the Gateway's Service records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket {
    /// Address of the Gateway.
    pub address: IpAddr,
    /// Port; see above.
    pub port: u16,
}

impl std::fmt::Display for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::net::SocketAddr::new(self.address, self.port).fmt(f)
    }
}

impl serde::Serialize for Socket {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What became of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketState {
    /// Bound and accepting.
    Bound,
    /// Not bound.
    Failed(BindFailure),
}

/// Why a socket could not be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindFailure {
    /// Another program has it.
    InUse,
    /// The process may not bind it, usually a port below 1024.
    Denied,
    /// The address is not one of this machine's.
    NoSuchAddress,
    /// Anything else, in the system's words.
    Other(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_what_came_went_or_was_replaced() {
        let map = |entries: &[(&str, u8)]| -> Objects<u8> {
            entries.iter().map(|(name, value)| (ObjectKey::new("ns", *name), Arc::new(*value))).collect()
        };
        let before = map(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        let after = map(&[("b", 1), ("c", 2), ("d", 1), ("e", 3)]);
        let names = |before: &Objects<u8>, after: &Objects<u8>| {
            differences(before, after).map(|key| key.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&before, &after), ["a", "c", "e"]);
        assert_eq!(names(&after, &before), ["a", "c", "e"]);
        assert!(names(&before, &before).is_empty());
    }
}
