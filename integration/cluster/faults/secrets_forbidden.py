"""The right to read Secrets is taken away and given back.

What is served stays; a certificate that changed meanwhile is served once it can be read again. Watches that are open stay
permitted, so the API server is restarted where that is possible: then they are refused.
"""
import shutil

from lib import world
from lib.certificate import der
from lib.client import served_certificate
from lib.metrics import difference
from lib.stage import SECURE
from lib.wait import attempt


def run(stage):
    role = stage.kube.get("ClusterRole", None, stage.settings.release)
    rules = role["rules"]
    less = [{**rule, "resources": [name for name in rule.get("resources", []) if name != "secrets"]} for rule in rules]
    change = lambda rules: stage.kube.patch("ClusterRole", None, stage.settings.release,
                                            [{"op": "replace", "path": "/rules", "value": rules}])
    shown = lambda: served_certificate(stage.scene.address, SECURE)
    with stage.traffic():
        change([rule for rule in less if rule["resources"]])
        try:
            refused = restart(stage)
            stage.kube.patch("Secret", stage.scene.name, "cert", {"data": world.tls_data(stage.made[1])})
            stage.alive(60)
            if refused:
                stage.expect(shown() == der(stage.made[0]), "the certificate changed though it cannot be read")
        finally:
            attempt(60, lambda: change(rules), what="the role as it was")
            disown(stage, role)
        attempt(90, lambda: shown() == der(stage.made[1]), what="the new certificate")
        stage.alive()


def disown(stage, role):
    """Gives the role's fields back to who had them, or the next upgrade of the chart would be refused."""
    owners = [{"op": "replace", "path": "/metadata/managedFields", "value": role["metadata"]["managedFields"]}]
    stage.kube.patch("ClusterRole", None, stage.settings.release, owners)


def restart(stage):
    """Whether watches of Secrets are refused from now on."""
    if not shutil.which("apiserver.sh"):
        stage.say("the API server cannot be restarted here: open watches of Secrets stay")
        return False
    before = stage.paifang.metrics()
    stage.bed("apiserver.sh", "kill")  # at once; a stop waits for watches to end
    stage.bed("apiserver.sh", "start")
    grown = lambda: difference(before, stage.paifang.metrics(), "paifang_watch_restarts_total", reason="forbidden") > 0
    attempt(60, grown, what="refused watches")
    return True
