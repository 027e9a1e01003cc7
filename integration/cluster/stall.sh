#!/usr/bin/env bash
# Makes the connections of Paifang's pods to the API server go silent, without closing them: what a lost firewall state or
# a hung load balancer does to a watch.
#
#     in.sh stall.sh on [NAMESPACE]     connections that are open now; new ones work
#     in.sh stall.sh on --all           everything from the pods to the API server
#     in.sh stall.sh off
#
# Packets are dropped in both directions; nobody gets a FIN or RST. Other pods and parts of the cluster see nothing of it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ -n ${PAIFANG_INSIDE:-} && $own_cluster == yes ]] || die "works in the test bed only: in.sh stall.sh …"

off() { nft delete table inet stall 2>/dev/null || true; }

# "ADDRESS . PORT" of the pods' open connections. The API server sees them under their own addresses.
connections() {
    local address
    for address in $1; do
        ss -tnH state established "( sport = :6443 )" | awk -v "pod=$address" '{
            peer = $4; sub(/^\[::ffff:/, "", peer); sub(/\]/, "", peer)
            if (split(peer, part, ":") == 2 && part[1] == pod) print part[1] " . " part[2]
        }'
    done | sort -u | paste -sd,
}

on() {
    local addresses open match_in match_out
    addresses=$(kubectl -n "$1" get pods -o 'jsonpath={.items[*].status.podIP}')
    [[ -n $addresses ]] || die "no pods in $1"
    if [[ $2 == all ]]; then
        match_in="ip saddr { ${addresses// /, } } tcp dport 6443" match_out="ip daddr { ${addresses// /, } } tcp sport 6443"
    else
        open=$(connections "$addresses")
        [[ -n $open ]] || die "the pods of $1 have no connection to the API server"
        match_in="ip saddr . tcp sport { $open } tcp dport 6443" match_out="ip daddr . tcp dport { $open } tcp sport 6443"
    fi
    off
    nft -f - <<N
table inet stall {
    chain input { type filter hook input priority 0; $match_in counter drop; }
    chain output { type filter hook output priority 0; $match_out counter drop; }
}
N
}

case ${1:-} in
on) if [[ ${2:-} == --all ]]; then on "$namespace" all; else on "${2:-$namespace}" open; fi ;;
off) off ;;
*) echo "usage: in.sh stall.sh on [NAMESPACE | --all] | off" >&2; exit 2 ;;
esac
