//! A readable picture of a table: listeners, hostnames, rules in the order they are tried,
//! backends with their endpoints.
//!
//! Deterministic for one table. No secrets: certificates appear by name, filters by kind, and the
//! values of credential headers not at all.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use serde::Serialize;

use super::action::{Filters, Rule};
use super::bucket::{Bucket, Entry};
use super::grpc::{GrpcTable, Patterns};
use super::host::Host;
use super::matcher::{Conditions, Value};
use super::path::{HostTable, PathMap};
use super::{BackendCell, Listener, Table};
use crate::api::ObjectKey;
use crate::ir::{Hostname, ListenerProtocol, Pattern};
use crate::snapshot::Socket;

/// A whole table.
#[derive(Debug, Serialize)]
pub struct Dump {
    /// Counts published tables.
    pub generation: u64,
    /// In the order of the IR.
    pub listeners: Vec<ListenerDump>,
    /// By name.
    pub backends: Vec<BackendDump>,
}

/// One listener.
#[derive(Debug, Serialize)]
pub struct ListenerDump {
    /// The Gateway.
    pub gateway: ObjectKey,
    /// The listener's name.
    pub listener: String,
    /// Where it listens.
    pub sockets: Vec<Socket>,
    /// What it speaks.
    pub protocol: ListenerProtocol,
    /// Hosts it serves; every host when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
    /// Secrets its certificates come from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<ObjectKey>,
    /// Hostnames as the routes write them, the most specific first.
    pub hosts: Vec<HostDump>,
}

/// One hostname pattern.
#[derive(Debug, Serialize)]
pub struct HostDump {
    /// The pattern; `*` for every host.
    pub hostname: String,
    /// Matches in the order they are tried.
    pub matches: Vec<MatchDump>,
}

/// One match and the rule it leads to.
#[derive(Debug, Serialize)]
pub struct MatchDump {
    /// `exact /a`, `regex /a.*` or `prefix /a`; for gRPC `grpc service/method`, where `*` is any and
    /// `~` stands before an expression.
    pub path: String,
    /// Conditions besides the path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// The route.
    pub route: String,
    /// The rule's name or position.
    pub rule: String,
    /// Kinds of filters of the rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<&'static str>,
    /// Backends with their weights, or why there is none.
    pub backends: Vec<String>,
}

/// One backend.
#[derive(Debug, Serialize)]
pub struct BackendDump {
    /// Which backend.
    pub backend: String,
    /// Whether one client stays with one endpoint.
    pub client_ip_affinity: bool,
    /// Its endpoints at this moment.
    pub endpoints: Vec<SocketAddr>,
}

impl Table {
    /// A readable picture of the table. Costs memory in proportion to the table.
    #[must_use]
    pub fn dump(&self) -> Dump {
        let mut cells: Vec<_> = self.backends.values().collect();
        cells.sort_by(|a, b| a.key.cmp(&b.key));
        Dump {
            generation: self.generation,
            listeners: self.listeners.iter().map(|listener| dump_listener(listener)).collect(),
            backends: cells.into_iter().map(|cell| dump_backend(cell)).collect(),
        }
    }
}

fn dump_listener(listener: &Listener) -> ListenerDump {
    let mut hosts: Vec<_> = listener.hosts.iter().collect();
    hosts.sort_by_cached_key(|(pattern, _)| match pattern {
        Some(Hostname::Exact(name)) => (0, 0, name.to_string()),
        Some(Hostname::Wildcard(suffix)) => (1, usize::MAX - suffix.len(), suffix.to_string()),
        None => (2, 0, String::new()),
    });
    let host = |(pattern, host): (Option<Hostname>, &Host)| HostDump {
        hostname: pattern.map_or_else(|| "*".to_owned(), |pattern| pattern.to_string()),
        matches: dump_host(&host.table),
    };
    ListenerDump {
        gateway: listener.gateway.clone(),
        listener: listener.name.to_string(),
        sockets: listener.source.sockets.clone(),
        protocol: listener.protocol,
        hostname: listener.hostname.clone(),
        certificates: listener.certificates.iter().map(|certificate| certificate.secret.clone()).collect(),
        hosts: hosts.into_iter().map(host).collect(),
    }
}

fn dump_host(table: &HostTable) -> Vec<MatchDump> {
    let exact = in_order(&table.exact).map(|(path, entry)| dump_match(format!("exact {path}"), entry));
    let patterns = table.patterns.iter();
    let patterns = patterns.map(|(pattern, entry)| dump_match(format!("regex {}", pattern.as_str()), entry));
    let prefixes = in_order(&table.prefixes).map(|(path, entry)| {
        let path = if path.is_empty() { "/" } else { path };
        dump_match(format!("prefix {path}"), entry)
    });
    let grpc = table.grpc.iter().flat_map(|grpc| dump_grpc(grpc));
    grpc.chain(exact).chain(patterns).chain(prefixes).collect()
}

