#!/usr/bin/env python3
"""What must go on when a cluster does not: faults.py [--list] [NAME...]

Each fault is caused while traffic runs over kept and fresh connections, HTTP and HTTPS. No request may fail, but for those in
flight on a process that is killed, and afterwards new routes must serve and statuses be of the present generation.
In the bed: in.sh python3 integration/cluster/faults.py. Elsewhere, KUBECONFIG says where, and faults that need the bed are
left out. The last line is `N passed, N failed`.
"""
import argparse
import importlib
import os
import pkgutil
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True

import faults
from lib.kube import ApiError, Unreachable
from lib.stage import Failed, NotHere, Stage

HERE = os.path.dirname(os.path.abspath(__file__))


def known():
    """Every fault's module, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(faults.__path__))
    return {name: importlib.import_module(f"faults.{name}") for name in names}


def title(module):
    return module.__doc__.strip().splitlines()[0]


def play(name, module, settings):
    """passed, failed or skipped."""
    print(f"{name}: {title(module)}", flush=True)
    began = time.monotonic()
    try:
        with Stage(name, settings) as stage:
            module.run(stage)
        verdict = "passed"
    except NotHere as reason:
        verdict = f"skipped: {reason}"
    except (Failed, TimeoutError, ApiError, Unreachable, OSError) as error:
        verdict = f"FAILED: {type(error).__name__}: {error}"
    except Exception:  # a mistake in the test is a failed test, and the others still run
        verdict = f"FAILED: {traceback.format_exc()}"
    print(f"  {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
    return verdict.split(":")[0].lower()


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it still cleans up
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to play (default: all)")
    parser.add_argument("--list", action="store_true", help="list them and end")
    parser.add_argument("--outage", type=float, default=float(os.environ.get("PAIFANG_OUTAGE", 60)),
                        help="seconds without API server (default: PAIFANG_OUTAGE, else 60)")
    parser.add_argument("--bound", type=float, default=600, help="seconds of traffic at most (default: %(default)s)")
    parser.add_argument("--gateway-class", default="paifang", help="default: %(default)s")
    parser.add_argument("--namespace", default="paifang-system", help="of Paifang (default: %(default)s)")
    parser.add_argument("--release", default="paifang", help="of the chart (default: %(default)s)")
    parser.add_argument("--chart", default=os.path.join(HERE, "..", "..", "deploy", "chart"),
                        help="for faults that need other settings (default: the repository's)")
    settings = parser.parse_args()
    modules = known()
    if unknown := [name for name in settings.names if name not in modules]:
        parser.error(f"no fault {', '.join(unknown)}; there are {', '.join(modules)}")
    if settings.list:
        for name, module in modules.items():
            print(f"{name:18} {title(module)}")
        return 0
    verdicts = [play(name, modules[name], settings) for name in settings.names or modules]
    if skipped := verdicts.count("skipped"):
        print(f"{skipped} skipped")
    failed = verdicts.count("failed")
    print(f"{verdicts.count('passed')} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
