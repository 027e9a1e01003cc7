//! What compiling a table costs: from nothing, and upon the table before.

#[path = "worlds.rs"]
mod worlds;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use paifang::table::Table;

fn full(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    for count in [10, 1_000, 10_000, 40_000] {
        let ir = worlds::hosts(count);
        group.bench_function(format!("{count} routes"), |bench| {
            bench.iter_with_large_drop(|| Table::compile(black_box(&ir), None));
        });
    }
}

/// One changed route, the others the same pointers, as an incremental translator delivers them.
fn one_changed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    for count in [10_000, 40_000] {
        let ir = worlds::hosts(count);
        let table = Table::compile(&ir, None);
        let changed = worlds::with_changed_route(&ir, count / 2);
        group.bench_function(format!("1 changed of {count} routes"), |bench| {
            bench.iter_with_large_drop(|| Table::compile(black_box(&changed), Some(&table)));
        });
        let one_host = worlds::paths(count / 10);
        let table = Table::compile(&one_host, None);
        let changed = worlds::with_changed_route(&one_host, count / 20);
        group.bench_function(format!("1 changed of {} routes on one host", count / 10), |bench| {
            bench.iter_with_large_drop(|| Table::compile(black_box(&changed), Some(&table)));
        });
    }
}

criterion_group!(benches, full, one_changed);
criterion_main!(benches);
