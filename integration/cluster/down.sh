#!/usr/bin/env bash
# Takes the cluster down: one process is ended, and all others, mounts and networks end with its namespaces.
# It may be run at any time and again: when nothing is up it does nothing.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ $own_cluster == yes ]] || exit 0 # somebody else's cluster
[[ -f $state/is-a-cluster ]] || { [[ ${1:-} == --quiet ]] || say "no cluster in $state"; exit 0; }

gone() { ! alive "$1"; }
for process in init unshare; do
    if alive "$state/$process.pid"; then
        kill -9 "$(pid_of "$state/$process.pid")" 2>/dev/null || true
        wait_for 20 gone "$state/$process.pid"
    fi
done

# A cgroup can go when its last process is gone, which the kernel may take a moment for.
without_cgroup() { [[ ! -d $1 ]] || find "$1" -depth -type d -exec rmdir {} +; }
for root in $(cgroup_roots); do
    wait_for 20 without_cgroup "$root/$cgroup"
done
rm -rf --one-file-system "$state"
[[ ${1:-} == --quiet ]] || say "down, nothing is left"
