//! Where a try goes: an endpoint of the chosen backend, and how it is spoken to.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pingora::protocols::ALPN;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use super::Proxy;
use super::context::Context;
use super::fail;
use crate::config::Upstream;
use crate::ir::BackendProtocol;
use crate::table::BackendCell;

/// Chooses the endpoint of the next try.
pub(super) async fn run(proxy: &Proxy, session: &Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
    if ctx.tries > 0 {
        super::retry::pause(proxy, ctx).await;
    }
    ctx.tries += 1;
    let rule = ctx.rule.clone().ok_or_else(|| Error::new_in(ErrorType::InternalError))?;
    let backend = ctx.backend.and_then(|position| rule.action.backends.list.get(position));
    let Some(Ok(cell)) = backend.map(|backend| backend.target.as_ref()) else {
        return Error::e_explain(ErrorType::InternalError, "the backend is gone");
    };
    // the endpoint of the first try is chosen already
    let first = ctx.in_flight.take().filter(|_| ctx.tries == 1);
    let choose = || cell.choose(proxy.config.upstream.balance, Some(ctx.client), &ctx.tried);
    let Some(flight) = first.or_else(choose) else {
        ctx.reason = fail::NO_ENDPOINTS.reason;
        return Err(Error::new(ErrorType::HTTPStatus(503)));
    };
    let address = flight.endpoint().address;
    ctx.tried.push(address);
    ctx.in_flight = Some(flight);
    ctx.try_deadline = rule.action.backend_timeout.and_then(|limit| Instant::now().checked_add(limit));
    let mut peer = peer(&proxy.config.upstream, cell, address);
    if let Some(left) = ctx.time_left() {
        if left.is_zero() {
            ctx.reason = fail::TIMEOUT.reason;
            return Err(Error::new(ErrorType::HTTPStatus(504)));
        }
        limit(&mut peer, left);
    }
    if session.is_upgrade_req() {
        // Pingora would apply it for as long as the connection lives, also after the 101
        peer.options.read_timeout = None;
        peer.options.write_timeout = None;
    }
    Ok(Box::new(peer))
}

/// How an endpoint is spoken to.
pub(super) fn peer(settings: &Upstream, cell: &BackendCell, address: SocketAddr) -> HttpPeer {
    let mut peer = HttpPeer::new(address, false, String::new());
    peer.group_key = cell.group;
    let options = &mut peer.options;
    options.connection_timeout = Some(settings.connect_timeout);
    options.idle_timeout = Some(settings.idle_timeout);
    options.read_timeout = Some(settings.response_timeout).filter(|limit| !limit.is_zero());
    if cell.key.protocol == BackendProtocol::H2c {
        options.alpn = ALPN::H2;
        options.max_h2_streams = settings.http2_streams;
    }
    peer
}

/// Pingora has no deadline for a whole try: what is left bounds its connection and each of its
/// reads; the response filters look at the clock again.
fn limit(peer: &mut HttpPeer, left: Duration) {
    let options = &mut peer.options;
    let shorter = |limit: Option<Duration>| Some(limit.map_or(left, |limit| limit.min(left)));
    options.connection_timeout = shorter(options.connection_timeout);
    options.read_timeout = shorter(options.read_timeout);
    options.write_timeout = shorter(options.write_timeout);
}
