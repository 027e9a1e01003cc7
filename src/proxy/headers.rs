//! Header edits of the filters.

use http::{HeaderMap, header};
use pingora::Result;
use pingora::http::ResponseHeader;

use crate::table::action::HeaderEdit;

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
