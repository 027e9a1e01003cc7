//! The last phase: counters and the access log.

use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use pingora::proxy::Session;
use pingora::{Error, ErrorSource};

use super::Proxy;
use super::context::Context;
use super::forwarded::RequestId;
use crate::telemetry::{Reason, Record};

/// Counts a finished request, and logs it.
pub(super) fn run(proxy: &Proxy, session: &Session, error: Option<&Error>, ctx: &mut Context) {
    // first of all: who sees that a request is counted may take its places
    ctx.leave();
    let took = ctx.done.unwrap_or_else(Instant::now).saturating_duration_since(ctx.started);
    if ctx.reason == Reason::None
        && let Some(error) = error
    {
        ctx.reason = reason(error);
    }
    let written = session.response_written().map(|head| head.status.as_u16());
    let status = written.unwrap_or_else(|| ctx.reason.status());
    let (received, sent) = (session.body_bytes_read() as u64, session.body_bytes_sent() as u64);
    match &ctx.rule {
        Some(rule) => {
            let counters = rule.stats.counters();
            counters.finish(status, ctx.reason.as_str(), took);
            counters.response_bytes.fetch_add(sent, Ordering::Relaxed);
            if received > 0 {
                counters.request_bytes.fetch_add(received, Ordering::Relaxed);
            }
            if ctx.tries > 1 {
                counters.retries.fetch_add(u64::from(ctx.tries - 1), Ordering::Relaxed);
            }
        }
        None => proxy.metrics.unrouted.counters().finish(status, ctx.reason.as_str(), took),
    }
    if proxy.access_log.is_enabled() {
        proxy.access_log.send(Box::new(record(session, ctx, status, took, (received, sent))));
    }
}

/// Why a request ended early when no phase said so before: one of the two sides is gone.
fn reason(error: &Error) -> Reason {
    match (error.esource(), super::fail::classify(error)) {
        (ErrorSource::Downstream, None) => Reason::ClientAbort,
        (_, Some(fail)) => fail.reason,
        (_, None) => Reason::Internal,
    }
}

fn record(session: &Session, ctx: &mut Context, status: u16, took: std::time::Duration, bytes: (u64, u64)) -> Record {
    let request = session.req_header();
    Record {
        start: SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH),
        took,
        client: ctx.client,
        method: request.method.clone(),
        host: host(request).to_owned(),
        path: request.uri.path().to_owned(),
        version: request.version,
        tls: ctx.tls,
        status,
        reason: ctx.reason,
        rule: ctx.rule.clone(),
        limit: ctx.limit.take(),
        upstream: ctx.tried.last().copied(),
        tries: u8::try_from(ctx.tries).unwrap_or(u8::MAX),
        request_bytes: bytes.0,
        response_bytes: bytes.1,
        request_id: ctx.request_id.as_ref().and_then(RequestId::value),
        user_agent: request.headers.get(http::header::USER_AGENT).cloned(),
    }
}

/// The host as the client wrote it.
fn host(request: &pingora::http::RequestHeader) -> &str {
    let field = || request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    request.uri.authority().map(http::uri::Authority::as_str).or_else(field).unwrap_or_default()
}
