"""What the programs here share: where bench/load is, and who is who."""
import os
import sys

sys.dont_write_bytecode = True  # no __pycache__ folders in a checkout
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "load"))

VICTIM, NEIGHBOUR = "victim.example", "neighbour.example"


def request(host, path="/", method="GET", fields=""):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()
