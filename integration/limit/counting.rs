//! What is counted.

use std::time::{Duration, Instant};

use paifang::limit::gcra::Denied;
use paifang::limit::global::{Ask, Store};
use paifang::limit::rate::Mode;

use super::server::{Server, ask, one};

const HOUR: Duration = Duration::from_secs(3_600);

/// How many of so many are admitted.
async fn admitted(store: &Store, asks: &[Ask<'_>], tries: usize) -> usize {
    let mut count = 0;
    for _ in 0..tries {
        count += usize::from(store.take(asks).await.unwrap().iter().all(Result::is_ok));
    }
    count
}

#[tokio::test]
async fn a_burst_passes_and_replicas_share_it() {
    let server = Server::start(&[]);
    let replicas = [server.store().await, server.store().await];
    for left in (0..10).rev() {
        let allowed = one(&replicas[left % 2], ask("a", HOUR, 10)).await.expect("it is within the burst");
        assert_eq!(allowed.remaining, left as u64);
    }
    for replica in &replicas {
        let Denied { retry_after, remaining, reset_after } = one(replica, ask("a", HOUR, 10)).await.unwrap_err();
        assert!(retry_after <= HOUR && retry_after > HOUR - Duration::from_secs(60), "{retry_after:?}");
        assert!(reset_after <= HOUR * 10 && reset_after > HOUR * 10 - Duration::from_secs(60), "{reset_after:?}");
        assert_eq!(remaining, 0);
    }
    assert!(one(&replicas[0], ask("b", HOUR, 10)).await.is_ok(), "another key has its own");
}

#[tokio::test]
async fn fractions_of_a_microsecond_lose_no_request() {
    let server = Server::start(&[]);
    let store = server.store().await;
    // slow enough that nothing comes back meanwhile; three make a period that no fraction adds up to
    let third = Duration::from_nanos(3_600_000_000_000 / 7);
    assert_eq!(admitted(&store, &[ask("a", third, 7)], 20).await, 7);
}

#[tokio::test]
async fn no_more_than_the_rate_passes() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let asks = [ask("a", Duration::from_micros(500), 20)];
    let begin = Instant::now();
    let mut count = admitted(&store, &asks, 20).await;
    assert_eq!(count, 20, "the burst");
    while begin.elapsed() < Duration::from_millis(300) {
        count += admitted(&store, &asks, 1).await;
    }
    let most = 20 + usize::try_from(begin.elapsed().as_micros() / 500).unwrap();
    assert!(count <= most + 1, "{count} of {most}");
}

#[tokio::test]
async fn who_looks_takes_nothing_and_writes_nothing() {
    let server = Server::start(&[]);
    let store = server.store().await;
    for taken in 0..4 {
        for _ in 0..2 {
            let looked = store.look(&[ask("a", HOUR, 3)]).await.unwrap()[0];
            let left = looked.map_or_else(|denied| denied.remaining, |allowed| allowed.remaining + 1);
            assert_eq!(left, 3 - taken);
        }
        let keys = usize::from(taken > 0);
        assert_eq!(server.say("DBSIZE").await.trim(), format!(":{keys}"));
        assert_eq!(one(&store, ask("a", HOUR, 3)).await.is_ok(), taken < 3);
    }
}

#[tokio::test]
async fn a_denial_by_one_uses_up_no_other() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let (wide, narrow) = (ask("wide", HOUR, 10), ask("narrow", HOUR, 3));
    for asks in [[wide, narrow], [narrow, wide]] {
        assert!(admitted(&store, &asks, 10).await <= 3);
    }
    let answers = store.take(&[wide, narrow]).await.unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err(), "each says what it thinks");
    assert_eq!(admitted(&store, &[wide], 20).await, 7, "three passed, and took one each");
}

#[tokio::test]
async fn a_shadow_limit_hinders_nobody() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let shadow = Ask { mode: Mode::Shadow, ..ask("shadow", HOUR, 2) };
    let real = ask("real", HOUR, 5);
    let mut passed = 0;
    for n in 0..10 {
        let answers = store.take(&[shadow, real]).await.unwrap();
        passed += usize::from(answers[1].is_ok());
        assert_eq!(answers[0].is_ok(), n < 2);
    }
    assert_eq!(passed, 5);
}

#[tokio::test]
async fn costs_and_their_bounds() {
    let server = Server::start(&[]);
    let store = server.store().await;
    let costing = |cost| Ask { cost, ..ask("a", HOUR, 10) };
    assert_eq!(one(&store, costing(11)).await.unwrap_err().retry_after, Duration::MAX);
    assert_eq!(one(&store, costing(0)).await.unwrap().remaining, 10);
    assert_eq!(one(&store, costing(8)).await.unwrap().remaining, 2);
    assert_eq!(one(&store, costing(3)).await.unwrap_err().remaining, 2);
    assert_eq!(one(&store, costing(2)).await.unwrap().remaining, 0);
}

#[tokio::test]
async fn a_key_lasts_as_long_as_its_debt() {
    let server = Server::start(&[]);
    let store = server.store().await;
    one(&store, ask("a", Duration::from_secs(100), 10)).await.unwrap();
    let left: u64 = server.say("PTTL a").await.trim().trim_start_matches(':').parse().unwrap();
    assert!((50_000..=100_000).contains(&left), "{left} ms");
    one(&store, Ask { cost: 0, ..ask("b", HOUR, 10) }).await.unwrap();
    one(&store, ask("b", Duration::from_micros(1), 10)).await.unwrap();
    let (mut turn, begin) = (tokio::time::interval(Duration::from_millis(1)), Instant::now());
    while server.say("EXISTS b").await.trim() != ":0" {
        assert!(begin.elapsed() < Duration::from_secs(20), "a key without debt is gone");
        turn.tick().await;
    }
}

#[tokio::test]
async fn a_debt_from_the_future_is_cut_to_a_full_one() {
    let server = Server::start(&[]);
    let store = server.store().await;
    assert!(server.say("SET a 99999999999999").await.starts_with("+OK"));
    let denied = one(&store, ask("a", Duration::from_secs(60), 2)).await.unwrap_err();
    assert!(denied.retry_after <= Duration::from_secs(60), "{denied:?}");
}

#[tokio::test]
async fn many_at_once_get_what_there_is() {
    let server = Server::start(&[]);
    let replicas = [server.store().await, server.store().await];
    let calls: Vec<_> = (0..1_000)
        .map(|n| {
            let store = replicas[n % 2].clone();
            tokio::spawn(async move { store.take(&[ask("a", HOUR, 300)]).await.unwrap()[0].is_ok() })
        })
        .collect();
    let mut passed = 0;
    for call in calls {
        passed += usize::from(call.await.unwrap());
    }
    assert_eq!(passed, 300);
}
