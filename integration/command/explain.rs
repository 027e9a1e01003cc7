//! `paifang explain`: who serves a request, and why the others do not.

use crate::child::{Gateway, call};
use crate::manifests::{GATEWAY, folder, route};

fn explain(more: &[&str]) -> (Option<i32>, String, String) {
    let folder = folder(&[("a.yaml", GATEWAY), ("b.yaml", &route("paifang.dev/echo: \"1\""))]);
    let path = folder.path().to_str().unwrap();
    call(&[&["explain", "--manifests", path], more].concat())
}

#[test]
fn the_winner_and_its_endpoints_are_named() {
    let (code, text, errors) = explain(&["http://app.example.com:8080/cart?x=1"]);
    assert_eq!((code, &*errors), (Some(0), ""), "{text}");
    assert!(text.starts_with("GET app.example.com/cart\n\nGateway team/front, listener "), "{text}");
    assert!(text.contains("served by HTTPRoute team/app rule 0 (PathPrefix / on "), "{text}");
}

#[test]
fn json_has_the_same_for_programs() {
    let (code, text, _) = explain(&["--output", "json", "-X", "POST", "-H", "x-a: b", "http://app.example.com:8080/"]);
    assert_eq!(code, Some(0), "{text}");
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((all["method"].as_str(), all["host"].as_str()), (Some("POST"), Some("app.example.com")));
    assert_eq!(all["gateways"][0]["winner"]["route"], "HTTPRoute team/app");
}

#[test]
fn a_folder_counts_nothing_and_shows_the_keys() {
    let key = "[{ type: ClientIP }, { type: Header, name: x-user }]";
    let policy = format!(
        "
apiVersion: paifang.dev/v1alpha1
kind: RateLimitPolicy
metadata: {{ name: slow, namespace: team }}
spec:
  targetRefs: [{{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: app }}]
  limits:
    users: {{ rate: {{ requests: 5, per: 1h }}, key: {key}, scope: Route, counting: PerReplica }}
"
    );
    let folder = folder(&[("a.yaml", GATEWAY), ("b.yaml", &route("a: b")), ("c.yaml", &policy)]);
    let arguments = ["explain", "--manifests", folder.path().to_str().unwrap(), "-H", "x-user: alice"];
    let url = "http://app.example.com:8080/";
    let (_, text, _) = call(&[&arguments[..], &["--client-ip", "2001:db8::7", url]].concat());
    assert!(text.starts_with("GET app.example.com/ from 2001:db8::7\n"), "{text}");
    let limit = "counted by each replica; nothing is counted in a folder\n";
    assert!(
        text.contains(&format!("{limit}      key: ClientIP \"2001:db8::/64\", Header x-user \"alice\"\n")),
        "{text}"
    );
    let (_, text, _) = call(&[&arguments[..], &[url]].concat());
    assert!(text.contains("      key: ClientIP, Header x-user \"alice\"\n"), "{text}");
    assert!(text.contains("; what is left depends on the client: say its address (--client-ip)\n"), "{text}");
    let (code, _, errors) = call(&[&arguments[..], &["--client-ip", "localhost", url]].concat());
    assert_eq!((code, errors.contains("--client-ip <ADDRESS>")), (Some(2), true), "{errors}");
}

#[test]
fn what_nobody_serves_exits_with_1() {
    let (code, text, _) = explain(&["https://app.example.com/"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.ends_with("no Gateway listens for it\n"), "{text}");
}

#[test]
fn a_mistake_is_named() {
    for (arguments, words) in [
        (&["-H", "nonsense", "http://a/"][..], "write 'name: value'"),
        (&["-X", "GE T", "http://a/"], "no method of HTTP"),
        (&["/only/a/path"], "is no URL of HTTP"),
        (&["http://a.example.com:8080/../x"], "every route refuses it with 400"),
    ] {
        let (code, text, errors) = explain(arguments);
        assert_eq!((code, &*text), (Some(1), ""), "{errors}");
        assert!(errors.contains(words), "{errors}");
    }
}

#[test]
fn the_echo_backends_that_a_folder_would_start_are_endpoints() {
    let (_, text, _) = explain(&["http://app.example.com:8080/"]);
    assert!(text.contains(" weight 1: echo backend 1\n"), "{text}");
}

/// What differs between a folder and a process that serves it: the echo backends run.
fn without_endpoints(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_once(" weight ").map_or(line, |(backend, _)| backend));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_process_is_asked_and_says_what_its_folder_does() {
    let edit = "requestHeaderModifier: { set: [{ name: Authorization, value: Bearer hunter2 }] }";
    let filters = format!("filters: [{{ type: RequestHeaderModifier, {edit} }}], backendRefs");
    let manifests = route("paifang.dev/echo: \"1\"").replace("backendRefs", &filters);
    let folder = folder(&[("a.yaml", GATEWAY), ("b.yaml", &manifests)]);
    let gateway = Gateway::run(folder.path(), None);
    let admin = std::net::SocketAddr::new(gateway.address, 8081).to_string();
    for (url, served) in [("http://app.example.com:8080/cart?a=b&c=d", 0), ("http://app.example.com/", 1)] {
        let arguments = ["-X", "POST", "-H", "x-a: b & c", "--client-ip", "192.0.2.7", url];
        let (code, text, errors) = call(&[&["explain", "--admin", &admin], &arguments[..]].concat());
        assert_eq!((code, &*errors), (Some(served), ""), "{text}");
        let (_, of_folder, _) =
            call(&[&["explain", "--manifests", folder.path().to_str().unwrap()], &arguments[..]].concat());
        assert_eq!(without_endpoints(&text), without_endpoints(&of_folder));
        assert!(!text.contains("hunter"), "{text}");
        assert!(served == 1 || text.contains("weight 1: 127.0.0.1:") && text.contains("set authorization"), "{text}");
    }
    let arguments = ["explain", "--admin", &admin, "--output", "json", "http://app.example.com:8080/"];
    let (code, text, _) = call(&arguments);
    assert_eq!(code, Some(0), "{text}");
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(all["gateways"][0]["winner"]["route"], "HTTPRoute team/app");
    let (code, _, errors) = call(&["explain", "--admin", &admin, "http://app.example.com:8080/../x"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("every route refuses it with 400"), "{errors}");
}

#[test]
fn who_has_no_process_to_ask_is_told_what_to_do() {
    // a port on which nobody can listen
    let (code, text, errors) = call(&["explain", "--admin", "127.0.0.1:0", "http://app.example.com/"]);
    assert_eq!((code, &*text), (Some(1), ""), "{errors}");
    assert!(errors.contains("--admin ADDR:PORT, or --manifests DIR for a folder"), "{errors}");
}
