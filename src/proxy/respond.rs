//! Answers that Paifang gives itself: small, in the form the client asked for.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;

use super::context::Context;
use super::fail::Fail;
use super::response_filter;
use crate::table::is_grpc;

/// What `Server` says on answers of our own; a backend's own `Server` is left alone.
const SERVER: HeaderValue = HeaderValue::from_static("paifang");

/// Which form an error takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `text/plain`
    Plain,
    /// `application/problem+json` (RFC 9457)
    Problem,
    /// gRPC status in a response without a body ("Trailers-Only"); over HTTP/2, as all of gRPC
    Grpc,
}

/// Answers with an error. The rule's filters apply: without its CORS fields a browser would show
/// the error as another one.
pub(crate) async fn fail(session: &mut Session, fail: &Fail, ctx: &Context) -> Result<()> {
    // a client that shares its connection must see 421 itself to open another one
    let form = if fail.status == StatusCode::MISDIRECTED_REQUEST { Form::Plain } else { form(session) };
    let (mut head, body) = match form {
        Form::Grpc => (grpc(fail)?, Bytes::new()),
        Form::Problem => rendered(fail.status, "application/problem+json", problem(fail.status, fail.message))?,
        Form::Plain => rendered(fail.status, "text/plain; charset=utf-8", format!("{}\n", fail.message))?,
    };
    if let Some(seconds) = fail.retry_after() {
        head.insert_header(header::RETRY_AFTER, seconds)?;
    }
    finish(session, head, body, ctx).await
}

/// Answers with a header that the rule's filters have not seen.
pub(super) async fn finish(session: &mut Session, mut head: ResponseHeader, body: Bytes, ctx: &Context) -> Result<()> {
    head.insert_header(header::SERVER, SERVER)?;
    response_filter::edit(session, &mut head, ctx)?;
    answer(session, head, body).await
}

/// Answers with a header that is complete already, and a body that may be empty.
pub(crate) async fn answer(session: &mut Session, head: ResponseHeader, body: Bytes) -> Result<()> {
    let no_body = body.is_empty() || session.req_header().method == http::Method::HEAD;
    if no_body && let ServerSession::H2(stream) = session.as_mut() {
        // the head itself ends the stream: gRPC takes nothing else for "Trailers-Only"
        return stream.write_response_header(Box::new(head), true);
    }
    session.write_response_header(Box::new(head), no_body).await?;
    if !no_body {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// An empty answer of the given status.
pub(crate) fn empty(status: StatusCode) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    head.insert_header(header::SERVER, SERVER)?;
    if status != StatusCode::NO_CONTENT {
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from_static("0"))?;
    }
    Ok(head)
}

/// An error as raw HTTP/1.1, for connections whose request was never parsed.
pub(crate) fn raw(status: u16, message: &str) -> (String, String) {
    let phrase = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let body = format!("{message}\n");
    let head = format!(
        "HTTP/1.1 {status} {phrase}\r\nserver: paifang\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    (head, body)
}

/// The form that the client asked for.
pub(super) fn form(session: &Session) -> Form {
    let value = |name| session.req_header().headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    let accept = value(header::ACCEPT);
    let wants = |kind: &[u8]| accept.windows(kind.len()).any(|part| part.eq_ignore_ascii_case(kind));
    if session.is_http2() && is_grpc(&session.req_header().headers) {
        Form::Grpc
    } else if wants(b"application/problem+json") || wants(b"application/json") {
        Form::Problem
    } else {
        Form::Plain
    }
}

fn rendered(status: StatusCode, kind: &'static str, body: String) -> Result<(ResponseHeader, Bytes)> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    head.insert_header(header::CONTENT_TYPE, HeaderValue::from_static(kind))?;
    head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        head.insert_header(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))?;
    }
    Ok((head, body.into()))
}

fn problem(status: StatusCode, message: &str) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    serde_json::json!({ "title": title, "status": status.as_u16(), "detail": message }).to_string()
}

/// A failed call.
pub(super) fn grpc(fail: &Fail) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(StatusCode::OK, Some(8))?;
    head.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"))?;
    head.insert_header("grpc-status", HeaderValue::from(u16::from(fail.grpc_status())))?;
    head.insert_header("grpc-message", HeaderValue::from_static(fail.message))?;
    head.insert_header(header::CONTENT_LENGTH, HeaderValue::from_static("0"))?;
    Ok(head)
}
