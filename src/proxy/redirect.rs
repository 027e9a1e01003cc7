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
    head.insert_header(header::LOCATION, from_request(redirect, listener, request, ctx))?;
    Ok(head)
}

fn from_request(redirect: &Redirect, listener: &Listener, request: &RequestHeader, ctx: &Context) -> String {
    let mut buffer = [0; 256];
    let own = Own {
        tls: listener.protocol == ListenerProtocol::Https,
        // it was looked up by this host, so there is one
        host: authority::host(request, &mut buffer).unwrap_or_default(),
        port: listener.port,
        path: ctx.path.as_deref().unwrap_or_else(|| request.uri.path()),
        prefix: ctx.prefix,
        query: request.uri.query(),
    };
    location(redirect, &own)
}

/// What a request brings to its redirect.
pub(crate) struct Own<'a> {
    /// Whether it came by TLS.
    pub(crate) tls: bool,
    pub(crate) host: &'a str,
    /// Of the listener's specification.
    pub(crate) port: u16,
    /// In its normal form.
    pub(crate) path: &'a str,
    /// Length of the matched prefix.
    pub(crate) prefix: Option<usize>,
    pub(crate) query: Option<&'a str>,
}

/// The Location: what the filter leaves open comes from the request (Gateway API,
/// `HTTPRequestRedirectFilter`).
pub(crate) fn location(redirect: &Redirect, own: &Own<'_>) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or(if own.tls { "https" } else { "http" });
    let host = redirect.hostname.as_deref().unwrap_or(own.host);
    let port = port(redirect, own.port, scheme);
    let path = match &redirect.path {
        Some(modifier) => rewrite::path(modifier, own.path, own.prefix),
        None => own.path.into(),
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
    if let Some(query) = own.query {
        out.push('?');
        out.push_str(query);
    }
    out
}

/// An explicit port; else a new scheme's well-known port; else the listener's port. What the
/// scheme implies is not written.
fn port(redirect: &Redirect, own: u16, scheme: &str) -> Option<u16> {
    let well_known = if scheme == "https" { 443 } else { 80 };
    let port = redirect.port.unwrap_or(if redirect.scheme.is_some() { well_known } else { own });
    (port != well_known).then_some(port)
}
