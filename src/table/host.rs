//! From a socket to a rule: listener by host, then the host's rules.

use std::sync::Arc;

use http::HeaderValue;

use super::hostmap::HostMap;
use super::matcher::Lookup;
use super::path::HostTable;
use super::{Hit, Query};
use crate::api::ObjectKey;
use crate::ir::{self, Certificate, Hostname, ListenerProtocol};
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
    pub(crate) by_host: HostMap<Arc<Listener>>,
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
    /// The same as a field value.
    pub port_text: HeaderValue,
    /// What it speaks.
    pub protocol: ListenerProtocol,
    /// Hosts it serves.
    pub hostname: Option<Hostname>,
    /// Certificates, for HTTPS.
    pub certificates: Vec<Arc<Certificate>>,
    /// What it was compiled from.
    pub(crate) source: Arc<ir::Listener>,
    /// Its rules, by hostname as the routes write it.
    pub(crate) hosts: Arc<HostMap<Arc<HostTable>>>,
}

impl Port {
    /// The listener with the most specific hostname for a host: exact, then the longest
    /// wildcard, then none.
    #[must_use]
    pub fn listener(&self, host: &str) -> Option<&Arc<Listener>> {
        self.by_host.covering(host).next()
    }
}

impl Listener {
    /// The rule that wins a request, by the order of the Gateway API: best hostname as written,
    /// then service and method of a gRPC request, then path, method, headers, query, age, name,
    /// position; the first full match wins.
    ///
    /// Allocates nothing, except for regular expressions over several fields of one header
    /// (beyond 512 bytes) or over an encoded query value (beyond 256 bytes).
    #[must_use]
    pub fn find(&self, query: &Query<'_>) -> Option<Hit<'_>> {
        find(&self.hosts, query)
    }
}

fn find<'t>(hosts: &'t HostMap<Arc<HostTable>>, query: &Query<'_>) -> Option<Hit<'t>> {
    let lookup = Lookup::new(query);
    hosts.covering(query.host).find_map(|table| table.find(&lookup))
}
