use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::limit::counting::Quota;

fn limit(name: &str, requests: u32, burst: u32) -> RateLimit {
    RateLimit::of_each(name, Quota { requests, period: Duration::from_secs(1), burst }, 128)
}

fn now() -> Moment {
    Moment::new(Duration::from_secs(5))
}

fn with<'l>(limits: &[&'l RateLimit]) -> Vec<(&'l RateLimit, Key)> {
    limits.iter().map(|limit| (*limit, Key::new(1))).collect()
}

/// How many are admitted one after the other.
fn admitted(limits: &[&RateLimit]) -> usize {
    (0..1_000).take_while(|_| decide(&with(limits), now(), 1).is_ok()).count()
}

#[test]
fn the_most_restrictive_limit_wins() {
    let (wide, narrow) = (limit("wide", 10, 10), limit("narrow", 10, 3));
    assert_eq!(admitted(&[&wide, &narrow]), 3);
    let Refusal { limit, denied } = decide(&with(&[&wide, &narrow]), now(), 1).unwrap_err();
    assert_eq!((&*limit.name, denied.retry_after), ("narrow", Duration::from_millis(100)));
    assert_eq!((narrow.denied(), wide.denied()), (2, 0));
}

#[test]
fn a_denial_by_one_uses_up_no_other() {
    for order in [[0, 1], [1, 0]] {
        let limits = [limit("wide", 10, 10), limit("narrow", 10, 3)];
        let limits = order.map(|n| &limits[n]);
        admitted(&limits);
        for _ in 0..20 {
            assert!(decide(&with(&limits), now(), 1).is_err());
        }
        let wide = limits.iter().find(|limit| &*limit.name == "wide").unwrap();
        assert_eq!(admitted(&[wide]), 7, "three passed, and took one each");
    }
}

#[test]
fn the_longest_wait_is_named() {
    let (quick, slow) = (limit("quick", 10, 1), limit("slow", 2, 1));
    for order in [[&quick, &slow], [&slow, &quick]] {
        let _ = decide(&with(&order), now(), 1);
        let Refusal { limit, .. } = decide(&with(&order), now(), 1).unwrap_err();
        assert_eq!(&*limit.name, "slow");
    }
    assert_eq!((quick.denied(), slow.denied()), (3, 3), "each counts what it denies");
}

#[test]
fn a_passing_request_learns_of_the_tightest_limit() {
    let (small, large, shadow) = (limit("small", 10, 4), limit("large", 10, 100), limit("shadow", 10, 2));
    let shadow = shadow.in_mode(Mode::Shadow);
    let tightest = |limits: &[&RateLimit]| {
        let tightest = decide(&with(limits), now(), 1).unwrap().tightest;
        tightest.map(|(limit, allowed)| (limit.name.to_string(), allowed.remaining))
    };
    assert_eq!(tightest(&[&large, &small, &shadow]), Some(("small".to_owned(), 3)));
    for _ in 0..80 {
        tightest(&[&large]);
    }
    assert_eq!(tightest(&[&large, &small]), Some(("large".to_owned(), 18)), "18 of 100 are less than 2 of 4");
    assert_eq!(tightest(&[&shadow]), None);
    assert_eq!(tightest(&[]), None);
}

#[test]
fn a_shadow_limit_counts_and_lets_pass() {
    let shadow = limit("shadow", 10, 2).in_mode(Mode::Shadow);
    assert_eq!(admitted(&[&shadow]), 1_000);
    assert_eq!(shadow.denied(), 998);
    let (shadow, real) = (limit("shadow", 10, 2).in_mode(Mode::Shadow), limit("real", 10, 5));
    assert_eq!(admitted(&[&shadow, &real]), 5);
    assert_eq!((shadow.denied(), real.denied()), (3, 1), "it is not asked where another denies");
}

#[test]
fn what_passed_can_be_given_back() {
    let (one, other) = (limit("one", 10, 2), limit("other", 10, 2));
    for _ in 0..10 {
        let passed = decide(&with(&[&one, &other]), now(), 2).unwrap();
        passed.give_back();
    }
    assert_eq!(admitted(&[&one, &other]), 2);
}

#[test]
fn passing_allocates_nothing() {
    let limits = [limit("a", 100, 100), limit("b", 100, 100), limit("c", 100, 100), limit("d", 100, 100)];
    let limits = with(&limits.iter().collect::<Vec<_>>());
    let _ = decide(&limits, now(), 1);
    let measured = allocation_counter::measure(|| assert!(decide(&limits, now(), 1).is_ok()));
    assert_eq!(measured.count_total, 0);
}

#[test]
fn threads_that_race_lose_nothing_and_gain_nothing() {
    let (one, other) = (limit("one", 1, 500), limit("other", 1, 700));
    let passed = AtomicU64::new(0);
    thread::scope(|scope| {
        for order in [[&one, &other], [&other, &one], [&one, &other], [&other, &one]] {
            let passed = &passed;
            scope.spawn(move || {
                for _ in 0..1_000 {
                    if decide(&with(&order), now(), 1).is_ok() {
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let passed = passed.into_inner();
    assert!((490..=500).contains(&passed), "{passed}: what others take and give back may be missed for an instant");
    assert_eq!(admitted(&[&other]) as u64, 700 - passed);
    assert_eq!(admitted(&[&one]) as u64, 500 - passed);
}

proptest! {
    #[test]
    fn all_admit_or_none_takes(
        quotas in prop::collection::vec((1_u32..50, 1_u32..10), 1..5),
        calls in prop::collection::vec((0_u64..200, 1_u32..4), 1..60),
    ) {
        let limits: Vec<_> = quotas.iter().map(|(requests, burst)| limit("l", *requests, *burst)).collect();
        let alone: Vec<_> = quotas.iter().map(|(requests, burst)| limit("l", *requests, *burst)).collect();
        let mut now = now();
        for (gap, cost) in calls {
            now = now + Duration::from_millis(gap);
            let all = alone.iter().all(|limit| limit.peek(Key::new(1), now, cost).is_ok());
            if all {
                alone.iter().for_each(|limit| _ = limit.take(Key::new(1), now, cost));
            }
            let decision = decide(&with(&limits.iter().collect::<Vec<_>>()), now, cost);
            prop_assert_eq!(decision.is_ok(), all);
        }
    }
}
