"""A fault, as data: where it stands in the table, what it needs, what it may do to readers, and how it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.faults.scene import Scene

Own = Literal["kafka", "cluster", "redis", "replica", "s3", "registry"]
"""A component of the scene's own, because the fault hurts it.

`kafka`: one broker; `cluster`: three, replication 3; `redis`: a server behind a proxy that can cut and slow it;
`replica`: that, and a second server that follows it; `s3`: history on S3, behind a front that can fail."""

FAMILIES = (
    "kill -9",
    "zombie",
    "graceful stop",
    "broker",
    "rebalance storm",
    "redis",
    "s3",
    "input",
    "machine",
)
"""The rows of the table, in order."""


@dataclass(frozen=True)
class Fault:
    """One variant of a row.

    `inject(scene)` is called while events flow and every probe is fresh; it does its harm, says `scene.healed()`
    when the harm is over, and leaves as many workers running as shall go on. `workers` run before it.

    `settings` are of the whole deployment; `edit` changes the definitions. `rate`: orders a second; `hot`: the share of
    one customer. `wall`: the wall's clock in place of the events'. `framed`: values carry a schema id of the registry.
    `dedup`: microseconds within which an order of the same number is a copy. `seconds`: how long to wait for anything.

    `forgets`: by the nature of the fault Redis loses what it had, so a reader may find nothing (never something
    older). `rewinds`: a reader may find something older until it is repaired. `refuses`: words of a worker that must
    stop by itself rather than go on; what Redis has then must be what it had. `pending`: why this cannot be run yet.
    `ci`: whether it may be drawn where time is short. `note` is for the table.
    """

    family: str
    name: str
    inject: Callable[[Scene], None]
    workers: int = 1
    own: frozenset[Own] = frozenset()
    settings: Mapping[str, str] = field(default_factory=dict)
    rate: int = 250
    hot: float = 0.0
    wall: bool = False
    forgets: bool = False
    rewinds: bool = False
    refuses: tuple[str, ...] = ()
    framed: bool = False
    dedup: int | None = None
    edit: Callable[[str], str] = lambda text: text
    seconds: float = 300.0
    pending: str | None = None
    ci: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"no row of the table is called {self.family!r}")

    @property
    def id(self) -> str:
        """`family / name`."""
        return f"{self.family} / {self.name}"
