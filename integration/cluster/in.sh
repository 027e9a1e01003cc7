#!/usr/bin/env bash
# Runs a command where the cluster can be reached, as its administrator and with its tools in PATH:
#
#     in.sh kubectl get pods -A        in.sh curl http://10.97.0.10/        in.sh      (a shell)
#
# With the test bed, that is inside its namespaces; with KUBECONFIG, here.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
(($#)) || set -- bash
export PATH=$bin:$here:$PATH
if [[ $own_cluster == no || -n ${PAIFANG_INSIDE:-} ]]; then exec "$@"; fi

init=$(init_of_cluster) || die "no cluster is up in $state: run $here/up.sh"
export PAIFANG_INSIDE=yes PAIFANG_CLUSTER_HOME=$home PAIFANG_CLUSTER_STATE=$state
export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1 KUBECONFIG=$state/conf/admin.conf CONTAINERD_ADDRESS=$socket CONTAINERD_NAMESPACE=k8s.io
# A mount namespace is entered at its root, so the working directory has to be found again. The shell stays, to fork the command
# into the namespace of processes: nsenter's own fork would never wake up again when all are stopped and go on.
# shellcheck disable=SC2016 # expanded inside
exec nsenter --target "$init" --net --mount --pid --uts --ipc --no-fork -- sh -c 'cd "$0" && "$@"; exit $?' "$PWD" "$@"
