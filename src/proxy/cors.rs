//! The CORS filter (Fetch standard, Gateway API `HTTPCORSFilter`).

use http::{HeaderValue, Method, StatusCode, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use super::respond;
use crate::table::action::{AllowList, Cors, OriginPattern};

/// Everything a backend might say about CORS itself; the filter's word counts.
const OURS: [header::HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// Whether a browser asks if it may send a request.
pub(super) fn is_preflight(request: &RequestHeader) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ORIGIN)
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight; without CORS headers when the origin is not allowed.
pub(super) fn preflight(cors: &Cors, request: &RequestHeader) -> Result<ResponseHeader> {
    let mut head = respond::empty(StatusCode::NO_CONTENT)?;
    if !allow_origin(cors, request, &mut head)? {
        return Ok(head);
    }
    let asked = |name| request.headers.get(name);
    let methods = value(&cors.methods, cors.credentials, asked(header::ACCESS_CONTROL_REQUEST_METHOD));
    insert(&mut head, header::ACCESS_CONTROL_ALLOW_METHODS, methods)?;
    let headers = value(&cors.headers, cors.credentials, asked(header::ACCESS_CONTROL_REQUEST_HEADERS));
    insert(&mut head, header::ACCESS_CONTROL_ALLOW_HEADERS, headers)?;
    // browsers read it from the actual response only; the Gateway API wants it in both
    insert(&mut head, header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed(cors))?;
    head.insert_header(header::ACCESS_CONTROL_MAX_AGE, cors.max_age.clone())?;
    Ok(head)
}

/// The CORS headers of an actual response.
pub(super) fn actual(cors: &Cors, request: &RequestHeader, head: &mut ResponseHeader) -> Result<()> {
    for name in OURS {
        head.remove_header(&name);
    }
    if allow_origin(cors, request, head)? {
        insert(head, header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed(cors))?;
    }
    Ok(())
}

fn exposed(cors: &Cors) -> Option<HeaderValue> {
    match &cors.expose {
        // with credentials `*` is the name of a header, not a wildcard
        AllowList::Any if cors.credentials => None,
        list => value(list, false, None),
    }
}

/// Names the origin as allowed if it is. The answer depends on the origin either way: caches must
/// know.
fn allow_origin(cors: &Cors, request: &RequestHeader, head: &mut ResponseHeader) -> Result<bool> {
    head.append_header(header::VARY, HeaderValue::from_static("origin"))?;
    let Some(origin) = request.headers.get(header::ORIGIN) else { return Ok(false) };
    let allowed = origin.to_str().is_ok_and(|text| cors.origins.iter().any(|pattern| matches(pattern, text)));
    if allowed {
        head.insert_header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())?;
        if cors.credentials {
            head.insert_header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"))?;
        }
    }
    Ok(allowed)
}

fn matches(pattern: &OriginPattern, origin: &str) -> bool {
    match pattern {
        OriginPattern::Any => true,
        OriginPattern::Exact(exact) => exact.eq_ignore_ascii_case(origin),
        OriginPattern::Wildcard { scheme, suffix } => {
            let Some((front, back)) = origin.split_at_checked(scheme.len()) else { return false };
            let Some(cut) = back.len().checked_sub(suffix.len()).filter(|cut| *cut > 0) else { return false };
            let tail = back.get(cut..).unwrap_or_default();
            front.eq_ignore_ascii_case(scheme) && tail.eq_ignore_ascii_case(suffix)
        }
    }
}

/// `*` is echoed as what was asked for when credentials are allowed, because then it would be
/// taken literally.
fn value(list: &AllowList, credentials: bool, asked: Option<&HeaderValue>) -> Option<HeaderValue> {
    match list {
        AllowList::Empty => None,
        AllowList::Listed(names) => Some(names.clone()),
        AllowList::Any if credentials => asked.cloned(),
        AllowList::Any => Some(HeaderValue::from_static("*")),
    }
}

fn insert(head: &mut ResponseHeader, name: header::HeaderName, value: Option<HeaderValue>) -> Result<()> {
    match value {
        Some(value) => head.insert_header(name, value),
        None => Ok(()),
    }
}
