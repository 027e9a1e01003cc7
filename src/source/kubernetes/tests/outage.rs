//! Watches that end, and API servers that do.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_closed_goes_on_where_it_was() {
    let server = Server::default();
    server.put(Kind::HttpRoute, route("a", "a.example"));
    let bed = Bed::synced(&server).await;
    let lists = server.requests("sendInitialEvents");
    server.close_watches();
    server.put(Kind::HttpRoute, route("b", "b.example"));
    bed.until(|state| has_route(&state.snapshot, "b")).await;
    assert_eq!(server.requests("sendInitialEvents"), lists, "nothing was listed again");
    assert!(bed.restarts(WatchRestart::Closed) > 0);
    assert_eq!(bed.restarts(WatchRestart::Failed), 0);
}

#[tokio::test(start_paused = true)]
async fn an_expired_watch_lists_again_and_misses_nothing() {
    let server = Server::default();
    for name in ["a", "b"] {
        server.put(Kind::HttpRoute, route(name, "a.example"));
    }
    let bed = Bed::synced(&server).await;
    server.close_watches();
    server.delete(Kind::HttpRoute, "shop", "a");
    server.put(Kind::HttpRoute, route("c", "c.example"));
    server.compact();
    bed.until(|state| !has_route(&state.snapshot, "a") && has_route(&state.snapshot, "c")).await;
    assert!(has_route(&bed.state().snapshot, "b"));
    assert!(bed.restarts(WatchRestart::Expired) > 0);
    assert!(bed.live.get(&reference(Kind::HttpRoute, "shop", "a")).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_minutes_takes_nothing_away_and_ends_quickly() {
    let server = Server::default();
    for name in ["a", "b"] {
        server.put(Kind::HttpRoute, route(name, "a.example"));
    }
    let bed = Bed::synced(&server).await;
    server.stop();
    let failing = |health: &Health| health.kinds.values().all(|s| matches!(s, Standing::Failing { .. }));
    bed.until_health(failing).await;
    let trouble = bed.source.health().borrow().trouble().unwrap();
    assert!(trouble.starts_with("API server unreachable since "), "{trouble}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bed.state().snapshot.count(Kind::HttpRoute), 2);
    assert!(bed.state().synced);
    server.delete(Kind::HttpRoute, "shop", "a");
    server.go_on();
    let back = tokio::time::Instant::now();
    bed.until(|state| !has_route(&state.snapshot, "a")).await;
    bed.until_health(|health| health.trouble().is_none()).await;
    assert!(back.elapsed() <= Duration::from_secs(11), "{:?}", back.elapsed());
    assert!(bed.restarts(WatchRestart::Failed) > 10);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_set_back_is_listed_again() {
    let server = Server::default();
    server.put(Kind::HttpRoute, route("a", "a.example"));
    let bed = Bed::synced(&server).await;
    let lists = server.requests("httproutes?&watch=true");
    server.fail(Kind::HttpRoute, 504);
    bed.until_health(|health| matches!(health.kinds[&Kind::HttpRoute], Standing::Failing { .. })).await;
    server.mend(Kind::HttpRoute);
    bed.until_standing(Kind::HttpRoute, Standing::Synced).await;
    assert!(server.requests("httproutes?&watch=true") > lists);
    assert!(has_route(&bed.state().snapshot, "a"));
}

#[tokio::test(start_paused = true)]
async fn the_first_watch_that_is_back_wakes_the_others() {
    let server = Server::default();
    // Pauses of eight minutes but for the first, which is long over.
    let long = Duration::from_secs(480);
    let settings = Settings { retry_first: Duration::from_secs(1), retry_most: long, ..Settings::default() };
    let bed = Bed::start(&server, settings);
    bed.until(|state| state.synced).await;
    server.stop();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    server.go_on();
    bed.until_health(|health| health.kinds.values().any(|standing| *standing == Standing::Synced)).await;
    let first = tokio::time::Instant::now();
    bed.until_health(|health| health.trouble().is_none()).await;
    assert!(first.elapsed() <= Duration::from_secs(2), "{:?}", first.elapsed());
}
