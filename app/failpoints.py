"""Named steps at which a process kills itself, for tests of crashes. Costs a string comparison when off.

``HEADRACE_FAILPOINT=after_rocksdb:3`` is `kill -9` at the third time that step is reached. The settings module
reads the variable; a worker says at start that one is set.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def failpoint(spec: str | None) -> Callable[[str], None]:
    """The function to call at each step: does nothing, or kills this process at the step `spec` names."""
    if not spec:
        return lambda step: None
    name, _, times = spec.partition(":")
    left = int(times or 1)

    def check(step: str) -> None:
        nonlocal left
        if step == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return check
