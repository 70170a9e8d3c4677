"""The command line. Importing it costs nothing; the verbs load what they need when they run."""

from __future__ import annotations


def main() -> None:
    """The entry point `headrace`."""
    from headrace.cli.verbs import app

    app()


__all__ = ["main"]
