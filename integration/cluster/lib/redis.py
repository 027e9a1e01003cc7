"""A Redis server on the node, as a store of Global limits: it wants a password and speaks TLS only."""
import os
import secrets
import socket
import subprocess
import tempfile

from .certificate import self_signed
from .wait import attempt

CONFIG = """bind {address}
port 0
tls-port {port}
tls-cert-file {folder}/cert.pem
tls-key-file {folder}/key.pem
tls-auth-clients no
requirepass {password}
save ""
dir {folder}
logfile log
"""


class Elsewhere(Exception):
    """The address is not this machine's."""


class Redis:
    """Runs from start() to the block's end, or until it is killed; it may be started again, and has then forgotten everything."""

    def __init__(self, address, hostname):
        self.address, self.port = address, free_port(address)
        self.password, (self.certificate, self.key) = secrets.token_hex(16), self_signed(hostname)
        self.folder, self.process = tempfile.TemporaryDirectory(prefix="paifang-redis-"), None

    def __enter__(self):
        for name, content in (("cert.pem", self.certificate), ("key.pem", self.key)):
            with open(os.path.join(self.folder.name, name), "wb") as out:
                out.write(content)
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        self.folder.cleanup()

    def start(self):
        """Returns when it takes connections."""
        config = CONFIG.format(address=self.address, port=self.port, folder=self.folder.name, password=self.password)
        # not in its arguments, where everybody could read the password
        self.process = subprocess.Popen(["redis-server", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.process.stdin.write(config.encode())
        self.process.stdin.close()
        attempt(30, self.listens, what=f"a Redis server at {self.address}:{self.port}")

    def listens(self):
        """Whether it takes connections; an error if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"redis-server has ended: {self.log()}")
        socket.create_connection((self.address, self.port), 1).close()
        return True

    def log(self):
        with open(os.path.join(self.folder.name, "log")) as log:
            return log.read()[-400:]

    def kill(self):
        self.process.kill()
        self.process.wait()


def free_port(address):
    """A port that nobody listens on."""
    with socket.socket() as taken:
        try:
            taken.bind((address, 0))
        except OSError:
            raise Elsewhere(f"{address} is another machine's, where no server can be started") from None
        return taken.getsockname()[1]
