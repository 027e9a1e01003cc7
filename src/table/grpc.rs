//! The gRPC rules of one hostname pattern, found by service and method.
//!
//! Order: a named service before an expression for it before any service; in each of them the
//! same for the method; the longer expression first. Among equals entries are in order of
//! precedence (see [`super::compile`]); the first full match wins. Two names that match one request
//! are equal, so that the length the Gateway API ranks them by never has to be compared.
//!
//! A lookup probes each map once and each expression at most once.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use super::Rule;
use super::bucket::{Bucket, Entry};
use super::matcher::Lookup;
use super::path::PathMap;
use crate::ir::{GrpcParts, Pattern};

/// Expressions for service, method or both.
pub(crate) type Patterns = GrpcParts<Arc<Pattern>>;

/// The gRPC rules of one hostname pattern.
#[derive(Debug)]
pub(crate) struct GrpcTable {
    /// By `/service/method`.
    pub(crate) calls: PathMap,
    /// By service.
    pub(crate) services: PathMap,
    /// Those with an expression for the service.
    pub(crate) service_patterns: Box<[(Patterns, Entry)]>,
    /// By method, of any service.
    pub(crate) methods: PathMap,
    /// Those with an expression for the method alone.
    pub(crate) method_patterns: Box<[(Patterns, Entry)]>,
    /// For every gRPC request.
    pub(crate) any: Option<Bucket>,
}

/// What a gRPC request asks for.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    path: &'a str,
    service: &'a str,
    method: &'a str,
}

impl GrpcTable {
    /// The best rule that matches completely; none for a request that is not gRPC.
    pub(crate) fn find<'t: 'a, 'a>(&'t self, lookup: &Lookup<'a>) -> Option<&'t Arc<Rule>> {
        if !is_grpc(lookup.request.headers) {
            return None;
        }
        let named = Call::parse(lookup.request.path).and_then(|call| self.find_named(call, lookup));
        named.or_else(|| self.any.as_ref()?.find(lookup))
    }

    fn find_named<'t: 'a, 'a>(&'t self, call: Call<'_>, lookup: &Lookup<'a>) -> Option<&'t Arc<Rule>> {
        let named = |map: &'t PathMap, name| map.get(name).and_then(|bucket| bucket.find(lookup));
        named(&self.calls, call.path)
            .or_else(|| named(&self.services, call.service))
            .or_else(|| find_pattern(&self.service_patterns, call, lookup))
            .or_else(|| named(&self.methods, call.method))
            .or_else(|| find_pattern(&self.method_patterns, call, lookup))
    }
}

fn find_pattern<'t: 'a, 'a>(
    patterns: &'t [(Patterns, Entry)],
    call: Call<'_>,
    lookup: &Lookup<'a>,
) -> Option<&'t Arc<Rule>> {
    let fits = |pattern: &Option<Arc<Pattern>>, text| pattern.as_ref().is_none_or(|pattern| pattern.matches(text));
    let found = patterns.iter().find(|(patterns, entry)| {
        fits(&patterns.service, call.service) && fits(&patterns.method, call.method) && entry.matches(lookup)
    });
    found.map(|(_, entry)| &entry.rule)
}

impl<'a> Call<'a> {
    /// `/service/method`, split where gRPC servers split it.
    fn parse(path: &'a str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.rsplit_once('/')?;
        (!service.is_empty() && !method.is_empty()).then_some(Self { path, service, method })
    }
}

/// Whether a message is gRPC's by its media type; gRPC-Web is another protocol.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_kind = kind.get(..GRPC.len()).is_some_and(|front| front.eq_ignore_ascii_case(GRPC));
    is_kind && matches!(kind.get(GRPC.len()), None | Some(b'+' | b';' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_split_at_its_last_slash() {
        let parts = |path| Call::parse(path).map(|call| (call.service, call.method));
        assert_eq!(parts("/shop.v1.Cart/Add"), Some(("shop.v1.Cart", "Add")));
        assert_eq!(parts("/a/b/c"), Some(("a/b", "c")));
        assert!(["", "*", "/", "/a", "/a/", "//a", "a/b"].iter().all(|path| parts(path).is_none()));
    }

    #[test]
    fn grpc_is_told_by_its_media_type() {
        let is = |kind| is_grpc(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]));
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc;v=1", "Application/gRPC+json"] {
            assert!(is(kind), "{kind}");
        }
        for kind in ["application/grpc-web", "application/grpc-web-text", "application/grp", "text/plain", ""] {
            assert!(!is(kind), "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
