#!/usr/bin/env bash
# Installs Paifang from deploy/chart, as a user would, or upgrades it, and waits until its GatewayClass is accepted:
#
#     install.sh [flags of helm upgrade, as --set replicas=3]
#
# With the test bed the image is built from this checkout. With KUBECONFIG it has to be where the cluster finds it, and
# PAIFANG_IMAGE says under which name.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
began=$SECONDS
if [[ $own_cluster == yes ]]; then
    [[ -n $(init_of_cluster) ]] || die "no cluster is up in $state: run $here/up.sh"
    # named by its content, so that an upgrade rolls the pods exactly when the program has changed
    image=$("$here/image.sh" "$state/paifang.tar" "$image-HASH")
    "$here/in.sh" ctr images import "$state/paifang.tar" >/dev/null
fi

"$here/in.sh" helm upgrade --install "$release" "$checkout/deploy/chart" --namespace "$namespace" --create-namespace \
    --set "image.repository=${image%:*}" --set-string "image.tag=${image##*:}" --set image.pullPolicy=IfNotPresent \
    --set "gatewayClass.name=$class" "$@" >/dev/null
kube() { "$here/in.sh" kubectl "$@"; }
if ! { kube -n "$namespace" rollout status "deployment/$release" --timeout=120s &&
    kube wait "gatewayclass/$class" --for=condition=Accepted --timeout=60s; }; then
    kube -n "$namespace" get pods -o wide >&2 || true
    kube -n "$namespace" logs -l "app.kubernetes.io/instance=$release" --tail=20 --prefix >&2 || true
    die "Paifang did not become ready"
fi
# as documents have it, who asks a pod: by a name that is looked for in the image
kube -n "$namespace" exec "deployment/$release" -- paifang version >/dev/null || die "kubectl exec does not find paifang in its image"
say "Paifang $image is installed after $((SECONDS - began)) s"
