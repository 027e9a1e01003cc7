"""Where the API server is and how to be believed there, from KUBECONFIG."""
import base64
import json
import os
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Access:
    """One API server as one user."""

    host: str
    port: int
    tls: ssl.SSLContext
    headers: dict


def load():
    """The current context of KUBECONFIG. kubectl reads it, because the format is YAML and has many ways to say a thing."""
    words = ["kubectl", "config", "view", "--raw", "--flatten", "--minify", "-o", "json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise SystemExit(f"no cluster: kubectl says {done.stderr.strip()}; set KUBECONFIG")
    view = json.loads(done.stdout)
    if not view.get("clusters"):
        raise SystemExit("no cluster: KUBECONFIG names none")
    return access(view["clusters"][0]["cluster"], view["users"][0]["user"])


def access(cluster, user):
    url = urlsplit(cluster["server"])
    authority = cluster.get("certificate-authority-data")
    tls = ssl.create_default_context(cadata=base64.b64decode(authority).decode() if authority else None)
    if "client-certificate-data" in user:
        present(tls, user)
    headers = {"Authorization": "Bearer " + user["token"]} if "token" in user else {}
    return Access(url.hostname, url.port or 443, tls, headers)


def present(tls, user):
    """Gives the context the user's certificate; Python takes it from a file only, which lives as short as possible."""
    handle, path = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as pem:
            pem.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
            pem.write(base64.b64decode(user["client-key-data"]))
        tls.load_cert_chain(path)
    finally:
        os.unlink(path)
