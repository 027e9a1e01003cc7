#!/usr/bin/env python3
"""Writes the Grafana dashboards in dashboards/: `deploy/dashboards.py`. With --check nothing is written, and what differs is an
error. Here stands what is special about a panel; the rest is the same for all of them."""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Why a query finds nothing where manifests come from a folder. The test of the dashboards reads this mark.
MARK = "emptyWithoutCluster"


def stat(title, expr, unit, **more):
    defaults = {"unit": unit, **more}
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"}
    return panel("stat", title, [target(expr, instant=True)], 4, 4, defaults, options)


def graph(title, unit, *queries, stack=False, **more):
    """Lines over time. A query is an expression, its legend, and its mark if it has one."""
    custom = {"fillOpacity": 20 if stack else 0, "showPoints": "never", "stacking": {"mode": "normal" if stack else "none"}}
    options = {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    targets = [target(expr, legend, mark=mark[0] if mark else None) for expr, legend, *mark in queries]
    return panel("timeseries", title, targets, 8, 8, {"unit": unit, "min": 0, "custom": custom, **more}, options)


def table(title, labels, *columns, height=9):
    """Labels, and columns of a heading, a unit and an expression that has these labels."""
    names = {f"Value #{letter(n)}": heading for n, (heading, _, _) in enumerate(columns)}
    if len(columns) == 1:
        # Grafana numbers values only where there are several
        names = {"Value": columns[0][0]}
    place = {name: n for n, name in enumerate([*labels, *names])}
    transformations = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": place, "renameByName": names}},
    ]
    targets = [target(expr, instant=True, table=True) for _, _, expr in columns]
    it = panel("table", title, targets, 24, height, {}, {"showHeader": True})
    it["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": heading}, "properties": [{"id": "unit", "value": unit}]}
        for heading, unit, _ in columns
    ]
    return it | {"transformations": transformations}


def target(expr, legend="", instant=False, table=False, mark=None):
    it = {"expr": expr, "datasource": SOURCE, "legendFormat": legend or "__auto", "instant": instant, "range": not instant}
    if table:
        it["format"] = "table"
    return it | ({MARK: mark} if mark else {})


def letter(n):
    return chr(ord("A") + n)


def panel(kind, title, targets, width, height, defaults, options):
    targets = [{"refId": letter(n), **it} for n, it in enumerate(targets)]
    return {"type": kind, "title": title, "datasource": SOURCE, "gridPos": {"w": width, "h": height}, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}


