"""Runs a command for as long as its own standard input stays open.

Whoever starts `python -m app.embedded.lifeline COMMAND...` holds the other end of that pipe; when it
ends, however it ends, the pipe closes and the command is stopped. Nothing is left behind, on any
system, without the starter doing anything.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

_GRACE = 5.0


def main(command: list[str]) -> int:
    """Start `command`; end it when standard input closes or SIGTERM comes; its exit status."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        threading.Thread(target=_end_with_input, args=(process,), daemon=True).start()
        return process.wait()


def _end_with_input(process: subprocess.Popen[bytes]) -> None:
    # os.read, not sys.stdin: a buffered reader's lock held by this thread would abort the exit.
    while os.read(0, 4096):
        pass
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
