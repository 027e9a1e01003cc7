#!/usr/bin/env bash
# The node: up.sh runs it as process 1 of its own namespaces. When it ends, everything in it ends.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export PATH=$bin:$PATH KUBECONFIG=$state/conf/super-admin.conf
conf=$state/conf pki=$state/pki

run() { local name=$1; shift; "$@" >"$state/log/$name.log" 2>&1 & }

# The parts write to fixed places of the machine, whatever their flags say. Here, each such place is a copy whose changes
# land in the state folder.
spare_the_machine() {
    local place copy setting
    mount --make-rshared /
    for place in /run /var/log /var/lib /opt /usr/libexec; do
        [[ -d $place ]] || continue
        copy=$state/machine$place
        mkdir -p "$copy"/{new,work}
        mount -t overlay overlay -o "lowerdir=$place,upperdir=$copy/new,workdir=$copy/work" "$place" ||
            die "the state folder $state must be on a file system that overlays can be written to, as ext4 or tmpfs"
    done
    # The kubelet insists on these settings of the kernel, which are the whole machine's. It is shown what it wants to see.
    for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
        kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
        copy=$state/machine/${setting//\//.}
        echo "${setting#*=}" >"$copy"
        mount --bind "$copy" "/proc/sys/${setting%=*}"
    done
}

# One address and a default route, without which parts refuse to start, and no way out. A veth pair with both ends here
# serves where the kernel has no dummy interfaces.
network() {
    hostname "$node"
    ip link set lo up
    ip link add node0 type veth peer name node0-peer
    ip addr add "$node_ip/24" dev node0
    ip link set node0-peer up
    ip link set node0 up
    ip route add default dev node0
    # The address of a Service that kube-proxy does not know, yet or any more, is refused, not lost in node0. A SYN that is lost
    # stays in connection tracking for two minutes as a connection without translation, and whoever gets its port again
    # meanwhile is lost like it, though the Service is there.
    nft -f - <<N
table inet unknown-services {
    chain output { type filter hook output priority 10; ip daddr { $services, $balancer } reject with icmpx host-unreachable; }
    chain forward { type filter hook forward priority 10; ip daddr { $services, $balancer } reject with icmpx host-unreachable; }
}
N
    sysctl -qw net.ipv4.ip_forward=1
}

certificates() {
    cat >"$conf/kubeadm.yaml" <<Y
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
certificatesDir: $pki
kubernetesVersion: $(kubeadm version -o short)
controlPlaneEndpoint: $node_ip:6443
networking: {serviceSubnet: $services, podSubnet: $pods}
encryptionAlgorithm: ECDSA-P256
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration: {name: $node}
localAPIEndpoint: {advertiseAddress: $node_ip, bindPort: 6443}
Y
    kubeadm init phase certs all --config "$conf/kubeadm.yaml"
    kubeadm init phase kubeconfig all --config "$conf/kubeadm.yaml" --kubeconfig-dir "$conf"
}

control_plane() {
    run etcd etcd --data-dir "$state/etcd" --log-level warn --unsafe-no-fsync \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380
    "$here/apiserver.sh" start
    run controller-manager kube-controller-manager --leader-elect=false --use-service-account-credentials \
        --kubeconfig "$conf/controller-manager.conf" --authentication-kubeconfig "$conf/controller-manager.conf" \
        --authorization-kubeconfig "$conf/controller-manager.conf" \
        --client-ca-file "$pki/ca.crt" --root-ca-file "$pki/ca.crt" --requestheader-client-ca-file "$pki/front-proxy-ca.crt" \
        --service-account-private-key-file "$pki/sa.key" \
        --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key"
    run scheduler kube-scheduler --leader-elect=false --kubeconfig "$conf/scheduler.conf" \
        --authentication-kubeconfig "$conf/scheduler.conf" --authorization-kubeconfig "$conf/scheduler.conf"
}

containers() {
    cat >"$conf/cni/pods.conflist" <<Y
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": {"type": "host-local",
  "dataDir": "$state/cni", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
Y
    cat >"$conf/containerd.toml" <<Y
version = 3
root = "$state/containerd"
state = "$state/run/containerd"
[grpc]
  address = "$socket"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "registry.k8s.io/pause:3.10"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true   # without CAP_SYS_RESOURCE, pods that ask for a lower score would not start
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["$bin"]
  conf_dir = "$conf/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
Y
    run containerd containerd --config "$conf/containerd.toml"
    wait_for 30 ctr -a "$socket" version
    for archive in "$home"/images/*.tar; do
        ctr -a "$socket" -n k8s.io images import "$archive" >>"$state/log/images.log" 2>&1
    done
}

kubelet_and_proxy() {
    echo "nameserver $node_ip" >"$conf/resolv.conf" # nobody answers there: names outside the cluster fail at once
    cat >"$conf/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$socket
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
resolvConf: $conf/resolv.conf
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
failSwapOn: false
maxPods: 250
evictionHard: {memory.available: 1Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
podLogsDir: $state/podlogs
volumePluginDir: $state/volumeplugins
Y
    run kubelet kubelet --config "$conf/kubelet.yaml" --kubeconfig "$conf/kubelet.conf" --node-ip "$node_ip" \
        --hostname-override "$node" --root-dir "$state/kubelet" --cert-dir "$state/kubelet-pki"
    cat >"$conf/kube-proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
iptables: {minSyncPeriod: 100ms, syncPeriod: 2s} # what fails is tried again after the second
clusterCIDR: $pods
clientConnection: {kubeconfig: $conf/super-admin.conf}
conntrack: {maxPerCore: 0}
nodePortAddresses: [primary]
Y
    run kube-proxy kube-proxy --config "$conf/kube-proxy.yaml" --hostname-override "$node"
}

# What kubeadm would bind: the administrators, and the API server when it asks the kubelet for logs.
permissions() {
    kubectl create clusterrolebinding kubeadm:cluster-admins --clusterrole=cluster-admin --group=kubeadm:cluster-admins
    kubectl create clusterrolebinding kube-apiserver-kubelet-client --clusterrole=system:kubelet-api-admin \
        --user=kube-apiserver-kubelet-client
}

# Addresses for Services of type LoadBalancer. On one node, kube-proxy alone carries the traffic.
load_balancer() {
    kubectl wait --for=condition=Established crd/ipaddresspools.metallb.io --timeout=20s
    kubectl create namespace metallb-system
    for name in metallb-webhook-cert memberlist; do
        kubectl -n metallb-system create secret generic "$name" --from-literal=secretkey=none
    done
    kubectl apply -f - <<Y
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, namespace: metallb-system}
spec: {addresses: [$balancer]}
Y
    METALLB_NAMESPACE=metallb-system run metallb metallb-controller --kubeconfig "$KUBECONFIG" --webhook-mode disabled \
        --disable-cert-rotation
}

dns() {
    kubeadm init phase addon coredns --config "$conf/kubeadm.yaml" --kubeconfig "$KUBECONFIG"
    kubectl -n kube-system scale deployment coredns --replicas=1
}

spare_the_machine
network
certificates
control_plane
containers
kubelet_and_proxy
permissions
kubectl apply --server-side -f "$home/crds/gateway-api" -f "$home/crds/metallb" >"$state/log/crds.log"
load_balancer
dns
kubectl wait --for=condition=Ready "node/$node" --timeout=60s
kubectl -n kube-system rollout status deployment coredns --timeout=90s
: >"$state/ready"
while :; do wait -n || true; sleep 1; done # reaps what is left to process 1
