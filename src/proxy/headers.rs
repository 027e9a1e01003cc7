//! Header edits of the filters.

use http::{HeaderName, StatusCode, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use smallvec::SmallVec;

use crate::table::action::HeaderEdit;

/// A message whose header can be edited.
pub(super) trait Edit {
    fn set(&mut self, name: &HeaderName, value: &http::HeaderValue) -> Result<()>;
    fn add(&mut self, name: &HeaderName, value: &http::HeaderValue) -> Result<()>;
    fn remove(&mut self, name: &HeaderName);
}

impl Edit for RequestHeader {
    fn set(&mut self, name: &HeaderName, value: &http::HeaderValue) -> Result<()> {
        self.insert_header(name.clone(), value.clone())
    }

    fn add(&mut self, name: &HeaderName, value: &http::HeaderValue) -> Result<()> {
        self.append_header(name.clone(), value.clone()).map(|_| ())
    }

    fn remove(&mut self, name: &HeaderName) {
        // a request without a host cannot be forwarded
        if name != header::HOST {
            self.remove_header(name);
        }
    }
}

impl Edit for ResponseHeader {
    fn set(&mut self, name: &HeaderName, value: &http::HeaderValue) -> Result<()> {
        self.insert_header(name.clone(), value.clone())
    }

    fn add(&mut self, name: &HeaderName, value: &http::HeaderValue) -> Result<()> {
        self.append_header(name.clone(), value.clone()).map(|_| ())
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }
}

/// Removes what a backend says about its own connection (RFC 9110 §7.6.1). Framing is left to
/// Pingora, which writes it anew.
pub(super) fn remove_hop_by_hop(response: &mut ResponseHeader) -> Result<()> {
    let nominated: SmallVec<[HeaderName; 4]> = {
        let fields = response.headers.get_all(header::CONNECTION).iter();
        let tokens = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let told = tokens.filter(|token| !token.eq_ignore_ascii_case(b"close"));
        told.filter_map(|token| HeaderName::from_bytes(token).ok()).collect()
    };
    let framing = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    for name in nominated.iter().filter(|name| !framing.contains(name)) {
        response.remove_header(name);
    }
    // the same length twice is one length (RFC 9110 §8.6); Pingora has refused different ones
    if response.headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some()
        && let Some(length) = response.headers.get(header::CONTENT_LENGTH).cloned()
    {
        response.insert_header(header::CONTENT_LENGTH, length)?;
    }
    response.remove_header("keep-alive");
    response.remove_header("proxy-connection");
    if response.status != StatusCode::UPGRADE_REQUIRED {
        response.remove_header(&header::UPGRADE);
    }
    Ok(())
}

/// Applies an edit: set, then add, then remove.
pub(super) fn apply(edit: &HeaderEdit, message: &mut impl Edit) -> Result<()> {
    for (name, value) in &edit.set {
        message.set(name, value)?;
    }
    for (name, value) in &edit.add {
        message.add(name, value)?;
    }
    for name in &edit.remove {
        message.remove(name);
    }
    Ok(())
}
