//! Limits by a claim of a token: where the keys of tokens come from.

use super::*;
use crate::api::{ObjectKey, ObjectRef};
use crate::jwt::testing::{Signer, set};

fn holder(kind: &str, data: Value) -> Value {
    let field = if kind == "Secret" { "stringData" } else { "data" };
    let mut holder = json!({"kind": kind, "metadata": {"name": "tokens"}});
    holder[field] = data;
    holder
}

/// A policy with a limit by a claim, and one without.
fn by_claim(keys: Value) -> Value {
    let limits = json!({"by-claim": limit(json!({"key": [claim(keys)]})), "plain": limit(json!({}))});
    policy("p", json!([target("HTTPRoute", "r", None)]), limits)
}

fn names(translation: &Translation) -> Vec<&str> {
    translation.ir.limits.iter().map(|limit| &*limit.id.name).collect()
}

#[test]
fn keys_of_tokens_come_from_a_config_map_or_a_secret() {
    let signer = Signer::p256("one");
    let jwks = set(&[&signer]).to_string();
    for (kind, entry, keys) in [
        ("ConfigMap", "jwks.json", json!({"name": "tokens"})),
        ("ConfigMap", "other", json!({"name": "tokens", "key": "other"})),
        ("Secret", "jwks.json", json!({"kind": "Secret", "name": "tokens"})),
    ] {
        let translation = translate(&world([by_claim(keys), holder(kind, json!({entry: jwks}))]));
        for condition_type in ["Accepted", "Programmed", "ResolvedRefs"] {
            assert_eq!(condition(&conditions(&translation, 0), condition_type).0, "True", "{kind} {condition_type}");
        }
        assert_eq!(names(&translation), ["by-claim", "plain"]);
        let object = format!("{kind} default/tokens");
        let keys = json!({"object": object, "entry": entry, "keys": [{"kid": "one", "kind": "P-256"}]});
        let written = json!([{"jwtClaim": {"name": "sub", "tokens": {"keys": keys}}}]);
        assert_eq!(json!(translation.ir.limits[0].key), written);
    }
    let plain = policy("p", json!([target("HTTPRoute", "r", None)]), json!({"a": limit(json!({}))}));
    let said = conditions(&translate(&world([plain])), 0);
    assert_eq!(said.as_array().unwrap().len(), 2, "without references there is nothing to say of them");
}

#[test]
fn a_limit_whose_keys_are_missing_or_broken_does_not_hold_alone() {
    let entry = |text: &str| holder("ConfigMap", json!({"jwks.json": text}));
    let missing = "spec.limits.by-claim.key[0].jwt.keys: ConfigMap 'default/tokens' ";
    let broken = "spec.limits.by-claim.key[0].jwt.keys: 'jwks.json' of ConfigMap 'default/tokens': ";
    let elsewhere = json!({"kind": "ConfigMap", "metadata": {"name": "tokens", "namespace": "other"}, "data": {}});
    for (objects, before, words) in [
        (vec![], missing, "does not exist"),
        (vec![elsewhere], missing, "does not exist"),
        (vec![holder("Secret", json!({"jwks.json": "{}"}))], missing, "does not exist"),
        (vec![holder("ConfigMap", json!({"other": "{}"}))], missing, "has no 'jwks.json'"),
        (vec![entry("no JSON")], broken, "no JSON Web Key Set"),
        (vec![entry("{\"keys\": []}")], broken, "no key for signatures"),
        (vec![entry("{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}")], broken, "keys[0] is a shared secret"),
    ] {
        let translation = translate(&world([by_claim(json!({"name": "tokens"}))].into_iter().chain(objects)));
        let said = conditions(&translation, 0);
        assert_eq!(condition(&said, "Accepted").0, "True", "{words}");
        assert_eq!(condition(&said, "Programmed"), ("False", "Invalid", 7), "{words}");
        assert_eq!(condition(&said, "ResolvedRefs"), ("False", "InvalidKeySetRef", 7), "{words}");
        let message = said[2]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{before}{words}")) && !message.contains("c2VjcmV0"), "{message}");
        assert_eq!(names(&translation), ["plain"], "{words}");
        let problems = translation.problems.iter().filter(|it| it.object.kind == Kind::RateLimitPolicy);
        assert_eq!(problems.map(|problem| problem.reason).collect::<Vec<_>>(), ["InvalidKeySetRef"]);
    }
}

#[test]
fn a_policy_follows_the_keys_that_it_refers_to() {
    let (one, two) = (Signer::p256("one"), Signer::p256("two"));
    let map = |signers: &[&Signer]| holder("ConfigMap", json!({"jwks.json": set(signers).to_string()}));
    let mut world = world([by_claim(json!({"name": "tokens"}))]);
    let mut translator = Translator::default();
    assert_eq!(names(&translator.translate(&world)), ["plain"]);
    put(&mut world, map(&[&one]));
    let first = translator.translate(&world).ir.limits;
    assert_eq!(first.len(), 2);
    let mut labelled = map(&[&one]);
    labelled["metadata"]["labels"] = json!({"a": "b"});
    put(&mut world, labelled);
    assert!(Arc::ptr_eq(&first, &translator.translate(&world).ir.limits), "the keys are the same");
    put(&mut world, map(&[&one, &two]));
    let next = translator.translate(&world).ir.limits;
    assert!(!Arc::ptr_eq(&first[0], &next[0]) && Arc::ptr_eq(&first[1], &next[1]), "only the limit by a claim changed");
    world.remove(&ObjectRef::new(Kind::ConfigMap, ObjectKey::new("default", "tokens")));
    let translation = translator.translate(&world);
    assert_eq!(names(&translation), ["plain"]);
    assert_eq!(condition(&conditions(&translation, 0), "ResolvedRefs").0, "False");
}
