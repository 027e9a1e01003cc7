//! The first phase: which rule a request belongs to, and whether it goes to a backend at all.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;

use super::context::{self, ConnectionInfo, Context};
use super::fail::{self, Fail};
use super::forwarded::RequestId;
use super::leisure::spread;
use super::limits::{self, Denied};
use super::{
    Proxy, authority, cors, denied, forwarded, head, linger, mirror, path, redirect, respond, response_filter, stream,
};
use crate::api::Kind;
use crate::config::Downstream;
use crate::table::{Action, Found, Listener, Query};
use crate::telemetry::Reason;

/// What a request is answered with right here.
enum Answer {
    Fail(Fail),
    Header(Box<ResponseHeader>),
    Denied(Denied),
}

impl Answer {
    /// Whether the request asks for more than it may have.
    fn denies(&self) -> bool {
        match self {
            Self::Fail(fail) => fail.reason == Reason::Saturated,
            Self::Header(_) => false,
            Self::Denied(_) => true,
        }
    }
}

impl From<Fail> for Answer {
    fn from(fail: Fail) -> Self {
        Self::Fail(fail)
    }
}

impl From<Denied> for Answer {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// Runs the phase; `true` when the request has been answered.
pub(super) async fn run(proxy: &Proxy, session: &mut Session, ctx: &mut Context) -> Result<bool> {
    // HTTP/1 has it from its connection, HTTP/2 streams begin without
    session.as_mut().set_write_timeout(Some(proxy.config.downstream.write_timeout));
    forget_case(session.req_header_mut());
    let decision = decide(proxy, session, ctx).await;
    if decision.is_err() {
        take_rest(session, &proxy.config.downstream);
    }
    let is_denied = decision.as_ref().is_err_and(Answer::denies);
    denied::remember(ctx.rule.as_ref().filter(|_| is_denied).map(|rule| &rule.share));
    match decision {
        Ok(()) => {
            mirror::start(proxy, session, ctx);
            return Ok(false);
        }
        Err(Answer::Fail(fail)) => {
            ctx.reason = fail.reason;
            respond::fail(session, &fail, ctx).await?;
        }
        Err(Answer::Header(head)) => respond::answer(session, *head, Bytes::new()).await?,
        Err(Answer::Denied(denied)) => {
            ctx.reason = Reason::RateLimited;
            limits::deny(session, &denied, ctx).await?;
        }
    }
    Ok(true)
}

/// Pingora keeps the case of every field name in a second map and copies it for each try. Names go out
/// in lower case (RFC 9110 §5.1: their case means nothing), so the map can go before the first copy;
/// and so can the raw target, because what is forwarded is what was matched.
fn forget_case(request: &mut RequestHeader) {
    if request.has_case() {
        let (empty, ()) = http::Request::new(()).into_parts();
        let parts = Parts::from(std::mem::replace(request, RequestHeader::from(empty)));
        *request = RequestHeader::from(parts);
    }
}

/// A client that is still sending may go on after its answer if what it sends soon ends: it is read and forgotten.
/// Whoever sends for longer loses the connection; a refused request holds no more than an idle client does.
/// One that waits to be asked for its body sends none.
fn take_rest(session: &mut Session, limits: &Downstream) {
    if session.req_header().headers.contains_key(http::header::EXPECT) {
        return;
    }
    let session = session.as_mut();
    let mut limit = limits.body_timeout.min(linger::LIMIT);
    if let ServerSession::H1(http1) = session {
        stream::forget_rest(http1.stream());
        limit -= spread(http1.stream().id(), limit / 4);
    }
    session.set_close_on_response_before_downstream_finish(false);
    session.set_total_drain_timeout(Some(limit));
}

async fn decide(proxy: &Proxy, session: &Session, ctx: &mut Context) -> std::result::Result<(), Answer> {
    look_up(proxy, session, ctx)?;
    proxy.gate.admit(session, ctx).await?;
    proxy.gate.seat(ctx)?;
    go_on(proxy, session, ctx)
}

/// Learns who asks, and which rule that is for.
fn look_up(proxy: &Proxy, session: &Session, ctx: &mut Context) -> std::result::Result<(), Fail> {
    let connection = context::connection(session).ok_or(fail::INTERNAL)?;
    let request = session.req_header();
    ctx.tls = connection.tls_listener.is_some();
    ctx.client = forwarded::client(request, context::peer(session), &proxy.config.forwarded);
    ctx.request_id = Some(RequestId::of(request, &proxy.config.forwarded));
    check(request, &proxy.config.downstream)?;
    find(proxy, session, ctx, &connection)
}

/// Does what the rule says.
fn go_on(proxy: &Proxy, session: &Session, ctx: &mut Context) -> std::result::Result<(), Answer> {
    let (Some(rule), Some(listener)) = (ctx.rule.clone(), ctx.listener.clone()) else {
        return Err(fail::INTERNAL.into());
    };
    ctx.deadline = rule.action.request_timeout.and_then(|limit| Instant::now().checked_add(limit));
    if let Some(head) = local_answer(&rule.action, &listener, session, ctx)? {
        return Err(Answer::Header(Box::new(head)));
    }
    choose_backend(proxy, &rule.action, ctx)
}

/// What HTTP/1 requests were checked for before Pingora saw them, HTTP/2 requests are here.
fn check(request: &pingora::http::RequestHeader, limits: &Downstream) -> std::result::Result<(), Fail> {
    head::check_method(request.method.as_str().as_bytes())?;
    if request.uri.path_and_query().is_some_and(|target| target.as_str().len() > limits.max_uri_bytes) {
        return Err(Fail::new(StatusCode::URI_TOO_LONG, Reason::UriTooLong, "the request target is too long"));
    }
    if request.headers.len() > limits.max_headers {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(Fail::new(status, Reason::HeaderTooLarge, "the request has too many header fields"));
    }
    Ok(())
}

/// Looks the request up in one generation of the table.
fn find(
    proxy: &Proxy,
    session: &Session,
    ctx: &mut Context,
    connection: &ConnectionInfo,
) -> std::result::Result<(), Fail> {
    let request = session.req_header();
    let mut buffer = [0; 256];
    let host = authority::host(request, &mut buffer)?;
    ctx.path = path::normalise(request.uri.path(), &proxy.config.path)?;
    let generation = proxy.routes.load();
    let port = generation.table.ports.get(&connection.socket).ok_or(fail::NOT_FOUND)?;
    let listener = port.listener(host).ok_or(fail::NOT_FOUND)?;
    // a connection made for one listener must not reach another's routes: their certificates,
    // and later their client certificates, differ (RFC 9110 §7.4)
    if connection
        .tls_listener
        .as_ref()
        .is_some_and(|(gateway, name)| *name != listener.name || *gateway != listener.gateway)
    {
        return Err(fail::MISDIRECTED);
    }
    let query = Query {
        host,
        path: ctx.path.as_deref().unwrap_or_else(|| request.uri.path()),
        query: request.uri.query(),
        method: request.method.as_str(),
        headers: &request.headers,
    };
    let found = listener.find(&query);
    count_claims(&found);
    let hit = found.hit.ok_or(if found.refused.is_some() { fail::NOT_PERMITTED } else { fail::NOT_FOUND })?;
    if hit.rule.id.route.kind == Kind::GrpcRoute && !session.is_http2() {
        return Err(fail::GRPC_VERSION);
    }
    ctx.prefix = hit.prefix;
    ctx.rule = Some(hit.rule.clone());
    ctx.listener = Some(listener.clone());
    Ok(())
}

/// Counts what claims did to a request, on the rule they did it to.
fn count_claims(found: &Found<'_>) {
    if let Some(refused) = found.refused {
        refused.stats.counters().not_permitted.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(hit) = found.hit.filter(|_| found.shadowed) {
        hit.rule.stats.counters().shadowed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Preflights and redirects, which no backend sees.
fn local_answer(
    action: &Action,
    listener: &Listener,
    session: &Session,
    ctx: &Context,
) -> std::result::Result<Option<ResponseHeader>, Fail> {
    let request = session.req_header();
    let head = if let Some(cors) = action.filters.cors.as_ref().filter(|_| cors::is_preflight(request)) {
        Some(cors::preflight(cors, request))
    } else {
        action.filters.redirect.as_ref().map(|redirect| {
            let mut head = redirect::answer(redirect, listener, request, ctx)?;
            response_filter::edit(session, &mut head, ctx).map(|()| head)
        })
    };
    head.transpose().map_err(|_| fail::INTERNAL)
}

/// Chooses the backend, and the endpoint of the first try: without one the answer is given here, where
/// the connection can be kept.
fn choose_backend(proxy: &Proxy, action: &Action, ctx: &mut Context) -> std::result::Result<(), Answer> {
    let (position, backend) = action.backends.choose().ok_or(fail::NO_BACKEND)?;
    ctx.backend = Some(position);
    let cell = backend.target.as_ref().map_err(|_| fail::INVALID_BACKEND)?;
    let endpoint = cell.choose(proxy.config.upstream.balance, Some(ctx.client), &[]).ok_or(fail::NO_ENDPOINTS)?;
    ctx.in_flight = Some(endpoint);
    Ok(())
}
