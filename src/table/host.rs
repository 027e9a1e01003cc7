//! From a socket to a rule: listener by host, then the host's rules.

use std::sync::Arc;

use http::HeaderValue;

use super::claims::Owners;
use super::hostmap::HostMap;
use super::limits::Meter;
use super::matcher::{Lookup, May};
use super::path::HostTable;
use super::{Claims, Found, Query, Rule};
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
    /// Whether it serves only what somebody claims.
    pub claims_required: bool,
    /// Who alone may serve what.
    pub claims: Arc<Claims>,
    /// Limits on its connections.
    pub connections: Box<[Arc<Meter>]>,
    /// What it was compiled from.
    pub(crate) source: Arc<ir::Listener>,
    /// Its rules, by hostname as the routes write it.
    pub(crate) hosts: Arc<Hosts>,
}

/// What a listener serves, by hostname as the routes write it.
pub(crate) type Hosts = HostMap<Host>;

/// One hostname.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// Whose an exact hostname is, so that a lookup need not ask the claims. Who owns what a wildcard
    /// covers depends on the host that is asked for.
    owners: Owners,
    /// Its rules.
    pub(crate) table: Arc<HostTable>,
}

impl Host {
    /// A hostname and its rules.
    pub(crate) fn new(pattern: Option<&Hostname>, table: Arc<HostTable>, claims: &Claims) -> Self {
        let owners = match pattern {
            Some(Hostname::Exact(name)) => owners(name, &table, claims),
            _ => Owners::Nobody,
        };
        Self { owners, table }
    }

    /// The same under other claims; of an exact hostname.
    pub(crate) fn claim(&mut self, name: &str, claims: &Claims) {
        self.owners = owners(name, &self.table, claims);
    }
}

fn owners(name: &str, table: &HostTable, claims: &Claims) -> Owners {
    let owners = claims.owners(name);
    let mut rules = table.sources.iter().flat_map(|source| &source.rules);
    match owners {
        Owners::All(tenant) if rules.all(|rule| rule.id.tenant.as_ref() == Some(&tenant)) => Owners::AllItsOwn(tenant),
        owners => owners,
    }
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
    pub fn find<'a>(&'a self, query: &'a Query<'a>) -> Found<'a> {
        let exact = self.hosts.exact(query.host);
        let owner = match exact {
            Some(host) => host.owners.of(query.path),
            None => self.claims.owner(query.host, query.path),
        };
        let may = self.may(owner);
        let own = exact.is_some_and(|host| matches!(host.owners, Owners::AllItsOwn(_)));
        let mut lookup = Lookup::new(query, if own { May::All } else { may });
        let mut hit = exact.and_then(|host| host.table.find(&lookup));
        if hit.is_none() {
            lookup.may = may;
            hit = self.hosts.wider(query.host).find_map(|host| host.table.find(&lookup));
        }
        let refused = lookup.refused.get();
        let shadow = self.claims.shadow(query.host, query.path).map(|owner| self.may(owner));
        let shadowed = hit.zip(shadow).is_some_and(|(hit, may)| !may.includes(hit.rule));
        Found { hit, refused, shadowed }
    }

    /// The tenant whose a host is before a path is known: who claims it, or else whose route has it.
    #[must_use]
    pub fn tenant(&self, host: &str) -> Option<&Arc<str>> {
        self.claims.owner(host, "/").or_else(|| self.rules(host).next()?.id.tenant.as_ref())
    }

    /// Limits on the connections of that tenant.
    #[must_use]
    pub fn connections_of_tenant(&self, host: &str) -> &[Arc<Meter>] {
        let tenant = self.tenant(host);
        let of_tenant = self.rules(host).find(|rule| rule.id.tenant.as_ref() == tenant);
        of_tenant.map_or(&[], |rule| &rule.limits.connections)
    }

    /// Rules for a host: one of each route, the most specific hostname first.
    fn rules(&self, host: &str) -> impl Iterator<Item = &Arc<Rule>> {
        self.hosts.covering(host).flat_map(|host| &host.table.sources).filter_map(|source| source.rules.first())
    }

    fn may<'a>(&self, owner: Option<&'a Arc<str>>) -> May<'a> {
        match owner {
            Some(owner) => May::Only(owner),
            None if self.claims_required => May::None,
            None => May::All,
        }
    }
}
