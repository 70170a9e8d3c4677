"""`python -m tests.stack up|down|status|fetch`: the real components for this checkout."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.stack import install, java, whole


def main() -> int:
    """Run one verb; 0, or 1 if a component is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.stack", description=__doc__)
    parser.add_argument("verb", choices=["up", "down", "status", "fetch"])
    parser.add_argument("--json", action="store_true", help="print addresses and pids as JSON")
    chosen = parser.parse_args()
    if chosen.verb == "fetch":
        return _fetch()
    if chosen.verb == "down":
        print(f"stack: ended {whole.down()} processes")
        return 0
    if chosen.verb == "up":
        whole.up()
    return _print(chosen.json)


def _print(as_json: bool) -> int:
    found = whole.running()
    if found is None:
        print("stack: not running (`make stack` starts it)", file=sys.stderr)
        return 1
    addresses, processes = found
    if as_json:
        state = {"addresses": addresses, "processes": processes}
        print(json.dumps(state, default=dataclasses.asdict, indent=2))
        return 0
    for key, value in dataclasses.asdict(addresses).items():
        if key != "missing" and value is not None:
            print(f"{key:18} {value}")
    for each in processes:
        print(f"{each.name:18} pid {each.pid}, log {each.log}")
    print(f"{'state':18} {whole.state_file()}")
    for name, reason in addresses.missing.items():
        print(f"stack: {name} is missing: {reason}", file=sys.stderr)
    return 1 if addresses.missing else 0


def _fetch() -> int:
    parts: list[Callable[[], Path]] = [
        install.kafka_jars,
        install.registry_app,
        install.versitygw,
        install.toxiproxy,
        partial(java.java, 21),
    ]
    failed = 0
    for part in parts:
        try:
            print(part())
        except install.MissingError as error:
            print(f"stack: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
