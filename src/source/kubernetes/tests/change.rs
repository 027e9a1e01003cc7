//! Changes of single objects.

use super::*;

#[tokio::test(start_paused = true)]
async fn objects_come_change_and_go() {
    let bed = Bed::synced(&Server::default()).await;
    bed.server.put(Kind::HttpRoute, route("a", "one.example"));
    bed.until(|state| has_route(&state.snapshot, "a")).await;
    bed.server.put(Kind::HttpRoute, route("a", "two.example"));
    bed.until(|state| hostname(&state.snapshot, "a") == "two.example").await;
    bed.server.delete(Kind::HttpRoute, "shop", "a");
    bed.until(|state| !has_route(&state.snapshot, "a")).await;
    assert!(bed.live.get(&reference(Kind::HttpRoute, "shop", "a")).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_status_wakes_nobody_but_is_noted() {
    let server = Server::default();
    server.put(Kind::HttpRoute, route("a", "a.example"));
    let bed = Bed::synced(&server).await;
    bed.live.changed().await;
    let mut states = bed.store.subscribe();
    states.borrow_and_update();
    let mut with_status = route("a", "a.example");
    with_status["status"] = json!({"parents": [{"controllerName": "paifang.dev/gateway"}]});
    server.put(Kind::HttpRoute, with_status);
    let noted = bed.live.changed().await;
    assert_eq!(noted.into_iter().collect::<Vec<_>>(), [reference(Kind::HttpRoute, "shop", "a")]);
    let seen = bed.live.get(&reference(Kind::HttpRoute, "shop", "a")).unwrap();
    assert!(seen.status.unwrap().get().contains("paifang.dev/gateway"));
    assert!(!states.has_changed().unwrap());
    server.put(Kind::HttpRoute, route("b", "b.example"));
    let version = states.borrow().version;
    bed.until(|state| has_route(&state.snapshot, "b")).await;
    assert_eq!(bed.state().version, version + 1, "only the other route was a change");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_object_is_its_own_problem_alone() {
    let server = Server::default();
    server.put(Kind::HttpRoute, route("a", "good.example"));
    let mut never_good = route("c", "c.example");
    never_good["spec"]["hostnames"] = json!({"not": "a list"});
    server.put(Kind::HttpRoute, never_good);
    let bed = Bed::synced(&server).await;
    let mut broken = route("a", "bad.example");
    broken["spec"]["rules"] = json!("none");
    server.put(Kind::HttpRoute, broken);
    server.put(Kind::HttpRoute, route("b", "b.example"));
    bed.until(|state| has_route(&state.snapshot, "b")).await;
    assert_eq!(hostname(&bed.state().snapshot, "a"), "good.example");
    assert!(!has_route(&bed.state().snapshot, "c"));
    bed.until_health(|health| health.malformed.len() == 2).await;
    let malformed = bed.source.health().borrow().malformed.clone();
    let found: Vec<_> = malformed.iter().map(|m| (m.object.to_string(), m.field.clone())).collect();
    assert_eq!(
        found,
        [
            ("HTTPRoute shop/a".to_owned(), "spec.rules".to_owned()),
            ("HTTPRoute shop/c".to_owned(), "spec.hostnames".to_owned()),
        ]
    );
    assert!(malformed[0].message.contains("expected a sequence"), "{}", malformed[0].message);
    assert_eq!(bed.metrics.control.malformed.value(Kind::HttpRoute), 2);
    server.put(Kind::HttpRoute, route("a", "better.example"));
    server.delete(Kind::HttpRoute, "shop", "c");
    bed.until(|state| hostname(&state.snapshot, "a") == "better.example").await;
    bed.until_health(|health| health.malformed.is_empty()).await;
    assert_eq!(bed.metrics.control.malformed.value(Kind::HttpRoute), 0);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_object_survives_a_new_list_in_its_last_good_version() {
    let server = Server::default();
    server.put(Kind::HttpRoute, route("a", "good.example"));
    let bed = Bed::synced(&server).await;
    let mut broken = route("a", "bad.example");
    broken["spec"]["rules"] = json!("none");
    server.put(Kind::HttpRoute, broken);
    bed.until_health(|health| health.malformed.len() == 1).await;
    server.compact();
    server.close_watches();
    server.put(Kind::HttpRoute, route("b", "b.example"));
    bed.until(|state| has_route(&state.snapshot, "b")).await;
    bed.until_standing(Kind::HttpRoute, Standing::Synced).await;
    assert_eq!(hostname(&bed.state().snapshot, "a"), "good.example");
}
