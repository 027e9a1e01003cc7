"""The API server's audit log: who asked for what."""
import json
import os
from datetime import datetime

from .stage import NotHere

WRITES = "create", "update", "patch", "delete"


def audit_log():
    path = os.path.join(os.environ.get("PAIFANG_CLUSTER_STATE", ""), "log", "audit.json")
    if not os.path.exists(path):
        raise NotHere("needs the audit log of the API server")
    return path


def length():
    """How much is in the log by now, for who will ask again and again about what comes later."""
    return os.path.getsize(audit_log())


def requests(address, since, position=0):
    """How many requests the API server has had from an address, and its writes as (seconds, code, verb, path), also what was
    refused. Read is what lies behind a position of the log."""
    asked, written = 0, []
    with open(audit_log()) as log:
        log.seek(position)
        for line in log:
            event = json.loads(line)
            at = datetime.fromisoformat(event["requestReceivedTimestamp"].replace("Z", "+00:00"))
            if address not in event["sourceIPs"] or at < since or event["stage"] != "ResponseComplete":
                continue
            if event["verb"] in WRITES:
                path = event["requestURI"].split("?")[0]
                written.append((round((at - since).total_seconds(), 1), event["responseStatus"]["code"], event["verb"], path))
            asked += 1
    return asked, written
