"""`headrace training-set SPINE --features ... -o OUT`: features as of each row's own instant, as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.typed import DEFAULT_CONFIG, AllowGaps, Config, Json

if TYPE_CHECKING:
    from headrace.offline.metadata import TrainingSet
    from headrace.offline.opening import AtVersion
    from headrace.offline.training import Progress

Spine = Annotated[
    str, typer.Argument(metavar="SPINE", help="Parquet or CSV with keys, a timestamp, and labels.")
]
Features = Annotated[
    list[str],
    typer.Option(
        "--features", "-f", metavar="NAMES", help="view:feature, view or service; commas, or several times."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Parquet, or CSV by its name.")]
Timestamp = Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of each row's instant.")]
Strict = Annotated[bool, typer.Option("--strict", help="Leave out events at the very instant.")]
KnownBy = Annotated[
    str, typer.Option("--known", help="happened (by event time), or ingested (only what was there).")
]
AtVersions = Annotated[
    list[str] | None,
    typer.Option(
        "--at-version",
        metavar="VERSION",
        help="Of history: 12, payments=12, or an earlier training set's file.",
    ),
]


def training_set(
    spine: Spine,
    features: Features,
    output: Output,
    timestamp: Timestamp = None,
    strict: Strict = False,
    known: KnownBy = "happened",
    at_version: AtVersions = None,
    allow_gaps: AllowGaps = False,
    config: Config = DEFAULT_CONFIG,
    json_: Json = False,
) -> None:
    """Add features to labelled rows, each as of its own timestamp, never from the future.

    Rows, their order and their columns stay as they are. The file says what it was made of: the same command with
    --at-version and that file repeats it.

    Example: [bold]headrace training-set labels.parquet --features customer_spend -o train.parquet[/bold]
    """
    from headrace.cli.interrupting import interruptible
    from headrace.cli.telling import out, tell_json
    from headrace.client import FeatureStore
    from headrace.errors import UsageError
    from headrace.offline.training import Options

    if known not in ("happened", "ingested"):
        raise UsageError(f"--known is happened or ingested, not {known}")
    names = [name.strip() for given in features for name in given.split(",") if name.strip()]
    with FeatureStore(config) as store, shown_progress() as shown:

        def made_in(scratch: Path, check: Callable[[], None]) -> TrainingSet:
            def progress(what: str, done: int, of: int) -> None:
                check()
                shown(what, done, of)

            return store.training_set(
                spine,
                names,
                timestamp=timestamp,
                strict=strict,
                known="ingested" if known == "ingested" else "happened",
                at_version=versions_of(at_version),
                allow_gaps=allow_gaps,
                options=Options(progress=progress, folder=scratch),
            )

        made = interruptible(made_in)
    written(made, output)
    if json_:
        tell_json({"output": str(output), **made.metadata})
    else:
        out().print(f"{made.height:,} rows, {len(made.metadata['features'])} features: {output}")


def versions_of(given: list[str] | None) -> AtVersion:
    """What ``--at-version`` says: one version, one by source, or a training set's file. UsageError for others."""
    from headrace.errors import UsageError

    if not given:
        return None
    if len(given) == 1 and given[0].isdigit():
        return int(given[0])
    if len(given) == 1 and "=" not in given[0]:
        if not Path(given[0]).is_file():
            raise UsageError(f"--at-version: {given[0]} is no version and no file")
        return Path(given[0])
    pairs = [text.partition("=") for text in given]
    if not all(version.isdigit() for _, _, version in pairs):
        raise UsageError("--at-version: several versions are given by source, such as payments=12")
    return {name: int(version) for name, _, version in pairs}


def written(made: Any, output: Path) -> None:
    """Write a frame as Parquet, or as CSV by its name; whole or not at all. StateError where there is no room."""
    from polars.exceptions import PolarsError

    from headrace.errors import StateError, UsageError

    if not output.parent.is_dir():
        raise UsageError(f"there is no folder {output.parent} to write to")
    part = output.with_name(f".{output.name}.part")
    try:
        if output.suffix == ".csv":
            made.write_csv(part)
        else:
            made.write_parquet(part)
        part.replace(output)
    except (OSError, PolarsError) as exc:  # Polars tells of a full disk in its own way
        raise StateError(f"{output} cannot be written: {exc}") from exc
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A bar for each thing that is done, on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:
        known: dict[str, Any] = {}

        def progress(what: str, done: int, of: int) -> None:
            if what not in known:
                known[what] = bars.add_task(what, total=of)
            bars.update(known[what], completed=done, total=of)

        yield progress
