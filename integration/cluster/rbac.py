#!/usr/bin/env python3
"""Proves that Paifang's permissions are the ones it needs: run it after tests that make Paifang do all it can do.

    in.sh rbac.py [AUDIT.json…]

What the API server's audit log says that Paifang's service account did is compared with the rules of the roles that its
chart installed. It fails for each permission that was never used with success, each request that was refused and that the
roles do not permit, and each permission for the whole cluster that was only used in Paifang's own namespace. Without
AUDIT.json, the test bed's own log is read. The last line is `rbac: N permissions, M requests, N problems`.
"""
import collections
import glob
import json
import os
import subprocess
import sys

NAMESPACE = "paifang-system"
RELEASE = "paifang"
USER = f"system:serviceaccount:{NAMESPACE}:paifang"

# verb on a resource of a group ("httproutes/status"), in a namespace ("" for the whole cluster), of a name ("" for many)
Request = collections.namedtuple("Request", "verb group resource namespace name")
# one verb of one rule; names is empty when it permits all
Permission = collections.namedtuple("Permission", "role cluster verb group resource names")


def spoken(what):
    return f"{what.verb} {what.resource}" + (f".{what.group}" if what.group else "")


def permissions(roles):
    """The rules of the roles, taken apart."""
    for role in roles:
        for rule in role.get("rules") or []:
            for group in rule.get("apiGroups", []):
                for resource in rule.get("resources", []):
                    for verb in rule["verbs"]:
                        yield Permission(
                            f"{role['kind']} {role['metadata']['name']}",
                            role["kind"] == "ClusterRole",
                            verb,
                            group,
                            resource,
                            tuple(rule.get("resourceNames", [])),
                        )


def requests(event):
    """What an audit event asked for; nothing, if that was no object: /version, discovery."""
    of = event.get("objectRef")
    if not of or "resource" not in of:
        return []
    resource = of["resource"] + ("/" + of["subresource"] if of.get("subresource") else "")
    what = Request(event["verb"], of.get("apiGroup", ""), resource, of.get("namespace", ""), of.get("name", ""))
    # A server-side apply that makes the object is checked for `create`, too, which the log does not say.
    made = what.verb == "patch" and event.get("responseStatus", {}).get("code") == 201
    return [what, what._replace(verb="create")] if made else [what]


def worked(event):
    """Whether a request did what it was for. That there is no such object or somebody was faster are answers, too."""
    code = event.get("responseStatus", {}).get("code", 200)
    return code < 400 or code in (404, 409, 410)


class Log:
    """How often each thing was asked for with success, and what was refused, in audit logs that may still grow."""

    def __init__(self, files):
        self.positions = dict.fromkeys(files, 0)
        self.asked, self.refused, self.events = collections.Counter(), collections.Counter(), set()

    def read(self):
        """Reads what is new. The end of a line that is being written is left for the next time."""
        for file, position in self.positions.items():
            with open(file, "rb") as log:
                log.seek(position)
                for line in log:
                    if line.endswith(b"\n"):
                        self.note(json.loads(line))
                        self.positions[file] += len(line)
        return self

    def note(self, event):
        if event.get("user", {}).get("username") != USER:
            return
        if event["auditID"] in self.events:  # a watch has one event when it begins, and one when it ends
            return
        self.events.add(event["auditID"])
        # 403 is also what admission says, as in a namespace that is being deleted: the decision is what counts
        if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid":
            self.refused.update(requests(event) or [Request(event["verb"], "", event["requestURI"], "", "")])
        elif worked(event):
            self.asked.update(requests(event))

    def times(self, right):
        """How often a right was used: "get secrets"."""
        return sum(times for what, times in self.asked.items() if f"{what.verb} {what.resource}" == right)


def covers(permission, asked):
    return (
        (permission.verb, permission.group, permission.resource) == (asked.verb, asked.group, asked.resource)
        and (not permission.names or asked.name in permission.names)
        and (permission.cluster or asked.namespace == NAMESPACE)
    )


def permits(granted, what):
    return any(covers(permission, what) for permission in granted)


def judge(granted, log):
    """The sentences about what is wrong."""
    missing = collections.Counter()
    for what, times in log.refused.items():
        if not permits(granted, what):
            missing[f"{spoken(what)} in {what.namespace or 'the whole cluster'}"] += times
    for what, times in sorted(missing.items()):
        yield f"missing: {what} was refused {times} times"
    for permission in granted:
        named = f" named {', '.join(permission.names)}" if permission.names else ""
        told = f"{permission.role}: {spoken(permission)}{named}"
        if "*" in (permission.verb, permission.group, permission.resource):
            yield f"too wide: {told}"
            continue
        uses = [what for what in log.asked if covers(permission, what)]
        if not uses:
            yield f"never used: {told}"
        elif permission.cluster and all(what.namespace == NAMESPACE for what in uses):
            yield f"only used in {NAMESPACE}, so a Role would do: {told}"
    for twice, times in collections.Counter(permission._replace(role="") for permission in granted).items():
        if times > 1:
            yield f"granted {times} times: {spoken(twice)}"


def installed():
    """The roles of the release, as they are in the cluster."""
    selector = f"app.kubernetes.io/instance={RELEASE}"
    command = ["kubectl", "get", "clusterroles,roles", "--all-namespaces", "-l", selector, "-o", "json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["items"]


def logs():
    """The test bed's audit logs."""
    return glob.glob(os.path.join(os.environ.get("PAIFANG_CLUSTER_STATE", ""), "log", "audit*.json"))


def main(files):
    files = files or logs()
    if not files:
        sys.exit("rbac: no audit log. On a cluster of your own, name the file that its API server writes")
    granted = list(permissions(installed()))
    if not granted:
        sys.exit("rbac: no roles of Paifang are installed")
    log = Log(files).read()
    problems = list(judge(granted, log))
    for problem in problems:
        print(f"rbac: {problem}")
    if taken := sum(times for what, times in log.refused.items() if permits(granted, what)):
        print(f"rbac: {taken} requests were refused of what is permitted: a test had taken the rights away")
    print(f"rbac: {len(granted)} permissions, {len(log.events)} requests, {len(problems)} problems")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main(sys.argv[1:])
