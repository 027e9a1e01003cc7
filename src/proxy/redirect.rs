//! The RequestRedirect filter: where the client shall go instead.

use http::header;
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use super::context::Context;
use super::{authority, respond, rewrite};
use crate::ir::ListenerProtocol;
use crate::table::Listener;
use crate::table::action::Redirect;

/// The answer of a redirect.
pub(super) fn answer(
    redirect: &Redirect,
    listener: &Listener,
    request: &RequestHeader,
    ctx: &Context,
) -> Result<ResponseHeader> {
    let mut head = respond::empty(redirect.status)?;
    head.insert_header(header::LOCATION, location(redirect, listener, request, ctx))?;
    Ok(head)
}

/// The Location: what the filter leaves open comes from the request (Gateway API,
/// `HTTPRequestRedirectFilter`).
fn location(redirect: &Redirect, listener: &Listener, request: &RequestHeader, ctx: &Context) -> String {
    let own_scheme = if listener.protocol == ListenerProtocol::Https { "https" } else { "http" };
    let scheme = redirect.scheme.as_deref().unwrap_or(own_scheme);
    let mut buffer = [0; 256];
    // it was looked up by this host, so there is one
    let own_host = authority::host(request, &mut buffer).unwrap_or_default();
    let host = redirect.hostname.as_deref().unwrap_or(own_host);
    let port = port(redirect, listener, scheme);
    let path = ctx.path.as_deref().unwrap_or_else(|| request.uri.path());
    let path = match &redirect.path {
        Some(modifier) => rewrite::path(modifier, path, ctx.prefix),
        None => path.into(),
    };
    let mut out = String::with_capacity(scheme.len() + host.len() + path.len() + 16);
    out.push_str(scheme);
    out.push_str("://");
    out.push_str(host);
    if let Some(port) = port {
        out.push(':');
        out.push_str(&port.to_string());
    }
    out.push_str(&path);
    if let Some(query) = request.uri.query() {
        out.push('?');
        out.push_str(query);
    }
    out
}

/// An explicit port; else a new scheme's well-known port; else the listener's port. What the
/// scheme implies is not written.
fn port(redirect: &Redirect, listener: &Listener, scheme: &str) -> Option<u16> {
    let well_known = if scheme == "https" { 443 } else { 80 };
    let port = redirect.port.unwrap_or(if redirect.scheme.is_some() { well_known } else { listener.port });
    (port != well_known).then_some(port)
}
