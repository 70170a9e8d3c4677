"""What the Python peers share: decoding a bare datum, and saying where they stand (see `bench/peers/lines.py`).

Runs in a peer's own environment: fastavro is all it needs. BROKER, TOPIC and SCHEMA come from the environment, SHOW is
a user whose windows are printed, or nothing.
"""

import io
import json
import os
import sys
import threading
import time

import fastavro

BROKER = os.environ["BROKER"]
TOPIC = os.environ["TOPIC"]
SHOW = os.environ.get("SHOW") or None
SCHEMA = fastavro.parse_schema(json.loads(os.environ["SCHEMA"]))
FIRST = (0, 0.0, float("inf"), float("-inf"))


def decode(datum):
    """The event, every field of it."""
    return fastavro.schemaless_reader(io.BytesIO(datum), SCHEMA)


def added(state, amount):
    """Count, sum, least and greatest with one amount more."""
    count, total, least, greatest = state
    return (count + 1, total + amount, min(least, amount), max(greatest, amount))


class Counts:
    """Events read and results emitted; plain attributes, which the event's own code counts up."""

    def __init__(self):
        self.events = 0
        self.emitted = 0

    def tell(self):
        """Print them twice a second from a thread of its own."""

        def telling():
            while True:
                time.sleep(0.5)
                if self.events:
                    self.say()

        threading.Thread(target=telling, daemon=True).start()

    def say(self):
        """Print them now."""
        print(f"EVENTS {time.monotonic():.3f} {self.events} {self.emitted}", flush=True, file=sys.__stdout__)


def show(user, start, state):
    """Print a window of the user that is shown."""
    if user == SHOW:
        print("WINDOW", start, *state, flush=True, file=sys.__stdout__)
