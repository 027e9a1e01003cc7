//! The intermediate representation: what shall be served, without Kubernetes in it.
//!
//! Readable, serialisable, comparable: golden files show it, [`crate::table`] compiles it, the
//! oracle evaluates it naively. It holds what the *specification* says (hostnames as written,
//! paths as written), already validated; nothing in it needs another look at an object.

pub mod backend;
pub mod certificate;
pub mod claim;
pub mod filter;
pub mod hostname;
pub mod limit;
pub mod listener;
pub mod path;
pub mod pattern;
pub mod route;
pub mod routes;
pub mod share;

use std::sync::Arc;

use imbl::OrdMap;
use serde::Serialize;

pub use backend::{Backend, BackendKey, BackendProtocol, InvalidBackend, Target, WeightedBackend};
pub use certificate::Certificate;
pub use claim::Claim;
pub use filter::{Cors, Filters, HeaderEdit, Mirror, PathModifier, Redirect, Rewrite};
pub use hostname::Hostname;
pub use limit::{Limit, LimitId, LimitSource, LimitTarget};
pub use listener::{Attached, Listener, ListenerProtocol};
pub use path::one_spelling;
pub use pattern::Pattern;
pub use route::{
    GrpcMatch, GrpcParts, Match, PathMatch, Retry, Route, RouteId, Rule, Timeouts, ValueMatch, ValuePattern,
};
pub use routes::Routes;
pub use share::Share;

/// Everything that shall be served.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Ir {
    /// Listeners that may serve, by Gateway and name.
    pub listeners: Vec<Arc<Listener>>,
    /// Every backend that a rule or a mirror names.
    pub backends: OrdMap<BackendKey, Backend>,
    /// Who alone may serve what, by hostname and path.
    #[serde(skip_serializing_if = "<[Claim]>::is_empty")]
    pub claims: Arc<[Claim]>,
    /// What may be taken, sorted by who says it and by name.
    #[serde(skip_serializing_if = "<[Arc<Limit>]>::is_empty")]
    pub limits: Arc<[Arc<Limit>]>,
    /// What each tenant may take of a gateway that has no more to give, sorted by tenant. Others have the least weight and
    /// no guarantee.
    #[serde(skip_serializing_if = "<[Share]>::is_empty")]
    pub shares: Arc<[Share]>,
}
