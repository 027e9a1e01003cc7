//! One line of the access log. Nothing secret is in it: no query, no cookie, no authorization, no
//! referrer (which carries the query of another page).

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Version};
use serde::Serialize;

use crate::ir::LimitId;
use crate::table::Rule;
use crate::table::limits::Meter;
use crate::telemetry::Reason;

/// Bytes of a client's text that a line keeps of each field.
const MAX_TEXT: usize = 2048;

/// What is known of one finished request.
#[derive(Debug, Clone)]
pub struct Record {
    /// When its header was read.
    pub start: SystemTime,
    /// From then to the end of the response.
    pub took: Duration,
    /// Who asked.
    pub client: IpAddr,
    /// Method.
    pub method: Method,
    /// Host as the client wrote it.
    pub host: String,
    /// Path as the client wrote it, without the query.
    pub path: String,
    /// Version towards the client.
    pub version: Version,
    /// Whether the client spoke TLS.
    pub tls: bool,
    /// Status sent, or the one that would have been.
    pub status: u16,
    /// Why no backend answered.
    pub reason: Reason,
    /// The rule that won.
    pub rule: Option<Arc<Rule>>,
    /// The limit that denied it.
    pub limit: Option<Arc<Meter>>,
    /// The endpoint tried last.
    pub upstream: Option<SocketAddr>,
    /// Tries.
    pub tries: u8,
    /// Bytes of the request body.
    pub request_bytes: u64,
    /// Bytes of the response body.
    pub response_bytes: u64,
    /// `X-Request-ID`.
    pub request_id: Option<HeaderValue>,
    /// `User-Agent`.
    pub user_agent: Option<HeaderValue>,
}

/// A record as its line shows it.
#[derive(Serialize)]
struct Line<'r> {
    time: String,
    duration_ms: f64,
    client: IpAddr,
    method: &'r str,
    host: &'r str,
    path: &'r str,
    protocol: &'static str,
    tls: bool,
    status: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    #[serde(flatten)]
    rule: Option<RuleNames<'r>>,
    #[serde(flatten)]
    limit: Option<LimitNames<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<SocketAddr>,
    tries: u8,
    request_bytes: u64,
    response_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Cow<'r, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'r, str>>,
}

/// The labels of the rule's metrics.
#[derive(Serialize)]
struct RuleNames<'r> {
    gateway_namespace: &'r str,
    gateway: &'r str,
    listener: &'r str,
    route_kind: &'static str,
    route_namespace: &'r str,
    route: &'r str,
    rule: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'r str>,
    hostname: Cow<'r, str>,
}

/// Which limit, as its metrics say it.
#[derive(Serialize)]
struct LimitNames<'r> {
    policy: Cow<'r, str>,
    limit: &'r str,
}

impl Record {
    /// Appends the record as one line of JSON.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let before = out.len();
        if serde_json::to_writer(&mut *out, &self.line()).is_err() {
            out.truncate(before);
            return;
        }
        out.push(b'\n');
    }

    fn line(&self) -> Line<'_> {
        Line {
            time: time(self.start),
            duration_ms: self.took.as_micros() as f64 / 1000.0,
            client: self.client.to_canonical(),
            method: cut(self.method.as_str()),
            host: cut(&self.host),
            path: cut(&self.path),
            protocol: protocol(self.version),
            tls: self.tls,
            status: self.status,
            reason: self.reason.as_str(),
            rule: self.rule.as_deref().map(RuleNames::of),
            limit: self.limit.as_deref().map(|meter| LimitNames::of(&meter.limit.source.id)),
            upstream: self.upstream,
            tries: self.tries,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            request_id: self.request_id.as_ref().map(text),
            user_agent: self.user_agent.as_ref().map(text),
        }
    }
}

impl<'r> LimitNames<'r> {
    fn of(id: &'r LimitId) -> Self {
        Self { policy: Cow::Owned(id.source.to_string()), limit: &id.name }
    }
}

