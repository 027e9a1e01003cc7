"""The history that watches would continue from is compacted away, so that they get 410 and must list again."""
import json

from lib.metrics import difference

KEY = "/paifang-test"


def run(stage):
    before = stage.paifang.metrics()
    with stage.traffic():
        stage.bed("etcdctl", "version")
        stage.bed("apiserver.sh", "kill")  # a new API server has no memory of what came before its start
        try:
            compact(stage)
        finally:
            stage.bed("apiserver.sh", "start")
        stage.alive(60)
    expired = difference(before, stage.paifang.metrics(), "paifang_watch_restarts_total", reason="expired")
    stage.say(f"{expired:.0f} watches began anew because they had expired")
    stage.expect(expired > 0, "no watch expired, so this tested nothing")


def compact(stage):
    """Moves the present beyond what any watch has seen, then forgets all before it."""
    for value in "abc":
        stage.bed("etcdctl", "put", KEY, value)
    stage.bed("etcdctl", "del", KEY)
    status = json.loads(stage.bed("etcdctl", "endpoint", "status", "--write-out", "json"))
    stage.bed("etcdctl", "compact", str(status[0]["Status"]["header"]["revision"]), "--physical")
