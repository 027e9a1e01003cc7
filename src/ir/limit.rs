//! Limits: what may be taken, by whom, and where it is counted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::{PathMatch, RouteId, ValueMatch};
use crate::api::ObjectKey;
use crate::jwt::Expected;

/// One named limit of a policy or of a Tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// Which it is. Its counters survive every change that leaves this, the scope, the key and the kind of amount as they
    /// are.
    pub id: LimitId,
    /// What it is put on, sorted; a request under any of them is under the limit, once.
    pub targets: Vec<LimitTarget>,
    /// How much.
    pub amount: Amount,
    /// What has a counter of its own.
    pub scope: Scope,
    /// What requests are told apart by, each value with a counter of its own. One counter for all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<KeyPart>,
    /// Who counts.
    pub counting: Counting,
    /// Requests that are counted: those for which one of these holds. All when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<When>,
    /// Networks whose clients are neither counted nor limited.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<IpNet>,
    /// Whether it denies, or only tells what it would deny.
    pub enforced: bool,
    /// What a denied request is answered.
    #[serde(skip_serializing_if = "Denial::is_usual")]
    pub denial: Denial,
}

impl Limit {
    /// A limit that all requests are under, without a key, enforced and counted by each replica.
    #[must_use]
    pub fn plain(id: LimitId, targets: Vec<LimitTarget>, scope: Scope, amount: Amount) -> Self {
        Self {
            id,
            targets,
            amount,
            scope,
            key: Vec::new(),
            counting: Counting::PerReplica,
            when: Vec::new(),
            except: Vec::new(),
            enforced: true,
            denial: Denial::default(),
        }
    }
}

/// Which limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitId {
    /// Who says it.
    pub source: LimitSource,
    /// Its name there, a DNS label. Those of a Tenant are `requests`, `concurrency`, `connections` and `bandwidth`.
    pub name: Arc<str>,
}

/// Who says a limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitSource {
    /// A RateLimitPolicy.
    Policy(ObjectKey),
    /// A Tenant, for all that it serves.
    Tenant(Arc<str>),
}

impl fmt::Display for LimitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(key) => write!(f, "RateLimitPolicy {key}"),
            Self::Tenant(name) => write!(f, "Tenant {name}"),
        }
    }
}

impl Serialize for LimitSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a limit is put on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitTarget {
    /// A Gateway, or one of its listeners.
    Gateway {
        /// The Gateway.
        gateway: ObjectKey,
        /// The listener.
        #[serde(skip_serializing_if = "Option::is_none")]
        listener: Option<Arc<str>>,
    },
    /// All routes of a tenant.
    Tenant(Arc<str>),
    /// All routes of a namespace.
    Namespace(Arc<str>),
    /// A route, or one of its rules.
    Route {
        /// The route.
        route: RouteId,
        /// The rule, by its name.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<Arc<str>>,
    },
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Amount {
    /// Requests in a time.
    Rate {
        /// So many …
        requests: u32,
        /// … in this time, …
        #[serde(serialize_with = "seconds")]
        per: Duration,
        /// … and so many at once after a pause.
        burst: u32,
    },
    /// Requests that are being answered at one moment.
    Concurrency(u32),
    /// Connections that are open at one moment.
    Connections(u32),
    /// Bytes of responses per second.
    Bandwidth(u64),
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}s", duration.as_secs()))
}

/// What has a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Scope {
    /// Each Gateway.
    Gateway,
    /// Each listener.
    Listener,
    /// Each tenant of a route; routes of no tenant together.
    Tenant,
    /// Each namespace of a route.
    Namespace,
    /// Each route.
    Route,
    /// Each rule.
    Rule,
}

/// What requests are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyPart {
    /// The client's address behind trusted proxies; IPv6 by its /64.
    ClientIp,
    /// The value of a header field.
    #[serde(serialize_with = "header_name")]
    Header(HeaderName),
    /// The value of a cookie.
    Cookie(Arc<str>),
    /// The value of a query parameter.
    Query(Arc<str>),
    /// The value of a claim …
    JwtClaim {
        /// … of this name …
        name: Arc<str>,
        /// … in a token that counts.
        tokens: Arc<Expected>,
    },
    /// The method.
    Method,
    /// The normalised path.
    Path,
    /// The tenant of the route.
    Tenant,
    /// The namespace of the route.
    Namespace,
    /// The route.
    Route,
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientIp => f.write_str("ClientIP"),
            Self::Header(name) => write!(f, "Header {name}"),
            Self::Cookie(name) => write!(f, "Cookie {name}"),
            Self::Query(name) => write!(f, "Query {name}"),
            Self::JwtClaim { name, tokens } => write!(f, "JWTClaim {name} by the keys of {}", tokens.keys.object),
            Self::Method => f.write_str("Method"),
            Self::Path => f.write_str("Path"),
            Self::Tenant => f.write_str("Tenant"),
            Self::Namespace => f.write_str("Namespace"),
            Self::Route => f.write_str("Route"),
        }
    }
}

fn header_name<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

/// Who counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Counting {
    /// Each replica for itself.
    PerReplica,
    /// Each replica its part, by the number of those that are alive.
    Divide,
    /// All together, in the store. Rates only.
    Global {
        /// What happens while the store cannot be asked.
        otherwise: StoreFailure,
    },
}

/// What happens while the store cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum StoreFailure {
    /// Requests are counted as [`Counting::Divide`] does.
    Local,
    /// They pass.
    Allow,
    /// They are denied.
    Deny,
}

/// Requests for which all that is written holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct When {
    /// The method is one of these, in upper case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<&'static str>,
    /// The normalised path is one of these; `Exact` or `Prefix`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathMatch>,
    /// The header fields are all like this.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
}

/// What a denied request is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    /// Status code, 400 to 599.
    #[serde(serialize_with = "code")]
    pub status: StatusCode,
    /// The answer's own body; a problem in JSON (RFC 9457) when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<DenialBody>,
}

/// A body in the words of whoever wrote the limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DenialBody {
    /// Its media type.
    #[serde(serialize_with = "field_value")]
    pub content_type: HeaderValue,
    /// What it says.
    pub text: Arc<str>,
}

impl Denial {
    /// Whether it is what limits answer that say nothing about it.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Denial {
    fn default() -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, body: None }
    }
}

fn code<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

fn field_value<S: Serializer>(value: &HeaderValue, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&value.as_bytes().escape_ascii())
}
