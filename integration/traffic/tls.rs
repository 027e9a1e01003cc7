//! TLS towards clients: certificates by server name, their change, and what ends a handshake.

use std::time::Duration;

use paifang::config::{Config, Downstream};
use paifang::ir::ListenerProtocol;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio_rustls::rustls::{self, HandshakeKind, ProtocolVersion};

use crate::backend::named;
use crate::client::{absolute, get, http1_over, http2_over, send1, tcp, whole};
use crate::pki::{Authority, secret, shown};
use crate::world::{World, gateway, route_to, service};
use crate::{eventually, within};

/// An HTTPS listener.
fn https(name: &str, hostname: Option<&str>, secrets: &[&str]) -> Value {
    let refs: Vec<_> = secrets.iter().map(|name| json!({ "name": name })).collect();
    let mut listener = json!({ "name": name, "protocol": "HTTPS", "port": 443, "tls": { "certificateRefs": refs } });
    if let Some(hostname) = hostname {
        listener["hostname"] = hostname.into();
    }
    listener
}

async fn manifests(listeners: Value, secrets: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let rest = [service("backend", &[named("backend").await]), route_to("backend")];
    gateway(listeners).into_iter().chain(rest).chain(secrets).collect()
}

#[tokio::test]
async fn a_server_name_chooses_the_listener_that_names_it_best() {
    let ca = Authority::new();
    let (exact, wild) = (ca.issue(&["a.example.com"]), ca.issue(&["*.example.com"]));
    let listeners =
        json!([https("exact", Some("a.example.com"), &["exact"]), https("wild", Some("*.example.com"), &["wild"]),]);
    let world = World::start(manifests(listeners, [exact.secret("exact"), wild.secret("wild")]).await).await;
    let address = world.address("exact");
    let client = ca.client(&["http/1.1"]);
    let see = async |name: &str| shown(&client.connect(address, name).await.unwrap());
    assert_eq!(see("a.example.com").await, exact.der, "an exact name wins");
    assert_eq!(see("A.Example.COM").await, exact.der, "names have no case");
    assert_eq!(see("b.example.com").await, wild.der, "a wildcard takes the others");
    assert_eq!(world.metric(&["paifang_tls_handshake_turns_total", "taken"]), 3.0, "each had its turn");
}

#[tokio::test]
async fn a_server_name_that_nobody_serves_ends_without_an_alert() {
    let ca = Authority::new();
    let listeners = json!([https("one", Some("a.example.com"), &["one"])]);
    let world = World::start(manifests(listeners, [ca.issue(&["a.example.com"]).secret("one")]).await).await;
    let error = ca.client(&[]).connect(world.address("one"), "other.example.org").await.unwrap_err();
    assert!(
        matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset),
        "the connection is closed and nothing said: {error:?}"
    );
    eventually("counted", || world.metric(&["paifang_tls_handshakes_total", "no_certificate"]) == 1.0).await;
}

#[tokio::test]
async fn of_several_certificates_the_one_that_names_the_server_is_shown_else_the_first() {
    let ca = Authority::new();
    let leaves = [ca.issue(&["a.example.com"]), ca.issue(&["*.example.com"]), ca.issue(&["b.example.com"])];
    let names = ["first", "wild", "b"];
    let secrets: Vec<_> = leaves.iter().zip(names).map(|(leaf, name)| leaf.secret(name)).collect();
    let world = World::start(manifests(json!([https("all", None, &names)]), secrets).await).await;
    let address = world.address("all");
    let client = ca.client(&[]);
    for (name, leaf) in ["a.example.com", "c.example.com", "b.example.com"].into_iter().zip(&leaves) {
        assert_eq!(shown(&client.connect(address, name).await.unwrap()), leaf.der, "{name}");
    }
    // a name that no certificate holds: the client refuses what it sees, and that is the default
    let error = client.connect(address, "elsewhere.example.org").await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "the default certificate is shown: {error}");
}

