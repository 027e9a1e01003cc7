//! Secrets and ConfigMaps: only what is referred to.

use super::*;

fn data(snapshot: &Snapshot, name: &str) -> String {
    match snapshot.get(&reference(Kind::Secret, "edge", name)) {
        Some(Object::Secret(secret)) => String::from_utf8(secret.data.as_ref().unwrap()["tls.crt"].0.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_is_referred_to_is_fetched_and_held() {
    let server = Server::default();
    server.put(Kind::Secret, secret("used", "b25l"));
    server.put(Kind::Secret, secret("unused", "b25l"));
    server.put(Kind::ConfigMap, json!({"metadata": {"name": "unused", "namespace": "edge"}, "data": {}}));
    server.put(Kind::Gateway, gateway("g", "used"));
    let bed = Bed::synced(&server).await;
    let snapshot = bed.state().snapshot;
    assert_eq!((snapshot.count(Kind::Secret), snapshot.count(Kind::ConfigMap)), (1, 0));
    assert_eq!(data(&snapshot, "used"), "one");
    assert_eq!(server.requests("secrets/unused") + server.requests("configmaps/unused"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_changes_is_fetched_again_and_one_that_goes_is_gone() {
    let server = Server::default();
    server.put(Kind::Secret, secret("used", "b25l"));
    server.put(Kind::Gateway, gateway("g", "used"));
    let bed = Bed::synced(&server).await;
    server.put(Kind::Secret, secret("used", "dHdv"));
    bed.until(|state| data(&state.snapshot, "used") == "two").await;
    let fetches = server.requests("secrets/used");
    server.close_watches();
    server.compact();
    server.put(Kind::HttpRoute, route("a", "a.example"));
    bed.until(|state| has_route(&state.snapshot, "a")).await;
    assert_eq!(server.requests("secrets/used"), fetches, "the same version is not fetched again");
    server.delete(Kind::Secret, "edge", "used");
    bed.until(|state| state.snapshot.count(Kind::Secret) == 0).await;
    server.put(Kind::Secret, secret("used", "b25l"));
    bed.until(|state| state.snapshot.count(Kind::Secret) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_takes_effect_together_with_its_new_certificate() {
    let server = Server::default();
    for name in ["old", "new"] {
        server.put(Kind::Secret, secret(name, "b25l"));
    }
    server.put(Kind::Gateway, gateway("g", "old"));
    let bed = Bed::synced(&server).await;
    let mut states = bed.store.subscribe();
    server.put(Kind::Gateway, gateway("g", "new"));
    loop {
        states.changed().await.unwrap();
        let snapshot = states.borrow_and_update().snapshot.clone();
        let Some(Object::Gateway(gateway)) = snapshot.get(&reference(Kind::Gateway, "edge", "g")) else { panic!() };
        let refers_to = &gateway.spec.listeners[0].tls.as_ref().unwrap().certificate_refs[0].name;
        assert!(has(&snapshot, Kind::Secret, "edge", refers_to), "never without its certificate");
        if !has(&snapshot, Kind::Secret, "edge", "old") {
            assert_eq!(refers_to, "new");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_has_the_keys_of_its_tokens_and_follows_them() {
    let keys = |text: &str| json!({"metadata": {"name": "login", "namespace": "shop"}, "data": {"jwks.json": text}});
    let key = json!([{"type": "JWTClaim", "name": "sub", "jwt": {"keys": {"name": "login"}}}]);
    let limits = json!({"a": {"concurrency": 1, "scope": "Route", "counting": "Divide", "key": key}});
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "a"});
    let policy = json!({"metadata": {"name": "p", "namespace": "shop", "uid": "p"},
        "spec": {"targetRefs": [target], "limits": limits}});
    let held = |snapshot: &Snapshot| match snapshot.get(&reference(Kind::ConfigMap, "shop", "login")) {
        Some(Object::ConfigMap(map)) => map.data.as_ref().and_then(|data| data.get("jwks.json")).cloned(),
        _ => None,
    };
    let server = Server::default();
    server.put(Kind::ConfigMap, keys("one"));
    let bed = Bed::synced(&server).await;
    assert_eq!(bed.state().snapshot.count(Kind::ConfigMap), 0, "nobody refers to it yet");
    let mut states = bed.store.subscribe();
    server.put(Kind::RateLimitPolicy, policy);
    let with_policy = states.wait_for(|state| state.snapshot.count(Kind::RateLimitPolicy) == 1).await;
    assert_eq!(held(&with_policy.unwrap().snapshot).as_deref(), Some("one"), "never without its keys");
    server.put(Kind::ConfigMap, keys("two"));
    bed.until(|state| held(&state.snapshot).as_deref() == Some("two")).await;
    server.delete(Kind::RateLimitPolicy, "shop", "p");
    bed.until(|state| state.snapshot.count(Kind::ConfigMap) == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_does_not_exist_or_may_not_be_read_holds_nobody_up() {
    let server = Server::default();
    server.put(Kind::Gateway, gateway("g", "absent"));
    let bed = Bed::synced(&server).await;
    assert!(has(&bed.state().snapshot, Kind::Gateway, "edge", "g"));
    drop(bed);
    server.fail(Kind::Secret, 403);
    let bed = Bed::synced(&server).await;
    assert_eq!(bed.state().snapshot.count(Kind::Secret), 0);
    bed.until_standing(Kind::Secret, Standing::Forbidden).await;
    server.put(Kind::Secret, secret("absent", "b25l"));
    server.mend(Kind::Secret);
    bed.until(|state| state.snapshot.count(Kind::Secret) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_fetched_at_the_moment_stays_as_it_was() {
    let server = Server::default();
    server.put(Kind::Secret, secret("used", "b25l"));
    server.put(Kind::Gateway, gateway("g", "used"));
    let bed = Bed::synced(&server).await;
    server.fail(Kind::Secret, 500);
    server.put(Kind::Secret, secret("used", "dHdv"));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(data(&bed.state().snapshot, "used"), "one");
    server.mend(Kind::Secret);
    bed.until(|state| data(&state.snapshot, "used") == "two").await;
}

#[tokio::test(start_paused = true)]
async fn what_was_referred_to_for_a_moment_is_not_held() {
    let server = Server::default();
    for name in ["first", "second"] {
        server.put(Kind::Secret, secret(name, "b25l"));
    }
    server.put(Kind::Gateway, gateway("g", "first"));
    let bed = Bed::synced(&server).await;
    for name in ["second", "first", "second", "first"] {
        server.put(Kind::Gateway, gateway("g", name));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    server.put(Kind::HttpRoute, route("a", "a.example"));
    bed.until(|state| has_route(&state.snapshot, "a") && state.snapshot.count(Kind::Secret) == 1).await;
    assert_eq!(data(&bed.state().snapshot, "first"), "one");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_secret_is_reported_while_somebody_refers_to_it() {
    let server = Server::default();
    let mut broken = secret("broken", "");
    broken["data"] = json!(["private"]);
    server.put(Kind::Secret, broken);
    server.put(Kind::Gateway, gateway("g", "broken"));
    let bed = Bed::synced(&server).await;
    bed.until_health(|health| health.malformed.len() == 1).await;
    assert!(!format!("{:?}", bed.source.health().borrow().malformed).contains("private"));
    server.delete(Kind::Gateway, "edge", "g");
    bed.until_health(|health| health.malformed.is_empty()).await;
}
