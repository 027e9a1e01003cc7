"""Every pod of Paifang is replaced, as with a new version."""
import time

from lib.wait import wait_for

STAMP = "kubectl.kubernetes.io/restartedAt"


def run(stage):
    paifang = stage.paifang
    before = set(paifang.pods())
    with stage.traffic():
        stamp = {STAMP: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}  # as `kubectl rollout restart` does
        restart = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
        stage.kube.patch("Deployment", paifang.namespace, paifang.name, restart)
        wait_for(stage.kube, "Deployment", paifang.namespace, paifang.name, rolled_out, 240, "rollout")
        for name in before:  # the old pods serve until they have drained
            wait_for(stage.kube, "Pod", paifang.namespace, name, lambda pod: pod is None, 90, "end of the old pod")
        stage.alive()
    stage.expect(not before & set(paifang.pods()), "an old pod is still there")


def rolled_out(deployment):
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    return status["observedGeneration"] >= deployment["metadata"]["generation"] and all(
        status.get(field, 0) == wanted for field in ("replicas", "updatedReplicas", "availableReplicas"))