#[tokio::test]
async fn a_changed_certificate_is_shown_to_new_connections_while_old_ones_go_on() {
    let ca = Authority::new();
    let (old, new) = (ca.issue(&["a.example.com"]), ca.issue(&["a.example.com"]));
    let mut world = World::start(manifests(json!([https("one", None, &["one"])]), [old.secret("one")]).await).await;
    let address = world.address("one");
    let client = ca.client(&["http/1.1"]);
    let before = client.connect(address, "a.example.com").await.unwrap();
    assert_eq!(shown(&before), old.der);
    let mut kept = http1_over(before).await;
    assert_eq!(send1(&mut kept, get("/")).await.0.status, 200);
    world.put([new.secret("one")]).await;
    assert_eq!(world.address("one"), address, "the socket stays");
    assert_eq!(send1(&mut kept, get("/")).await.0.status, 200, "an old connection goes on");
    let fresh = ca.client(&["http/1.1"]).connect(address, "a.example.com").await.unwrap();
    assert_eq!(shown(&fresh), new.der, "a new connection sees the new certificate");
}

#[tokio::test]
async fn sessions_are_resumed_where_the_certificate_stayed_and_nowhere_else() {
    let ca = Authority::new();
    let (a, b) = (ca.issue(&["a.example.com"]), ca.issue(&["b.example.com"]));
    let listeners = json!([https("a", Some("a.example.com"), &["a"]), https("b", Some("b.example.com"), &["b"])]);
    let mut world = World::start(manifests(listeners, [a.secret("a"), b.secret("b")]).await).await;
    let address = world.address("a");
    let client = ca.client(&["http/1.1"]);
    let handshake = async |name: &str| {
        let mut sender = {
            let stream = client.connect(address, name).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind().unwrap();
            (kind, http1_over(stream).await)
        };
        // reading an answer reads the session tickets, too
        assert_eq!(send1(&mut sender.1, request_for(name)).await.0.status, 200);
        sender.0
    };
    for name in ["a.example.com", "b.example.com"] {
        assert_eq!(handshake(name).await, HandshakeKind::Full);
        assert_eq!(handshake(name).await, HandshakeKind::Resumed, "{name}: a session is resumed");
    }
    world.put([ca.issue(&["b.example.com"]).secret("b")]).await;
    assert_eq!(handshake("a.example.com").await, HandshakeKind::Resumed, "another listener's change ends no session");
    assert_eq!(handshake("b.example.com").await, HandshakeKind::Full, "a new certificate is looked at in full");
}

fn request_for(host: &str) -> http::Request<crate::body::Streamed> {
    let mut request = get("/");
    request.headers_mut().insert("host", host.parse().unwrap());
    request
}

#[tokio::test]
async fn an_expired_certificate_is_served_and_the_client_sees_that_it_is() {
    let ca = Authority::new();
    let expired = ca.issue_expired("a.example.com");
    let world = World::start(manifests(json!([https("one", None, &["one"])]), [expired.secret("one")]).await).await;
    let error = ca.client(&[]).connect(world.address("one"), "a.example.com").await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("expired"), "the client is the one to decide: {error}");
}

#[tokio::test]
async fn a_broken_certificate_costs_its_own_listener_only() {
    let ca = Authority::new();
    let good = ca.issue(&["good.example.com"]);
    let other = ca.issue(&["mixed.example.com"]);
    let listeners = json!([
        https("good", Some("good.example.com"), &["good"]),
        https("garbage", Some("garbage.example.com"), &["garbage"]),
        https("mixed", Some("mixed.example.com"), &["mixed"]),
    ]);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let secrets =
        [good.secret("good"), secret("garbage", garbage, &good.key), secret("mixed", &other.chain, &good.key)];
    let world = World::start(manifests(listeners, secrets).await).await;
    let client = ca.client(&["http/1.1"]);
    let mut sender = http1_over(client.connect(world.address("good"), "good.example.com").await.unwrap()).await;
    assert_eq!(send1(&mut sender, request_for("good.example.com")).await.0.status, 200, "its neighbour serves");
    for name in ["garbage", "mixed"] {
        let error = client.connect(world.address("good"), &format!("{name}.example.com")).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{name}: nothing to show: {error:?}");
    }
    let statuses = format!("{:?}", world.view().translation.statuses);
    assert_eq!(statuses.matches("InvalidCertificateRef").count(), 2, "both listeners say why: {statuses}");
}

