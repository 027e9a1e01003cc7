use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::telemetry::fixture::rule;

/// What a rule with one code costs.
const PRICE: usize = 21;

fn served(name: &str, created: i64) -> Rule {
    let rule = Rule { created, ..rule(name, None) };
    count(&rule, 200);
    rule
}

fn count(rule: &Rule, code: u16) {
    rule.stats.counters().finish(code, "", Duration::from_millis(1));
}

fn settle(budget: &mut Budget, rules: &[&Rule]) -> Shown {
    let used: Vec<_> = rules.iter().filter_map(|rule| Used::of(rule)).collect();
    budget.settle([(None, used)].into()).remove(&None).unwrap()
}

fn names(shown: &Shown) -> Vec<&str> {
    shown.rules.iter().map(|(id, _)| &*id.route.key.name).collect()
}

fn requests(totals: &Totals) -> u64 {
    totals.outcomes.values().sum()
}

fn overflow(shown: &Shown) -> u64 {
    shown.overflow.as_ref().map_or(0, requests)
}

#[test]
fn what_fits_is_not_summed_up() {
    let shown = settle(&mut Budget::new(2 * PRICE), &[&served("a", 1), &served("b", 2), &rule("idle", None)]);
    assert_eq!((names(&shown), &shown.overflow, shown.overflowed), (vec!["a", "b"], &None, 0));
}

#[test]
fn the_oldest_have_series_and_who_has_them_keeps_them() {
    let (young, old) = (served("young", 9), served("old", 1));
    let mut budget = Budget::new(2 * PRICE);
    let shown = settle(&mut budget, &[&young, &served("younger", 10), &old]);
    assert_eq!((names(&shown), overflow(&shown), shown.overflowed), (vec!["old", "young"], 1, 1));
    let oldest = served("oldest", 0);
    let shown = settle(&mut budget, &[&oldest, &young, &old]);
    assert_eq!((names(&shown), shown.overflowed), (vec!["old", "young"], 1));
    assert_eq!(overflow(&shown), 2, "the one that is gone, and the one that came late");
}

#[test]
fn a_rule_that_gets_its_own_series_begins_at_zero_and_leaves_what_it_counted() {
    let (first, second) = (served("first", 1), served("second", 2));
    let mut budget = Budget::new(PRICE);
    assert_eq!(overflow(&settle(&mut budget, &[&first, &second])), 1);
    drop(first);
    let shown = settle(&mut budget, &[&second]);
    assert_eq!((names(&shown), requests(&shown.rules[0].1), overflow(&shown)), (vec!["second"], 0, 1));
    assert!(shown.rules[0].1.outcomes.contains_key(&(200, "")), "a series that begins at 0");
    count(&second, 200);
    let shown = settle(&mut budget, &[&second]);
    assert_eq!((requests(&shown.rules[0].1), overflow(&shown), shown.overflowed), (1, 1, 0));
}

#[test]
fn a_removed_rule_is_counted_until_its_last_request_is_done() {
    let (first, second) = (served("first", 1), served("second", 2));
    let mut budget = Budget::new(PRICE);
    settle(&mut budget, &[&first, &second]);
    let shown = settle(&mut budget, &[&first]);
    assert_eq!((overflow(&shown), shown.overflowed), (1, 0));
    count(&second, 200);
    drop(second);
    assert_eq!(overflow(&settle(&mut budget, &[&first])), 2);
    assert_eq!(overflow(&settle(&mut budget, &[&first])), 2);
    assert_eq!(budget.tenants[&None].accounts.len(), 1, "nothing else is kept of it");
}

#[test]
fn codes_that_outgrow_the_budget_take_the_series_of_the_youngest() {
    let (first, second) = (served("first", 1), served("second", 2));
    let mut budget = Budget::new(2 * PRICE);
    settle(&mut budget, &[&first, &second]);
    count(&first, 404);
    let shown = settle(&mut budget, &[&first, &second]);
    assert_eq!((names(&shown), overflow(&shown), shown.overflowed), (vec!["first", "second"], 0, 1), "once more");
    count(&second, 200);
    let shown = settle(&mut budget, &[&first, &second]);
    assert_eq!((names(&shown), overflow(&shown)), (vec!["first"], 1));
}

