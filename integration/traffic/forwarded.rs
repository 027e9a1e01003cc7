//! What backends learn about clients.

use paifang::config::{Config, Forwarded, RequestId};
use paifang::echo::{Echo, Identity};
use serde_json::{Value, json};

use crate::client::{absolute, get, http1, http1_over, http2, send1, send2, whole};
use crate::pki::Authority;
use crate::world::{World, gateway, route_to, service};

struct Setting {
    world: World,
    ca: Authority,
    _echo: Echo,
}

async fn setting(forwarded: Forwarded) -> Setting {
    let (ca, echo) = (Authority::new(), Echo::start(Identity::named("echo")).await.unwrap());
    let listeners = json!([
        { "name": "http", "protocol": "HTTP", "port": 80 },
        { "name": "https", "protocol": "HTTPS", "port": 443, "tls": { "certificateRefs": [{ "name": "leaf" }] } },
    ]);
    let objects = [service("echo", &[echo.address()]), route_to("echo"), ca.issue(&["test.example"]).secret("leaf")];
    let config = Config { forwarded, ..Config::default() };
    let world = World::with(config, gateway(listeners).into_iter().chain(objects)).await;
    Setting { world, ca, _echo: echo }
}

/// What a backend sees of a request with these fields.
async fn seen(setting: &Setting, fields: &[(&'static str, &str)]) -> Value {
    let mut request = get("/");
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    let (_, body) = send1(&mut http1(setting.world.address("http")).await, request).await;
    serde_json::from_slice::<Value>(&body).unwrap()["headers"].take()
}

const LIES: [(&str, &str); 9] = [
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "gopher"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-port", "1"),
    ("x-real-ip", "203.0.113.9"),
    ("forwarded", "for=203.0.113.9"),
    ("proxy", "http://evil.example"),
    ("x-request-id", "mine"),
    ("via", "1.0 cache"),
];

#[tokio::test]
async fn a_client_is_not_believed_what_it_says_about_itself() {
    let setting = setting(Forwarded::default()).await;
    let headers = seen(&setting, &LIES).await;
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "test.example"),
        ("x-forwarded-port", "80"),
        ("x-real-ip", "127.0.0.1"),
    ] {
        assert_eq!(headers[name], json!([value]), "{name} is what the edge knows");
    }
    assert!(headers["forwarded"].is_null() && headers["proxy"].is_null(), "{headers}");
    assert_eq!(headers["via"], json!(["1.0 cache", "1.1 paifang"]), "the edge adds itself to Via");
    assert_eq!(headers["x-request-id"][0].as_str().unwrap().len(), 32, "a new identity: {headers}");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let request_id = RequestId { trust_client: true };
    let trusted = Forwarded { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], request_id };
    let setting = setting(trusted).await;
    let headers = seen(&setting, &LIES).await;
    let joined = |name: &str| {
        let values = headers[name].as_array().unwrap().iter().map(|value| value.as_str().unwrap());
        values.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(joined("x-forwarded-for"), "203.0.113.9, 127.0.0.1", "the proxy is added to those before it");
    for (name, value) in [
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "1"),
        ("x-real-ip", "203.0.113.9"),
        ("x-request-id", "mine"),
    ] {
        assert_eq!(joined(name), value, "{name}");
    }
}

#[tokio::test]
async fn tls_and_http_2_are_named_as_what_they_are() {
    let setting = setting(Forwarded::default()).await;
    let stream =
        setting.ca.client(&["http/1.1"]).connect(setting.world.address("https"), "test.example").await.unwrap();
    let (_, body) = send1(&mut http1_over(stream).await, get("/")).await;
    let headers = serde_json::from_slice::<Value>(&body).unwrap()["headers"].take();
    assert_eq!((&headers["x-forwarded-proto"], &headers["x-forwarded-port"]), (&json!(["https"]), &json!(["443"])));

    let mut sender = http2(setting.world.address("http")).await;
    let response = sender.send_request(absolute("http", get("/"))).await.unwrap();
    let seen: Value = serde_json::from_slice(&whole(response).await.1).unwrap();
    assert_eq!(seen["headers"]["via"], json!(["2.0 paifang"]));
    assert_eq!(seen["headers"]["x-forwarded-host"], json!(["test.example"]));
    assert_eq!(seen["host"], "test.example", "the authority becomes the Host");
    let again: Value = serde_json::from_slice(&send2(&mut sender, get("/")).await.1).unwrap();
    assert_ne!(seen["headers"]["x-request-id"], again["headers"]["x-request-id"], "every request has its own identity");
}

const CLAIMS: [(&str, &str); 4] = [
    ("x-forwarded-prefix", "/admin"),
    ("x-forwarded-scheme", "https"),
    ("x-original-url", "/admin"),
    ("x_forwarded_prefix", "/admin"),
];

#[tokio::test]
async fn what_frameworks_act_on_comes_from_trusted_proxies_only() {
    let stranger = setting(Forwarded::default()).await;
    let headers = seen(&stranger, &CLAIMS).await;
    for (name, _) in CLAIMS {
        assert!(headers[name].is_null(), "{name} of a stranger: {headers}");
    }
    let trusted = Forwarded { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Forwarded::default() };
    let headers = seen(&setting(trusted).await, &CLAIMS).await;
    for (name, value) in &CLAIMS[..3] {
        assert_eq!(headers[name], json!([value]), "{name} of a trusted proxy");
    }
    assert!(headers["x_forwarded_prefix"].is_null(), "no proxy writes it, a backend may take it for the other");
}
