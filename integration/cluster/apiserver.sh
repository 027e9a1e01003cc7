#!/usr/bin/env bash
# Starts or stops the API server alone: for tests of an outage, or of another API server. Run inside:
#
#     in.sh apiserver.sh stop
#     in.sh apiserver.sh start [flags of kube-apiserver]
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export PATH=$bin:$PATH
pki=$state/pki

start() {
    ! alive "$state/apiserver.pid" || die "the API server runs already"
    # not as this script's child in the log's eyes: it shall outlive whoever starts it
    setsid kube-apiserver --etcd-servers http://127.0.0.1:2379 --advertise-address "$node_ip" --secure-port 6443 \
        --service-cluster-ip-range "$services" --allow-privileged \
        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
        --client-ca-file "$pki/ca.crt" --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
        --kubelet-client-certificate "$pki/apiserver-kubelet-client.crt" \
        --kubelet-client-key "$pki/apiserver-kubelet-client.key" --kubelet-preferred-address-types InternalIP \
        --service-account-issuer https://kubernetes.default.svc.cluster.local \
        --service-account-key-file "$pki/sa.pub" --service-account-signing-key-file "$pki/sa.key" \
        --requestheader-client-ca-file "$pki/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
        --requestheader-extra-headers-prefix X-Remote-Extra- --requestheader-group-headers X-Remote-Group \
        --requestheader-username-headers X-Remote-User \
        --proxy-client-cert-file "$pki/front-proxy-client.crt" --proxy-client-key-file "$pki/front-proxy-client.key" \
        --shutdown-watch-termination-grace-period 1s \
        --audit-policy-file "$here/audit.yaml" --audit-log-path "$state/log/audit.json" --audit-log-maxsize 1000 \
        "$@" >>"$state/log/apiserver.log" 2>&1 </dev/null &
    remember $! "$state/apiserver.pid"
}

ready() { kubectl --kubeconfig "$state/conf/super-admin.conf" get --raw /readyz; }

gone() { ! alive "$state/apiserver.pid"; }

stop() {
    ! alive "$state/apiserver.pid" || kill "$@" "$(pid_of "$state/apiserver.pid")"
    # it lets requests in flight end: watches are told to come back, which a crash (kill) would not do
    wait_for 90 gone
}

case ${1:-} in
start) start "${@:2}" && wait_for 60 ready ;;
stop) stop ;;
kill) stop -9 ;;
*) echo "usage: in.sh apiserver.sh start [FLAGS]|stop|kill" >&2; exit 2 ;;
esac
