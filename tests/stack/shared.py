"""One stack for all processes of a test run that is shared out among them (pytest-xdist).

The process that shares out starts the stack in the background once another one says that it will be wanted, while
unit tests run, and stops it at the end; the others wait for its addresses in a file. No test is known here.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path

from tests.stack.whole import Addresses, Stack, running

DEADLINE = 900.0
"""Seconds to wait for addresses; a machine that has no component yet fetches and builds them first."""


class SharedStack:
    """The stack of `make stack` if it is up, else one of our own below `folder`. `stop` ends what was started.

    Nothing is started before somebody calls `want(file)`. `file` appears when every component answers
    or is known to be missing.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "addresses.json"
        self.addresses = Addresses()
        self._folder = folder
        self._ending = threading.Event()
        # The components die with the thread that started them, so that this one stays until the end.
        self._thread = threading.Thread(target=self._serve, name="stack", daemon=True)

    def launch(self) -> None:
        """Be ready to start it, and return at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop what was started, as soon as it has started."""
        self._ending.set()
        self._thread.join()

    def _serve(self) -> None:
        while not _wanted(self.file).exists():
            if self._ending.wait(0.1):
                return
        found = running()
        if found is not None:
            self._say(found[0])
            return
        try:
            with Stack(self._folder / "stack") as started:
                self._say(started.addresses)
                self._ending.wait()
        except Exception as error:
            self._say(Addresses(missing={"stack": f"{type(error).__name__}: {error}"}))

    def _say(self, addresses: Addresses) -> None:
        self.addresses = addresses
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(dataclasses.asdict(addresses)))
        part.replace(self.file)


def want(file: Path) -> None:
    """Say to the `SharedStack` of `file` that it will be needed."""
    _wanted(file).touch()


def _wanted(file: Path) -> Path:
    return file.with_suffix(".wanted")


def addresses_in(file: Path, seconds: float = DEADLINE) -> Addresses:
    """What a `SharedStack` wrote to its `file`, once it is there. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not file.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"no addresses of components in {file} after {seconds:.0f} s")
        time.sleep(0.05)
    return Addresses(**json.loads(file.read_text()))
