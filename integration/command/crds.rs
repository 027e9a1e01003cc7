//! `paifang crds`, and the examples of what it describes.

use crate::child::call;

#[test]
fn what_it_prints_is_what_is_in_the_repository() {
    let (code, printed, errors) = call(&["crds"]);
    assert_eq!((code, &*errors), (Some(0), ""));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let documents: Vec<_> = printed.split("---\n").skip(1).collect();
    assert_eq!(documents.len(), 4, "one for each kind");
    for document in documents {
        let name = document.lines().find_map(|line| line.strip_prefix("  name: ")).unwrap();
        let (plural, group) = name.split_once('.').unwrap();
        let file = folder.join(format!("{group}_{plural}.yaml"));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.ends_with(document), "{}: run UPDATE_EXPECT=1 cargo test --test repository", file.display());
    }
}

/// They stand alone, so what they are put on is missing.
#[test]
fn the_examples_lack_nothing_but_their_targets() {
    let (_, text, errors) = call(&["check", "crds/examples"]);
    assert_eq!(errors, "", "{text}");
    let wrong: Vec<_> = text.lines().filter(|line| line.contains(": error: ")).collect();
    assert!(!wrong.is_empty() && wrong.iter().all(|line| line.contains(": TargetNotFound: ")), "{text}");
}

#[test]
fn a_limit_that_cannot_be_honoured_has_file_and_line() {
    let policy = "apiVersion: paifang.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: api, namespace: shop }
spec:
  targetRefs: [{ group: '', kind: Namespace, name: shop }, { group: '', kind: Namespace, name: blog }]
  limits:
    search:
      rate: { requests: 10, per: 1m }
      key: [{ type: ClientIP }, { type: JWTClaim, name: sub, jwt: { keys: { name: login } } }]
      scope: Route
      counting: Divide
      when: [{ headers: [{ name: x-plan, type: RegularExpression, value: '(' }] }]
";
    let folder = crate::manifests::folder(&[("policy.yaml", policy)]);
    let (code, text, _) = call(&["check", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(1), "{text}");
    for line in [
        "policy.yaml:5:90: error: RateLimitPolicy shop/api: spec.targetRefs[1].name: Invalid: ",
        "policy.yaml:9:69: error: RateLimitPolicy shop/api: spec.limits.search.key[1].jwt.keys: InvalidKeySetRef: ",
        "policy.yaml:12:67: error: RateLimitPolicy shop/api: spec.limits.search.when[0].headers[0].value: Invalid: ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

/// A file with mistakes of every sort: the shape, a default, a rule between fields.
const MISTAKES: &str = "apiVersion: paifang.dev/v1alpha1
kind: RateLimitPolicy
metadata: { name: api, namespace: shop }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: api }]
  limits:
    search:
      rate: { requests: 10, per: 2d }
      scope: Rule
      counting: Divided
    upload:
      concurrency: 10
      bandwidth: 1Mi
      scope: Route
      counting: Global
---
apiVersion: paifang.dev/v1alpha1
kind: Tenant
metadata: { name: shop }
spec:
  namespaces: {}
";

#[test]
fn mistakes_have_file_and_line() {
    let folder = crate::manifests::folder(&[("policy.yaml", MISTAKES)]);
    let (code, text, _) = call(&["check", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(1), "{text}");
    for (place, words) in [
        ("policy.yaml:8:29: error: RateLimitPolicy shop/api: spec.limits.search.rate.per", "'2d' is not valid"),
        ("policy.yaml:10:7: error: RateLimitPolicy shop/api: spec.limits.search.counting", "did you mean 'Divide'?"),
        ("policy.yaml:21:3: error: Tenant shop: spec.namespaces", "at least one label"),
    ] {
        let line = text.lines().find(|line| line.contains(place));
        assert!(line.is_some_and(|line| line.contains(words)), "{place}: {text}");
    }
    let fixed = MISTAKES.replace("2d", "2h").replace("Divided", "Divide");
    let folder = crate::manifests::folder(&[("policy.yaml", &fixed)]);
    let (_, text, _) = call(&["check", folder.path().to_str().unwrap()]);
    assert!(text.contains("policy.yaml:11:5: error: ") && text.contains("needs exactly one of rate"), "{text}");
    assert!(text.contains("policy.yaml:15:7: error: ") && text.contains("only a rate is counted Global"), "{text}");
}
