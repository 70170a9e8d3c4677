"""`headrace init`: a config folder with a working example. Never overwrites."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.typed import DEFAULT_CONFIG, Json
from headrace.errors import UsageError

EXAMPLE = Path(__file__).parent / "example"


def init(
    config: Annotated[
        Path, typer.Option("--config", metavar="DIR", help="The folder to make.")
    ] = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Write a new config folder with a working example.

    One stream of payments, two entities, two views, and a headrace.toml that names every setting.

    Example: [bold]headrace init --config shop && headrace plan --config shop[/bold]
    """
    if config.exists() and (not config.is_dir() or any(config.iterdir())):
        raise UsageError(
            f"`{config}` is there already and not empty; nothing was written. Give another folder with --config."
        )
    written = []
    for file in sorted(p for p in EXAMPLE.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        target = config / file.relative_to(EXAMPLE)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
        except OSError as error:
            raise UsageError(f"`{target}` cannot be written: {error.strerror}") from None
        written.append(target.as_posix())

    from headrace.cli.telling import out, tell_json

    if json_:
        tell_json({"written": written})
        return
    console = out()
    for name in written:
        console.print(f"[green]wrote[/green] {name}")
    option = "" if config == DEFAULT_CONFIG else f" --config {config}"
    console.print(f"\nNext: [bold]headrace plan{option}[/bold] shows what it declares.")
