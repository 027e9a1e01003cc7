//! From a socket to a rule: listener by host, then the host's rules.

use std::sync::Arc;

use super::{Hit, Query};
use crate::api::ObjectKey;
use crate::ir::{Certificate, Hostname, ListenerProtocol};
use crate::snapshot::Socket;

/// What one socket serves: listeners of one Gateway that share address and port.
#[derive(Debug)]
pub struct Port {
    /// Where.
    pub socket: Socket,
    /// What is spoken there.
    pub protocol: ListenerProtocol,
    /// The listeners.
    pub listeners: Box<[Arc<Listener>]>,
}

/// A listener and the index of its rules.
#[derive(Debug)]
pub struct Listener {
    /// The Gateway.
    pub gateway: ObjectKey,
    /// The listener's name.
    pub name: Arc<str>,
    /// Its port as the Gateway says it (for redirects and X-Forwarded-Port).
    pub port: u16,
    /// What it speaks.
    pub protocol: ListenerProtocol,
    /// Hosts it serves.
    pub hostname: Option<Hostname>,
    /// Certificates, for HTTPS.
    pub certificates: Vec<Arc<Certificate>>,
}

/// The rules of one hostname pattern.
#[derive(Debug)]
pub struct HostTable {}

impl Port {
    /// The listener with the most specific hostname for a host: exact, then the longest
    /// wildcard, then none.
    #[must_use]
    pub fn listener(&self, _host: &str) -> Option<&Arc<Listener>> {
        None
    }
}

impl Listener {
    /// The rule that wins a request, by the order of the Gateway API: best hostname as written,
    /// then path, method, headers, query, age, name, position; the first full match wins.
    #[must_use]
    pub fn find(&self, _query: &Query<'_>) -> Option<Hit<'_>> {
        None
    }
}
