#!/usr/bin/env bash
# Brings a Kubernetes of one node up, in namespaces of its own, and waits until pods can run: 10 to 20 seconds.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ $own_cluster == yes ]] || die "KUBECONFIG names a cluster; unset it, or set PAIFANG_CLUSTER_STATE, to start one here"
((EUID == 0)) || die "needs root, for namespaces, mounts and cgroups; without it set KUBECONFIG to a cluster that is up"

missing=()
for need in runc:runc iptables:iptables nft:nftables conntrack:conntrack ip:iproute2 sysctl:procps unshare:util-linux; do
    command -v "${need%:*}" >/dev/null || missing+=("${need#*:}")
done
((${#missing[@]} == 0)) || die "missing on this machine: apt-get install ${missing[*]}"
for need in kubelet conformance.test helm; do
    [[ -x $bin/$need ]] || die "not built yet: run $here/build.sh"
done
case $state/ in
/run/* | /var/* | /opt/* | /usr/*) die "the state folder cannot be in $state: the cluster has its own copy of that" ;;
/*) ;;
*) die "PAIFANG_CLUSTER_STATE must be an absolute path, not $state" ;;
esac

[[ -z $(init_of_cluster) ]] || die "a cluster is up in $state already: $here/down.sh ends it"
"$here/down.sh" --quiet # what a crash left behind
[[ ! -e $state ]] || die "$state exists and is no cluster's: name another folder in PAIFANG_CLUSTER_STATE"

began=$SECONDS
mkdir -p "$state"/{log,pki,conf/cni,run,machine}
: >"$state/is-a-cluster" # down.sh removes no other folder
trap 'status=$?; ((status == 0)) || { ((status > 128)) || "$here/dump.sh" --logs; "$here/down.sh" --quiet; }' EXIT
trap 'exit 130' INT TERM

# With version 2, what a cgroup's children may be limited in has to be said.
for root in $(cgroup_roots); do
    mkdir -p "$root/$cgroup"
    [[ ! -f $root/cgroup.controllers || $root == */unified ]] || for group in "$root" "$root/$cgroup"; do
        for controller in cpu cpuset memory pids io hugetlb; do
            echo "+$controller" >"$group/cgroup.subtree_control" 2>/dev/null || true
        done
    done
done

PAIFANG_CLUSTER_HOME=$home PAIFANG_CLUSTER_STATE=$state setsid unshare --net --uts --ipc --mount --pid --fork --kill-child \
    --mount-proc "$here/node.sh" >"$state/log/node.log" 2>&1 </dev/null &
remember $! "$state/unshare.pid"
unshared=$(pid_of "$state/unshare.pid")
# shellcheck disable=SC2329 # called by wait_for
find_init() { init=$(cat "/proc/$unshared/task/$unshared/children") && [[ -n $init ]]; }
wait_for 10 find_init
remember "${init% }" "$state/init.pid"

failed="the cluster did not come up"
for ((tries = 1200; tries; tries--)); do
    [[ ! -e $state/ready ]] || { say "up after $((SECONDS - began)) s: $here/in.sh kubectl get nodes"; exit 0; }
    alive "$state/init.pid" || { failed="the node ended"; break; }
    sleep 0.1
done
tail -n 20 "$state/log/node.log" >&2
die "$failed"
