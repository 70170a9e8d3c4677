"""The results of scenes: a line of JSON each, so that a long run can be stopped and gone on with, and their table."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.faults.fault import Fault
from tests.stack.cache import CHECKOUT


@dataclass
class Result:
    """One fault with one seed. Times in seconds; `right_after` is None where a worker is meant to refuse."""

    family: str
    name: str
    seed: int
    commit: str
    sent: int = 0
    features: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    backward: int = 0
    stall: float = 0.0
    right_after: float | None = None
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every promise held."""
        return not self.problems

    @property
    def key(self) -> tuple[str, str, int]:
        """What names it."""
        return self.family, self.name, self.seed


@cache
def commit() -> str:
    """The commit of the checkout, short; with a + if files of it were changed."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or "unknown"


def append(file: Path, result: Result) -> None:
    """Add a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.write(json.dumps(dataclasses.asdict(result)) + "\n")


def load(file: Path) -> list[Result]:
    """Every line; of a fault and seed that stands there twice, the last."""
    if not file.exists():
        return []
    found = [Result(**json.loads(line)) for line in file.read_text().splitlines() if line.strip()]
    return list({r.key: r for r in found}.values())


HEAD = (
    "fault",
    "variant",
    "seeds",
    "events",
    "lost",
    "twice",
    "wrong",
    "backward",
    "stall s",
    "right after s",
    "",
)


def rows(faults: Sequence[Fault], results: Iterable[Result]) -> list[list[str]]:
    """The table: a row for each fault that was played or is pending, in the faults' order."""
    by_fault: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        by_fault.setdefault((result.family, result.name), []).append(result)
    out = []
    for fault in faults:
        played = by_fault.get((fault.family, fault.name), [])
        if fault.pending is not None:
            out.append([fault.family, fault.name, *[""] * 8, f"pending: {fault.pending}"])
        elif played:
            out.append([fault.family, fault.name, *_sums(played), _said(fault, played)])
    return out


def _sums(played: list[Result]) -> list[str]:
    def total(name: str) -> str:
        return f"{sum(getattr(r, name) for r in played):,}"

    after = [r.right_after for r in played if r.right_after is not None]
    return [
        str(len(played)),
        total("sent"),
        total("lost"),
        total("twice"),
        total("wrong"),
        total("backward"),
        f"{max(r.stall for r in played):.1f}",
        f"{max(after):.1f}" if after else "",
    ]


def _said(fault: Fault, played: list[Result]) -> str:
    broken = [str(r.seed) for r in played if not r.ok]
    return f"BROKEN with seeds {', '.join(broken)}" if broken else fault.note or "holds"


def shown(faults: Sequence[Fault], results: Iterable[Result]) -> Table:
    """For the terminal."""
    table = Table(title="faults", header_style="bold")
    for name in HEAD:
        table.add_column(name, justify="left" if name in ("fault", "variant", "") else "right")
    for row in rows(faults, results):
        table.add_row(*row, style="red" if row[-1].startswith("BROKEN") else None)
    return table


def markdown(faults: Sequence[Fault], results: Iterable[Result]) -> str:
    """For docs/reliability.md."""

    def line(cells: Sequence[Any]) -> str:
        return "| " + " | ".join(str(c) for c in cells) + " |"

    ruler = ["---" if name in ("fault", "variant", "") else "---:" for name in HEAD]
    return "\n".join([line(HEAD), line(ruler), *(line(row) for row in rows(faults, results))]) + "\n"
