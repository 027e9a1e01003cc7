use std::thread;

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Moment {
    Moment::new(Duration::from_millis(millis + 1))
}

/// Members that try to start requests, each of which lasts for some time.
struct World {
    members: Vec<Arc<Member>>,
    running: Vec<Vec<(u64, Admission)>>,
    seed: u64,
    now: u64,
}

impl World {
    fn new(share: &Arc<Share>, parts: &[(u32, u32)]) -> Self {
        let members: Vec<_> = parts.iter().map(|(weight, guaranteed)| share.join(*weight, *guaranteed)).collect();
        Self { running: members.iter().map(|_| Vec::new()).collect(), members, seed: 7, now: 0 }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    /// Lets time pass; each member tries `tries[n]` requests in a millisecond. Says how many each had, on average.
    fn run(&mut self, millis: u64, tries: &[u64]) -> Vec<f64> {
        let mut sums = vec![0; self.members.len()];
        for _ in 0..millis {
            self.now += 1;
            for n in 0..self.members.len() {
                let now = self.now;
                self.running[n].retain(|(end, _)| *end > now);
                for _ in 0..tries[n] {
                    let end = now + 1 + self.random(100);
                    let admission = self.members[n].acquire(at(now));
                    self.running[n].extend(admission.map(|admission| (end, admission)));
                }
                sums[n] += self.running[n].len();
            }
        }
        sums.into_iter().map(|sum| sum as f64 / millis as f64).collect()
    }
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= (expected * 0.1).max(2.0)
}

#[test]
fn greedy_members_get_guarantee_and_part() {
    let share = Share::new(200);
    let mut world = World::new(&share, &[(1, 0), (2, 50), (5, 0), (2, 50)]);
    let greedy = [10; 4];
    world.run(500, &greedy);
    let found = world.run(2_000, &greedy);
    for (found, expected) in found.iter().zip([10.0, 70.0, 50.0, 70.0]) {
        assert!(near(*found, expected), "{found} of {expected}");
    }
}

#[test]
fn an_unfair_number_of_tries_gains_nothing() {
    let share = Share::new(100);
    let mut world = World::new(&share, &[(1, 0), (1, 0)]);
    world.run(500, &[200, 3]);
    let found = world.run(2_000, &[200, 3]);
    assert!(near(found[0], 50.0) && near(found[1], 50.0), "{found:?}");
}

#[test]
fn what_is_idle_is_lent_and_given_back() {
    let share = Share::new(100);
    let mut world = World::new(&share, &[(1, 10), (1, 10), (2, 0)]);
    let alone = world.run(500, &[20, 0, 0]);
    assert!(alone[0] > 85.0, "{alone:?}: all but the guarantee of the second");
    let both = world.run(100, &[20, 20, 0]);
    assert!(both[1] > 20.0, "{both:?}: within the duration of a request it grows");
    let both = world.run(1_000, &[20, 20, 0]);
    assert!(near(both[0], 50.0) && near(both[1], 50.0), "{both:?}");
    world.run(1_200, &[20, 0, 0]);
    let alone = world.run(500, &[20, 0, 0]);
    assert!(alone[0] > 85.0, "{alone:?}: it is lent again");
}

#[test]
fn what_a_modest_member_leaves_is_used() {
    let share = Share::new(100);
    let mut world = World::new(&share, &[(1, 0), (1, 0), (2, 0)]);
    // one request in each of five milliseconds: about ten in flight
    for _ in 0..400 {
        let one = u64::from(world.random(5) == 0);
        world.run(1, &[20, 20, one]);
    }
    let mut sums = [0.0; 3];
    for _ in 0..3_000 {
        let one = u64::from(world.random(5) == 0);
        let found = world.run(1, &[20, 20, one]);
        sums.iter_mut().zip(found).for_each(|(sum, found)| *sum += found / 3_000.0);
    }
    assert!(sums[2] > 8.0, "{sums:?}: the modest one gets what it wants");
    assert!(sums[0] + sums[1] > 75.0 && near(sums[0], sums[1]), "{sums:?}: the others share the rest");
    assert!(world.members[2].denied() < 40, "{} of about 680", world.members[2].denied());
}

#[test]
fn too_many_promises_are_cut_in_proportion() {
    let share = Share::new(100);
    let (one, other) = (share.join(1, 150), share.join(1, 50));
    assert_eq!((one.guaranteed(), other.guaranteed()), (75, 25));
    let held: Vec<_> = std::iter::from_fn(|| one.acquire(at(0))).collect();
    assert_eq!((held.len(), one.denied(), one.denied_below()), (75, 1, 1), "what was cut is missed");
    share.set_capacity(400);
    assert_eq!((one.guaranteed(), other.guaranteed()), (150, 50));
    drop((held, one));
    other.set(1, 500);
    assert_eq!(other.guaranteed(), 400);
}

#[test]
fn a_member_stays_until_its_requests_end() {
    let share = Share::new(10);
    let member = share.join(1, 10);
    let request = member.acquire(at(0)).unwrap();
    drop(member);
    let next = share.join(1, 5);
    assert!(next.guaranteed() < 5 && share.used() == 1);
    drop(request);
    assert!(next.guaranteed() == 5 && share.used() == 0);
}

#[test]
fn threads_together_are_never_more_and_leave_nothing() {
    let share = Share::new(8);
    let members = [share.join(1, 2), share.join(3, 2), share.join(1, 0)];
    let denied = |of: fn(&Member) -> u64| members.iter().map(|member| of(member)).sum::<u64>();
    let flying = AtomicU32::new(0);
    thread::scope(|scope| {
        for n in 0..6 {
            let (member, flying) = (&members[n % 3], &flying);
            scope.spawn(move || {
                for step in 0..20_000 {
                    let one = member.acquire(at(step / 100));
                    let other = member.acquire(at(step / 100));
                    let found = u32::from(one.is_some()) + u32::from(other.is_some());
                    assert!(flying.fetch_add(found, Ordering::SeqCst) + found <= 8, "the capacity is never exceeded");
                    flying.fetch_sub(found, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!((share.used(), members.iter().map(|member| member.used()).sum::<u32>()), (0, 0));
    assert_eq!(denied(Member::denied_below), 0, "of {} none below a guarantee", denied(Member::denied));
}

proptest! {
    #[test]
    fn guarantees_are_kept_and_the_capacity_too(
        capacity in 1_u32..30,
        parts in prop::collection::vec((0_u32..5, 0_u32..8), 1..5),
        steps in prop::collection::vec((0_usize..5, any::<bool>(), 0_u64..50), 1..300),
    ) {
        let share = Share::new(capacity);
        let members: Vec<_> = parts.iter().map(|(weight, guaranteed)| share.join(*weight, *guaranteed)).collect();
        let mut held: Vec<Vec<Admission>> = members.iter().map(|_| Vec::new()).collect();
        let (mut now, mut below) = (0, 0);
        for (n, acquire, gap) in steps {
            let n = n % members.len();
            now += gap;
            if acquire {
                let admission = members[n].acquire(at(now));
                let due = held[n].len() < members[n].guaranteed() as usize;
                prop_assert!(admission.is_some() || !due, "a guarantee is kept");
                below += u64::from(admission.is_none() && held[n].len() < parts[n].1 as usize);
                held[n].extend(admission);
            } else {
                held[n].pop();
            }
            let sum: usize = held.iter().map(Vec::len).sum();
            prop_assert!(sum <= capacity as usize, "{sum} of {capacity}");
            prop_assert_eq!(share.used() as usize, sum);
            prop_assert_eq!(members[n].used() as usize, held[n].len());
        }
        let asked: u32 = parts.iter().map(|(_, guaranteed)| guaranteed).sum();
        prop_assert_eq!(members.iter().map(|member| member.denied_below()).sum::<u64>(), below);
        prop_assert!(below == 0 || asked > capacity, "only what was cut is missed");
    }

    #[test]
    fn nobody_is_refused_without_need(
        capacity in 1_u32..30,
        weights in prop::collection::vec(1_u32..5, 2..5),
        tries in 1_usize..60,
    ) {
        let share = Share::new(capacity);
        let members: Vec<_> = weights.iter().map(|weight| share.join(*weight, 0)).collect();
        let mut held = Vec::new();
        // one alone gets everything, however often it is refused
        for n in 0..tries {
            held.extend(members[0].acquire(at(n as u64)));
            prop_assert_eq!(held.len(), (n + 1).min(capacity as usize));
        }
    }
}
