//! When a request is tried again (GEP-1731), and when it must not be.

use std::time::Duration;

use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use super::Proxy;
use super::context::Context;
use crate::table::action::Retry;

/// Longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(10);

fn policy(ctx: &Context) -> Option<&Retry> {
    ctx.rule.as_ref()?.action.retry.as_ref()
}

/// Whether the rule leaves another try, and the time for it.
fn has_another(ctx: &Context) -> bool {
    policy(ctx).is_some_and(|retry| ctx.tries <= retry.attempts)
        && ctx.deadline.is_none_or(|deadline| std::time::Instant::now() < deadline)
}

/// Whether a status is one that the rule tries again. A body that could not be kept whole cannot be
/// sent twice; then, and on the last try, the backend's own answer goes out.
pub(super) fn wants_another_try(session: &Session, status: u16, ctx: &Context) -> bool {
    policy(ctx).is_some_and(|retry| retry.codes.binary_search(&status).is_ok())
        && has_another(ctx)
        && !session.as_ref().retry_buffer_truncated()
}

/// No connection: nothing was sent, so another try is safe. Without a policy it is made only where
/// another endpoint may do better.
pub(super) fn after_failed_connect(ctx: &mut Context, mut error: Box<Error>) -> Box<Error> {
    let again = match policy(ctx) {
        Some(_) => has_another(ctx),
        None => ctx.tries <= 1 && has_untried_endpoint(ctx),
    };
    error.set_retry(again);
    error
}

fn has_untried_endpoint(ctx: &Context) -> bool {
    let cell = ctx.backend().and_then(|backend| backend.target.as_ref().ok());
    cell.is_some_and(|cell| cell.has_other_than(&ctx.tried))
}

/// A try that failed after it was sent. It is repeated when the backend cannot have processed it: a
/// kept connection that was closed meanwhile (idempotent methods only), a refused HTTP/2 stream;
/// or when the rule lists the status it would end in.
pub(super) fn after_failed_try(session: &Session, ctx: &Context, mut error: Box<Error>, reused: bool) -> Box<Error> {
    let replayable = !session.as_ref().retry_buffer_truncated() && !ctx.answered;
    let again = match error.etype() {
        // our own wish, from the response filter
        ErrorType::HTTPStatus(_) => error.retry(),
        ErrorType::ReadTimedout => listed(ctx, 504) && has_another(ctx),
        _ => {
            error.retry.decide_reuse(reused && session.req_header().method.is_idempotent());
            error.retry() || refused_stream(&error) && has_another(ctx)
        }
    };
    error.set_retry(again && replayable);
    error
}

fn listed(ctx: &Context, status: u16) -> bool {
    policy(ctx).is_some_and(|retry| retry.codes.binary_search(&status).is_ok())
}

fn refused_stream(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<h2::Error>();
    cause.and_then(h2::Error::reason) == Some(h2::Reason::REFUSED_STREAM)
}

/// Waits before the next try: the base interval doubles with each, and varies by half so that
/// many clients do not come back at once. Never beyond the deadline.
pub(super) async fn pause(proxy: &Proxy, ctx: &Context) {
    // without a policy the next try goes to an endpoint that has not failed: at once
    let Some(retry) = policy(ctx) else { return };
    let base = retry.backoff.unwrap_or(proxy.config.upstream.retry_backoff);
    let doubled = base.saturating_mul(1 << (ctx.tries - 1).min(10)).min(LONGEST.max(base));
    let jitter = f64::from(jitter(ctx)) / f64::from(u16::MAX) * 0.5;
    let pause = doubled.mul_f64(0.75 + jitter);
    let left = ctx.deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
    tokio::time::sleep(left.map_or(pause, |left| pause.min(left))).await;
}

/// A few bits that differ between requests: the time the request took so far, in nanoseconds.
fn jitter(ctx: &Context) -> u16 {
    let nanos = ctx.started.elapsed().subsec_nanos();
    (nanos.wrapping_mul(0x9E37_79B9) >> 16) as u16
}
