//! What can go wrong with a request, and the one place that says what the client is told.

use std::time::Instant;

use http::{HeaderValue, StatusCode};
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorSource, ErrorType};

use super::context::Context;
use super::head::Refusal;
use super::respond;

use crate::telemetry::Reason;

/// A request that is answered by Paifang itself because something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fail {
    /// Status for HTTP clients.
    pub(crate) status: StatusCode,
    /// For metrics and logs.
    pub(crate) reason: Reason,
    /// For the client: what happened, nothing about the inside.
    pub(crate) message: &'static str,
}

impl Fail {
    pub(crate) const fn new(status: StatusCode, reason: Reason, message: &'static str) -> Self {
        Self { status, reason, message }
    }

    pub(crate) const fn bad_request(message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::BadRequest, message)
    }

    /// The status of a gRPC call that fails like this (gRPC's mapping of HTTP statuses, except
    /// that a missing or broken backend is UNAVAILABLE, as the Gateway API asks, and that a limit
    /// or a deadline has a status of its own). The table in `docs/grpc.md` shows it.
    pub(crate) const fn grpc_status(&self) -> u8 {
        match self.reason {
            Reason::Internal => return 13,
            Reason::RateLimited => return 8,
            _ => {}
        }
        match self.status.as_u16() {
            404 => 12,
            401 => 16,
            403 => 7,
            413 | 414 | 429 | 431 => 8,
            504 | 408 => 4,
            500 | 502 | 503 => 14,
            _ => 13,
        }
    }

    /// When to come again, in seconds, where that may help.
    pub(crate) const fn retry_after(&self) -> Option<HeaderValue> {
        match self.reason {
            Reason::Saturated => Some(HeaderValue::from_static("1")),
            _ => None,
        }
    }
}

impl From<Refusal> for Fail {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        Self::new(status, refusal.reason, refusal.message)
    }
}

pub(crate) const NOT_FOUND: Fail =
    Fail::new(StatusCode::NOT_FOUND, Reason::RouteNotFound, "no route serves this host and path");
/// Looks the same to a client: who claims what is nobody's business outside.
pub(crate) const NOT_PERMITTED: Fail =
    Fail::new(StatusCode::NOT_FOUND, Reason::NotPermitted, "no route serves this host and path");
/// A gRPC client cannot send this; what does shall see what is wrong (gRPC servers answer the same).
pub(crate) const GRPC_VERSION: Fail =
    Fail::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, Reason::GrpcVersion, "gRPC is spoken over HTTP/2 only");
pub(crate) const MISDIRECTED: Fail = Fail::new(
    StatusCode::MISDIRECTED_REQUEST,
    Reason::Misdirected,
    "this connection was made for another host: open a new one",
);
/// A limit may say another status.
pub(crate) const TOO_MANY: Fail =
    Fail::new(StatusCode::TOO_MANY_REQUESTS, Reason::RateLimited, "too many requests: try again later");
pub(crate) const NO_BACKEND: Fail =
    Fail::new(StatusCode::INTERNAL_SERVER_ERROR, Reason::NoBackend, "the route names no backend");
pub(crate) const INVALID_BACKEND: Fail =
    Fail::new(StatusCode::INTERNAL_SERVER_ERROR, Reason::InvalidBackend, "the route's backend is not usable");
pub(crate) const NO_ENDPOINTS: Fail =
    Fail::new(StatusCode::SERVICE_UNAVAILABLE, Reason::NoEndpoints, "no endpoint of the backend is ready");
pub(crate) const SATURATED: Fail =
    Fail::new(StatusCode::SERVICE_UNAVAILABLE, Reason::Saturated, "the gateway is busy: try again");
pub(crate) const TIMEOUT: Fail =
    Fail::new(StatusCode::GATEWAY_TIMEOUT, Reason::RequestTimeout, "the request took longer than its route allows");
pub(crate) const INTERNAL: Fail =
    Fail::new(StatusCode::INTERNAL_SERVER_ERROR, Reason::Internal, "something went wrong inside the gateway");

/// Whether the client is gone or broke the protocol: then there may be nobody to answer.
pub(crate) fn classify_downstream(error: &Error) -> Option<Fail> {
    match error.etype() {
        ErrorType::ReadTimedout => {
            Some(Fail::new(StatusCode::REQUEST_TIMEOUT, Reason::ClientTimeout, "the request body took too long"))
        }
        ErrorType::InvalidHTTPHeader | ErrorType::HTTPStatus(400) => {
            Some(Fail::bad_request("the request is malformed"))
        }
        _ => None,
    }
}