def variable(name, label, metric):
    """Values of a label of a metric, of which one or more or all may be chosen."""
    query = {"query": f"label_values({metric}, {name})", "refId": name}
    return {"type": "query", "name": name, "label": label, "datasource": SOURCE, "query": query, "refresh": 2, "sort": 1,
            "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}}


def dashboard(name, title, description, rows, variables=()):
    source = {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}
    return {
        "uid": f"paifang-{name}",
        "title": title,
        "description": description,
        "tags": ["paifang"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Paifang", "tags": ["paifang"], "asDropdown": True, "keepTime": True}],
        "templating": {"list": [source, *variables]},
        "panels": placed(rows),
    }


def placed(rows):
    """Gives every panel its number and its place: from left to right, in as many lines as it takes."""
    panels, y = [], 0
    for heading, row in rows.items():
        panels.append({"type": "row", "title": heading, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        x, y, height = 0, y + 1, 0
        for it in row:
            size = it["gridPos"]
            if x + size["w"] > 24:
                x, y, height = 0, y + height, 0
            it["gridPos"] = {"x": x, "y": y, **size}
            x, height = x + size["w"], max(height, size["h"])
            panels.append(it)
        y += height
    return [{"id": n + 1, **it} for n, it in enumerate(panels)]


def steps(*limits):
    """Colours: green, then from each limit on the next."""
    values = [{"color": "green", "value": None}, *({"color": color, "value": value} for value, color in limits)]
    return {"thresholds": {"mode": "absolute", "steps": values}}


def falling(red, orange):
    """Colours of what should be large."""
    values = [("red", None), ("orange", red), ("green", orange)]
    return {"thresholds": {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in values]}}


def rate(metric, labels="", by="", over="$__rate_interval"):
    braces = "{" + labels + "}" if labels else ""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{braces}[{over}]))"


def ratio(labels="", by="", over="$__rate_interval"):
    """The share of requests that were answered with 5xx; 0 where none was, nothing where there was no request."""
    all_of = rate("paifang_requests_total", labels, by, over)
    errors = rate("paifang_requests_total", ", ".join(filter(None, [labels, 'code=~"5.."'])), by, over)
    return f"({errors} or 0 * {all_of}) / ({all_of} > 0)"


def quantile(q, metric, labels="", by="", over="$__rate_interval"):
    by = ", ".join(filter(None, [by, "le"]))
    return f"histogram_quantile({q}, {rate(metric + '_bucket', labels, by, over)})"


def percentiles(metric, labels="", names=((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))):
    return [(quantile(q, metric, labels), name) for q, name in names]


REQUESTS, DURATION = "paifang_requests_total", "paifang_request_duration_seconds"
CERTIFICATE = "gateway_namespace, gateway, listener, secret_namespace, secret"
DAYS = f"(min by ({CERTIFICATE}) (paifang_certificate_not_after_seconds) - time()) / 86400"
ROUTE = "tenant, route_kind, route_namespace, route"


def own(metric):
    """A metric that other programs have too: of Paifang's processes only."""
    return f"{metric} * on (instance, job) group_left () paifang_build_info"


def platform():
    return dashboard(
        "platform",
        "Paifang: platform",
        "All traffic of all tenants, and the processes that serve it.",
        {
            "At a glance": [
                stat("Requests", f"{rate(REQUESTS)} + ({rate('paifang_requests_unrouted_total')} or vector(0))", "reqps"),
                stat("5xx", ratio(), "percentunit", **steps((0.001, "orange"), (0.01, "red"))),
                stat("p99", quantile(0.99, DURATION), "s"),
                stat("Open connections", "sum(paifang_connections_open)", "short"),
                stat("Replicas ready", "sum(paifang_ready)", "short", **falling(1, 2)),
                stat("First certificate expires in", f"min({DAYS})", "d", **falling(7, 14)),
            ],
            "Requests": [
                graph("Requests by code", "reqps", (rate(REQUESTS, by="code"), "{{code}}"), stack=True),
                graph("Not answered by a backend, by reason", "reqps", (rate(REQUESTS, 'reason!=""', "reason"), "{{reason}}"),
                      stack=True),
                graph("Met no rule, by reason", "reqps",
                      (rate("paifang_requests_unrouted_total", by="code, reason"), "{{code}} {{reason}}"), stack=True),
                graph("Latency", "s", *percentiles(DURATION, names=((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99")))),
                graph("Bytes of bodies", "Bps", (rate("paifang_request_bytes_total"), "requests"),
                      (rate("paifang_response_bytes_total"), "responses")),
                graph("Retries and mirrors", "reqps", (rate("paifang_retries_total"), "retries"),
                      (rate("paifang_mirror_requests_total", by="outcome"), "mirror {{outcome}}")),
            ],
            "Tenants": [
                graph("Most requests", "reqps", (f"topk(10, {rate(REQUESTS, by='tenant')})", "{{tenant}}")),
                graph("Most 5xx", "reqps", (f"""topk(10, {rate(REQUESTS, 'code=~"5.."', 'tenant')})""", "{{tenant}}")),
                graph("Slowest p99", "s", (f"topk(10, {quantile(0.99, DURATION, by='tenant')})", "{{tenant}}")),
                graph("Most bytes sent", "Bps", (f"topk(10, {rate('paifang_response_bytes_total', by='tenant')})", "{{tenant}}")),
                graph("Asked for what another tenant claims", "reqps",
                      (rate("paifang_claims_not_permitted_total", by="tenant"), "{{tenant}}")),
                graph("Would be refused if claims in Shadow mode were enforced", "reqps",
                      (rate("paifang_claims_shadowed_total", by="tenant"), "{{tenant}}")),
                table("Tenants", ["tenant"],
                      ("Requests", "reqps", rate(REQUESTS, by="tenant")),
                      ("5xx", "percentunit", ratio(by="tenant")),
                      ("p99", "s", quantile(0.99, DURATION, by="tenant")),
                      ("Routes with traffic", "short", f"count by (tenant) (count by ({ROUTE}) ({REQUESTS}))"),
                      ("Rules summed up", "short", "max by (tenant) (paifang_rules_overflowed)")),
            ],
            "Connections": [
                graph("Open", "short", ("paifang_connections_open", "{{instance}}"), stack=True),
                graph("New and refused", "cps", (rate("paifang_connections_total"), "accepted"),
                      (rate("paifang_connections_refused_total", by="reason"), "{{reason}}")),
                graph("TLS handshakes", "ops", (rate("paifang_tls_handshakes_total", by="outcome"), "{{outcome}}")),
                graph("To endpoints", "cps", (rate("paifang_upstream_connects_total", by="outcome"), "{{outcome}}")),
                graph("Sockets of listeners", "short", ("sum by (state) (paifang_listeners)", "{{state}}")),
            ],
            "Processes": [
                graph("CPU", "none", (own("rate(process_cpu_seconds_total[$__rate_interval])"), "{{instance}}"), stack=True),
                graph("Memory", "bytes", (own("process_resident_memory_bytes"), "{{instance}}")),
                graph("File descriptors", "percentunit", (own("process_open_fds / process_max_fds"), "{{instance}}"), max=1),
                graph("Uptime", "s", (f"time() - {own('process_start_time_seconds')}", "{{instance}}")),
                graph("Versions", "short", ("count by (version) (paifang_build_info)", "{{version}}")),
                graph("Panics and lost lines", "short", ("sum(increase(paifang_panics_total[$__rate_interval]))", "panics"),
                      ("sum(increase(paifang_access_log_dropped_total[$__rate_interval]))", "access log lines")),
            ],
        },
    )


def tenant():
    its = 'tenant=~"$tenant", route=~"$route"'
    return dashboard(
        "tenant",
        "Paifang: tenant",
        "What a tenant's routes do.",
        {
            "At a glance": [
                stat("Requests", rate(REQUESTS, its), "reqps"),
                stat("5xx", ratio(its), "percentunit", **steps((0.001, "orange"), (0.01, "red"))),
                stat("5xx within 6 h", ratio(its, over="6h"), "percentunit", **steps((0.001, "orange"), (0.01, "red"))),
                stat("p50", quantile(0.5, DURATION, its), "s"),
                stat("p99", quantile(0.99, DURATION, its), "s"),
                stat("Sent", rate("paifang_response_bytes_total", its), "Bps"),
            ],
            "Requests": [
                graph("Requests by code", "reqps", (rate(REQUESTS, its, "code"), "{{code}}"), stack=True),
                graph("Not answered by a backend, by reason", "reqps",
                      (rate(REQUESTS, f'{its}, reason!=""', "reason"), "{{reason}}"), stack=True),
                graph("5xx by route", "percentunit",
                      (ratio(its, "route_namespace, route"), "{{route_namespace}}/{{route}}"), max=1),
                graph("Latency", "s", *percentiles(DURATION, its)),
                graph("p99 by route", "s", (quantile(0.99, DURATION, its, "route_namespace, route"),
                                            "{{route_namespace}}/{{route}}")),
                graph("Bytes of bodies", "Bps", (rate("paifang_request_bytes_total", its), "requests"),
                      (rate("paifang_response_bytes_total", its), "responses")),
                graph("Requests by hostname", "reqps", (rate(REQUESTS, its, "hostname"), "{{hostname}}")),
                graph("Requests by listener", "reqps",
                      (rate(REQUESTS, its, "gateway_namespace, gateway, listener"),
                       "{{gateway_namespace}}/{{gateway}} {{listener}}")),
                graph("Retries", "reqps", (rate("paifang_retries_total", its, "route_namespace, route"),
                                           "{{route_namespace}}/{{route}}")),
            ],
            "Claims": [
                graph("Refused: another tenant claims their host and path", "reqps",
                      (rate("paifang_claims_not_permitted_total", its, "route_namespace, route, hostname"),
                       "{{route_namespace}}/{{route}} {{hostname}}")),
                graph("Would be refused if claims in Shadow mode were enforced", "reqps",
                      (rate("paifang_claims_shadowed_total", its, "route_namespace, route, hostname"),
                       "{{route_namespace}}/{{route}} {{hostname}}")),
            ],
            "Routes": [
                table("Routes", ROUTE.split(", "),
                      ("Requests", "reqps", rate(REQUESTS, its, ROUTE)),
                      ("5xx", "percentunit", ratio(its, ROUTE)),
                      ("p50", "s", quantile(0.5, DURATION, its, ROUTE)),
                      ("p95", "s", quantile(0.95, DURATION, its, ROUTE)),
                      ("p99", "s", quantile(0.99, DURATION, its, ROUTE)),
                      ("Sent", "Bps", rate("paifang_response_bytes_total", its, ROUTE))),
                table("Rules", ["route_namespace", "route", "rule", "hostname"],
                      ("Requests", "reqps", rate(REQUESTS, its, "route_namespace, route, rule, hostname")),
                      ("5xx", "percentunit", ratio(its, "route_namespace, route, rule, hostname")),
                      ("p99", "s", quantile(0.99, DURATION, its, "route_namespace, route, rule, hostname"))),
            ],
        },
        [variable("tenant", "Tenant", REQUESTS), variable("route", "Route", REQUESTS + '{tenant=~"$tenant"}')],
    )


def certificates():
    return dashboard(
        "certificates",
        "Paifang: certificates",
        "How long listeners' certificates are valid, and how clients get on with them.",
        {
            "At a glance": [
                stat("First expires in", f"min({DAYS})", "d", **falling(7, 14)),
                stat("Less than 14 days left", f"count({DAYS} < 14) or vector(0)", "short", **steps((1, "orange"))),
                stat("Less than 7 days left", f"count({DAYS} < 7) or vector(0)", "short", **steps((1, "red"))),
                stat("Secrets", "count(count by (secret_namespace, secret) (paifang_certificate_not_after_seconds))", "short"),
            ],
            "Certificates": [
                table("Days left", CERTIFICATE.split(", "), ("Days left", "d", f"sort({DAYS})"), height=10),
                graph("Days left by Secret", "d",
                      (f"min by (secret_namespace, secret) ({DAYS})", "{{secret_namespace}}/{{secret}}")),
                graph("Replicas disagree by", "d",
                      (f"(max by ({CERTIFICATE}) (paifang_certificate_not_after_seconds)"
                       f" - min by ({CERTIFICATE}) (paifang_certificate_not_after_seconds)) / 86400",
                       "{{secret_namespace}}/{{secret}}")),
                graph("TLS handshakes", "ops", (rate("paifang_tls_handshakes_total", by="outcome"), "{{outcome}}")),
            ],
        },
    )


def refused(labels, reasons="rate_limited|saturated", by=""):
    """Requests that limits or shares denied; 0 where none was, nothing where there was no request."""
    all_of = rate(REQUESTS, labels, by)
    return f"""({rate(REQUESTS, f'{labels}, reason=~"{reasons}"', by)} or 0 * {all_of})"""


def limits():
    its, limit = 'tenant=~"$tenant"', "tenant, policy, limit"
    name, route = "{{policy}}: {{limit}}", "route_namespace, route"

    def decided(decision):
        return rate("paifang_limit_decisions_total", f'{its}, decision="{decision}"', limit)

    def of_guaranteed(labels):
        used, guaranteed = (f"sum by (tenant) (paifang_share_{it}{{{labels}}})" for it in ("used", "guaranteed"))
        return f"{used} / ({guaranteed} > 0)"

    saturation = "sum by (instance) (paifang_share_used) / on (instance) paifang_share_capacity"
    promised = "sum by (instance) (paifang_share_guaranteed) / on (instance) paifang_share_capacity"
    return dashboard(
        "limits",
        "Paifang: limits",
        "Who is denied by which limit of which policy, and how near tenants are to their shares. What is limited for a whole"
        " Gateway or listener belongs to no tenant: choose All.",
        {
            "At a glance": [
                stat("Denied", refused(its), "reqps"),
                stat("Denied of all requests", f"{refused(its)} / ({rate(REQUESTS, its)} > 0)", "percentunit",
                     **steps((0.01, "orange"), (0.2, "red"))),
                stat("Would be denied in Shadow mode",
                     rate("paifang_limit_decisions_total", f'{its}, decision="shadow_denied"'), "reqps"),
                stat("Fullest replica", f"max({saturation})", "percentunit", **steps((0.7, "orange"), (0.9, "red"))),
                stat("Store connections down", 'sum(paifang_limit_store_connections{state="down"}) or vector(0)', "short",
                     **steps((1, "red"))),
                stat("Store not asked", rate("paifang_limit_store_failures_total"), "reqps", **steps((0.001, "orange"))),
            ],
            "Denied": [
                graph("Denied or slowed down, by limit", "reqps", (decided("denied"), name), stack=True),
                graph("Would be, if limits in Shadow mode were enforced", "reqps", (decided("shadow_denied"), name), stack=True),
                graph("Share of a tenant's requests that is denied", "percentunit",
                      (f"{refused(its, by='tenant')} / ({rate(REQUESTS, its, 'tenant')} > 0)", "{{tenant}}"), max=1),
                graph("Denied, by route and reason", "reqps",
                      (rate(REQUESTS, f'{its}, reason=~"rate_limited|saturated"', f"{route}, reason"),
                       "{{route_namespace}}/{{route}} {{reason}}"), stack=True),
                graph("Answered with 429, by route; without a reason the backend said it", "reqps",
                      (rate(REQUESTS, f'{its}, code="429"', f"{route}, reason"),
                       "{{route_namespace}}/{{route}} {{reason}}"), stack=True),
                graph("Connections and handshakes closed by a limit", "cps",
                      (rate("paifang_connections_refused_total", 'reason="limited"'), "connections"),
                      (rate("paifang_tls_handshakes_total", 'outcome="crowded"'), "handshakes")),
                table("Limits", limit.split(", "),
                      ("Denied", "reqps", decided("denied")),
                      ("Shadow", "reqps", decided("shadow_denied")),
                      ("Memory for keys", "bytes", f"sum by ({limit}) (paifang_limit_key_bytes{{{its}}})"),
                      ("Keys that shared", "reqps", rate("paifang_limit_keys_overflowed_total", its, limit))),
                table("Routes", ROUTE.split(", "),
                      ("Requests", "reqps", rate(REQUESTS, its, ROUTE)),
                      ("Denied by limits", "reqps", refused(its, "rate_limited", ROUTE)),
                      ("Denied by saturation", "reqps", refused(its, "saturated", ROUTE))),
            ],
            "Shares": [
                graph("In flight, of the capacity", "percentunit", (saturation, "{{instance}}")),
                graph("In flight, by tenant", "short", (f"sum by (tenant) (paifang_share_used{{{its}}})", "{{tenant}}"), stack=True),
                graph("In flight, of what is guaranteed", "percentunit", (of_guaranteed(its), "{{tenant}}")),
                graph("Denied because the gateway was saturated", "reqps",
                      (rate("paifang_share_denied_total", its, "tenant"), "{{tenant}}")),
                graph("TLS handshakes that wait for their turn, on average", "short",
                      (rate("paifang_tls_handshake_wait_seconds_total", its, "tenant"), "{{tenant}}"), stack=True),
                graph("TLS handshakes closed before their turn", "cps",
                      (rate("paifang_tls_handshake_turns_total", f'{its}, outcome!="taken"', "tenant, outcome"),
                       "{{tenant}} {{outcome}}")),
                graph("Guaranteed, of the capacity", "percentunit", (promised, "{{instance}}")),
                graph("Replicas that limits are divided by", "short", ("paifang_limit_replicas", "{{instance}}")),
                table("Tenants", ["tenant"],
                      ("In flight", "short", f"sum by (tenant) (paifang_share_used{{{its}}})"),
                      ("Guaranteed", "short", f"sum by (tenant) (paifang_share_guaranteed{{{its}}})"),
                      ("Of what is guaranteed", "percentunit", of_guaranteed(its)),
                      ("Denied", "reqps", rate("paifang_share_denied_total", its, "tenant"))),
            ],
            "Keys and the store": [
                graph("Memory for keys", "bytes", (f"sum by ({limit}) (paifang_limit_key_bytes{{{its}}})", name)),
                graph("Requests whose key shared a counter", "reqps",
                      (rate("paifang_limit_keys_overflowed_total", its, limit), name)),
                graph("Connections to the store", "short", ("sum by (state) (paifang_limit_store_connections)", "{{state}}")),
                graph("Requests for which the store was not asked", "reqps",
                      (rate("paifang_limit_store_failures_total", by="instance"), "{{instance}}")),
            ],
        },
        [variable("tenant", "Tenant", REQUESTS)],
    )


def control():
    times = [(quantile(q, f"paifang_{it}_duration_seconds"), f"{it} {name}")
             for it in ("translate", "compile") for q, name in ((0.5, "p50"), (0.99, "p99"))]
    kept = "time() - (paifang_config_kept_timestamp_seconds > 0)"
    queue = "max(paifang_status_queue_age_seconds)"
    return dashboard(
        "control",
        "Paifang: control",
        "From objects to what is served, and back to their statuses.",
        {
            "At a glance": [
                stat("Replicas ready", "sum(paifang_ready)", "short", **falling(1, 2)),
                stat("Holders of the lease", "sum(paifang_leader)", "short"),
                stat("Propagation p99", quantile(0.99, "paifang_propagation_seconds"), "s", **steps((0.5, "orange"), (1, "red"))),
                stat("Changes not yet served", "max(paifang_changes_pending)", "short"),
                stat("Problems", "max(sum by (instance) (paifang_problems))", "short"),
                stat("Oldest waiting status", queue, "s", **steps((10, "orange"), (60, "red"))),
            ],
            "Served": [
                graph("Ready", "short", ("paifang_ready", "{{instance}}"), max=1),
                graph("Generation", "none", ("paifang_config_generation", "{{instance}}")),
                graph("Since the last table", "s", ("time() - paifang_config_last_applied_timestamp_seconds", "{{instance}}")),
                graph("Propagation", "s", *percentiles("paifang_propagation_seconds")),
                graph("Changes and tables", "ops", (rate("paifang_propagation_seconds_count"), "changes served"),
                      (rate("paifang_config_publishes_total"), "tables published")),
                graph("Changes not yet served", "short", ("paifang_changes_pending", "{{instance}}")),
                graph("Translate and compile", "s", *times),
                graph("Sockets of listeners", "short", ("sum by (instance, state) (paifang_listeners)", "{{instance}} {{state}}")),
                graph("Restored and kept", "short", ("paifang_config_restored", "{{instance}} serves what was kept"),
                      ("increase(paifang_config_keep_failures_total[$__rate_interval])", "{{instance}} cannot keep")),
                graph("Age of what is kept", "s", (kept, "{{instance}}", "nothing is kept on disk")),
            ],
            "Objects": [
                graph("Objects", "short", ("max by (kind) (paifang_objects) > 0", "{{kind}}")),
                graph("Problems by kind", "short", ("max by (kind) (paifang_problems)", "{{kind}}")),
                graph("Cannot be read", "short", ("max by (kind) (paifang_objects_malformed)", "{{kind}}")),
                graph("Findings of sources", "short", ("max by (level) (paifang_source_findings)", "{{level}}")),
                graph("Watches that have delivered a list", "short", ("sum by (instance) (paifang_watch_synced)", "{{instance}}")),
                graph("Watches that began anew", "ops", (rate("paifang_watch_restarts_total", by="reason"), "{{reason}}")),
            ],
            "Written": [
                graph("Holder of the lease", "short", ("paifang_leader", "{{instance}}"), stack=True),
                graph("Lease acquired", "short", ("increase(paifang_lease_acquired_total[$__rate_interval])", "{{instance}}")),
                graph("Statuses", "ops", (rate("paifang_status_writes_total", by="outcome"), "{{outcome}}"),
                      (rate("paifang_status_writes_replaced_total"), "replaced before written"),
                      (rate("paifang_status_writes_dropped_total"), "left to the next holder")),
                graph("Statuses that wait", "short", ("sum(paifang_status_queue_depth)", "objects")),
                graph("Oldest waiting status", "s", (queue, "age")),
                graph("Services and EndpointSlices", "ops", (rate("paifang_provision_writes_total", by="outcome"), "{{outcome}}")),
            ],
        },
    )


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit("usage: deploy/dashboards.py [--check]")
    wanted = {f"{it['uid'].removeprefix('paifang-')}.json": it for it in (platform(), tenant(), limits(), certificates(), control())}
    for name, it in wanted.items():
        path, text = FOLDER / name, json.dumps(it, indent=1, ensure_ascii=False) + "\n"
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"deploy/dashboards/{name} is not what deploy/dashboards.py writes: run it")
    strangers = {path.name for path in FOLDER.iterdir()} - wanted.keys()
    if strangers:
        sys.exit(f"deploy/dashboards/: nobody writes {', '.join(sorted(strangers))}")


main()
