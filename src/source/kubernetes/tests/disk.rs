//! The configuration on disk.

use std::path::Path;

use super::*;
use crate::source::kubernetes::keep;

fn kept_in(folder: &Path) -> Settings {
    Settings { state_dir: Some(folder.to_owned()), ..Settings::default() }
}

fn kept(folder: &Path) -> Vec<String> {
    let kept = keep::read(folder).unwrap();
    kept.into_iter().flat_map(|kept| kept.objects).map(|object| object.reference().to_string()).collect()
}

/// A folder with the configuration of a server.
async fn fill(server: &Server, folder: &Path) {
    let bed = Bed::start(server, kept_in(folder));
    bed.until(|state| state.synced).await;
    bed.source.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_configuration_is_kept_at_the_end_and_in_between() {
    let (place, server) = (tempfile::tempdir().unwrap(), Server::default());
    server.put(Kind::HttpRoute, route("a", "a.example"));
    let bed = Bed::start(&server, kept_in(place.path()));
    bed.until(|state| state.synced).await;
    while bed.metrics.control.kept_at.get() == 0.0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(kept(place.path()), ["HTTPRoute shop/a"]);
    server.put(Kind::HttpRoute, route("b", "b.example"));
    bed.until(|state| has_route(&state.snapshot, "b")).await;
    bed.source.shutdown().await;
    assert_eq!(kept(place.path()), ["HTTPRoute shop/a", "HTTPRoute shop/b"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_server_the_kept_configuration_is_served_and_then_replaced() {
    let (place, server) = (tempfile::tempdir().unwrap(), Server::default());
    for name in ["stays", "goes"] {
        server.put(Kind::HttpRoute, route(name, "old.example"));
    }
    server.put(Kind::Secret, secret("used", "b25l"));
    server.put(Kind::Gateway, gateway("g", "used"));
    fill(&server, place.path()).await;

    server.stop();
    let bed = Bed::start(&server, kept_in(place.path()));
    let started = tokio::time::Instant::now();
    bed.until(|state| state.synced).await;
    assert_eq!(started.elapsed().as_secs(), 5);
    let state = bed.state();
    assert!(state.restored);
    assert_eq!((state.snapshot.count(Kind::HttpRoute), state.snapshot.count(Kind::Secret)), (2, 1));
    bed.until_health(|health| health.restored.is_some()).await;
    assert_eq!(bed.metrics.control.restored.get(), 1);
    let trouble = bed.source.health().borrow().trouble().unwrap();
    assert!(trouble.contains("API server unreachable since") && trouble.contains("serving the configuration of"));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(bed.state().snapshot.count(Kind::Secret), 1);

    server.delete(Kind::HttpRoute, "shop", "goes");
    server.put(Kind::HttpRoute, route("stays", "new.example"));
    server.go_on();
    bed.until(|state| !state.restored).await;
    let state = bed.state();
    assert!(state.synced && !has_route(&state.snapshot, "goes"));
    assert_eq!(hostname(&state.snapshot, "stays"), "new.example");
    assert_eq!(state.snapshot.count(Kind::Secret), 1);
    bed.until_health(|health| health.trouble().is_none()).await;
    assert_eq!(bed.metrics.control.restored.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_incomplete_never_replaces_what_is_kept() {
    let (place, server) = (tempfile::tempdir().unwrap(), Server::default());
    server.put(Kind::HttpRoute, route("a", "a.example"));
    fill(&server, place.path()).await;
    server.fail(Kind::HttpRoute, 500);
    server.put(Kind::Namespace, json!({"metadata": {"name": "shop"}}));
    let bed = Bed::start(&server, kept_in(place.path()));
    bed.until(|state| state.restored && state.snapshot.count(Kind::Namespace) == 1).await;
    assert!(has_route(&bed.state().snapshot, "a"));
    bed.source.shutdown().await;
    assert_eq!(kept(place.path()), ["HTTPRoute shop/a"]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_became_forbidden_is_taken_from_disk() {
    let (place, server) = (tempfile::tempdir().unwrap(), Server::default());
    server.put(Kind::HttpRoute, route("a", "a.example"));
    fill(&server, place.path()).await;
    server.fail(Kind::HttpRoute, 403);
    let bed = Bed::start(&server, kept_in(place.path()));
    bed.until(|state| state.synced).await;
    assert!(has_route(&bed.state().snapshot, "a") && !bed.state().restored);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_corrupt_is_put_aside_and_nothing_else() {
    let (place, server) = (tempfile::tempdir().unwrap(), Server::default());
    std::fs::write(place.path().join("snapshot.jsonl"), "nonsense").unwrap();
    server.stop();
    let bed = Bed::start(&server, kept_in(place.path()));
    let aside = place.path().join("snapshot.jsonl.corrupt");
    while !aside.exists() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(!bed.state().synced);
    server.go_on();
    bed.until(|state| state.synced).await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_written_is_counted_and_tried_again() {
    let (place, server) = (tempfile::NamedTempFile::new().unwrap(), Server::default());
    let bed = Bed::start(&server, kept_in(place.path()));
    bed.until(|state| state.synced).await;
    while bed.metrics.control.keep_failures.get() < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    server.put(Kind::HttpRoute, route("a", "a.example"));
    bed.until(|state| has_route(&state.snapshot, "a")).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_known_to_be_gone_is_not_restored() {
    let (place, server) = (tempfile::tempdir().unwrap(), Server::default());
    server.put(Kind::HttpRoute, route("a", "a.example"));
    server.put(Kind::Secret, secret("used", "b25l"));
    server.put(Kind::Gateway, gateway("g", "used"));
    fill(&server, place.path()).await;
    server.delete(Kind::Secret, "edge", "used");
    server.fail(Kind::HttpRoute, 500);
    let bed = Bed::start(&server, kept_in(place.path()));
    bed.until(|state| state.restored).await;
    let snapshot = bed.state().snapshot;
    assert!(has_route(&snapshot, "a") && has(&snapshot, Kind::Gateway, "edge", "g"));
    assert_eq!(snapshot.count(Kind::Secret), 0);
}