#[tokio::test]
async fn both_tls_versions_and_each_protocol_are_spoken() {
    let ca = Authority::new();
    let leaf = ca.issue(&["a.example.com"]);
    let world = World::start(manifests(json!([https("one", None, &["one"])]), [leaf.secret("one")]).await).await;
    let address = world.address("one");
    let versions =
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)];
    for (version, spoken) in versions {
        for (offered, agreed) in [
            (&["h2", "http/1.1"][..], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&["h2"], Some("h2")),
            (&[], None),
        ] {
            let client = ca.client_of(offered, &[version]);
            let stream = client.connect(address, "a.example.com").await.unwrap();
            let session = stream.get_ref().1;
            assert_eq!(session.protocol_version(), Some(spoken));
            assert_eq!(session.alpn_protocol(), agreed.map(str::as_bytes), "{offered:?} over {spoken:?}");
            let status = if agreed == Some("h2") {
                let request = absolute("https", request_for("a.example.com"));
                whole(http2_over(stream).await.send_request(request).await.unwrap()).await.0.status
            } else {
                send1(&mut http1_over(stream).await, request_for("a.example.com")).await.0.status
            };
            assert_eq!(status, 200, "{offered:?} over {spoken:?}");
        }
    }
    assert!(ca.client(&["spdy/3"]).connect(address, "a.example.com").await.is_err(), "no common protocol, no talk");
    let listeners = &world.view().translation.ir.listeners;
    assert!(listeners.iter().all(|listener| listener.protocol == ListenerProtocol::Https));
}

#[tokio::test]
async fn an_h2_connection_to_one_listener_does_not_reach_anothers_routes() {
    let ca = Authority::new();
    let both = ca.issue(&["a.example.com", "b.example.com"]);
    let listeners = json!([https("a", Some("a.example.com"), &["one"]), https("b", Some("b.example.com"), &["one"])]);
    let world = World::start(manifests(listeners, [both.secret("one")]).await).await;
    let stream = ca.client(&["h2"]).connect(world.address("a"), "a.example.com").await.unwrap();
    let mut sender = http2_over(stream).await;
    for (host, status) in
        [("a.example.com", 200), ("b.example.com", 421), ("c.example.com", 404), ("a.example.com", 200)]
    {
        let response = sender.send_request(absolute("https", request_for(host))).await.unwrap();
        assert_eq!(whole(response).await.0.status, status, "{host} on a connection made for a.example.com");
    }
}

#[tokio::test]
async fn a_misdirected_call_of_grpc_is_told_so_by_http() {
    let ca = Authority::new();
    let both = ca.issue(&["a.example.com", "b.example.com"]);
    let listeners = json!([https("a", Some("a.example.com"), &["one"]), https("b", Some("b.example.com"), &["one"])]);
    let world = World::start(manifests(listeners, [both.secret("one")]).await).await;
    let stream = ca.client(&["h2"]).connect(world.address("a"), "a.example.com").await.unwrap();
    let mut call = request_for("b.example.com");
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let response = http2_over(stream).await.send_request(absolute("https", call)).await.unwrap();
    let (head, _) = whole(response).await;
    assert_eq!(head.status, 421, "the client's HTTP has to see it, to open another connection");
    assert!(!head.headers.contains_key("grpc-status"), "no answer to the call: {head:?}");
}

#[tokio::test]
async fn a_client_that_verifies_rsa_only_is_shown_the_rsa_certificate() {
    let ca = Authority::new();
    let (ec, rsa) = (ca.issue(&["a.example.com"]), ca.issue_rsa("a.example.com"));
    let listeners = json!([https("one", None, &["ec", "rsa"])]);
    let world = World::start(manifests(listeners, [ec.secret("ec"), rsa.secret("rsa")]).await).await;
    let address = world.address("one");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let modern = ca.client_of(&[], &[version]).connect(address, "a.example.com").await.unwrap();
        assert_eq!(shown(&modern), ec.der, "{version:?}: the first of two that fit");
        let old = ca.rsa_client(&[version]).connect(address, "a.example.com").await.unwrap();
        assert_eq!(shown(&old), rsa.der, "{version:?}: the one that the client can verify");
    }
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_ends() {
    let ca = Authority::new();
    let downstream = Downstream { handshake_timeout: Duration::from_millis(100), ..Downstream::default() };
    let manifests =
        manifests(json!([https("one", None, &["one"])]), [ca.issue(&["a.example.com"]).secret("one")]).await;
    let world = World::with(Config { downstream, ..Config::default() }, manifests).await;
    let mut silent = tcp(world.address("one")).await;
    let read = within("the end of a silent connection", silent.read(&mut [0; 16])).await;
    assert_eq!(read.unwrap_or(0), 0, "it is closed, nothing is said");
    eventually("counted", || world.metric(&["paifang_tls_handshakes_total", "timeout"]) == 1.0).await;
}
