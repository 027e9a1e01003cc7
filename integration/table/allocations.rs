//! What lookups allocate, and what a table weighs.

use allocation_counter::measure;
use paifang::table::Table;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::world::{self, Request, World};

#[test]
fn a_lookup_allocates_nothing() {
    let mut runner = TestRunner::deterministic();
    let mut found = 0;
    for n in 0..60 {
        let (world, requests) = draw(&mut runner, n);
        let table = Table::compile(&world.ir(), None);
        let mut look_up = || {
            for request in &requests {
                let listener = table.port(&request.socket).and_then(|port| port.listener(&request.host));
                found += usize::from(listener.is_some_and(|listener| listener.find(&request.query()).hit.is_some()));
            }
        };
        // a regular expression builds its cache once per thread
        look_up();
        assert_eq!(measure(look_up).count_total, 0);
    }
    assert!(found > 100, "the requests must reach rules: {found}");
}

/// Paths and calls in turn.
fn draw(runner: &mut TestRunner, n: usize) -> (World, Vec<Request>) {
    if n.is_multiple_of(2) {
        let world = world::crowded().new_tree(runner).unwrap().current();
        return (world, world::requests().new_tree(runner).unwrap().current());
    }
    let world = world::calls().new_tree(runner).unwrap().current();
    (world, world::call_requests().new_tree(runner).unwrap().current())
}

#[test]
fn ten_thousand_routes_cost_little_memory() {
    let ir = world::plain(10_000).ir();
    let mut table = None;
    let cost = measure(|| table = Some(Table::compile(&ir, None)));
    let per_route = cost.bytes_current / 10_000;
    assert!(per_route <= 1228, "{per_route} bytes per route");
    eprintln!("{per_route} bytes per route, {} allocations", cost.count_current / 10_000);
    let mut next = None;
    let ir = world::plain(10_000).ir();
    let cost = measure(|| next = Some(Table::compile(&ir, table.as_ref())));
    eprintln!("{} bytes per route for an equal table", cost.bytes_current / 10_000);
    assert!(cost.bytes_current < 10_000 * 250, "{} bytes for an equal table", cost.bytes_current);
}
