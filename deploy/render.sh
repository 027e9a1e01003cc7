#!/usr/bin/env bash
# Renders the chart into install.yaml, the plain manifests beside this script: `deploy/render.sh`. With --check nothing is
# written, and what differs is an error. HELM says which helm.
set -euo pipefail
cd "$(dirname "$0")"
namespace=paifang-system

# Who applies these manifests does not use Helm: the labels that say so are left out, and the names of templates.
render() {
    cat <<END
# Paifang in a cluster: the chart with its defaults. Written by deploy/render.sh; change the chart instead.
# First the CRDs of the Gateway API and an image: see deploy/README.md.
---
apiVersion: v1
kind: Namespace
metadata:
  name: $namespace
  labels:
    # Nothing here needs more than the strictest level.
    pod-security.kubernetes.io/enforce: restricted
END
    "${HELM:-helm}" template paifang chart --namespace "$namespace" |
        sed -e '/^# Source: /d' -e '/^ *helm\.sh\/chart: /d' -e '/^ *app\.kubernetes\.io\/managed-by: Helm$/d' |
        cat -s
}

# What is off by default: it comes out as it is in rules/ and dashboards/.
same() {
    local on=$1 template=$2 indent=$3 want=$4
    "${HELM:-helm}" template paifang chart --set "$on.enabled=true" --show-only "templates/$template.yaml" |
        sed -n "/^\(spec\|data\):/,\$ s/^$indent//p" | diff -u "$want" - ||
        { echo "deploy/chart/templates/$template.yaml does not render its files as they are" >&2; exit 1; }
}

deployment() { "${HELM:-helm}" template paifang chart --show-only templates/deployment.yaml "$@"; }

# What a value changes in the Deployment, and nothing else, as diff says it: on standard input.
changes() {
    diff -u - <(diff <(deployment) <(deployment --set "$1") | grep '^[<>]') ||
        { echo "deploy/chart/templates/deployment.yaml makes something else of --set $1" >&2; exit 1; }
}

case ${1:-} in
"") render >install.yaml.new && mv install.yaml.new install.yaml ;;
--check)
    render | diff -u install.yaml - ||
        { echo "deploy/install.yaml is not what the chart renders: run deploy/render.sh" >&2; exit 1; }
    same prometheusRule prometheusrule "  " <(sed -n '/^groups:/,$p' rules/paifang.yaml)
    same dashboards dashboards "    " <(cat dashboards/*.json)
    changes limitStoreSecret=store <<'END'
>             - name: limit-store
>               mountPath: /etc/paifang-limit-store
>               readOnly: true
>         - name: limit-store
>           secret:
>             secretName: store
END
    ;;
*) echo "usage: deploy/render.sh [--check]" >&2; exit 2 ;;
esac
