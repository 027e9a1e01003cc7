//! Header edits of the filters.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use smallvec::SmallVec;

use crate::table::action::HeaderEdit;

/// Removes what a backend says about its own connection (RFC 9110 §7.6.1). Framing is left to
/// Pingora, which writes it anew.
pub(super) fn remove_hop_by_hop(response: &mut ResponseHeader) -> Result<()> {
    // most responses have nothing to remove: one look at the names tells
    if !response.headers.iter().any(|(name, value)| is_hop_by_hop(name, value)) {
        return one_length(response);
    }
    let nominated = nominated(&response.headers);
    let framing = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    for name in nominated.iter().filter(|name| !framing.contains(name)) {
        response.remove_header(name);
    }
    response.remove_header("keep-alive");
    response.remove_header("proxy-connection");
    if response.status != StatusCode::UPGRADE_REQUIRED {
        response.remove_header(&header::UPGRADE);
    }
    one_length(response)
}

fn is_hop_by_hop(name: &HeaderName, value: &HeaderValue) -> bool {
    if *name == header::CONNECTION {
        let usual = [&b"keep-alive"[..], b"close"];
        return !usual.iter().any(|usual| value.as_bytes().eq_ignore_ascii_case(usual));
    }
    *name == header::UPGRADE || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// The same length twice is one length (RFC 9110 §8.6); Pingora has refused different ones.
fn one_length(response: &mut ResponseHeader) -> Result<()> {
    let mut lengths = response.headers.get_all(header::CONTENT_LENGTH).iter();
    if let (Some(length), Some(_)) = (lengths.next(), lengths.next()) {
        let length = length.clone();
        response.insert_header(header::CONTENT_LENGTH, length)?;
    }
    Ok(())
}

/// Removes what a client says about its own connection from a copy of its request; for the original
/// Pingora does it.
pub(super) fn remove_connection_fields(headers: &mut HeaderMap) {
    const OTHERS: [HeaderName; 10] = [
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::PROXY_AUTHORIZATION,
        header::PROXY_AUTHENTICATE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        HeaderName::from_static("http2-settings"),
    ];
    let framing = [header::HOST, header::CONTENT_LENGTH];
    for name in nominated(headers).iter().filter(|name| !framing.contains(name)).chain(&OTHERS) {
        headers.remove(name);
    }
}

/// The fields that `Connection` names as belonging to it.
fn nominated(headers: &HeaderMap) -> SmallVec<[HeaderName; 4]> {
    let fields = headers.get_all(header::CONNECTION).iter();
    let tokens = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let told = tokens.filter(|token| !token.eq_ignore_ascii_case(b"close"));
    told.filter_map(|token| HeaderName::from_bytes(token).ok()).collect()
}

/// Edits a request: set, then add, then remove. The host stays: a request without one cannot be
/// forwarded.
pub(super) fn edit_request(edit: &HeaderEdit, headers: &mut HeaderMap) {
    for (name, value) in &edit.set {
        headers.insert(name, value.clone());
    }
    for (name, value) in &edit.add {
        headers.append(name, value.clone());
    }
    for name in edit.remove.iter().filter(|name| **name != header::HOST) {
        headers.remove(name);
    }
}

/// Edits a response: set, then add, then remove.
pub(super) fn edit_response(edit: &HeaderEdit, response: &mut ResponseHeader) -> Result<()> {
    for (name, value) in &edit.set {
        response.insert_header(name, value.clone())?;
    }
    for (name, value) in &edit.add {
        response.append_header(name, value.clone())?;
    }
    for name in &edit.remove {
        response.remove_header(name);
    }
    Ok(())
}
