//! `paifang check`: statuses, and every problem with file, line, reason and remedy.

use crate::child::{call, paifang};
use crate::manifests::{GATEWAY, folder, route};

/// Checks a folder; paths in what it prints are relative to the folder.
fn check(files: &[(&str, &str)], more: &[&str]) -> (Option<i32>, String, String) {
    let folder = folder(files);
    let path = folder.path().to_str().unwrap();
    let (code, output, errors) = call(&[&["check", path], more].concat());
    let relative = |text: String| text.replace(&format!("{path}/"), "");
    (code, relative(output), relative(errors))
}

/// A route to a Service that is not there: line 6, column 29.
const BROKEN: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: broken, namespace: team }
spec:
  parentRefs: [{ name: front }]
  rules: [{ backendRefs: [{ name: nowhere, port: 80 }] }]
";

#[test]
fn a_good_folder_shows_statuses_and_exits_with_0() {
    let (code, text, errors) = check(&[("a.yaml", GATEWAY), ("b.yaml", &route("paifang.dev/echo: \"1\""))], &[]);
    assert_eq!((code, &*errors), (Some(0), ""), "{text}");
    for words in ["GatewayClass paifang", "Gateway team/front", "attachedRoutes 1", "HTTPRoute team/app"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.ends_with("1 listener with 1 attached route; nothing is wrong\n"), "{text}");
}

#[test]
fn a_problem_has_file_line_reason_and_remedy_and_exits_with_1() {
    let (code, text, _) = check(&[("gateway.yaml", GATEWAY), ("broken.yaml", BROKEN)], &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("ResolvedRefs False   BackendNotFound"), "{text}");
    let problem = text.lines().find(|line| line.starts_with("broken.yaml:6:")).expect(&text);
    assert!(problem.contains("error: HTTPRoute team/broken: spec.rules[0].backendRefs[0]"), "{problem}");
    assert!(problem.contains("BackendNotFound: ") && problem.contains("nowhere"), "{problem}");
    assert!(problem.split("; ").nth(1).is_some_and(|remedy| !remedy.is_empty()), "{problem}");
    assert!(text.ends_with("1 thing is wrong\n"), "{text}");
}

#[test]
fn json_has_the_same_for_programs() {
    let (code, text, errors) = check(&[("gateway.yaml", GATEWAY), ("broken.yaml", BROKEN)], &["--output", "json"]);
    assert_eq!((code, &*errors), (Some(1), ""));
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let problem = &all["problems"][0];
    assert_eq!(problem["reason"], "BackendNotFound", "{all:#}");
    assert_eq!(
        (problem["location"]["file"].as_str(), problem["location"]["line"].as_u64()),
        (Some("broken.yaml"), Some(6))
    );
    assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{problem:#}");
    let conditions =
        all["statuses"]["HTTPRoute team/broken"]["parents"][0]["conditions"].as_array().expect("conditions");
    assert!(conditions.iter().any(|condition| condition["reason"] == "BackendNotFound"), "{conditions:#?}");
    assert_eq!(all["findings"].as_array().map(Vec::len), Some(0));
}

#[test]
fn text_that_is_not_yaml_is_an_error_at_its_place() {
    let (code, text, _) = check(&[("gateway.yaml", GATEWAY), ("half.yaml", "kind: [\nspec: }\n")], &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.lines().any(|line| line.starts_with("half.yaml:2:") && line.contains(": error: ")), "{text}");
}

#[test]
fn an_unknown_field_is_named_with_its_place() {
    let text = GATEWAY.replace("spec:\n  gatewayClassName", "spec:\n  gatwayClassName: paifang\n  gatewayClassName");
    let (_, text, _) = check(&[("gateway.yaml", &text)], &[]);
    assert!(
        text.lines().any(|line| line.starts_with("gateway.yaml:11:3: ") && line.contains("gatwayClassName")),
        "{text}"
    );
}

#[test]
fn an_unknown_kind_is_named_and_ignored() {
    let object = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRuote\nmetadata: { name: a }\n";
    let (code, text, _) = check(&[("a.yaml", GATEWAY), ("b.yaml", object)], &[]);
    assert_eq!(code, Some(0), "{text}");
    let line = text.lines().find(|line| line.starts_with("b.yaml:2:1: warning: ")).expect(&text);
    assert!(line.contains("HTTPRuote") && line.contains("ignored") && line.contains("'HTTPRoute'"), "{line}");
}

#[test]
fn a_kind_that_has_no_effect_yet_says_so() {
    let policy = "apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: app, namespace: team }
spec:
  targetRefs: [{ group: \"\", kind: Service, name: app }]
  validation: { hostname: app.example.com, wellKnownCACertificates: System }
";
    let (code, text, _) = check(&[("gateway.yaml", GATEWAY), ("policy.yaml", policy)], &[]);
    assert_eq!(code, Some(0), "{text}");
    let line = text.lines().find(|line| line.starts_with("policy.yaml:2:1: warning: ")).expect(&text);
    assert!(line.contains("BackendTLSPolicy") && line.contains("not served yet"), "{line}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = paifang(&["check", "conf/quickstart"]);
    let output =
        command.stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*String::from_utf8(output.stderr).unwrap()), (Some(0), ""));
}
