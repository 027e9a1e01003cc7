#!/usr/bin/env bash
# Makes the connections of Paifang's pods to the API server go silent, without closing them: what a lost firewall state or
# a hung load balancer does to a watch.
#
#     in.sh stall.sh on [NAMESPACE]     connections that are open now; new ones work
#     in.sh stall.sh on --all           everything from the pods to the API server
#     in.sh stall.sh on --from ADDRESS… everything from pods of these addresses; needs no API server
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

addresses() {
    kubectl -n "$1" get pods -o 'jsonpath={.items[*].status.podIP}' | grep . || die "no pods in $1"
}

open_only() {
    local open
    open=$(connections "$1")
    [[ -n $open ]] || die "$1 have no connection to the API server"
    drop "ip saddr . tcp sport { $open } tcp dport 6443" "ip daddr . tcp dport { $open } tcp sport 6443"
}

everything() { drop "ip saddr { ${1// /, } } tcp dport 6443" "ip daddr { ${1// /, } } tcp sport 6443"; }

drop() {
    off
    nft -f - <<N
table inet stall {
    chain input { type filter hook input priority 0; $1 counter drop; }
    chain output { type filter hook output priority 0; $2 counter drop; }
}
N
}

case ${1:-}${2:+ $2} in
on\ --all) everything "$(addresses "$namespace")" ;;
on\ --from) everything "${*:3}" ;;
on*) open_only "$(addresses "${2:-$namespace}")" ;;
off) off ;;
*) echo "usage: in.sh stall.sh on [NAMESPACE | --all | --from ADDRESS…] | off" >&2; exit 2 ;;
esac
