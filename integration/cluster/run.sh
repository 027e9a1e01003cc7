#!/usr/bin/env bash
# Tests Paifang in a real Kubernetes, from nothing to nothing left:
#
#     run.sh [WHAT…]      WHAT: conformance, crds, admission, limits, …: each is a script beside this one; all of them by default
#
# Without KUBECONFIG it builds what is missing, brings a cluster up on this machine, installs Paifang from deploy/, runs the
# tests and takes the cluster down, whatever fails. With KUBECONFIG it installs into that cluster and removes it again.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
all=(conformance crds admission limits faults rbac) # rbac last: it judges what the others made Paifang do
(($#)) || set -- "${all[@]}"

script() {
    local file
    for file in "$here/$1.sh" "$here/$1.py"; do [[ ! -x $file ]] || { echo "$file"; return; }; done
    die "there is no $1 to run; there are: ${all[*]}"
}
for what; do script "$what" >/dev/null; done

# Each step is a process group of its own, so that an interrupted run ends at once, and the step with all it started.
set -m
step() {
    local began=$SECONDS status=0
    "$@" </dev/null &
    running=$!
    wait -f "$running" || status=$? # its end, also when it was stopped and goes on
    running=
    say "step $(basename "$1") took $((SECONDS - began)) s"
    return "$status"
}
end() {
    local status=$?
    trap '' INT TERM
    [[ -z ${running:-} ]] || kill -TERM -- "-$running" 2>/dev/null || true
    case ${installed:-} in
    bed) "$here/down.sh" || status=1 ;;
    release) "$here/in.sh" helm uninstall "$release" --namespace "$namespace" --wait >/dev/null || status=1 ;;
    esac
    exit "$status"
}
trap end EXIT
trap 'exit 130' INT TERM

if [[ $own_cluster == yes ]]; then
    step "$here/build.sh"
    step "$here/up.sh"
    installed=bed
else
    step "$here/build.sh" suite
    installed=release
fi
HELM=$bin/helm step "$checkout/deploy/render.sh" --check
step "$here/install.sh" || { status=$?; "$here/dump.sh"; exit "$status"; }
failed=()
for what; do
    if [[ $what == rbac && $own_cluster == no ]]; then
        say "rbac is left out: it needs the API server's audit log, see README.md"
        continue
    fi
    file=$(script "$what")
    if [[ $file == *.py ]]; then command=("$here/in.sh" "$file"); else command=("$file"); fi
    # the scripts write down by themselves what can be known about a failure
    step "${command[@]}" || { failed+=("$what"); [[ $file != *.py ]] || "$here/dump.sh"; }
done
((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
say "all passed: $*"
