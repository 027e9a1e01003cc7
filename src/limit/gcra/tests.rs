use std::sync::atomic::AtomicU64;
use std::thread;

use proptest::prelude::*;

use super::*;

fn at(nanos: u64) -> Moment {
    Moment(nanos)
}

fn params(interval: u64, burst: u64) -> Params {
    Params::new(Duration::from_nanos(interval), Duration::from_nanos(interval * burst))
}

/// Whether no window has more than `burst + rate × t` admissions; all at times in order.
fn obeys(admitted: &[u64], interval: u64, burst: u64) -> bool {
    // it suffices to look at windows that begin and end with an admission
    let mut worst = 0_i128;
    let mut least = i128::MAX;
    for (n, &time) in admitted.iter().enumerate() {
        let drift = n as i128 * i128::from(interval) - i128::from(time);
        least = least.min(drift);
        worst = worst.max(drift - least);
    }
    worst <= i128::from(interval) * (i128::from(burst) - 1)
}

#[test]
fn a_burst_is_admitted_at_once_and_then_one_per_interval() {
    let (cell, params) = (Cell::default(), params(100, 3));
    let start = at(1_000_000);
    let allowed = |remaining, reset| Ok(Allowed { remaining, reset_after: Duration::from_nanos(reset) });
    assert_eq!(cell.check(params, start, 1), allowed(2, 100));
    assert_eq!(cell.check(params, start, 1), allowed(1, 200));
    assert_eq!(cell.check(params, start, 1), allowed(0, 300));
    let denied = |retry, reset| Denied {
        retry_after: Duration::from_nanos(retry),
        remaining: 0,
        reset_after: Duration::from_nanos(reset),
    };
    assert_eq!(cell.check(params, start, 1), Err(denied(100, 300)));
    assert_eq!(cell.check(params, at(1_000_099), 1), Err(denied(1, 201)));
    assert_eq!(cell.check(params, at(1_000_100), 1), allowed(0, 300), "as it was told");
    assert_eq!(cell.check(params, at(9_000_000), 1), allowed(2, 100), "rest fills no more than the burst");
}

#[test]
fn a_cost_above_the_burst_is_never_admitted() {
    let (cell, params) = (Cell::default(), params(100, 3));
    assert_eq!(cell.check(params, at(1), 4).unwrap_err().retry_after, Duration::MAX);
    assert_eq!(cell.check(params, at(1), 4).unwrap_err().remaining, 3);
    assert!(cell.check(params, at(1), 3).is_ok());
    assert_eq!(cell.check(params, at(1), u32::MAX).unwrap_err().retry_after, Duration::MAX);
}

#[test]
fn the_end_of_time_is_no_way_around() {
    let (cell, params) = (Cell::default(), params(u64::MAX / 8, 4));
    assert!(cell.check(params, at(u64::MAX), 1).is_err());
    assert!(cell.check(params, at(u64::MAX / 2), 3).is_ok());
}

#[test]
fn a_peek_takes_nothing() {
    let (cell, params) = (Cell::default(), params(100, 1));
    for _ in 0..3 {
        assert!(cell.peek(params, at(5), 1).is_ok());
    }
    assert!(cell.check(params, at(5), 1).is_ok());
    assert!(cell.peek(params, at(5), 1).is_err());
}

#[test]
fn what_is_refunded_can_be_taken_again_once() {
    let (cell, params) = (Cell::default(), params(100, 2));
    assert!(cell.check(params, at(50), 2).is_ok());
    cell.refund(params, 1);
    assert!(cell.check(params, at(50), 1).is_ok());
    assert!(cell.check(params, at(50), 1).is_err());
}

#[test]
fn a_debt_stays_when_the_rate_changes() {
    let (cell, whole) = (Cell::default(), params(100, 4));
    let half = Params::new(Duration::from_nanos(200), whole.depth());
    assert!(cell.check(whole, at(0), 4).is_ok());
    assert_eq!(cell.check(half, at(0), 1).unwrap_err().retry_after, Duration::from_nanos(200));
    assert!(cell.check(half, at(200), 1).is_ok());
    assert_eq!(cell.check(whole, at(200), 1).unwrap_err().retry_after, Duration::from_nanos(100));
}

