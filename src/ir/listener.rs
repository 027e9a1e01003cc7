//! Listeners that serve, and the routes attached to them.

use std::sync::Arc;

use serde::Serialize;

use super::{Certificate, Hostname, Route, Routes};
use crate::api::ObjectKey;
use crate::snapshot::Socket;

/// One listener of a Gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// The Gateway.
    pub gateway: ObjectKey,
    /// The listener's name.
    pub name: Arc<str>,
    /// The port of its specification; redirects and forwarding headers speak of it.
    pub port: u16,
    /// Where it listens; several listeners of one Gateway may share a socket.
    pub sockets: Vec<Socket>,
    /// What it speaks.
    pub protocol: ListenerProtocol,
    /// Hosts it serves; every host when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
    /// Certificates for HTTPS, the first is used when none fits the server name better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Arc<Certificate>>,
    /// Whether it serves only what somebody claims.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub claims_required: bool,
    /// Accepted routes.
    pub routes: Routes,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ListenerProtocol {
    /// Plain HTTP/1.1 and h2c by prior knowledge.
    #[serde(rename = "HTTP")]
    Http,
    /// TLS with HTTP/1.1 and h2 inside.
    #[serde(rename = "HTTPS")]
    Https,
}

/// A route as one listener sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// The route's hostnames *as written* that intersect with the listener's; empty matches
    /// every host. They rank routes; the listener's own hostname has already filtered the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<Hostname>,
    /// The route, shared between the listeners it is attached to.
    pub route: Arc<Route>,
}
