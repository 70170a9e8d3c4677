"""The command line. Importing it costs nothing; the verbs load what they need when they run."""

from __future__ import annotations


def main() -> None:
    """The entry point `headrace`."""
    from headrace.cli.verbs import app

    try:
        app()
    except SystemExit as ended:
        if ended.code == 130:  # Ctrl-C
            from headrace.cli.interrupting import leave

            leave()
        raise


__all__ = ["main"]
