//! Listeners: which hostnames changed, and what is reused for the others.

use std::sync::Arc;

use http::HeaderValue;

use smallvec::SmallVec;

use super::diff::{changed_hosts, hosts_of};
use super::host::Owner;
use super::{Compiler, Map};
use crate::api::ObjectKey;
use crate::ir::{self, Hostname, Route};
use crate::table::Listener;
use crate::table::host::{Host, Hosts};
use crate::table::limits::are_same;

/// Routes by hostname as written; almost always one.
type Grouped<'a> = Map<Option<&'a Hostname>, SmallVec<[&'a Arc<Route>; 1]>>;

impl<'a> Compiler<'a> {
    /// Compiles all listeners.
    pub(super) fn listeners(
        &mut self,
        sources: &'a [Arc<ir::Listener>],
        previous: &'a [Arc<Listener>],
    ) -> Box<[Arc<Listener>]> {
        let identity = |gateway: &'a ObjectKey, name: &'a Arc<str>| (gateway, &**name);
        let by_identity: Map<_, _> = previous.iter().map(|old| (identity(&old.gateway, &old.name), old)).collect();
        sources
            .iter()
            .map(|source| self.listener(source, by_identity.get(&identity(&source.gateway, &source.name)).copied()))
            .collect()
    }

    fn listener(&mut self, source: &'a Arc<ir::Listener>, previous: Option<&'a Arc<Listener>>) -> Arc<Listener> {
        if let Some(previous) = previous
            && self.changed.is_empty()
            && self.limited_as_before
            && Arc::ptr_eq(&previous.claims, self.claims)
            && Arc::ptr_eq(&previous.source, source)
        {
            return Arc::clone(previous);
        }
        let hosts = self.hosts(source, previous);
        let connections = self.limits.of_listener(&source.gateway, &source.name);
        if let Some(previous) = previous
            && Arc::ptr_eq(&hosts, &previous.hosts)
            && are_same(&connections, &previous.connections)
            && Arc::ptr_eq(&previous.claims, self.claims)
            && previous.source == *source
        {
            return Arc::clone(previous);
        }
        let port = source.port;
        Arc::new(Listener {
            gateway: source.gateway.clone(),
            name: Arc::clone(&source.name),
            port,
            port_text: HeaderValue::from(port),
            protocol: source.protocol,
            hostname: source.hostname.clone(),
            certificates: source.certificates.clone(),
            claims_required: source.claims_required,
            claims: Arc::clone(self.claims),
            connections,
            source: Arc::clone(source),
            hosts,
        })
    }

    fn hosts(&mut self, source: &'a ir::Listener, previous: Option<&'a Arc<Listener>>) -> Arc<Hosts> {
        let Some(previous) = previous else {
            let mut hosts = Hosts::default();
            let groups = group(source, |_| true);
            hosts.update(groups.into_iter().map(|(pattern, routes)| {
                let table = self.host(&Owner { listener: source, pattern }, &routes, None);
                (pattern.cloned(), Some(Host::new(pattern, table, self.claims)))
            }));
            return Arc::new(hosts);
        };
        let mut changed = changed_hosts(&previous.source.routes, &source.routes, |a, b| self.is_same(a, b));
        if !self.changed.is_empty() {
            let with_changed = source.routes.iter().filter(|attached| self.names_changed_backend(&attached.route));
            changed.extend(with_changed.flat_map(hosts_of));
        }
        if !self.limited_as_before {
            // rare, and then nearly every rule may be under another limit
            changed.extend(source.routes.iter().flat_map(hosts_of));
        }
        let claimed_as_before = Arc::ptr_eq(&previous.claims, self.claims);
        if changed.is_empty() && claimed_as_before {
            return Arc::clone(&previous.hosts);
        }
        let mut groups = group(source, |pattern| changed.contains(&pattern));
        let mut hosts = Hosts::clone(&previous.hosts);
        hosts.update(changed.into_iter().map(|pattern| {
            let old = previous.hosts.get(pattern).map(|old| &old.table);
            let owner = Owner { listener: source, pattern };
            let table = groups.remove(&pattern).map(|routes| self.host(&owner, &routes, old));
            (pattern.cloned(), table.map(|table| Host::new(pattern, table, self.claims)))
        }));
        if !claimed_as_before {
            hosts.for_each_exact(|name, host| host.claim(name, self.claims));
        }
        Arc::new(hosts)
    }
}

fn group(source: &ir::Listener, wanted: impl Fn(Option<&Hostname>) -> bool) -> Grouped<'_> {
    let mut groups = Grouped::default();
    for attached in source.routes.iter() {
        for pattern in hosts_of(attached).filter(|pattern| wanted(*pattern)) {
            let routes = groups.entry(pattern).or_default();
            if !routes.last().is_some_and(|last| Arc::ptr_eq(last, &attached.route)) {
                routes.push(&attached.route);
            }
        }
    }
    groups
}
