"""Work that is done whole or not at all, whoever asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def whole(work: Coroutine[Any, Any, Result]) -> Result:
    """Await `work`, which goes on to its end even if the caller is cancelled.

    A flush that is cut off halfway would leave a thread at work on what its task then gives up, and the events it
    took would be nowhere: Faust cancels its agents at every stop.
    """
    return await asyncio.shield(asyncio.ensure_future(work))
