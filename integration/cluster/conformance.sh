#!/usr/bin/env bash
# Runs the Gateway API's conformance suite, unmodified, against Paifang, with the features that its GatewayClass claims:
#
#     conformance.sh [--run TEST] [flags of the suite, as -debug]
#
# The last line says "N passed, N failed, N skipped"; the log and the report are kept, outside the checkout.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
profiles=${PAIFANG_CONFORMANCE_PROFILES:-GATEWAY-HTTP,GATEWAY-GRPC}
one=()
if [[ ${1:-} == --run ]]; then
    one=(-run-test "${2:?--run TEST}"); shift 2
fi

# Addresses that a Gateway may and may not ask for.
usable=${PAIFANG_USABLE_ADDRESS:-} unusable=${PAIFANG_UNUSABLE_ADDRESS:-}
if [[ $own_cluster == yes ]]; then usable=${usable:-10.97.0.200} unusable=${unusable:-10.98.0.1}; fi
addresses=()
[[ -z $usable ]] || addresses+=(-usable-address "$usable")
[[ -z $unusable ]] || addresses+=(-unusable-address "$unusable")

mkdir -p "$results"
log=$results/conformance.log report=$results/conformance.yaml claimed=$results/claimed.txt
rm -f "$log" "$report" "$claimed"
"$here/in.sh" kubectl get gatewayclass "$class" \
    -o 'jsonpath={range .status.supportedFeatures[*]}{.name}{"\n"}{end}' >"$claimed"
# The suite wants an address of the project and somebody to turn to, and takes no empty ones. What Cargo.toml does not say is
# not known here; names below .invalid are nobody's (RFC 2606).
url=$(sed -n 's/^repository = "\(.*\)"/\1/p' "$checkout/Cargo.toml" | head -n 1)
contact=${url:-unknown} url=${url:-https://unknown.invalid}
version=$(git -C "$checkout" describe --always --dirty 2>/dev/null) || version=unknown

# Tests remove what they made, and what failed with it. So objects are written down while assertions fail: the first ones.
rm -rf "$results/at-failures"
mkdir "$results/at-failures"
note_failures() {
    local seen=0 now
    while sleep 0.5; do
        now=$(grep -cE 'Error Trace:|timeout while waiting' "$log" || true)
        ((now > seen && seen < 10)) || continue
        seen=$now
        "$here/in.sh" kubectl get gateways,listenersets,httproutes,grpcroutes,services -A -o yaml \
            >"$results/at-failures/$seen.yaml" 2>&1 || true
    done
}
: >"$log"
note_failures &
noting=$!
trap 'kill "$noting" 2>/dev/null || true' EXIT

say "conformance of GatewayClass $class, $(wc -l <"$claimed") features claimed"
began=$SECONDS status=0
# More parallel tests than cores: they wait for Kubernetes most of the time, and one that waits for a slot may time out.
"$here/in.sh" conformance.test -test.v -test.parallel 8 -test.timeout 60m -test.run '^TestConformance$' \
    -gateway-class "$class" -conformance-profiles "$profiles" "${addresses[@]}" "${one[@]}" \
    -report-output "$report" -organization paifang -project paifang -url "$url" \
    -version "$version" -contact "$contact" "$@" >>"$log" 2>&1 </dev/null || status=$?

say "took $((SECONDS - began)) s; log and report are in $results"
"$here/summary.py" "$log" "$report" "$claimed" "$profiles" "${one[@]:+one}" || { ((status)) || status=1; }
((status == 0)) || "$here/dump.sh"
exit "$status"