#[test]
fn each_tenant_has_a_budget_and_is_forgotten_with_its_rules() {
    let of = |tenant: &str, name: &str| {
        let mut rule = served(name, 0);
        rule.id.tenant = Some(tenant.into());
        rule
    };
    let rules = [of("blog", "a"), of("shop", "a"), of("shop", "b")];
    let mut budget = Budget::new(PRICE);
    let used = |rules: &[Rule]| {
        let mut used = BTreeMap::<Owner, Vec<Used>>::new();
        for rule in rules.iter().filter_map(Used::of) {
            used.entry(rule.tenant().cloned()).or_default().push(rule);
        }
        used
    };
    let overflowed: Vec<_> = budget.settle(used(&rules)).into_values().map(|shown| shown.overflowed).collect();
    assert_eq!(overflowed, [0, 1]);
    assert!(budget.settle(used(&rules[..1])).into_values().all(|shown| shown.overflow.is_none()));
    assert_eq!(budget.tenants.len(), 1);
}

#[test]
fn a_flood_of_codes_of_summed_up_rules_stays_bounded() {
    let rules: Vec<Rule> = (100..1000).map(|code| rule(&format!("r{code}"), None)).collect();
    let mut budget = Budget::new(0);
    let mut before = Totals::default();
    for (n, rule) in rules.iter().enumerate() {
        count(rule, 100 + u16::try_from(n).unwrap());
        let shown = settle(&mut budget, &rules.iter().collect::<Vec<_>>());
        let sum = shown.overflow.unwrap();
        assert!(sum.outcomes.len() <= 49 && requests(&sum) == n as u64 + 1);
        assert!(before.outcomes.iter().all(|(pair, count)| sum.outcomes[pair] >= *count), "none goes backwards");
        before = sum;
    }
}

fn place(budget: &Budget, rule: &Rule) -> Place {
    let accounts = budget.tenants.get(&None).map(|tenant| &tenant.accounts);
    let account = accounts.and_then(|accounts| accounts.get(&Arc::as_ptr(&rule.stats).addr()));
    account.map_or(Place::New, |account| account.place)
}

/// What may happen between two scrapes.
#[derive(Debug, Clone)]
enum Step {
    Request(usize, u16),
    Remove(usize),
    Scrape,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..8_usize, 200..204_u16).prop_map(|(rule, code)| Step::Request(rule, code)),
        1 => (0..8_usize).prop_map(Step::Remove),
        3 => Just(Step::Scrape),
    ]
}

proptest! {
    /// What Prometheus' `increase()` adds up, over all series, is the number of requests, and the budget holds.
    #[test]
    fn every_request_is_counted_once(steps in prop::collection::vec(step(), 1..120), price in 0..6_usize) {
        let series = price * PRICE;
        let fresh = |n: usize| rule(&format!("r{n}"), None);
        let mut rules: Vec<Rule> = (0..8).map(fresh).collect();
        let mut budget = Budget::new(series);
        // by counters of the rule, because one that is made anew begins anew
        let mut last = BTreeMap::<(Option<usize>, u16), u64>::new();
        let (mut sent, mut unseen, mut increased) = (0_u64, BTreeMap::<usize, u64>::new(), 0_u64);
        for step in steps.into_iter().chain([Step::Scrape]) {
            match step {
                Step::Request(n, code) => {
                    count(&rules[n], code);
                    sent += 1;
                    *unseen.entry(n).or_default() += 1;
                }
                Step::Remove(n) => {
                    // a rule's own series miss what came after their last scrape; a sum does not
                    let unseen = unseen.remove(&n).unwrap_or_default();
                    if place(&budget, &rules[n]) != Place::Overflow {
                        sent -= unseen;
                    }
                    rules[n] = fresh(n);
                    last.retain(|(rule, _), _| *rule != Some(n));
                }
                Step::Scrape => {
                    let refs: Vec<_> = rules.iter().collect();
                    if rules.iter().all(|rule| rule.stats.used().is_none()) {
                        continue;
                    }
                    let before = last.clone();
                    let shown = settle(&mut budget, &refs);
                    let own = shown.rules.iter().map(|(id, totals)| {
                        (rules.iter().position(|rule| rule.id == *id), totals)
                    });
                    for (rule, totals) in own.chain(shown.overflow.iter().map(|totals| (None, totals))) {
                        for ((code, _), count) in &totals.outcomes {
                            let seen = last.insert((rule, *code), *count).unwrap_or_default();
                            prop_assert!(seen <= *count, "{rule:?} {code} went backwards: {before:?}");
                            increased += count - seen;
                        }
                    }
                    unseen.clear();
                    let cost: usize = shown.rules.iter().map(|(_, totals)| totals.series()).sum();
                    // those that are shown for the last time come on top
                    let farewells = shown.rules.iter().filter(|(id, _)| {
                        rules.iter().any(|rule| rule.id == *id && place(&budget, rule) == Place::Overflow)
                    });
                    let farewells: usize = farewells.map(|(_, totals)| totals.series()).sum();
                    prop_assert!(cost - farewells <= series);
                }
            }
        }
        prop_assert_eq!(increased, sent);
    }
}
