#!/usr/bin/env bash
# Runs the checks of this repository: ./ci.sh. (tools/miri/run and tools/mutants/run take longer and stand apart.) Prints one
# line per check and a summary that counts passes, failures, skips.
# What cannot be checked here says why in a line "SKIPPED: …" and is counted. With CI=true a skip for want of a tool is a
# failure, because .ci/run has installed them all; what the kernel or the machine lacks stays a skip.
set -uo pipefail
cd "$(dirname "$0")"
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0

check() { # name, command...
    local name=$1 start=$SECONDS status=0 skips
    shift
    "$@" >"$log/out" 2>&1 </dev/null || status=1
    grep 'SKIPPED: ' "$log/out" | sed 's/.*SKIPPED: //' | sort -u >"$log/skips" || true
    skips=$(wc -l <"$log/skips")
    skipped=$((skipped + skips))
    # What .ci/run installs must be there when it has run.
    if [ "${CI:-}" = true ] && grep -q 'missing tool' "$log/skips"; then status=1; fi
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok    $name ($((SECONDS - start)) s)"
    else
        failed=$((failed + 1))
        echo "FAIL  $name ($((SECONDS - start)) s)"
        tail -n 60 "$log/out" | sed 's/^/      /'
    fi
    sed 's/^/      skipped: /' "$log/skips"
    grep -E '^(test result|compile-time|coverage|fuzz|[a-z_]+ +[0-9.]+ +\(bound)|OVER$' "$log/out" |
        awk '/test result/ {n += $4} !/test result/ {print "      " $0} END {if (n) print "      " n " tests"}'
}

docs() { RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --all-features; }
dependencies() { # at most four, and none of libc's
    local direct all n
    direct=$(cargo tree -e normal --all-features --depth 1 --prefix none) || return 1
    all=$(cargo tree -e normal,build --all-features) || return 1
    n=$(tail -n +2 <<<"$direct" | sort -u | wc -l)
    echo "$n dependencies"
    [ "$n" -le 4 ] && [ "$n" -ge 3 ] && ! grep -w -e libc -e proc-macro2 <<<"$all"
}
msrv() {
    rustup run 1.85.0 rustc --version >/dev/null 2>&1 || { echo "SKIPPED: missing tool: Rust 1.85.0"; return 0; }
    cargo +1.85.0 check --all-features --all-targets --target-dir target/msrv
}
tests() { cargo test --no-fail-fast "$@" -- --nocapture; }
interop() { # io_uring, poll, mio, tokio: a package of its own
    local example
    tests -p interop || return 1
    for example in uring uring_multishot poll mio_ready tokio_ready; do
        cargo run --quiet -p interop --example "$example" || return 1
    done
}

format() { cargo fmt --all --check && cargo fmt --manifest-path fuzz/Cargo.toml --check; }
clippy_rest() { # what the workspace's default profile does not show
    cargo clippy --profile static -p tiny -p fdpass -p rt-check -p no-mem -- -D warnings &&
        cargo clippy --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings
}
# Fuzzing takes ten minutes of one core: it runs beside the checks that measure no time, and is asked for at the end.
start_smoke() {
    (
        status=0
        JOBS=1 fuzz/smoke 60 >"$log/smoke" 2>&1 </dev/null || status=1
        echo "$status" >"$log/smoke.status"
    ) &
}
smoke() {
    while [ ! -e "$log/smoke.status" ]; do sleep 1; done
    cat "$log/smoke"
    return "$(cat "$log/smoke.status")"
}

check "format" format
check "clippy, all features" cargo clippy --all-targets --all-features --workspace -- -D warnings
check "clippy, no features" cargo clippy --all-targets -- -D warnings
check "clippy, static and fuzz" clippy_rest
check "documents" docs
check "dependencies" dependencies
check "Rust 1.85" msrv
check "tests, no features" tests
check "tests, std" tests --features std
check "tests, all features" tests --all-features
check "instructions" tools/instructions/run
check "instructions of the benches" benches/run check instr
check "compile time" tools/compile-time/run
start_smoke
check "interop" interop
check "fdpass" tests -p fdpass
check "fuzz, replayed" cargo test --manifest-path fuzz/Cargo.toml
check "fuzz, coverage" tools/coverage/run
while read -r target; do
    check "architecture $target" tools/architectures/run "$target"
done < <(tools/architectures/run list)
while read -r target; do
    check "static programs, $target" static/check "$target"
done < <(static/check list | head -n 7) # the rest build core from source: minutes each
check "sizes of static programs" static/sizes/run
check "fuzz, a minute of each" smoke

echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
