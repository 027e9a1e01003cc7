//! Redirects and rewrites.

use crate::api::gateway::http_route::{HttpPathModifier, HttpRequestRedirect, HttpUrlRewrite, PathModifierType};
use crate::ir::{Hostname, Match, PathMatch, PathModifier, Redirect, Rewrite};
use crate::translate::field::Field;
use crate::translate::finding::Findings;
use crate::translate::reason::Reason;

/// Status codes a redirect may have.
const STATUS_CODES: [u16; 5] = [301, 302, 303, 307, 308];
/// How long a replacement may be, in bytes.
const MAX_PATH: usize = 1024;

/// Lowers a redirect; `None` when it cannot be honoured.
pub(super) fn redirect(
    written: &HttpRequestRedirect,
    matches: &[Match],
    at: &Field<'_>,
    findings: &mut Findings,
) -> Option<Redirect> {
    let scheme = match written.scheme.as_deref() {
        None => Some(None),
        Some(scheme @ ("http" | "https")) => Some(Some(scheme.to_owned())),
        Some(scheme) => {
            let message = format!("cannot redirect to scheme '{scheme}'");
            findings.reject(Reason::UnsupportedValue, &at.name("scheme"), message, "use http or https");
            None
        }
    };
    let status = written.status_code.unwrap_or(302);
    if !STATUS_CODES.contains(&status) {
        let message = format!("{status} is not a redirect");
        findings.reject(Reason::UnsupportedValue, &at.name("statusCode"), message, "use 301, 302, 303, 307 or 308");
    }
    if written.port == Some(0) {
        findings.reject(Reason::UnsupportedValue, &at.name("port"), "0 is not a port", "use a port from 1 to 65535");
    }
    let hostname = hostname(written.hostname.as_deref(), at, findings);
    let path = path(written.path.as_ref(), matches, at, findings);
    Some(Redirect { scheme: scheme?, hostname: hostname?, port: written.port, path: path?, status })
}

/// Lowers a rewrite; `None` when it cannot be honoured.
pub(super) fn rewrite(
    written: &HttpUrlRewrite,
    matches: &[Match],
    at: &Field<'_>,
    findings: &mut Findings,
) -> Option<Rewrite> {
    let hostname = hostname(written.hostname.as_deref(), at, findings);
    let path = path(written.path.as_ref(), matches, at, findings);
    Some(Rewrite { hostname: hostname?, path: path? })
}

/// A precise hostname; the outer `None` says that it is none.
fn hostname(written: Option<&str>, at: &Field<'_>, findings: &mut Findings) -> Option<Option<String>> {
    let Some(text) = written else { return Some(None) };
    match Hostname::parse(text) {
        Some(Hostname::Exact(name)) => Some(Some(name.to_string())),
        _ => {
            let message = format!("'{text}' is not a hostname without wildcard");
            findings.reject(Reason::UnsupportedValue, &at.name("hostname"), message, "write a DNS name");
            None
        }
    }
}

fn path(
    written: Option<&HttpPathModifier>,
    matches: &[Match],
    at: &Field<'_>,
    findings: &mut Findings,
) -> Option<Option<PathModifier>> {
    let Some(written) = written else { return Some(None) };
    let at = at.name("path");
    let mut refuse = |message: String, remedy: &str| {
        findings.reject(Reason::UnsupportedValue, &at, message, remedy);
        None
    };
    let modifier = match (&written.kind, &written.replace_full_path, &written.replace_prefix_match) {
        (PathModifierType::ReplaceFullPath, Some(path), _) => PathModifier::ReplaceFull(path.clone()),
        (PathModifierType::ReplacePrefixMatch, _, Some(prefix)) => {
            if !matches.iter().all(|it| matches!(it.path, PathMatch::Prefix(_))) {
                let message = "ReplacePrefixMatch needs a rule that matches by PathPrefix only".to_owned();
                return refuse(message, "use PathPrefix in every match of the rule, or ReplaceFullPath");
            }
            PathModifier::ReplacePrefix(prefix.clone())
        }
        (PathModifierType::Other(kind), _, _) => {
            return refuse(format!("unknown type '{kind}'"), "use ReplaceFullPath or ReplacePrefixMatch");
        }
        (kind, _, _) => {
            return refuse(format!("type '{kind}' is said, but its member is missing"), "write the member type names");
        }
    };
    let (PathModifier::ReplaceFull(text) | PathModifier::ReplacePrefix(text)) = &modifier;
    // What is put into a request line must stay on it.
    if text.len() > MAX_PATH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("a replacement has at most {MAX_PATH} bytes, all visible ASCII");
        return refuse(message, "percent-encode other characters");
    }
    if !text.is_empty() && !text.starts_with('/') {
        return refuse("a replacement starts with '/'".to_owned(), "write an absolute path");
    }
    Some(Some(modifier))
}
