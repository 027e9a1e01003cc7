//! Gateway API v1.7 as Rust types: upstream's field names, lenient in what they accept.
//!
//! Status is not part of these types: what other controllers wrote there must survive byte for
//! byte, so the status writer works on the raw object, and what we write is in
//! [`crate::api::status`].

pub mod backend_tls_policy;
pub mod experimental;
pub mod gateway_class;
pub mod grpc_route;
pub mod http_route;
pub mod l4_route;
pub mod listener;
pub mod reference_grant;
pub mod shared;

/// The API group of the standard kinds.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// The name that makes a GatewayClass ours.
pub const CONTROLLER_NAME: &str = "paifang.dev/gateway-controller";

pub use backend_tls_policy::BackendTlsPolicy;
pub use gateway_class::GatewayClass;
pub use grpc_route::GrpcRoute;
pub use http_route::HttpRoute;
pub use l4_route::{TcpRoute, TlsRoute, UdpRoute};
pub use listener::{Gateway, ListenerSet};
pub use reference_grant::ReferenceGrant;
