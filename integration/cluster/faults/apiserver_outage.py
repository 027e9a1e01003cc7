"""The API server is killed and comes back after a while.

What is served must not depend on it for a moment, and readiness neither: a gateway that calls itself unready in an outage of
the API server takes every site down with it.
"""


def run(stage):
    pods = stage.paifang.ready_pods()
    stage.expect(pods, "no ready pod of Paifang")
    with stage.traffic():
        stage.bed("apiserver.sh", "kill")
        try:
            stage.rest(stage.settings.outage)
            unready = [name for name, pod in pods.items() if stage.paifang.admin(pod, "/readyz")[0] != 200]
        finally:
            stage.bed("apiserver.sh", "start")
        stage.expect(not unready, f"not ready without API server: {unready}")
        stage.alive(60)