fn dump_grpc(table: &GrpcTable) -> Vec<MatchDump> {
    let part = |part: &Option<Arc<Pattern>>| part.as_ref().map_or("*".into(), |part| format!("~{}", part.as_str()));
    let pattern = |(patterns, entry): &(Patterns, Entry)| {
        dump_match(format!("grpc {}/{}", part(&patterns.service), part(&patterns.method)), entry)
    };
    let calls =
        in_order(&table.calls).map(|(path, entry)| dump_match(format!("grpc {}", path.trim_start_matches('/')), entry));
    let services = in_order(&table.services).map(|(name, entry)| dump_match(format!("grpc {name}/*"), entry));
    let methods = in_order(&table.methods).map(|(name, entry)| dump_match(format!("grpc */{name}"), entry));
    let any = table.any.iter().flat_map(|bucket: &Bucket| &bucket.entries);
    let named = calls.chain(services).chain(table.service_patterns.iter().map(pattern)).chain(methods);
    let any = any.map(|entry| dump_match("grpc */*".to_owned(), entry));
    named.chain(table.method_patterns.iter().map(pattern)).chain(any).collect()
}

/// Longest path first, as prefixes are tried; the order of different exact paths means nothing.
fn in_order(paths: &PathMap) -> impl Iterator<Item = (&str, &Entry)> {
    let mut buckets: Vec<_> = paths.iter().collect();
    buckets.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    buckets.into_iter().flat_map(|(path, bucket)| bucket.entries.iter().map(move |entry| (path, entry)))
}

fn dump_match(path: String, entry: &Entry) -> MatchDump {
    let rule = &entry.rule;
    MatchDump {
        path,
        conditions: entry.conditions.as_deref().map(dump_conditions).unwrap_or_default(),
        route: rule.id.route.to_string(),
        rule: rule.id.rule.to_string(),
        filters: filter_kinds(&rule.action.filters),
        backends: dump_shares(rule),
    }
}

fn dump_conditions(conditions: &Conditions) -> Vec<String> {
    let method = conditions.method.iter().map(|method| format!("method {method}"));
    let headers = conditions.headers.iter().map(|(name, value)| {
        let hidden = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name);
        if hidden { format!("header {name}") } else { named("header", name.as_str(), value) }
    });
    let query = conditions.query.iter().map(|(name, value)| named("query", name, value));
    method.chain(headers).chain(query).collect()
}

fn named(what: &str, name: &str, value: &Value) -> String {
    match value {
        Value::Exact(value) => format!("{what} {name} = {value}"),
        Value::Pattern(pattern) => format!("{what} {name} ~ {}", pattern.as_str()),
    }
}

fn filter_kinds(filters: &Filters) -> Vec<&'static str> {
    let kinds = [
        (filters.request_headers.is_some(), "requestHeaders"),
        (filters.response_headers.is_some(), "responseHeaders"),
        (filters.redirect.is_some(), "redirect"),
        (filters.rewrite.is_some(), "rewrite"),
        (!filters.mirrors.is_empty(), "mirrors"),
        (filters.cors.is_some(), "cors"),
    ];
    kinds.into_iter().filter_map(|(present, kind)| present.then_some(kind)).collect()
}

fn dump_shares(rule: &Rule) -> Vec<String> {
    let mut before = 0;
    let shares = rule.action.backends.list.iter().map(|backend| {
        let weight = backend.upto - before;
        before = backend.upto;
        let mut text = format!("{weight} ");
        // writing to a String cannot fail
        let _ = match &backend.target {
            Ok(cell) => write!(text, "{}", cell.key),
            Err(reason) => write!(text, "{reason:?}"),
        };
        text
    });
    shares.collect()
}

