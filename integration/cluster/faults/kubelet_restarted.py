"""The node's kubelet is killed and started again; containers run on meanwhile."""
import os
import shutil
import signal
import subprocess
import time

from lib.process import read
from lib.stage import NotHere
from lib.wait import attempt

NAME = "kubelet"


def run(stage):
    with stage.traffic():
        restart(stage)
        stage.kube.patch("Deployment", stage.scene.name, "echo", {"spec": {"replicas": 3}})
        stage.scene.scaled("echo", 3)  # only a kubelet that works makes a pod ready
        stage.alive()


def restart(stage):
    """Kills the bed's kubelet and starts it again with its own words; it shall outlive this test."""
    if "node.sh" not in read(1, "cmdline"):  # process 1 of the bed; then the kubelet that can be seen is the bed's too
        raise NotHere("only the bed's own kubelet is restarted")
    pids = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if read(pid, "comm").strip() == NAME]
    stage.expect(len(pids) == 1, f"{len(pids)} kubelets are to be seen")
    pid = pids[0]
    words = read(pid, "cmdline").rstrip("\0").split("\0")
    environment = dict(pair.split("=", 1) for pair in read(pid, "environ").rstrip("\0").split("\0"))
    log = os.readlink(f"/proc/{pid}/fd/1")
    if not shutil.which(words[0], path=environment.get("PATH")):
        raise NotHere(f"{words[0]} could not be started again")
    os.kill(int(pid), signal.SIGKILL)
    attempt(10, lambda: not read(pid, "cmdline"), what="the end of the kubelet")
    began = time.monotonic()
    with open(log, "a") as out:
        subprocess.Popen(words, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                         start_new_session=True)
    stage.say(f"started again after {time.monotonic() - began:.2f} s")
