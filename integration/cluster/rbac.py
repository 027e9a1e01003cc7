#!/usr/bin/env python3
"""Proves that Paifang's permissions are the ones it needs: run it after tests that make Paifang do all it can do.

    in.sh rbac.py [AUDIT.json…]

What the API server's audit log says that Paifang's service account did is compared with the rules of the roles that its
chart installed. It fails for each permission that was never used, each request that was refused, and each permission for
the whole cluster that was only used in Paifang's own namespace. A watch that delivers the list first counts as a list, too: API
servers that cannot do that are asked for the list. Without AUDIT.json, the test bed's own log is read.
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


def request(event):
    """What an audit event asked for, unless it was no object: /version, discovery."""
    of = event.get("objectRef")
    if not of or "resource" not in of:
        return None
    resource = of["resource"] + ("/" + of["subresource"] if of.get("subresource") else "")
    return Request(event["verb"], of.get("apiGroup", ""), resource, of.get("namespace", ""), of.get("name", ""))


def read(files):
    """How often each thing was asked for, and what was refused."""
    asked, refused = collections.Counter(), collections.Counter()
    for file in files:
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                if event.get("user", {}).get("username") != USER:
                    continue
                # 403 is also what admission says, as in a namespace that is being deleted: the decision is what counts
                decision = event.get("annotations", {}).get("authorization.k8s.io/decision")
                what = request(event)
                if decision == "forbid":
                    where = f" in {what.namespace or 'the whole cluster'}" if what else ""
                    refused[(spoken(what) if what else event["requestURI"]) + where] += 1
                elif what:
                    asked[what] += 1
                    if "sendInitialEvents=true" in event["requestURI"]:
                        asked[what._replace(verb="list")] += 1
    return asked, refused


def covers(permission, asked):
    return (
        (permission.verb, permission.group, permission.resource) == (asked.verb, asked.group, asked.resource)
        and (not permission.names or asked.name in permission.names)
        and (permission.cluster or asked.namespace == NAMESPACE)
    )


def judge(granted, asked, refused):
    """The sentences about what is wrong."""
    for what, times in sorted(refused.items()):
        yield f"missing: {what} was refused {times} times"
    for permission in granted:
        named = f" named {', '.join(permission.names)}" if permission.names else ""
        told = f"{permission.role}: {spoken(permission)}{named}"
        if "*" in (permission.verb, permission.group, permission.resource):
            yield f"too wide: {told}"
            continue
        uses = [what for what in asked if covers(permission, what)]
        if not uses:
            yield f"never used: {told}"
        elif permission.cluster and all(what.namespace == NAMESPACE for what in uses):
            yield f"only used in {NAMESPACE}, so a Role would do: {told}"


def installed():
    """The roles of the release, as they are in the cluster."""
    selector = f"app.kubernetes.io/instance={RELEASE}"
    command = ["kubectl", "get", "clusterroles,roles", "--all-namespaces", "-l", selector, "-o", "json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["items"]


def main(files):
    files = files or glob.glob(os.path.join(os.environ.get("PAIFANG_CLUSTER_STATE", ""), "log", "audit*.json"))
    if not files:
        sys.exit("rbac: no audit log. On a cluster of your own, name the file that its API server writes")
    granted = list(permissions(installed()))
    if not granted:
        sys.exit("rbac: no roles of Paifang are installed")
    asked, refused = read(files)
    problems = list(judge(granted, asked, refused))
    for problem in problems:
        print(f"rbac: {problem}")
    print(f"rbac: {len(granted)} permissions, {sum(asked.values())} requests, {len(problems)} problems")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main(sys.argv[1:])
