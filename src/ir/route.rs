//! Routes, rules and their matches.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Filters, WeightedBackend};
use crate::api::{Kind, ObjectKey, ObjectRef};

/// Which object a route came from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId {
    /// HTTPRoute, GRPCRoute, …
    pub kind: Kind,
    /// Namespace and name.
    pub key: ObjectKey,
}

impl From<&RouteId> for ObjectRef {
    fn from(route: &RouteId) -> Self {
        Self::new(route.kind, route.key.clone())
    }
}

impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

impl fmt::Debug for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RouteId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A route with everything its rules say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The object.
    pub id: RouteId,
    /// The tenant of its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Arc<str>>,
    /// Its age: seconds since 1970; older wins. 0 when unknown.
    pub created: i64,
    /// Rules in the order written.
    pub rules: Vec<Rule>,
}

/// One rule. Without backends and without a redirect it answers 500.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// Any of them must match; never empty.
    pub matches: Vec<Match>,
    /// What happens to requests and responses.
    #[serde(skip_serializing_if = "Filters::is_empty")]
    pub filters: Filters,
    /// Where requests go, by weight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<WeightedBackend>,
    /// Time limits.
    #[serde(skip_serializing_if = "Timeouts::is_empty")]
    pub timeouts: Timeouts,
    /// Retries; absent leaves them to the gateway, which then only tries another endpoint when no
    /// connection could be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

/// Conditions of which all must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Match {
    /// The path.
    pub path: PathMatch,
    /// The HTTP method, upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Headers: lower-case names, each name at most once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
    /// Query parameters: names as written, each name at most once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<ValueMatch>,
}

/// A condition on a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PathMatch {
    /// The whole path, to the letter.
    Exact(String),
    /// Whole path elements. Without its trailing slash; `/` for everything.
    Prefix(String),
    /// A regular expression that must match the whole path.
    Regex(String),
    /// `/service/method` of a gRPC request; no other request matches.
    Grpc(GrpcMatch),
}

/// A condition on a gRPC request. What is absent is anything; both absent is every gRPC request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GrpcMatch {
    /// To the letter.
    Exact(GrpcParts<String>),
    /// Regular expressions that must match the whole part.
    Regex(GrpcParts<String>),
}

/// Service and method.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct GrpcParts<T> {
    /// The service with its package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<T>,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<T>,
}

/// A condition on a named value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ValueMatch {
    /// The name.
    pub name: String,
    /// What the value must be.
    pub value: ValuePattern,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ValuePattern {
    /// To the letter.
    Exact(String),
    /// A regular expression that must match the whole value.
    Regex(String),
}

/// Time limits of a rule; zero never appears (it means no limit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// The whole request over all tries.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "millis")]
    pub request: Option<Duration>,
    /// One try.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "millis")]
    pub backend_request: Option<Duration>,
}

impl Timeouts {
    /// Whether there is no limit at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.request.is_none() && self.backend_request.is_none()
    }
}

fn millis<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.collect_str(&format_args!("{}ms", duration.as_millis())),
        None => serializer.serialize_none(),
    }
}

/// Retries of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// Tries after the first; with 0 nothing is ever tried again.
    pub attempts: u32,
    /// Status codes that are tried again, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<u16>,
    /// Base interval between tries; ours when absent.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "millis")]
    pub backoff: Option<Duration>,
}
