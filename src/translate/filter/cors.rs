//! CORS rules.

use http::{HeaderName, Method};

use crate::api::gateway::http_route::HttpCors;
use crate::ir::{Cors, Hostname};
use crate::translate::field::Field;
use crate::translate::finding::Findings;
use crate::translate::reason::Reason;

/// Seconds a preflight answer may be kept when nobody says.
const DEFAULT_MAX_AGE: i32 = 5;

/// Lowers CORS rules. An entry that is malformed is left out and said: it permits nothing, so
/// leaving it out is safe.
pub(super) fn lower(written: &HttpCors, at: &Field<'_>, findings: &mut Findings) -> Cors {
    let mut keep = |list: &str, entries: &[String], normal: fn(&str) -> Option<String>| {
        let mut kept: Vec<String> = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            match normal(entry) {
                Some(entry) if kept.contains(&entry) => {}
                Some(entry) => kept.push(entry),
                None => {
                    let message = format!("'{entry}' does not belong here; it is left out");
                    let remedy = "write '*', an origin such as https://*.example.com, a method or a field name";
                    findings.notice(Reason::UnsupportedValue, &at.item(list, index), message, remedy);
                }
            }
        }
        kept
    };
    Cors {
        allow_origins: keep("allowOrigins", &written.allow_origins, origin),
        allow_methods: keep("allowMethods", &written.allow_methods, method),
        allow_headers: keep("allowHeaders", &written.allow_headers, header),
        expose_headers: keep("exposeHeaders", &written.expose_headers, header),
        allow_credentials: written.allow_credentials.unwrap_or_default(),
        max_age: u32::try_from(written.max_age.unwrap_or(DEFAULT_MAX_AGE)).unwrap_or_default(),
    }
}

/// `*`, or scheme, host (with an optional leading wildcard, or only one) and optional port.
fn origin(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"))?;
    let (host, port) = rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let is_ip = host.parse::<std::net::Ipv4Addr>().is_ok();
    let host_is_valid = host == "*" || is_ip || Hostname::parse(host).is_some();
    let port_is_valid = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    (host_is_valid && port_is_valid).then_some(lower)
}

fn method(text: &str) -> Option<String> {
    (text == "*" || Method::from_bytes(text.as_bytes()).is_ok()).then(|| text.to_owned())
}

fn header(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    HeaderName::from_bytes(text.as_bytes()).ok().map(|name| name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_schemes_with_hosts() {
        for text in ["*", "https://a.example.com", "http://*.example.com:8080", "https://*", "http://127.0.0.1:3000"] {
            assert_eq!(origin(text).as_deref(), Some(text));
        }
        for text in [
            "",
            "example.com",
            "ftp://a.com",
            "https://a.com/",
            "https://a.com:0",
            "https://a.com:+1",
            "https://a.*.com",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    #[test]
    fn a_malformed_entry_permits_nothing() {
        let written = HttpCors { allow_origins: vec!["nonsense".to_owned()], ..HttpCors::default() };
        let mut findings = Findings::default();
        let cors = lower(&written, &Field::SPEC, &mut findings);
        assert!(cors.allow_origins.is_empty());
        assert_eq!(cors.max_age, 5);
        assert_eq!(findings.reasons().len(), 1);
    }
}