fn dump_backend(cell: &BackendCell) -> BackendDump {
    BackendDump {
        backend: cell.key.to_string(),
        client_ip_affinity: cell.settings.client_ip_affinity,
        endpoints: cell.addresses(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ir::{
        GrpcMatch, GrpcParts, HeaderEdit, Ir, Match, PathMatch, Route, RouteId, Rule, Target, ValueMatch, ValuePattern,
    };
    use crate::{api, ir};

    fn found(path: PathMatch, header: Option<(&str, &str)>) -> Match {
        let headers = header
            .map(|(name, value)| ValueMatch { name: name.to_owned(), value: ValuePattern::Exact(value.to_owned()) });
        Match { path, method: None, headers: headers.into_iter().collect(), query: Vec::new() }
    }

    fn world() -> Ir {
        let key = ir::BackendKey {
            namespace: "ns".into(),
            service: "svc".into(),
            port: 80,
            protocol: ir::BackendProtocol::Http1,
        };
        let secret = HeaderEdit { set: vec![("x-key".to_owned(), "hunter2".to_owned())], ..HeaderEdit::default() };
        let target = Target::Backend(key.clone());
        let rule = Rule {
            name: None,
            matches: vec![
                found(PathMatch::Prefix("/".to_owned()), None),
                found(PathMatch::Prefix("/a".to_owned()), Some(("x-a", "1"))),
                found(PathMatch::Prefix("/a".to_owned()), Some(("authorization", "hunter2"))),
                found(PathMatch::Regex("/b+".to_owned()), None),
                found(PathMatch::Exact("/c".to_owned()), None),
            ],
            filters: ir::Filters { request_headers: Some(Box::new(secret)), ..ir::Filters::default() },
            backends: vec![ir::WeightedBackend { weight: 3, target, filters: ir::Filters::default() }],
            timeouts: ir::Timeouts::default(),
            retry: None,
        };
        let id = RouteId { kind: api::Kind::HttpRoute, key: ObjectKey::new("ns", "r") };
        let route = Arc::new(Route { id, tenant: None, created: 0, rules: vec![rule] });
        let hostnames = ["*.a.com", "a.com"].into_iter().filter_map(Hostname::parse).collect();
        let listener = ir::Listener {
            gateway: ObjectKey::new("ns", "gw"),
            name: "http".into(),
            port: 80,
            sockets: Vec::new(),
            protocol: ListenerProtocol::Http,
            hostname: None,
            certificates: Vec::new(),
            claims_required: false,
            routes: [ir::Attached { hostnames, route }].into_iter().collect(),
        };
        let backends = [(key, ir::Backend::default())].into_iter().collect();
        Ir { listeners: vec![Arc::new(listener)], backends, ..Ir::default() }
    }

    #[test]
    fn hosts_and_matches_stand_in_the_order_they_are_tried() {
        let dump = Table::compile(&world(), None).dump();
        let hosts = &dump.listeners[0].hosts;
        assert_eq!(hosts.iter().map(|host| &*host.hostname).collect::<Vec<_>>(), ["a.com", "*.a.com"]);
        let matches: Vec<_> =
            hosts[0].matches.iter().map(|m| format!("{} {}", m.path, m.conditions.join(" "))).collect();
        let expected =
            ["exact /c ", "regex /b+ ", "prefix /a header x-a = 1", "prefix /a header authorization", "prefix / "];
        assert_eq!(matches, expected);
        assert_eq!(hosts[0].matches[0].backends, ["3 ns/svc:80"]);
    }

    #[test]
    fn grpc_matches_stand_before_all_others_in_the_order_of_the_specification() {
        let parts = |service: &str, method: &str| {
            let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            GrpcParts { service: part(service), method: part(method) }
        };
        let exact = |service, method| found(PathMatch::Grpc(GrpcMatch::Exact(parts(service, method))), None);
        let regex = |service, method| found(PathMatch::Grpc(GrpcMatch::Regex(parts(service, method))), None);
        let mut world = world();
        let listener = Arc::make_mut(&mut world.listeners[0]);
        let mut attached = listener.routes.iter().next().unwrap().clone();
        Arc::make_mut(&mut attached.route).rules[0].matches = vec![
            found(PathMatch::Exact("/a/b".to_owned()), None),
            exact("", ""),
            regex("", "b.*"),
            exact("", "b"),
            regex("a.", ""),
            regex("a.", "b"),
            regex("a.*", ""),
            exact("a", ""),
            exact("a", "b"),
        ];
        listener.routes.insert(attached);
        let dump = Table::compile(&world, None).dump();
        let paths: Vec<_> = dump.listeners[0].hosts[0].matches.iter().map(|it| it.path.as_str()).collect();
        let grpc = ["a/b", "a/*", "~a.*/*", "~a./~b", "~a./*", "*/b", "*/~b.*", "*/*"];
        let expected = grpc.map(|call| format!("grpc {call}")).into_iter().chain(["exact /a/b".to_owned()]);
        assert_eq!(paths, expected.collect::<Vec<_>>());
    }

    #[test]
    fn no_secret_is_shown() {
        let text = serde_json::to_string(&Table::compile(&world(), None).dump()).unwrap();
        assert!(text.contains("requestHeaders") && !text.contains("hunter2"), "{text}");
    }
}
