"""`headrace jobs` in this process, with logging left as it was."""

from __future__ import annotations

import logging
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from headrace.cli.verbs import app


def run_jobs(config: Path, *words: str) -> Result:
    """The process until it has had nothing to do for a third of a second."""
    root, ours = logging.getLogger(), logging.getLogger("headrace")
    before = root.handlers[:], root.level, ours.level
    try:
        return CliRunner().invoke(app, ["jobs", "--until-idle", "300ms", *words, "--config", str(config)])
    finally:
        root.handlers[:], root.level, ours.level = before[0], before[1], before[2]
