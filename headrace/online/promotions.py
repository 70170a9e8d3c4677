"""Which version of each view was promoted: the hash ``{project}:_serving``, a field each, for every reader.

Losing it is no loss of features: a bare name is then answered as before the first promotion (`headrace.serving`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from headrace.online.calls import Calls


class Promotions(Calls):
    """The promotions of one project."""

    def __init__(self, url: str, project: str, *, timeout: float = 5.0) -> None:
        super().__init__(url, timeout=timeout)
        self._key = promotions_key(project)

    def promote(self, view: str, version: str) -> None:
        """From now on a bare `view` is this version."""
        self._run(lambda: self._client.hset(self._key, view, version))

    def all(self) -> dict[str, str]:
        """The promoted version of each view that was promoted."""
        return promoted(cast("Mapping[bytes, bytes]", self._run(lambda: self._client.hgetall(self._key))))


def promotions_key(project: str) -> str:
    """The key of the hash."""
    return f"{project}:_serving"


def promoted(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    """What the hash says."""
    return {view.decode(): version.decode() for view, version in fields.items()}
