//! First lists.

use super::*;

#[tokio::test(start_paused = true)]
async fn everything_is_delivered_before_the_store_is_synced() {
    let server = Server::default();
    for name in ["a", "b"] {
        server.put(Kind::HttpRoute, route(name, "a.example"));
    }
    server.put(Kind::Namespace, json!({"metadata": {"name": "shop"}}));
    let bed = Bed::synced(&server).await;
    let state = bed.state();
    assert_eq!((state.snapshot.count(Kind::HttpRoute), state.snapshot.count(Kind::Namespace)), (2, 1));
    assert!(!state.restored);
    bed.until_health(|health| health.complete).await;
    for kind in Kind::ALL {
        assert_eq!(bed.metrics.control.watch_synced.value(kind), 1, "{kind}");
    }
    assert_eq!(bed.source.health().borrow().trouble(), None);
    let seen = bed.live.get(&reference(Kind::HttpRoute, "shop", "a")).unwrap();
    assert_eq!((&*seen.uid, &*seen.resource_version, seen.generation), ("a", "1", 1));
    assert!(bed.live.get(&reference(Kind::Namespace, "", "shop")).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streamed_lists_is_asked_for_pages() {
    let server = Server::default();
    server.refuse_streamed_lists();
    for n in 0..1100 {
        server.put(Kind::HttpRoute, route(&format!("r{n}"), "a.example"));
    }
    let bed = Bed::synced(&server).await;
    assert_eq!(bed.state().snapshot.count(Kind::HttpRoute), 1100);
    assert_eq!(server.requests("httproutes?&limit=500"), 3);
    server.put(Kind::HttpRoute, route("later", "a.example"));
    bed.until(|state| has_route(&state.snapshot, "later")).await;
    assert_eq!(bed.restarts(WatchRestart::Closed), 0);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_together_is_one_batch() {
    let server = Server::default();
    for n in 0..500 {
        server.put(Kind::HttpRoute, route(&format!("r{n}"), "a.example"));
    }
    let bed = Bed::synced(&server).await;
    let before = bed.state().version;
    assert!(before < 20, "{before} batches for the first lists");
    for n in 0..500 {
        server.put(Kind::HttpRoute, route(&format!("r{n}"), "b.example"));
    }
    bed.until(|state| hostname(&state.snapshot, "r499") == "b.example").await;
    let batches = bed.state().version - before;
    assert!(batches < 20, "{batches} batches for 500 changes");
    assert_eq!(bed.store.take_arrivals().len() as u64, batches);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_missing_is_found_when_it_comes_and_its_objects_go_with_it() {
    let server = Server::default();
    server.fail(Kind::TcpRoute, 404);
    let tcp = json!({"metadata": {"name": "t", "namespace": "shop"}, "spec": {"rules": []}});
    server.put(Kind::TcpRoute, tcp);
    let bed = Bed::synced(&server).await;
    bed.until_standing(Kind::TcpRoute, Standing::Missing).await;
    assert_eq!(bed.metrics.control.watch_synced.value(Kind::TcpRoute), 0);
    server.mend(Kind::TcpRoute);
    bed.until(|state| state.snapshot.count(Kind::TcpRoute) == 1).await;
    bed.until_standing(Kind::TcpRoute, Standing::Synced).await;
    server.fail(Kind::TcpRoute, 500);
    bed.until_health(|health| matches!(health.kinds[&Kind::TcpRoute], Standing::Failing { .. })).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(bed.state().snapshot.count(Kind::TcpRoute), 1, "an error says nothing about the kind");
    server.fail(Kind::TcpRoute, 404);
    bed.until(|state| state.snapshot.count(Kind::TcpRoute) == 0).await;
    bed.until_standing(Kind::TcpRoute, Standing::Missing).await;
    assert!(bed.live.get(&reference(Kind::TcpRoute, "shop", "t")).is_none());
    assert!(bed.restarts(WatchRestart::Missing) > 3);
}

#[tokio::test(start_paused = true)]
async fn our_own_kinds_are_asked_for_in_their_version_and_may_come_from_the_future() {
    let server = Server::default();
    let spec = json!({"namespaces": {"matchLabels": {"team": "a"}}, "mode": "Dream", "dreams": {"deep": true}});
    server.put(Kind::Tenant, json!({"metadata": {"name": "a"}, "spec": spec, "status": {"namespaces": 3}}));
    let bed = Bed::synced(&server).await;
    assert!(server.requests("/apis/paifang.dev/v1alpha1/tenants?") > 0);
    let state = bed.state();
    let tenant = state.snapshot.tenants.values().next().unwrap();
    assert_eq!(tenant.spec.mode.as_str(), "Dream", "the CRD may know more than this program");
    assert_eq!(tenant.spec.share.weight, 1, "what is absent has its default without the API server, too");
    assert!(tenant.status.is_none(), "nobody reads it");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_not_be_read_holds_nobody_up() {
    let server = Server::default();
    server.fail(Kind::GrpcRoute, 403);
    server.put(Kind::HttpRoute, route("a", "a.example"));
    server.put(Kind::GrpcRoute, json!({"metadata": {"name": "g", "namespace": "shop"}, "spec": {}}));
    let bed = Bed::synced(&server).await;
    bed.until_standing(Kind::GrpcRoute, Standing::Forbidden).await;
    let trouble = bed.source.health().borrow().trouble();
    assert_eq!(trouble.as_deref(), Some("not allowed to read GRPCRoute"));
    server.mend(Kind::GrpcRoute);
    bed.until(|state| state.snapshot.count(Kind::GrpcRoute) == 1).await;
    server.fail(Kind::GrpcRoute, 403);
    bed.until_standing(Kind::GrpcRoute, Standing::Forbidden).await;
    assert_eq!(bed.state().snapshot.count(Kind::GrpcRoute), 1, "what was delivered stays");
}
