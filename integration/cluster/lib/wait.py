"""Waiting for the cluster, always with a deadline and never longer than needed."""
import json
import time

from .kube import ApiError, Unreachable
from .watch import Watch


def attempt(seconds, work, pause=0.1, what="it"):
    """The first true value that `work` returns; an API server that is away or refuses counts as not yet."""
    end, last = time.monotonic() + seconds, None
    while True:
        try:
            value = work()
            if value:
                return value
        except (Unreachable, ApiError, OSError) as error:
            last = error
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}" + (f" (last: {last})" if last else ""))
        time.sleep(pause)


def wait_for(kube, kind, namespace, name, condition, seconds, what=None):
    """The object as soon as the condition holds for it; None stands for an object that is not there."""
    end, seen = time.monotonic() + seconds, None
    while True:
        started = time.monotonic()
        for seen in states(kube, kind, namespace, name, max(end - started, 0.1)):
            if condition(seen):
                return seen
        if time.monotonic() >= end:
            status = json.dumps((seen or {}).get("status"))[:600]
            raise TimeoutError(f"not within {seconds:.0f} s: {what or 'condition'} of {kind} {namespace}/{name}: {status}")
        time.sleep(max(0.0, min(0.2 - (time.monotonic() - started), end - time.monotonic())))


def states(kube, kind, namespace, name, seconds):
    """The object now and after each of its changes; ends early when the API server is away."""
    query = {"fieldSelector": f"metadata.name={name}"}
    try:
        listed = kube.list(kind, namespace, **query)
    except (ApiError, Unreachable):
        return
    yield next(iter(listed["items"]), None)
    watch = Watch(kube, kind, namespace, listed["metadata"]["resourceVersion"], seconds, **query)
    try:
        for event, value in watch:
            if event == "ERROR":
                return
            yield None if event == "DELETED" else value
    finally:
        watch.connection.close()


def delete_namespaces(kube, names, seconds=180):
    """Deletes namespaces with all they hold and waits until they are gone."""
    for name in names:
        attempt(30, lambda: kube.delete("Namespace", None, name) or True, what=f"deletion of {name}")
    end = time.monotonic() + seconds
    for name in names:
        wait_for(kube, "Namespace", None, name, lambda value: value is None, end - time.monotonic(), "deletion")
