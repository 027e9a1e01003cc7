# What every script of the test bed shares: where things are, which cluster is meant. Sourced, not run.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)

# KUBECONFIG means somebody's cluster, unless a state folder asks for one of our own.
if [[ -n ${KUBECONFIG:-} && -z ${PAIFANG_CLUSTER_STATE:-} ]]; then own_cluster=no; else own_cluster=yes; fi

# What is built, for all clusters; one running cluster; what a run leaves to read.
home=${PAIFANG_CLUSTER_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/paifang/cluster}
state=${PAIFANG_CLUSTER_STATE:-${TMPDIR:-/tmp}/paifang-cluster}
results=${PAIFANG_CLUSTER_RESULTS:-$home/results/$(basename "$state")}
bin=$home/bin

# The cluster's only node, and its networks: nothing of it is visible outside its namespaces.
node=node-1 node_ip=10.99.0.1
services=10.96.0.0/16 pods=10.244.0.0/16 balancer=10.97.0.10-10.97.0.250
socket=$state/run/containerd.sock
cgroup=$(basename "$state") # its own root cgroup, so that two clusters can stand side by side

# How Paifang is installed.
namespace=paifang-system release=paifang
class=${PAIFANG_GATEWAY_CLASS:-paifang}
image=${PAIFANG_IMAGE:-localhost/paifang:$(sed -n 's/^version = "\(.*\)"/\1/p' "$checkout/Cargo.toml" | head -n 1)}

say() { echo "cluster: $*"; }
die() { echo "cluster: $*" >&2; exit 1; }

# A process is remembered as "PID START", its start time in ticks, so that a number that was given out again is never
# taken for ours.
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
remember() { echo "$1 $(started "$1")" >"$2"; }
alive() {
    local pid start
    [[ -f $1 ]] && read -r pid start <"$1" && [[ -n $start && $(started "$pid") == "$start" ]]
}
pid_of() { cut -d' ' -f1 "$1"; }

# Process 1 of the cluster, as this machine numbers it.
init_of_cluster() { alive "$state/init.pid" && pid_of "$state/init.pid"; }

# Paifang as a program of this machine: the one that is named, or one that is built.
program() {
    local target=${CARGO_TARGET_DIR:-$checkout/target}
    [[ -z ${PAIFANG_BINARY:-} ]] || { echo "$PAIFANG_BINARY"; return; }
    (cd "$checkout" && cargo build --release --locked >&2)
    [[ $target == /* ]] || target=$checkout/$target
    echo "$target/release/paifang"
}

# Waits until a command succeeds: SECONDS, then the command.
wait_for() {
    local tries=$(($1 * 10)); shift
    for ((; tries; tries--)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
    echo "gave up waiting for: $*" >&2
    return 1
}

# Every cgroup hierarchy of this machine: one with version 2, one for each controller with version 1.
cgroup_roots() {
    local root
    if [[ -f /sys/fs/cgroup/cgroup.procs ]]; then echo /sys/fs/cgroup; return; fi
    for root in /sys/fs/cgroup/*/; do [[ ! -f $root/cgroup.procs ]] || echo "${root%/}"; done
}
