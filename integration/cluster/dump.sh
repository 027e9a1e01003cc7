#!/usr/bin/env bash
# Writes down what the cluster and Paifang look like, for whoever has to find out why something failed.
#
#     dump.sh [--logs]     --logs: only the logs of the cluster's own parts, when it is not up
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
to=$results/failure-$(date +%Y%m%d-%H%M%S)
mkdir -p "$to"

look() { local name=$1; shift; timeout 30 "$here/in.sh" "$@" >"$to/$name" 2>&1 || true; }

if [[ ${1:-} != --logs ]]; then
    look objects.yaml kubectl get -A -o yaml \
        gatewayclasses,gateways,listenersets,httproutes,grpcroutes,referencegrants,backendtlspolicies,paifang
    look workloads.txt kubectl get nodes,pods,services,endpointslices -A -o wide
    look events.txt kubectl get events -A --sort-by=.lastTimestamp
    look describe.txt kubectl -n "$namespace" describe deployments,pods
    logs=(kubectl -n "$namespace" logs -l "app.kubernetes.io/instance=$release" --all-containers --prefix --tail=-1)
    look paifang.log "${logs[@]}"
    look paifang-before.log "${logs[@]}" --previous
fi
if [[ $own_cluster == yes && -d $state/log ]]; then
    cp -r "$state/log" "$to/cluster"
    # where an address leads nowhere, this is the first question
    grep -E '^E|Sync failed' "$state/log/kube-proxy.log" | tail -5 | sed 's/^/kube-proxy: /' || true
fi
say "what can be known about the failure is in $to"