#[test]
fn a_debt_that_the_parameters_forbid_is_cut() {
    let (cell, long) = (Cell::default(), params(1_000_000, 4));
    let short = params(100, 4);
    assert!(cell.check(long, at(7), 4).is_ok());
    cell.shorten(short.depth(), at(7));
    assert_eq!(cell.check(short, at(7), 1).unwrap_err().retry_after, Duration::from_nanos(100));
    cell.shorten(long.depth(), at(7));
    assert_eq!(cell.peek(short, at(7), 1).unwrap_err().reset_after, Duration::from_nanos(400), "none is added");
}

#[test]
fn threads_together_get_no_more_than_one() {
    const THREADS: u64 = 4;
    const STEPS: u64 = 20_000;
    let (interval, burst) = (50, 20);
    let (cell, params) = (Cell::default(), params(interval, burst));
    let time = AtomicU64::new(1_000);
    let mut admitted: Vec<u64> = thread::scope(|scope| {
        let one = || {
            let mut times = Vec::new();
            for _ in 0..STEPS {
                let now = time.fetch_add(7, Ordering::Relaxed);
                times.extend(cell.check(params, at(now), 1).is_ok().then_some(now));
            }
            times
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(one)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    admitted.sort_unstable();
    assert!(obeys(&admitted, interval, burst));
    let most = THREADS * STEPS * 7 / interval;
    assert!(admitted.len() as u64 >= most * 9 / 10, "{} of {most}: and not much less", admitted.len());
}

proptest! {
    #[test]
    fn never_more_than_the_law(
        interval in 1_u64..500,
        burst in 1_u64..20,
        calls in prop::collection::vec((0_u64..400, 1_u32..4), 1..200),
    ) {
        let (cell, params) = (Cell::default(), params(interval, burst));
        let (mut now, mut admitted) = (0, Vec::new());
        for (gap, cost) in calls {
            now += gap;
            if cell.check(params, at(now), cost).is_ok() {
                admitted.extend((0..cost).map(|_| now));
            }
        }
        prop_assert!(obeys(&admitted, interval, burst));
    }

    #[test]
    fn never_less_than_the_law(
        interval in 1_u64..500,
        burst in 1_u64..20,
        gaps in prop::collection::vec(0_u64..400, 1..200),
    ) {
        let (cell, params) = (Cell::default(), params(interval, burst));
        let (mut now, mut admitted) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            admitted.push(now);
            let lawful = obeys(&admitted, interval, burst);
            prop_assert_eq!(cell.check(params, at(now), 1).is_ok(), lawful, "at {}", now);
            if !lawful {
                admitted.pop();
            }
        }
    }

    #[test]
    fn the_answer_is_a_promise(
        interval in 1_u64..500,
        burst in 1_u64..20,
        calls in prop::collection::vec((0_u64..400, 1_u32..4), 1..100),
    ) {
        let (cell, params) = (Cell::default(), params(interval, burst));
        let mut now = 0;
        for (gap, cost) in calls {
            now += gap;
            match cell.check(params, at(now), cost) {
                Ok(allowed) => {
                    let left = u32::try_from(allowed.remaining).unwrap();
                    prop_assert!(cell.peek(params, at(now), left).is_ok());
                    prop_assert!(cell.peek(params, at(now), left + 1).is_err());
                    let full = at(now) + allowed.reset_after;
                    prop_assert!(cell.peek(params, full, u32::try_from(burst).unwrap()).is_ok());
                }
                Err(denied) if denied.retry_after == Duration::MAX => prop_assert!(u64::from(cost) > burst),
                Err(denied) => {
                    prop_assert!(cell.peek(params, at(now) + denied.retry_after, cost).is_ok());
                    let early = denied.retry_after - Duration::from_nanos(1);
                    prop_assert!(cell.peek(params, at(now) + early, cost).is_err());
                }
            }
        }
    }
}
