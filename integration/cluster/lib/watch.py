"""Watches: the way to wait for a cluster without asking again and again."""
import http.client
import json
import math
import threading
import time
from urllib.parse import urlencode

from .kinds import path


class Watch:
    """Events of a collection from a resourceVersion on, until a deadline, the server's end, or close()."""

    def __init__(self, kube, kind, namespace=None, version="", seconds=60, **query):
        self.kube, self.end = kube, time.monotonic() + seconds
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": math.ceil(max(seconds, 1)), **query}
        self.target = path(kind, namespace) + "?" + urlencode(query)
        self.connection = kube.connect()

    def __iter__(self):
        """Yields (type, object). Ends quietly; whoever needs more begins anew from the last version."""
        try:
            self.connection.request("GET", self.target, headers=self.kube.access.headers)
            response = self.connection.getresponse()
            if response.status != 200:
                yield "ERROR", json.loads(response.read() or b"{}")
                return
            while (left := self.end - time.monotonic()) > 0:
                self.connection.sock and self.connection.sock.settimeout(left)
                line = response.readline()
                if not line:
                    return
                event = json.loads(line)
                yield event["type"], event["object"]
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            return  # closed by either side, or the deadline
        finally:
            self.connection.close()

    def close(self):
        """Ends it from another thread."""
        if sock := self.connection.sock:
            try:
                sock.shutdown(2)
            except OSError:
                pass


class Recorder(threading.Thread):
    """Keeps (moment, type, object) of every event of one object, without a gap, until stopped."""

    def __init__(self, kube, kind, namespace, name, seconds=600):
        super().__init__(daemon=True)
        found = kube.get(kind, namespace, name)
        self.events, self.first, self.changed = [(time.monotonic(), "NOW", found)], found, threading.Condition()
        self.watch = Watch(kube, kind, namespace, found["metadata"]["resourceVersion"], seconds,
                           fieldSelector=f"metadata.name={name}")
        self.start()

    def run(self):
        for event, value in self.watch:
            with self.changed:
                self.events.append((time.monotonic(), event, value))
                self.changed.notify_all()

    def until(self, condition, seconds):
        """The moment of the first event whose object, the last one known included, meets the condition."""
        end, position = time.monotonic() + seconds, len(self.events) - 1
        with self.changed:
            while True:
                for moment, _, value in self.events[position:]:
                    if condition(value):
                        return moment
                position = len(self.events)
                if not self.changed.wait(end - time.monotonic()) or not self.is_alive():
                    raise TimeoutError(f"not within {seconds:.0f} s; last status "
                                       + json.dumps(self.events[-1][2].get("status"))[:600])

    def quiet(self, seconds, limit):
        """Waits until no event has come for some seconds, at most up to a limit."""
        end = time.monotonic() + limit
        with self.changed:
            while self.changed.wait(seconds) and time.monotonic() < end:
                pass

    def versions(self, since=0.0):
        """Distinct resourceVersions seen since a moment, the one at the start left out."""
        return {value["metadata"].get("resourceVersion") for moment, kind, value in self.events
                if kind != "NOW" and moment >= since}

    def stop(self):
        self.watch.close()
        self.join(5)
