#!/usr/bin/env bash
# Proves that Paifang's roles permit what it needs and nothing else: rights.py makes it need all it ever does, rbac.py compares
# the roles with the API server's audit log. The last line is `rbac: N permissions, M requests, N problems`.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ $own_cluster == yes ]] || die "rbac.sh works in the test bed only; rbac.py takes the audit log of another cluster"

status=0
"$here/in.sh" rights.py || status=1
"$here/in.sh" rbac.py || status=1 # also then: a right that is missing is often why
((status == 0)) || "$here/dump.sh"
exit "$status"
