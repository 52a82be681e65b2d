//! `encode` and `decode`, timed by Criterion one after the other: `cargo bench -p benches`. The race times them side by side.

use std::time::Duration;

use benches::contestants::ALL;
use benches::workload::{Case, Mode};
use criterion::{Criterion, criterion_group, criterion_main};

fn codec(criterion: &mut Criterion) {
    let cases = ["encode", "decode"].into_iter().flat_map(|workload| Case::named(Some(workload)));
    for case in cases {
        let mut group = criterion.benchmark_group(case.name());
        for entry in ALL.iter().filter(|entry| (entry.run)(&case, &Mode::Checked).is_some()) {
            group.bench_function(entry.name, |bencher| {
                bencher.iter_custom(|iterations| {
                    let done = (entry.run)(&case, &Mode::Timed(iterations as usize)).expect("it could before");
                    Duration::from_nanos(done.nanoseconds as u64)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
