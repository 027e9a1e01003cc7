"""Watches go silent without being closed, as when a middlebox forgets a connection.

The process must notice by itself, after `kubernetes.watchStallTimeout`, which is set short here. Bookmarks come about once a
minute, so with so short a time quiet watches merely begin anew more often.
"""
import re
import time

TIMEOUT = 10


def run(stage):
    chart = ["helm", "--namespace", stage.settings.namespace]
    stage.bed("stall.sh", "off")
    stage.bed(*chart, "upgrade", stage.settings.release, stage.settings.chart, "--reuse-values", "--wait", "--timeout", "3m",
              "--set-string", f"config.kubernetes.watchStallTimeout={TIMEOUT}s", seconds=200)
    try:
        with stage.traffic():
            stall(stage)
            stage.alive(30)
    finally:
        stage.bed(*chart, "rollback", stage.settings.release, "--wait", "--timeout", "3m", seconds=200)


def stall(stage):
    """New connections get through, those there are do not; a route made meanwhile must still come to serve."""
    stage.bed("stall.sh", "on")
    try:
        began = time.monotonic()
        stage.scene.route("stalled", "stalled.example.test")
        stage.serves("stalled.example.test", TIMEOUT + 20)
        stage.say(f"a route made while all watches were silent serves after {time.monotonic() - began:.1f} s")
        dropped = sum(map(int, re.findall(r"packets (\d+)", stage.bed("nft", "list", "table", "inet", "stall"))))
        stage.expect(dropped > 0, "nothing was said on the silent connections, so this tested nothing")
    finally:
        stage.bed("stall.sh", "off")
