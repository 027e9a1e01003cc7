//! Header edits of the filters.

use http::HeaderName;
use http::header;
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

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
