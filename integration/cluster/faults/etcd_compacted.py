"""The history that watches would continue from is compacted away, so that they get 410 and must list again."""
import json

from lib.metrics import difference

KEY = "/paifang-test"
TRIES = 4


def run(stage):
    stage.bed("etcdctl", "version")
    with stage.traffic():
        expired = next((count for _ in range(TRIES) if (count := forget(stage))), 0)
    stage.say(f"{expired:.0f} watches began anew because they had expired")
    stage.expect(expired > 0, "no watch expired, so this tested nothing")


def forget(stage):
    """How many watches expired. None did if all met an API server so young that it refused everybody, and listed again."""
    before = stage.paifang.metrics()
    stage.bed("apiserver.sh", "kill")  # a new API server has no memory of what came before its start
    try:
        compact(stage)
    finally:
        stage.bed("apiserver.sh", "start")
    stage.alive(60)
    return difference(before, stage.paifang.metrics(), "paifang_watch_restarts_total", reason="expired")


def compact(stage):
    """Moves the present beyond what any watch has seen, then forgets all before it."""
    for value in "abc":
        stage.bed("etcdctl", "put", KEY, value)
    stage.bed("etcdctl", "del", KEY)
    status = json.loads(stage.bed("etcdctl", "endpoint", "status", "--write-out", "json"))
    stage.bed("etcdctl", "compact", str(status[0]["Status"]["header"]["revision"]), "--physical")
