"""What a pod's processes cost, read from /proc. The bed's pods share the process ids of whoever entered it."""
import os
import re

TICK = os.sysconf("SC_CLK_TCK")


def processes(uid, command=None):
    """Process ids below a pod's cgroup, only those of a command if one is given."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if uid in read(pid, "cgroup") and command in (None, read(pid, "comm").strip()):
            found.append(int(pid))
    return found


def read(pid, name):
    """A file of a process, or nothing when the process is gone."""
    try:
        with open(f"/proc/{pid}/{name}") as file:
            return file.read()
    except OSError:
        return ""


def cpu_seconds(pid):
    """User and system time; the second field of stat may contain spaces and ends at the last parenthesis."""
    stat = read(pid, "stat")
    return sum(map(int, stat.rsplit(")", 1)[1].split()[11:13])) / TICK if stat else 0.0


def pss_mib(pid):
    """Proportional set size: shared pages count once."""
    found = re.search(r"^Pss:\s+(\d+)", read(pid, "smaps_rollup"), re.M)
    return int(found[1]) / 1024 if found else 0.0
