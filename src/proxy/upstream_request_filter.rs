//! What the backend sees: path and host as rewritten, headers as edited, who the client is.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, OrErr, Result};

use super::context::{self, Context};
use super::{Proxy, forwarded, headers, rewrite};
use crate::table::action::{Backend, Filters};
use crate::table::is_grpc;

/// Edits the request of one try. Tries begin anew from the request as received.
///
/// The header is edited as a plain map, which costs half of Pingora's own edits.
pub(super) fn run(proxy: &Proxy, session: &Session, request: &mut RequestHeader, ctx: &Context) -> Result<()> {
    let end_stream = request.send_end_stream();
    let (empty, ()) = http::Request::new(()).into_parts();
    let mut parts = Parts::from(std::mem::replace(request, RequestHeader::from(empty)));
    insist_on_trailers(&mut parts.headers);
    edit(proxy, session, &mut parts, ctx, ctx.backend())?;
    *request = RequestHeader::from(parts);
    if let Some(end_stream) = end_stream {
        request.set_send_end_stream(end_stream);
    }
    Ok(())
}

/// `TE` is hop-by-hop, so it was removed; gRPC servers insist on it.
pub(super) fn insist_on_trailers(headers: &mut HeaderMap) {
    if is_grpc(headers) {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// HTTP/2 may split cookies into several fields, HTTP/1 knows one (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> Result<()> {
    let fields = headers.get_all(header::COOKIE);
    if fields.iter().nth(1).is_none() {
        return Ok(());
    }
    let joined = fields.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    let joined = HeaderValue::from_bytes(&joined).or_err(ErrorType::InternalError, "cookies as one header")?;
    headers.insert(header::COOKIE, joined);
    Ok(())
}

/// The edits of the rule and, for the original, of its backend.
pub(super) fn edit(
    proxy: &Proxy,
    session: &Session,
    request: &mut Parts,
    ctx: &Context,
    backend: Option<&Backend>,
) -> Result<()> {
    let Some(rule) = &ctx.rule else { return Err(Error::new_in(ErrorType::InternalError)) };
    let received = session.req_header();
    forwarded::write(&mut request.headers, received, ctx, context::peer(session), &proxy.config.forwarded);
    let filters = [Some(&rule.action.filters), backend.map(|backend| &backend.filters)];
    for edit in filters.iter().flatten().filter_map(|filters| filters.request_headers.as_deref()) {
        headers::edit_request(edit, &mut request.headers);
    }
    join_cookies(&mut request.headers)?;
    target(request, received, ctx, filters)
}

/// The request target in origin form: the path that was matched, or its replacement.
fn target(request: &mut Parts, received: &RequestHeader, ctx: &Context, filters: [Option<&Filters>; 2]) -> Result<()> {
    let rewrites = filters.iter().flatten().filter_map(|filters| filters.rewrite.as_deref());
    let (mut hostname, mut modifier) = (None, None);
    for rewrite in rewrites {
        hostname = rewrite.hostname.as_ref().or(hostname);
        modifier = rewrite.path.as_ref().or(modifier);
    }
    let absolute = received.uri.authority().is_some();
    if modifier.is_some() || ctx.path.is_some() || absolute {
        let path = ctx.path.as_deref().unwrap_or_else(|| received.uri.path());
        let path = modifier.map_or(path.into(), |modifier| rewrite::path(modifier, path, ctx.prefix));
        let target = match received.uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.into_owned(),
        };
        request.uri = target.parse().or_err(ErrorType::InternalError, "the new path is no path")?;
    }
    if let Some(hostname) = hostname {
        request.headers.insert(header::HOST, hostname.clone());
    } else if let Some(authority) = received.uri.authority() {
        let value =
            HeaderValue::from_str(authority.as_str()).or_err(ErrorType::InternalError, "authority as header")?;
        request.headers.insert(header::HOST, value);
    } else if !received.headers.contains_key(header::HOST) {
        // from HTTP/1.0; HTTP/1.1 requires the field even if there is nothing to say (RFC 9112 §3.2)
        request.headers.insert(header::HOST, HeaderValue::from_static(""));
    }
    Ok(())
}
