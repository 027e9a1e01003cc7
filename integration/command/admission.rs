//! `paifang admission`: from a folder or from standard input.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::child::{call, paifang};
use crate::manifests::folder;

/// Exit code, standard output and standard error of a call that reads a text.
fn call_with(text: &str) -> (Option<i32>, String, String) {
    let mut command = paifang(&["admission", "--manifests", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn policies_and_bindings_are_printed_under_names_that_stay() {
    let (code, printed, errors) = call(&["admission", "--manifests", "conf/tenants"]);
    assert_eq!((code, &*errors), (Some(0), ""));
    let documents: Vec<Value> = serde_saphyr::from_multiple(&printed).unwrap();
    let name = |document: &Value| document["metadata"]["name"].as_str().unwrap().to_owned();
    let mut names = Vec::new();
    for pair in documents.chunks(2) {
        let [policy, binding] = pair else { panic!("a policy without binding") };
        assert_eq!((name(policy), &policy["kind"]), (name(binding), &"ValidatingAdmissionPolicy".into()));
        assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
        assert_eq!(policy["spec"]["failurePolicy"], "Ignore", "an API server never stands still for this");
        let denies = binding["spec"]["validationActions"] == serde_json::json!(["Deny"]);
        assert_eq!(denies, name(policy).starts_with("paifang-claims-"));
        names.push(name(policy));
    }
    let expected = ["claims", "shadow"]
        .map(|what| ["httproutes", "grpcroutes", "gateways"].map(|it| format!("paifang-{what}-{it}")));
    assert_eq!(names, expected.concat());
}

const LIST: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "paifang.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "pay", "uid": "1", "resourceVersion": "7"},
     "spec": {"namespaces": {"matchLabels": {"team": "pay"}}, "claims": [{"hostnames": ["pay.example.com"]}]},
     "status": {"namespaces": 1, "routes": 2}}]}"#;

#[test]
fn what_kubectl_writes_is_read() {
    let (code, printed, errors) = call_with(LIST);
    assert_eq!((code, &*errors), (Some(0), ""), "{printed}");
    assert!(
        printed.contains("'pay.example.com': [{'what': 'pay.example.com', 'path': '', 'tenant': 'pay'}]"),
        "{printed}"
    );
}

#[test]
fn nothing_is_printed_while_a_tenant_is_wrong() {
    let wrong = LIST.replace(r#"["pay.example.com"]"#, r#"["pay_example.com"]"#);
    let (code, printed, errors) = call_with(&wrong);
    assert_eq!((code, &*printed), (Some(1), ""));
    assert!(
        errors.contains("standard input:") && errors.contains("Tenant pay: spec.claims[0].hostnames[0]"),
        "{errors}"
    );
    let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: a }\nspec: { hostnames: [A_B] }\n";
    let folder = folder(&[("tenants.yaml", LIST), ("route.yaml", route)]);
    let (code, printed, _) = call(&["admission", "--manifests", folder.path().to_str().unwrap()]);
    assert!(code == Some(0) && !printed.is_empty(), "a route that is wrong is nobody else's trouble");
}
