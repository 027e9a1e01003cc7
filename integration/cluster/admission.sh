#!/usr/bin/env bash
# What a real API server says to objects that ask for what is claimed: with the policies that `paifang admission` prints for
# integration/admission/world it decides about each object of vectors.yaml as that object says. Nothing is left behind.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
vectors=$checkout/integration/admission
work=$(mktemp -d)
kube() { "$here/in.sh" kubectl "$@"; }
end() {
    kube delete --ignore-not-found --wait=false -f "$work/policies.yaml" -f "$vectors/world/namespaces.yaml" >/dev/null || true
    rm -rf "$work"
}
trap end EXIT

paifang=$(program)
# under names of their own, so that a cluster keeps the policies it has
"$paifang" admission --manifests "$vectors/world" | sed 's/paifang-\(claims\|shadow\)-/vectors-\1-/' >"$work/policies.yaml"
# those of a run before may still be going
kube delete --ignore-not-found -f "$vectors/world/namespaces.yaml" >/dev/null
kube apply --server-side -f "$vectors/world/namespaces.yaml" -f "$work/policies.yaml" >/dev/null

# All objects at once, until each policy has had its say, and then once more: they come into effect one after another.
policies=$(sed -n 's/^  policyName: //p' "$work/policies.yaml")
# shellcheck disable=SC2329 # called by wait_for
ask() {
    local policy
    kube create --dry-run=server --validate=false -f "$vectors/vectors.yaml" >"$work/answers" 2>&1 || true
    for policy in $policies; do grep -q "ValidatingAdmissionPolicy '$policy'" "$work/answers" || return 1; done
}
if ! wait_for 2 ask || ! ask; then die "not every policy came into effect: $(cat "$work/answers")"; fi
kube get validatingadmissionpolicies $policies -o jsonpath='{range .items[*]}{.status.typeChecking.expressionWarnings}{end}' >"$work/types"
[[ ! -s $work/types ]] || die "expressions do not fit the types of objects: $(cat "$work/types")"

kube create --dry-run=client --validate=false -f "$vectors/vectors.yaml" -o go-template='{{.metadata.name}}
{{- with .metadata.annotations}} {{.verdict}} {{or .by "-"}} {{or .apiserver "-"}} {{or .shadow "-"}}{{end}}
' >"$work/expected"
wrong=0 tried=0
answered() { grep -qE "$@" "$work/answers" || { say "not as expected ($name): $(grep -E "[/\"]$name[\" ]" "$work/answers")"; wrong=$((wrong + 1)); }; }
while read -r name verdict by apiserver shadow; do
    tried=$((tried + 1)) owner="is claimed by Tenant '$by'"
    [[ $by != nobody ]] || owner="nobody claims it"
    case $verdict/$apiserver in
    refused/-) answered "\"$name\" is forbidden: .*vectors-claims-.*$owner" ;;
    invalid/-) answered "\"$name\" is invalid: " ;;
    *) answered "/$name created" ;;
    esac
    [[ $shadow == - ]] || answered "^Warning: .*vectors-shadow-.*is claimed by Tenant '$shadow'"
done <"$work/expected"
say "admission: $tried objects, $wrong problems"
((wrong == 0 && tried > 90))
