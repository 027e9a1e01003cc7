"""What the programs here share: where the library is, and their common options."""
import argparse
import os
import signal
import sys

sys.dont_write_bytecode = True  # no __pycache__ folders in a checkout
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "integration", "cluster"))


def options(doc):
    """A parser with what every program takes. SIGTERM ends a program as Ctrl-C does, so that it still cleans up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway-class", default="paifang", help="default: %(default)s")
    parser.add_argument("--out", metavar="FOLDER", help="also write the figures as JSON into this folder")
    parser.add_argument("--keep", action="store_true", help="leave the namespaces, to look at them afterwards")
    return parser


def settings(chosen):
    """The options that say what was measured."""
    return {key: value for key, value in vars(chosen).items() if key not in ("out", "keep")}
