//! Backends: where requests go, and why they sometimes cannot.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::Filters;
use crate::api::ObjectKey;

/// A Service port as one protocol is spoken to it. Backends with equal keys share endpoints,
/// balancing state and connections.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendKey {
    /// Namespace of the Service.
    pub namespace: Arc<str>,
    /// Name of the Service.
    pub service: Arc<str>,
    /// Service port.
    pub port: u16,
    /// What is spoken to it.
    pub protocol: BackendProtocol,
}

impl BackendKey {
    /// Its Service.
    #[must_use]
    pub fn service(&self) -> ObjectKey {
        ObjectKey::new(Arc::clone(&self.namespace), Arc::clone(&self.service))
    }
}

impl fmt::Display for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.service, self.port)?;
        match self.protocol {
            BackendProtocol::Http1 => Ok(()),
            BackendProtocol::H2c => f.write_str(" (h2c)"),
        }
    }
}

impl fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for BackendKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is spoken to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum BackendProtocol {
    /// HTTP/1.1, WebSocket included.
    Http1,
    /// HTTP/2 without TLS, by prior knowledge.
    H2c,
}

/// How a backend is used. Its endpoints are not here: they change far more often than routes and
/// live in a cell of their own (see [`crate::table::backend`]).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// Whether one client stays with one endpoint (Service `sessionAffinity: ClientIP`).
    pub client_ip_affinity: bool,
}

/// One of a rule's backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeightedBackend {
    /// Its share; 0 gets nothing.
    pub weight: u32,
    /// Where its share goes.
    pub target: Target,
    /// What happens only to its share.
    #[serde(skip_serializing_if = "Filters::is_empty")]
    pub filters: Filters,
}

/// A backend, or why there is none: then its share is answered with 500.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// A backend.
    Backend(BackendKey),
    /// None.
    Invalid(InvalidBackend),
}

/// Why a reference leads nowhere. The names are the Gateway API's reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum InvalidBackend {
    /// It does not exist.
    BackendNotFound,
    /// Nobody allowed the reference.
    RefNotPermitted,
    /// It is of a kind we do not know.
    InvalidKind,
    /// It wants a protocol we do not speak.
    UnsupportedProtocol,
    /// A filter or a value on the reference cannot be honoured.
    UnsupportedValue,
}
