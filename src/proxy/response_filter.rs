//! What the client sees: or, before that, whether the answer is worth another try.

use std::sync::atomic::Ordering;

use http::Version;
use http::header::TRANSFER_ENCODING;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::context::{self, Context};
use super::{Proxy, cors, headers, limits, retry};

/// Edits a response's header, or refuses it in favour of another try.
pub(super) fn run(
    proxy: &Proxy,
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut Context,
) -> Result<()> {
    // 100 and 103 come before the answer, 101 is one
    let interim = response.status.is_informational() && response.status != http::StatusCode::SWITCHING_PROTOCOLS;
    if interim {
        return Ok(());
    }
    if retry::wants_another_try(session, response.status.as_u16(), ctx) {
        let mut error = Error::explain(ErrorType::HTTPStatus(response.status.as_u16()), "tried again");
        error.set_retry(true);
        return Err(error.into_up());
    }
    if response.status == http::StatusCode::SWITCHING_PROTOCOLS && !session.as_ref().is_upgrade_req() {
        // nobody asked: bytes in another protocol must not follow (RFC 9110 §15.2.2)
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, "an upgrade that was not asked for").into_up());
    }
    ctx.answered = true;
    if let Some(patience) = &ctx.patience {
        patience.answered(Some(response.status.as_u16()));
    }
    if response.status != http::StatusCode::SWITCHING_PROTOCOLS {
        // an upgraded connection lives by its own rules; an answer must not outlive its deadline
        check_deadline(ctx)?;
        headers::remove_hop_by_hop(response)?;
    } else {
        ctx.deadline = None;
        ctx.try_deadline = None;
        session.as_mut().set_read_timeout(None);
    }
    edit(session, response, ctx)?;
    // RFC 9112 §6.1: a client of HTTP/1.0 knows no chunks; its answer ends with the connection
    let unchunked =
        session.req_header().version == Version::HTTP_10 && response.remove_header(&TRANSFER_ENCODING).is_some();
    if unchunked || is_closing(proxy, session) {
        session.set_keepalive(None);
    }
    Ok(())
}

/// What the rule's limits and filters make of a response's header, whoever answers.
pub(super) fn edit(session: &Session, response: &mut ResponseHeader, ctx: &Context) -> Result<()> {
    let Some(rule) = &ctx.rule else { return Ok(()) };
    limits::tell(response, ctx)?;
    if let Some(cors) = &rule.action.filters.cors {
        cors::actual(cors, session.req_header(), response)?;
    }
    let of_backend = ctx.backend().map(|backend| &backend.filters);
    for filters in [of_backend, Some(&rule.action.filters)].into_iter().flatten() {
        if let Some(edit) = &filters.response_headers {
            headers::edit_response(edit, response)?;
        }
    }
    Ok(())
}

/// The deadline of a try is over once its answer has begun; that of the request is not.
pub(super) fn check_deadline(ctx: &Context) -> Result<()> {
    match ctx.deadline {
        Some(deadline) if std::time::Instant::now() >= deadline => {
            Err(Error::explain(ErrorType::ReadTimedout, "the request timeout has passed").into_up())
        }
        _ => Ok(()),
    }
}

/// Whether the connection must not be used again: the process ends or its listener is gone.
fn is_closing(proxy: &Proxy, session: &Session) -> bool {
    proxy.draining.load(Ordering::Relaxed)
        || context::connection(session)
            .is_none_or(|connection| !proxy.routes.load().table.ports.contains_key(&connection.socket))
}
