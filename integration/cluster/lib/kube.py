"""A client of the API server: small, over kept connections, one for each thread.

kubectl starts a process and new connections for every call, which is far too slow and too uneven where milliseconds are
measured.
"""
import http.client
import json
import threading
from urllib.parse import urlencode

from . import kubeconfig
from .kinds import path, path_of

MERGE, JSON, APPLY = "application/merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml"
MANAGER = "paifang-tests"


class ApiError(Exception):
    """An answer of the API server that is not a success."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text[:300]}")
        self.code = code


class Unreachable(Exception):
    """The API server did not answer at all."""


class Kube:
    """Typed after kinds, in and out plain dictionaries."""

    def __init__(self, access=None, timeout=30):
        self.access, self.timeout, self.local = access or kubeconfig.load(), timeout, threading.local()

    def connect(self, timeout=None):
        """A connection of one's own, for a watch."""
        return http.client.HTTPSConnection(self.access.host, self.access.port, timeout=timeout or self.timeout,
                                           context=self.access.tls)

    def raw(self, method, target, body=None, content_type="application/json"):
        """Status and body of one request. A kept connection that was closed meanwhile is replaced once."""
        headers = {**self.access.headers, "Content-Type": content_type}
        kept = getattr(self.local, "connection", None)
        for connection in ([kept] if kept else []) + [None]:
            connection = connection or self.connect()
            self.local.connection = connection
            try:
                connection.request(method, target, body, headers)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.local.connection = None
                if connection is not kept or isinstance(error, TimeoutError):
                    raise Unreachable(f"{method} {target}: {error!r}") from error
        raise AssertionError("the last connection is a new one")

    def call(self, method, target, value=None, content_type="application/json", **query):
        """One request with JSON in and out."""
        if query:
            target += "?" + urlencode(query)
        code, text = self.raw(method, target, None if value is None else json.dumps(value), content_type)
        if code >= 300:
            raise ApiError(code, text.decode(errors="replace"))
        return json.loads(text)

    def get(self, kind, namespace, name):
        return self.call("GET", path(kind, namespace, name))

    def find(self, kind, namespace, name):
        """The object, or None when there is none."""
        try:
            return self.get(kind, namespace, name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind, namespace=None, **query):
        """The whole list, so that its resourceVersion is at hand."""
        return self.call("GET", path(kind, namespace), **query)

    def create(self, value):
        return self.call("POST", path(value["kind"], value["metadata"].get("namespace")), value)

    def replace(self, value):
        return self.call("PUT", path_of(value), value)

    def apply(self, value, subresource=None):
        """Server-side apply, as `kubectl apply --server-side --force-conflicts`."""
        return self.call("PATCH", path_of(value, subresource), value, APPLY, fieldManager=MANAGER, force="true")

    def patch(self, kind, namespace, name, change, subresource=None, manager=MANAGER):
        """A JSON patch when the change is a list, else a merge patch."""
        form = JSON if isinstance(change, list) else MERGE
        return self.call("PATCH", path(kind, namespace, name, subresource), change, form, fieldManager=manager)

    def delete(self, kind, namespace, name):
        """Whether there was something to delete."""
        try:
            self.call("DELETE", path(kind, namespace, name), {"propagationPolicy": "Background"})
            return True
        except ApiError as error:
            if error.code == 404:
                return False
            raise
