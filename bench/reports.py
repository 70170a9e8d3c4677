"""Where results go: JSON in `bench/reports/`, one file a section, and tables in docs/performance.md.

The page is written by hand but for what lies between `<!-- bench: NAME -->` and `<!-- end of bench -->`: that is
replaced by what the last run of the section gave. A section that was not run keeps what it has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import Machine

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "bench" / "reports"
PAGE = ROOT / "docs" / "performance.md"
_END = "<!-- end of bench -->"


def replaced(page: str, section: str, lines: Sequence[str]) -> str:
    """The page with the section's lines in their place. Raises ValueError if the page has no such place."""
    pattern = re.compile(rf"(<!-- bench: {re.escape(section)} -->\n).*?({_END})", re.DOTALL)
    text = "\n".join(lines) + "\n"
    out, count = pattern.subn(lambda m: m[1] + text + m[2], page)
    if count != 1:
        raise ValueError(
            f"docs/performance.md: expected one `<!-- bench: {section} -->` ... `{_END}`, got {count}"
        )
    return out


def earlier(section: str) -> Any:
    """The data of the section's last report; None if there is none."""
    path = REPORTS / f"{section}.json"
    return json.loads(path.read_text())["data"] if path.exists() else None


def write(section: str, command: str, machine: Machine, lines: Sequence[str], data: object) -> None:
    """Keep a section's data and put its table on the page, under the line that says how and when it was made."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    record = {"command": command, "at": at, "machine": machine.data(), "data": data}
    (REPORTS / f"{section}.json").write_text(json.dumps(record, indent=1) + "\n")
    head = [
        f"`{command}`, {at}, {machine.cores} cores ({machine.cpu}), {machine.memory_gb:.0f} GB, load average "
        f"{machine.load:.1f} at the start:",
        "",
    ]
    PAGE.write_text(replaced(PAGE.read_text(), section, [*head, *lines]))