impl<'r> RuleNames<'r> {
    fn of(rule: &'r Rule) -> Self {
        let id = &rule.id;
        Self {
            gateway_namespace: &id.gateway.namespace,
            gateway: &id.gateway.name,
            listener: &id.listener,
            route_kind: id.route.kind.as_str(),
            route_namespace: &id.route.key.namespace,
            route: &id.route.key.name,
            rule: &id.rule,
            tenant: id.tenant.as_deref(),
            hostname: id.hostname.as_ref().map_or(Cow::Borrowed("*"), |name| Cow::Owned(name.to_string())),
        }
    }
}

/// RFC 3339 in UTC with milliseconds.
fn time(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

/// A header value as text; bytes that are not UTF-8 show as replacement characters.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes))
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::fixture::rule;

    fn record() -> Record {
        Record {
            start: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_458_600_123),
            took: Duration::from_micros(12_345),
            client: IpAddr::from([192, 0, 2, 7]),
            method: Method::GET,
            host: "www.example.com".to_owned(),
            path: "/a%20b".to_owned(),
            version: Version::HTTP_2,
            tls: true,
            status: 200,
            reason: Reason::None,
            rule: None,
            limit: None,
            upstream: Some(SocketAddr::from(([10, 0, 0, 1], 80))),
            tries: 1,
            request_bytes: 0,
            response_bytes: 42,
            request_id: Some(HeaderValue::from_static("id-1")),
            user_agent: None,
        }
    }

    fn written(record: &Record) -> String {
        let mut out = Vec::new();
        record.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_one_json_object_with_stable_names() {
        assert_eq!(
            written(&record()),
            concat!(
                r#"{"time":"2026-11-23T18:30:00.123Z","duration_ms":12.345,"client":"192.0.2.7","method":"GET","#,
                r#""host":"www.example.com","path":"/a%20b","protocol":"HTTP/2","tls":true,"status":200,"#,
                r#""upstream":"10.0.0.1:80","tries":1,"request_bytes":0,"response_bytes":42,"request_id":"id-1"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_rule_shows_with_the_labels_of_its_metrics() {
        let line = written(&Record {
            rule: Some(Arc::new(rule("cart", Some("*.example.com")))),
            reason: Reason::NoEndpoints,
            ..record()
        });
        let names = concat!(
            r#""reason":"no_endpoints","gateway_namespace":"infra","gateway":"edge","listener":"web","#,
            r#""route_kind":"HTTPRoute","route_namespace":"shop","route":"cart","rule":"0","hostname":"*.example.com""#,
        );
        assert!(line.contains(names), "{line}");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let path = format!("/{}", "é".repeat(5000));
        let agent = HeaderValue::from_str(&"a".repeat(60_000)).unwrap();
        let line = written(&Record { path, user_agent: Some(agent), ..record() });
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["path"].as_str().unwrap().len(), MAX_TEXT - 1);
        assert_eq!(value["user_agent"].as_str().unwrap().len(), MAX_TEXT);
    }

    proptest! {
        #[test]
        fn hostile_bytes_stay_inside_one_line_of_json(
            path in any::<String>(),
            host in any::<String>(),
            agent in prop::collection::vec(any::<u8>(), 0..300),
            took in any::<u64>(),
        ) {
            let agent = HeaderValue::from_bytes(&agent).ok();
            let lossy = agent.as_ref().map(|a| String::from_utf8_lossy(a.as_bytes()).into_owned());
            let took = Duration::from_micros(took);
            let record = Record { path: path.clone(), host: host.clone(), user_agent: agent, took, ..record() };
            let line = written(&record);
            prop_assert_eq!(line.matches('\n').count(), 1);
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(value["path"].as_str(), Some(&*path));
            prop_assert_eq!(value["host"].as_str(), Some(&*host));
            prop_assert_eq!(value["user_agent"].as_str().map(str::to_owned), lossy);
        }
    }
}
