//! Why a request was not answered by a backend: the closed set that metrics and the access log use.

use super::label::{Label, labels};

labels! {
    /// Why a request was not answered by a backend, or not completely.
    pub enum Reason("reason") {
        /// All went well, as far as we are concerned.
        None = "",
        /// No rule matches.
        RouteNotFound = "route_not_found",
        /// Rules match, but another tenant claims the host and path.
        NotPermitted = "not_permitted",
        /// The connection's certificate is not for this host.
        Misdirected = "misdirected",
        /// The request is not valid HTTP, or its path cannot be normalised.
        BadRequest = "bad_request",
        /// The request target is longer than the limit.
        UriTooLong = "uri_too_long",
        /// The header has more bytes or fields than the limit.
        HeaderTooLarge = "header_too_large",
        /// A method that a proxy must not forward (CONNECT, TRACE).
        MethodNotAllowed = "method_not_allowed",
        /// gRPC that was not sent by HTTP/2.
        GrpcVersion = "grpc_version",
        /// A limit was reached.
        RateLimited = "rate_limited",
        /// The rule has no backend, or all its weights are 0.
        NoBackend = "no_backend",
        /// The backend reference is broken: not found, not permitted, of an unknown kind.
        InvalidBackend = "invalid_backend",
        /// The backend has no ready endpoint.
        NoEndpoints = "no_endpoints",
        /// The gateway has no more to give, and the tenant has its share.
        Saturated = "saturated",
        /// No connection to an endpoint could be made.
        UpstreamConnect = "upstream_connect",
        /// The TLS handshake with the endpoint failed.
        UpstreamTls = "upstream_tls",
        /// The endpoint closed the connection before its response was complete.
        UpstreamReset = "upstream_reset",
        /// The endpoint's response is not valid HTTP.
        UpstreamProtocol = "upstream_protocol",
        /// One try took longer than its limit.
        UpstreamTimeout = "upstream_timeout",
        /// The request took longer than the route's limit over all tries.
        RequestTimeout = "request_timeout",
        /// The client went away first.
        ClientAbort = "client_abort",
        /// The client sent or took nothing for too long.
        ClientTimeout = "client_timeout",
        /// A fault of ours.
        Internal = "internal",
    }
}

impl Reason {
    /// The value as metrics and the access log show it; empty when all went well.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Label::as_str(self)
    }

    /// The status code a request with this reason is answered with, if none was sent before.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::None => 200,
            Self::BadRequest => 400,
            Self::RouteNotFound | Self::NotPermitted => 404,
            Self::MethodNotAllowed => 405,
            Self::ClientTimeout => 408,
            Self::UriTooLong => 414,
            Self::Misdirected => 421,
            Self::RateLimited => 429,
            Self::HeaderTooLarge => 431,
            // nobody is left to read it: only metrics and logs show it
            Self::ClientAbort => 499,
            Self::NoBackend | Self::InvalidBackend | Self::Internal => 500,
            Self::UpstreamTls | Self::UpstreamReset | Self::UpstreamProtocol => 502,
            Self::NoEndpoints | Self::UpstreamConnect | Self::Saturated => 503,
            Self::UpstreamTimeout | Self::RequestTimeout => 504,
            Self::GrpcVersion => 505,
        }
    }
}