/// What a failed try means to the client.
pub(crate) fn classify_upstream(error: &Error) -> Fail {
    let unavailable = |message| Fail::new(StatusCode::SERVICE_UNAVAILABLE, Reason::UpstreamConnect, message);
    let bad_gateway = |reason, message| Fail::new(StatusCode::BAD_GATEWAY, reason, message);
    let too_late = |message| Fail::new(StatusCode::GATEWAY_TIMEOUT, Reason::UpstreamTimeout, message);
    match error.etype() {
        ErrorType::ConnectTimedout => too_late("the backend did not accept a connection in time"),
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => too_late("the backend did not answer in time"),
        ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::BindError
        | ErrorType::SocketError => unavailable("the backend did not accept a connection"),
        ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::TLSWantX509Lookup
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => bad_gateway(Reason::UpstreamTls, "the backend's TLS handshake failed"),
        ErrorType::InvalidHTTPHeader | ErrorType::H2Error | ErrorType::InvalidH2 | ErrorType::H2Downgrade => {
            bad_gateway(Reason::UpstreamProtocol, "the backend's answer is malformed")
        }
        _ => bad_gateway(Reason::UpstreamReset, "the backend closed the connection"),
    }
}

/// What any error of Pingora's means to the client; `None` when the client is gone.
pub(crate) fn classify(error: &Error) -> Option<Fail> {
    match error.esource() {
        ErrorSource::Downstream => classify_downstream(error),
        ErrorSource::Upstream => Some(classify_upstream(error)),
        ErrorSource::Internal | ErrorSource::Unset => Some(INTERNAL),
    }
}

/// Answers a request that failed on its way, unless an answer is under way already or nobody
/// is left to read it.
pub(super) async fn answer(session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
    let fail = known(ctx, error).or_else(|| classify(error));
    if ctx.reason == Reason::None {
        ctx.reason = fail.map_or(Reason::ClientAbort, |fail| fail.reason);
    }
    if let Some(fail) = fail.filter(|_| session.response_written().is_none()) {
        // the request body may not have been read to its end
        session.set_keepalive(None);
        // an error here means that the client is gone, too
        if respond::fail(session, &fail, ctx).await.is_ok() {
            ctx.done = Some(Instant::now());
            ctx.leave();
            end(session).await;
        }
    }
    FailToProxy { error_code: fail.map_or(0, |fail| fail.status.as_u16()), can_reuse_downstream: false }
}

/// Pingora drops the connection now. While a body still comes, that would take the answer with it.
async fn end(session: &mut Session) {
    if let ServerSession::H1(session) = session.as_mut()
        && !session.is_body_done()
    {
        session.shutdown().await;
    }
}

/// Failures that a phase of ours has named already.
fn known(ctx: &Context, error: &Error) -> Option<Fail> {
    match ctx.reason {
        Reason::NoEndpoints => Some(NO_ENDPOINTS),
        Reason::RequestTimeout => Some(TIMEOUT),
        _ if matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::ConnectTimedout) => {
            let late = ctx.deadline.is_some_and(|deadline| std::time::Instant::now() >= deadline);
            (late && *error.esource() != ErrorSource::Downstream).then_some(TIMEOUT)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GRPCRoute: UNAVAILABLE for whatever is wrong with a backend; the rest as `docs/grpc.md` says.
    #[test]
    fn each_failure_has_its_grpc_status() {
        for fail in [NO_BACKEND, INVALID_BACKEND, NO_ENDPOINTS, SATURATED] {
            assert_eq!(fail.grpc_status(), 14, "{}", fail.message);
        }
        for kind in [ErrorType::ConnectRefused, ErrorType::ConnectionClosed, ErrorType::InvalidHTTPHeader] {
            assert_eq!(classify_upstream(&Error::new_up(kind.clone())).grpc_status(), 14, "{kind:?}");
        }
        assert_eq!(NOT_FOUND.grpc_status(), 12);
        assert_eq!(TIMEOUT.grpc_status(), 4);
        assert_eq!(classify_upstream(&Error::new_up(ErrorType::ReadTimedout)).grpc_status(), 4);
        assert_eq!(Fail::bad_request("").grpc_status(), 13);
        assert_eq!(INTERNAL.grpc_status(), 13, "a fault of ours is not the backend's");
    }

    #[test]
    fn a_reason_stands_for_one_status() {
        let backends = [NO_BACKEND, INVALID_BACKEND, NO_ENDPOINTS];
        let ours = [NOT_FOUND, GRPC_VERSION, MISDIRECTED, TOO_MANY, SATURATED, TIMEOUT, INTERNAL];
        for fail in ours.into_iter().chain(backends) {
            assert_eq!(fail.status.as_u16(), fail.reason.status(), "{}", fail.message);
        }
    }
}
