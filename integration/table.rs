//! The compiled table against the oracle, over random worlds, requests and edits; and what a
//! lookup allocates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "test code"
)]

#[path = "table/admission.rs"]
mod admission;
#[path = "table/allocations.rs"]
mod allocations;
#[path = "table/world.rs"]
mod world;

use std::collections::HashMap;
use std::sync::Arc;

use paifang::ir::Ir;
use paifang::table::{Rule, Table, oracle};
use proptest::prelude::*;
use world::{Request, World};

/// What identifies an answer: gateway and listener, hostname as written, route, rule (by a time
/// limit that is unique to it), and the matched prefix.
type Answer = (String, Option<(String, String, u128, Option<usize>)>);

fn from_table(table: &Table, request: &Request) -> Option<Answer> {
    let listener = table.port(&request.socket)?.listener(&request.host)?;
    let found = listener.find(&request.query()).hit.map(|hit| {
        let id = &hit.rule.id;
        assert_eq!((&id.gateway, &id.listener), (&listener.gateway, &listener.name));
        let limit = hit.rule.action.request_timeout.unwrap().as_millis();
        (format!("{:?}", id.hostname), id.route.to_string(), limit, hit.prefix)
    });
    Some((format!("{} {}", listener.gateway, listener.name), found))
}

fn from_oracle(ir: &Ir, request: &Request) -> Option<Answer> {
    let listener = oracle::listener(ir, request.socket, &request.host)?;
    let found = oracle::find(ir, listener, &request.query()).map(|candidate| {
        let limit = candidate.rule.timeouts.request.unwrap().as_millis();
        let prefix = match &candidate.condition.path {
            paifang::ir::PathMatch::Prefix(prefix) => Some(prefix.trim_end_matches('/').len()),
            _ => None,
        };
        (format!("{:?}", candidate.hostname.cloned()), candidate.route.id.to_string(), limit, prefix)
    });
    Some((format!("{} {}", listener.gateway, listener.name), found))
}

fn assert_agree(table: &Table, ir: &Ir, requests: &[Request]) {
    for request in requests {
        assert_eq!(from_table(table, request), from_oracle(ir, request), "{request:?}");
    }
}

/// Rules point at the cells of their own table, and at none only where there is none.
fn assert_cells_are_current(table: &Table, ir: &Ir) {
    let targets = |rule: &Rule| -> Vec<_> {
        rule.action.backends.list.iter().map(|b| b.target.as_ref().map(|cell| cell.key.clone()).ok()).collect()
    };
    let fresh = Table::compile(ir, None);
    let expected: HashMap<_, _> = fresh.rules().map(|rule| (&rule.id, targets(rule))).collect();
    for rule in table.rules() {
        assert_eq!(targets(rule), expected[&rule.id]);
        for cell in rule.action.backends.list.iter().filter_map(|backend| backend.target.as_ref().ok()) {
            assert!(Arc::ptr_eq(cell, &table.backends[&cell.key]), "{} is stale", cell.key);
        }
    }
}

/// Rules are under the limits that they would be under in a fresh table, in the same order.
fn assert_limits_are_current(table: &Table, ir: &Ir) {
    let limits = |rule: &Rule| -> Vec<_> {
        rule.limits.meters.iter().map(|meter| (meter.limit.source.id.clone(), meter.limit.source.amount)).collect()
    };
    let fresh = Table::compile(ir, None);
    let expected: HashMap<_, _> = fresh.rules().map(|rule| (&rule.id, limits(rule))).collect();
    for rule in table.rules() {
        assert_eq!(limits(rule), expected[&rule.id]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn table_and_oracle_agree(world in world::small(), requests in world::requests()) {
        let ir = world.ir();
        assert_agree(&Table::compile(&ir, None), &ir, &requests);
    }

    #[test]
    fn table_and_oracle_agree_on_calls(world in world::calls(), requests in world::call_requests()) {
        let ir = world.ir();
        assert_agree(&Table::compile(&ir, None), &ir, &requests);
    }

    #[test]
    fn a_table_compiled_upon_another_answers_as_a_fresh_one(
        first in world::small(),
        second in world::small(),
        choices in world::choices(),
        requests in world::requests(),
    ) {
        let edited = World::mix(&first, &second, &choices);
        let claimed = second.claimed_as(&first);
        let mut table = Table::compile(&first.ir(), None);
        for world in [&edited, &second, &claimed, &edited, &first] {
            let ir = world.ir();
            let next = Table::compile(&ir, Some(&table));
            assert_agree(&next, &ir, &requests);
            assert_cells_are_current(&next, &ir);
            assert_limits_are_current(&next, &ir);
            assert_counters_are_kept(&table, &next);
            assert_eq!(next.generation, table.generation + 1);
            table = next;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn table_and_oracle_agree_on_crowded_paths(world in world::crowded(), requests in world::requests()) {
        let ir = world.ir();
        assert_agree(&Table::compile(&ir, None), &ir, &requests);
    }
}

fn assert_counters_are_kept(before: &Table, after: &Table) {
    let old: HashMap<_, _> = before.rules().map(|rule| (&rule.id, rule)).collect();
    for rule in after.rules() {
        if let Some(old) = old.get(&rule.id) {
            assert!(Arc::ptr_eq(&old.stats, &rule.stats), "{:?} lost its counters", rule.id);
        }
    }
}

#[test]
fn an_equal_world_is_shared_as_a_whole() {
    let world = world::plain(100);
    let first = Table::compile(&world.ir(), None);
    let second = Table::compile(&world.deep_copy().ir(), Some(&first));
    assert!(first.ports.iter().all(|(socket, port)| Arc::ptr_eq(port, second.port(socket).unwrap())));
}

#[test]
fn one_changed_route_leaves_the_rules_of_all_others_in_place() {
    let world = world::plain(100);
    let first = Table::compile(&world.ir(), None);
    let second = Table::compile(&world.with_new_rules(7).ir(), Some(&first));
    let old: HashMap<_, _> = first.rules().map(|rule| (&rule.id, rule)).collect();
    let changed: Vec<_> = second.rules().filter(|rule| !Arc::ptr_eq(old[&rule.id], rule)).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].id.route.key.name.as_ref(), "r7");
}

#[test]
fn endpoints_survive_until_the_backend_is_used_differently() {
    let world = world::plain(2);
    let first = Table::compile(&world.ir(), None);
    let address = "127.0.0.1:1".parse().unwrap();
    first.backends.values().for_each(|cell| assert!(cell.set_endpoints(&[address])));
    let mut next = world.with_new_rules(0).ir();
    next.backends.get_mut(&world::backend_key(1)).unwrap().client_ip_affinity = true;
    let second = Table::compile(&next, Some(&first));
    assert_eq!(second.backends[&world::backend_key(0)].addresses(), [address]);
    assert_eq!(second.backends[&world::backend_key(1)].addresses(), []);
    assert_cells_are_current(&second, &next);
}

#[test]
fn an_action_is_shared_by_the_hostnames_and_listeners_of_its_route() {
    let world = world::two_hosts_on_two_listeners();
    let table = Table::compile(&world.ir(), None);
    let rules: Vec<_> = table.rules().collect();
    assert_eq!(rules.len(), 4);
    assert!(rules.iter().all(|rule| Arc::ptr_eq(&rule.action, &rules[0].action)));
}
