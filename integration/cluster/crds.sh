#!/usr/bin/env bash
# What a real API server says to Paifang's CRDs: it takes them and every example, and refuses each object of
# integration/crds/refused.yaml by the rule that the object names. Nothing is left behind but CRDs that were missing.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kube() { "$here/in.sh" kubectl "$@"; }

names=$(sed -n 's/^  name: //p' "$checkout"/crds/*.yaml)
# shellcheck disable=SC2086 # one word for each
kube get crd $names >/dev/null 2>&1 || kube apply --server-side -f "$checkout/crds" >/dev/null
# shellcheck disable=SC2086
kube wait --for=condition=Established --timeout=30s crd $names >/dev/null

# A dry run makes no namespaces, so the examples of all of them are tried in one that is there.
for file in "$checkout"/crds/examples/*.yaml; do
    sed 's/^  namespace: .*/  namespace: default/' "$file" |
        kube apply --server-side --force-conflicts --dry-run=server -f - >/dev/null || die "$file is refused"
done

csplit --quiet --elide-empty-files --prefix "$work/" "$checkout/integration/crds/refused.yaml" '/^---$/' '{*}'
wrong=0 tried=0
for file in "$work"/*; do
    # kubectl shall refuse nothing itself: it is the server that is asked
    says=$(kube create --dry-run=client --validate=false -f - -o jsonpath='{.metadata.annotations.says}' <"$file")
    tried=$((tried + 1))
    if answer=$(kube create --dry-run=server --validate=false -f - 2>&1 <"$file"); then
        say "taken, but must be refused: $says"; wrong=$((wrong + 1))
    elif [[ $answer != *"$says"* ]]; then
        say "refused, but not because '$says': $answer"; wrong=$((wrong + 1))
    fi
done
say "crds: $tried objects to refuse, $wrong problems"
((wrong == 0 && tried > 30))
