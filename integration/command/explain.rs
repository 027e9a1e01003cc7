//! `paifang explain`: who serves a request, and why the others do not.

use crate::child::call;
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
