"""How each proxy is configured and started: one worker thread, upstream keep-alive, no access log, no TLS session
resumption, the same certificate and the same route table. A proxy is a function from a `Setup` to its command line."""
import json
import os
from dataclasses import dataclass

import manifests
from loads import tool
from scenarios import BODY, LARGE, UPSTREAMS, Table

KEPT = 512  # idle upstream connections


@dataclass(frozen=True)
class Setup:
    """What a proxy is told: where to write, listen and forward to, and what to route."""

    folder: str
    http: int
    https: int
    admin: int
    backend: int
    cert: str
    key: str
    table: Table
    binaries: dict

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text)
        return path

    def rules(self):
        """Every (host, prefix, upstream) of the table."""
        t = self.table
        return [(t.host(i), t.prefix(j), t.upstream(i, j)) for i in range(t.hosts) for j in range(t.paths)]


def nginx_conf(setup, body):
    folder = setup.folder
    return f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit; worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{
  access_log off; server_tokens off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 3600s;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
{body}
}}
"""


def backend(setup):
    """Not a proxy: the nginx that answers all of them."""
    setup.file("large", "y" * LARGE)
    body = f"""  server {{ listen 127.0.0.1:{setup.http} backlog=4096;
    location / {{ default_type text/plain; return 200 "{BODY}"; }}
    location = /large {{ root {setup.folder}; default_type text/plain; sendfile on; open_file_cache max=10; }} }}"""
    return [tool("nginx"), "-p", setup.folder, "-c", setup.file("nginx.conf", nginx_conf(setup, body))]


def nginx(setup):
    table = setup.table
    body = "  server_names_hash_max_size 65536; server_names_hash_bucket_size 128;\n"
    body += '  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;\n'
    for u in range(UPSTREAMS):
        body += (f"  upstream u{u} {{ server 127.0.0.1:{setup.backend}; keepalive {KEPT}; "
                 "keepalive_requests 1000000000; keepalive_timeout 3600s; }\n")
    default = f"listen 127.0.0.1:{setup.http} default_server backlog=4096;"
    if table.hosts:
        body += f"  server {{ {default} return 404; }}\n"
        for i in range(table.hosts):
            locations = "".join(f" location {table.prefix(j)} {{ proxy_pass http://{table.upstream(i, j)}; }}"
                                for j in range(table.paths))
            body += f"  server {{ listen 127.0.0.1:{setup.http}; server_name {table.host(i)};{locations} }}\n"
    else:
        # Debian's nginx would otherwise offer TLS 1.2 only.
        body += f"""  server {{ {default} listen 127.0.0.1:{setup.https} ssl http2 default_server backlog=4096;
    ssl_certificate {setup.cert}; ssl_certificate_key {setup.key}; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off; ssl_session_tickets off;
    location / {{ proxy_pass http://u0; }} }}"""
    return [tool("nginx"), "-p", setup.folder, "-c", setup.file("nginx.conf", nginx_conf(setup, body))]


def haproxy(setup):
    both = ""
    for path in (setup.cert, setup.key):
        with open(path) as part:
            both += part.read()
    pem = setup.file("both.pem", both)
    rule = "default_backend u0"
    if setup.table.hosts:
        lines = "".join(f"{host}{prefix} {upstream}\n" for host, prefix, upstream in setup.rules())
        rule = f"use_backend %[base,map_beg({setup.file('routes.map', lines)},none)]"
    backends = "".join(f"backend u{u}\n  server s 127.0.0.1:{setup.backend} pool-max-conn {KEPT}\n"
                       for u in range(UPSTREAMS))
    return [tool("haproxy"), "-db", "-f", setup.file("haproxy.cfg", f"""
global
  nbthread 1
  maxconn 9000
  tune.ssl.cachesize 0
  ssl-default-bind-options no-tls-tickets ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  timeout http-keep-alive 3600s
  http-reuse always
frontend front
  bind 127.0.0.1:{setup.http}
  bind 127.0.0.1:{setup.https} ssl crt {pem} alpn h2,http/1.1
  {rule}
{backends}
backend none
  http-request return status 404
""")]


TYPES = "type.googleapis.com/envoy.extensions."


def envoy(setup):
    listeners = [envoy_listener(setup, setup.http, None)]
    if not setup.table.hosts:  # tables are driven over plain HTTP; a second copy of them would only cost memory
        listeners.append(envoy_listener(setup, setup.https, {
            "@type": TYPES + "transport_sockets.tls.v3.DownstreamTlsContext",
            "disable_stateless_session_resumption": True, "disable_stateful_session_resumption": True,
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"], "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificates": [{"certificate_chain": {"filename": setup.cert},
                                      "private_key": {"filename": setup.key}}]}}))
    config = {"static_resources": {"listeners": listeners,
                                   "clusters": [envoy_cluster(setup, f"u{u}") for u in range(UPSTREAMS)]}}
    program = setup.binaries["envoy"]
    return [program, "-c", setup.file("envoy.json", json.dumps(config)), "--concurrency", "1",
            "--disable-hot-restart", "-l", "off"]


def envoy_cluster(setup, name):
    # The default circuit breaker of 1,024 requests is not what is measured here.
    limits = {"max_connections": 9000, "max_pending_requests": 9000, "max_requests": 9000}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": setup.backend}}
    return {"name": name, "type": "STATIC", "connect_timeout": "5s", "circuit_breakers": {"thresholds": [limits]},
            "load_assignment": {"cluster_name": name, "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": address}}]}]}}


def envoy_listener(setup, port, tls):
    table = setup.table
    def route(prefix, upstream):
        return {"match": {"prefix": prefix}, "route": {"cluster": upstream, "timeout": "0s"}}
    hosts = [{"name": f"h{i}", "domains": [table.host(i)],
              "routes": [route(table.prefix(j), table.upstream(i, j)) for j in range(table.paths)]}
             for i in range(table.hosts)]
    manager = {
        "@type": TYPES + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench", "generate_request_id": False,
        "route_config": {"virtual_hosts": hosts or [{"name": "all", "domains": ["*"], "routes": [route("/", "u0")]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPES + "filters.http.router.v3.Router",
                                                             "suppress_envoy_headers": True}}]}
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls:
        chain["transport_socket"] = {"name": "tls", "typed_config": tls}
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}, "filter_chains": [chain]}


def bare(setup):
    return [setup.binaries["bare"], f"127.0.0.1:{setup.http}", f"127.0.0.1:{setup.backend}",
            f"127.0.0.1:{setup.https}", setup.cert, setup.key]


def paifang(setup):
    manifests.write(setup)
    config = setup.file("paifang.yaml", "accessLog:\n  enabled: false\n")
    return [setup.binaries["paifang"], "run", "--manifests", os.path.join(setup.folder, "manifests"),
            "--bind", "127.0.0.1", "--admin", f"127.0.0.1:{setup.admin}", "--threads", "1", "--config", config]


PROXIES = {"nginx": nginx, "haproxy": haproxy, "envoy": envoy, "bare": bare, "paifang": paifang}


def routes(name):
    """Whether the proxy has a route table; bare Pingora has none."""
    return name != "bare"
